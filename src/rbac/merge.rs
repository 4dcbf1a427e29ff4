//! What a server lacks of the users and roles that it shall have.

use std::collections::{BTreeMap, BTreeSet};

use super::{Membership, Passwords, RbacReport};
use crate::model::{Grant, PrivilegeGroup, Rbac, Role};

/// What has to be made. What is there already, alike or wider, is not among it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Missing {
    pub users: Vec<NewUser>,
    pub roles: Vec<Role>,
    /// Groups of which there are none of the name.
    pub privilege_groups: Vec<PrivilegeGroup>,
    /// What groups of the name lack.
    pub added_privileges: Vec<PrivilegeGroup>,
    /// Of new users and of those that are there.
    pub memberships: Vec<Membership>,
    pub grants: Vec<Grant>,
}

/// A user to make.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct NewUser {
    pub name: String,
    pub description: String,
}

impl Missing {
    /// What `there` lacks of `meant`.
    pub fn of(meant: &Rbac, there: &Rbac) -> Missing {
        let users: BTreeMap<&str, BTreeSet<&str>> = there
            .users
            .iter()
            .map(|user| {
                let roles = user.roles.iter().map(String::as_str).collect();
                (user.name.as_str(), roles)
            })
            .collect();
        let roles: BTreeSet<&str> = there.roles.iter().map(|role| role.name.as_str()).collect();
        let groups: BTreeMap<&str, &PrivilegeGroup> = there
            .privilege_groups
            .iter()
            .map(|group| (group.name.as_str(), group))
            .collect();

        let mut missing = Missing::default();
        for user in &meant.users {
            let has = users.get(user.name.as_str());
            if has.is_none() {
                missing.users.push(NewUser {
                    name: user.name.clone(),
                    description: user.description.clone(),
                });
            }
            let lacks = |role: &&String| has.is_none_or(|has| !has.contains(role.as_str()));
            let lacking = user.roles.iter().filter(lacks);
            missing.memberships.extend(lacking.map(|role| Membership {
                user: user.name.clone(),
                role: role.clone(),
            }));
        }
        let new = |role: &&Role| !roles.contains(role.name.as_str());
        missing.roles = meant.roles.iter().filter(new).cloned().collect();
        for group in &meant.privilege_groups {
            let Some(has) = groups.get(group.name.as_str()) else {
                missing.privilege_groups.push(group.clone());
                continue;
            };
            let lacks = |privilege: &&String| !has.privileges.contains(privilege);
            let privileges: Vec<String> = group.privileges.iter().filter(lacks).cloned().collect();
            if !privileges.is_empty() {
                missing.added_privileges.push(PrivilegeGroup {
                    name: group.name.clone(),
                    privileges,
                });
            }
        }
        for grant in &meant.grants {
            let same = |other: &Grant| other.grants_same(grant);
            // Two collections may become one.
            if !there.grants.iter().any(same) && !missing.grants.iter().any(same) {
                missing.grants.push(grant.clone());
            }
        }
        missing
    }

    pub fn is_empty(&self) -> bool {
        *self == Missing::default()
    }

    /// One of the things that are missing, in words.
    pub fn first(&self) -> Option<String> {
        let user = self.users.first().map(|user| format!("user {}", user.name));
        let role = || self.roles.first().map(|role| format!("role {}", role.name));
        let group = || {
            let groups = [&self.privilege_groups, &self.added_privileges];
            let group = groups.into_iter().flatten().next();
            group.map(|group| format!("privilege group {}", group.name))
        };
        let membership = || {
            let membership = self.memberships.first();
            membership.map(|one| format!("role {} of user {}", one.role, one.user))
        };
        let grant = || {
            self.grants
                .first()
                .map(|grant| format!("the grant \"{grant}\""))
        };
        user.or_else(role)
            .or_else(group)
            .or_else(membership)
            .or_else(grant)
    }

    /// Tells it all in a report.
    pub fn fill(&self, report: &mut RbacReport) {
        report.users = self.users.iter().map(|user| user.name.clone()).collect();
        report.roles = self.roles.iter().map(|role| role.name.clone()).collect();
        let groups = self.privilege_groups.iter();
        report.privilege_groups = groups.map(|group| group.name.clone()).collect();
        report.added_privileges = self.added_privileges.clone();
        report.memberships = self.memberships.clone();
        report.grants = self.grants.clone();
    }
}

