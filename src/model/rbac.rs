//! Users, roles, and what roles may do: Milvus's access control (RBAC).

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{CollectionName, DEFAULT_DATABASE};

/// What Milvus writes for any object, any database or any privilege.
pub const ANY: &str = "*";

/// All users, roles, privilege groups and grants of a server, each sorted by name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Rbac {
    /// Who may log in; `root` is one of them.
    pub users: Vec<User>,
    /// What users can be given; Milvus's own, `admin` and `public`, are among them.
    pub roles: Vec<Role>,
    /// Privileges under one name, made by users (Milvus 2.4.16 on).
    pub privilege_groups: Vec<PrivilegeGroup>,
    /// What roles may do.
    pub grants: Vec<Grant>,
}

/// Somebody who may log in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    /// The name to log in with.
    pub name: String,
    /// Free text (Milvus 3.0 on).
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// The password as the server keeps it, where the server tells it (Milvus 2.4.10 on, and not that of `root`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password_hash: Option<PasswordHash>,
    /// The names of the user's roles. Every user has `public` besides.
    #[serde(default)]
    pub roles: Vec<String>,
}

/// A password as a server keeps it (bcrypt). It is stored, but never shown.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PasswordHash(pub String);

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordHash(…)")
    }
}

/// A set of grants that users can be given.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Role {
    /// The role's name.
    pub name: String,
    /// Free text (Milvus 3.0 on).
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
}

/// Privileges under one name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PrivilegeGroup {
    /// The group's name, which grants use like that of a privilege.
    pub name: String,
    /// Names of privileges.
    pub privileges: Vec<String>,
}

/// One thing that a role may do. What is granted is told by all properties but the grantor.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Grant {
    /// The role that has the grant.
    pub role: String,
    /// The kind of object: `Collection`, `Global` or `User`.
    pub object: String,
    /// The object's database; [`ANY`] for all. `default` where the server has no databases.
    pub database: String,
    /// The object's name; [`ANY`] for all.
    pub object_name: String,
    /// A privilege (`Search`), a group of privileges, or [`ANY`].
    pub privilege: String,
    /// The user who granted it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub grantor: String,
}

impl Rbac {
    /// How many users come with their passwords.
    pub fn password_hashes(&self) -> usize {
        let with_password = |user: &&User| user.password_hash.is_some();
        self.users.iter().filter(with_password).count()
    }
}

impl Grant {
    /// The kind of object of grants on collections.
    pub const COLLECTION: &str = "Collection";
    /// The kind of object of grants that are on no collection of their own.
    pub const GLOBAL: &str = "Global";
    /// The kind of object of grants on users.
    pub const USER: &str = "User";

    /// Whether both grant the same.
    pub fn grants_same(&self, other: &Grant) -> bool {
        let granted = |grant: &Grant| Grant {
            grantor: String::new(),
            ..grant.clone()
        };
        granted(self) == granted(other)
    }

    /// The collection (or alias) that the grant is on, where it is on a single one.
    pub fn collection(&self) -> Option<CollectionName> {
        (self.object != Grant::USER && self.object_name != ANY)
            .then(|| CollectionName::new(self.database.clone(), self.object_name.clone()))
    }

    /// The privilege in words.
    fn what(&self) -> &str {
        match self.privilege.as_str() {
            ANY => "any privilege",
            name => name,
        }
    }

    /// What the grant is on, in words.
    fn place(&self) -> String {
        let within = match self.database.as_str() {
            ANY => "in all databases".to_owned(),
            DEFAULT_DATABASE => "in the default database".to_owned(),
            name => format!("in {name}"),
        };
        match (self.object.as_str(), self.object_name.as_str()) {
            (Grant::COLLECTION, ANY) => format!("all collections {within}"),
            (Grant::USER, ANY) => "all users".to_owned(),
            (Grant::USER, name) => format!("user {name}"),
            (_, ANY) => format!("everything {within}"),
            (_, name) if self.database == ANY => format!("{name} {within}"),
            (_, name) => CollectionName::new(self.database.clone(), name).to_string(),
        }
    }
}

/// `reader: Search on docs`, `admins: CreateCollection on everything in prod`.
impl fmt::Display for Grant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} on {}", self.role, self.what(), self.place())
    }
}

/// Grants in words: one line for all that a role has on the same things, in order of their first.
pub fn grants_in_words<'a>(grants: impl IntoIterator<Item = &'a Grant>) -> Vec<String> {
    let mut lines: Vec<(&str, String, Vec<&str>)> = Vec::new();
    for grant in grants {
        let place = grant.place();
        let same = lines
            .iter_mut()
            .find(|(role, other, _)| *role == grant.role && *other == place);
        match same {
            Some((_, _, privileges)) => privileges.push(grant.what()),
            None => lines.push((&grant.role, place, vec![grant.what()])),
        }
    }
    lines
        .into_iter()
        .map(|(role, place, privileges)| format!("{role}: {} on {place}", privileges.join(", ")))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_stored_and_not_shown() {
        let user = User {
            name: "reader".into(),
            description: String::new(),
            password_hash: Some(PasswordHash("$2a$10$secret".into())),
            roles: vec!["readers".into()],
        };
        assert!(!format!("{user:?}").contains("secret"));
        let json = serde_json::to_string(&user).unwrap();
        assert!(
            json.contains("\"password_hash\":\"$2a$10$secret\""),
            "{json}"
        );
        assert_eq!(serde_json::from_str::<User>(&json).unwrap(), user);
    }

    #[test]
    fn grants_are_told_in_words() {
        let grant = |object: &str, database: &str, name: &str, privilege: &str| Grant {
            role: "r".into(),
            object: object.into(),
            database: database.into(),
            object_name: name.into(),
            privilege: privilege.into(),
            grantor: "root".into(),
        };
        for (grant, words) in [
            (
                grant("Collection", "default", "docs", "Search"),
                "r: Search on docs",
            ),
            (
                grant("Collection", "prod", "docs", "Search"),
                "r: Search on prod.docs",
            ),
            (
                grant("Collection", "prod", "*", "*"),
                "r: any privilege on all collections in prod",
            ),
            (
                grant("Global", "*", "*", "ListDatabases"),
                "r: ListDatabases on everything in all databases",
            ),
            (
                grant("User", "default", "eve", "UpdateUser"),
                "r: UpdateUser on user eve",
            ),
        ] {
            assert_eq!(grant.to_string(), words);
        }
        let many = [
            grant("Collection", "default", "docs", "Search"),
            grant("Collection", "default", "*", "Search"),
            grant("Collection", "default", "docs", "*"),
        ];
        let lines = [
            "r: Search, any privilege on docs",
            "r: Search on all collections in the default database",
        ];
        assert_eq!(grants_in_words(&many), lines);
    }
}