/// The users of `meant` that `there` lacks and that cannot be made, because nobody tells their password.
pub(super) fn without_password(
    meant: &Rbac,
    there: &Rbac,
    passwords: &Passwords,
    carries_hashes: bool,
) -> Vec<String> {
    meant
        .users
        .iter()
        .filter(|user| there.users.iter().all(|other| other.name != user.name))
        .filter(|user| passwords.of(&user.name).is_none())
        .filter(|user| !(carries_hashes && user.password_hash.is_some()))
        .map(|user| user.name.clone())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{PasswordHash, User};

    fn user(name: &str, roles: &[&str]) -> User {
        User {
            name: name.into(),
            description: String::new(),
            password_hash: None,
            roles: roles.iter().map(|role| role.to_string()).collect(),
        }
    }

    fn role(name: &str) -> Role {
        Role {
            name: name.into(),
            description: String::new(),
        }
    }

    fn grant(role: &str, database: &str, name: &str, privilege: &str) -> Grant {
        Grant {
            role: role.into(),
            object: Grant::COLLECTION.into(),
            database: database.into(),
            object_name: name.into(),
            privilege: privilege.into(),
            grantor: "root".into(),
        }
    }

    fn group(name: &str, privileges: &[&str]) -> PrivilegeGroup {
        PrivilegeGroup {
            name: name.into(),
            privileges: privileges.iter().map(|one| one.to_string()).collect(),
        }
    }

    fn some() -> Rbac {
        Rbac {
            users: vec![user("alice", &["reader", "writer"]), user("root", &[])],
            roles: vec![role("admin"), role("reader"), role("writer")],
            privilege_groups: vec![group("reading", &["Query", "Search"])],
            grants: vec![
                grant("reader", "default", "docs", "Search"),
                grant("writer", "prod", "*", "Insert"),
            ],
        }
    }

    #[test]
    fn nothing_is_missing_of_what_is_there() {
        let mut there = some();
        there.users.push(user("bob", &[]));
        there.privilege_groups[0].privileges.push("Load".into());
        for grant in &mut there.grants {
            grant.grantor = "somebody else".into();
        }
        let missing = Missing::of(&some(), &there);
        assert!(missing.is_empty(), "{missing:?}");
        assert_eq!(missing.first(), None);
    }

    #[test]
    fn what_is_there_in_part_is_completed_and_nothing_else() {
        let there = Rbac {
            users: vec![
                user("alice", &["other", "writer"]),
                user("root", &["reader"]),
            ],
            roles: vec![role("admin"), role("other"), role("reader")],
            privilege_groups: vec![group("reading", &["Search"])],
            grants: vec![
                grant("reader", "prod", "docs", "Search"),
                grant("reader", "default", "docs", "Query"),
            ],
        };
        let missing = Missing::of(&some(), &there);
        assert_eq!(missing.users, []);
        assert_eq!(missing.roles, [role("writer")]);
        assert_eq!(missing.privilege_groups, []);
        assert_eq!(missing.added_privileges, [group("reading", &["Query"])]);
        let membership = Membership {
            user: "alice".into(),
            role: "reader".into(),
        };
        assert_eq!(missing.memberships, [membership]);
        assert_eq!(missing.grants, some().grants);
    }

    #[test]
    fn grants_that_become_the_same_are_made_once() {
        let mut meant = some();
        meant.grants.push(Grant {
            grantor: "eve".into(),
            ..meant.grants[0].clone()
        });
        assert_eq!(Missing::of(&meant, &Rbac::default()).grants.len(), 2);
    }

    #[test]
    fn only_new_users_need_a_password() {
        let mut meant = some();
        meant.users.push(user("bob", &[]));
        meant.users.push(user("carol", &[]));
        meant.users[3].password_hash = Some(PasswordHash("$2a$".into()));
        let there = Rbac {
            users: vec![user("root", &[])],
            ..Rbac::default()
        };
        let given = Passwords::parse("p", "bob:secret").unwrap();
        let lacking = |hashes| without_password(&meant, &there, &given, hashes);
        assert_eq!(lacking(true), ["alice"]);
        assert_eq!(lacking(false), ["alice", "carol"]);
    }
}
