//! What a server knows of the users and roles that it shall have.

use std::collections::BTreeSet;

use super::merge::Missing;
use crate::compat;
use crate::milvus::ServerVersion;
use crate::model::{ANY, Grant, PrivilegeGroup, Rbac};

/// What decides whether a target knows what it is to get.
pub(super) struct Target<'a> {
    pub version: &'a ServerVersion,
    pub source: Option<&'a ServerVersion>,
    /// Whether global grants can be on one collection: elsewhere they would be on everything.
    pub names_global_grants: bool,
    /// The privilege groups that it has or gets.
    pub groups: BTreeSet<&'a str>,
}

/// What a target does not know, and who would lack it.
pub(super) enum Unknown {
    /// Groups of privileges.
    Groups(Vec<String>),
    /// Privileges, and the roles and groups that have them.
    Privileges {
        names: BTreeSet<String>,
        held_by: BTreeSet<String>,
    },
    /// A grant that would be wider in the target.
    Wider(Grant),
}

impl Target<'_> {
    /// What it does not know of what it lacks.
    pub fn unknown(&self, missing: &Missing) -> Vec<Unknown> {
        let mut found = Vec::new();
        let groups: Vec<&PrivilegeGroup> = missing
            .privilege_groups
            .iter()
            .chain(&missing.added_privileges)
            .collect();
        if !groups.is_empty() && !compat::knows_privilege_groups(self.version) {
            let names = groups.iter().map(|group| group.name.clone()).collect();
            found.push(Unknown::Groups(names));
        }
        let held = missing
            .grants
            .iter()
            .map(|grant| (&grant.privilege, &grant.role));
        let grouped = groups.iter().flat_map(|group| {
            let privileges = group.privileges.iter();
            privileges.map(|privilege| (privilege, &group.name))
        });
        let (names, held_by): (BTreeSet<String>, BTreeSet<String>) = held
            .chain(grouped)
            .filter(|(privilege, _)| !self.knows(privilege))
            .map(|(privilege, holder)| (privilege.clone(), holder.clone()))
            .unzip();
        if !names.is_empty() {
            found.push(Unknown::Privileges { names, held_by });
        }
        let wider = |grant: &&Grant| {
            let named = grant.object == Grant::GLOBAL && grant.object_name != ANY;
            named && !self.names_global_grants && self.knows(&grant.privilege)
        };
        let wider = missing.grants.iter().filter(wider);
        found.extend(wider.cloned().map(Unknown::Wider));
        found
    }

    fn knows(&self, privilege: &str) -> bool {
        self.groups.contains(privilege)
            || compat::knows_privilege(self.version, privilege, self.source)
    }
}

impl Unknown {
    /// As a reason to refuse it, with the way out.
    pub fn problem(&self, version: &ServerVersion) -> String {
        const WAY_OUT: &str = "leave out what it does not know with --rbac-skip-unknown";
        match self {
            Unknown::Groups(names) => format!(
                "{version} does not know privilege groups, such as {} ({WAY_OUT})",
                names.join(", ")
            ),
            Unknown::Privileges { names, held_by } => format!(
                "{version} does not know the privileges {} of {} ({WAY_OUT})",
                joined(names),
                joined(held_by)
            ),
            Unknown::Wider(grant) => format!(
                "{version} would grant more than \"{grant}\": it knows that privilege for all collections only ({WAY_OUT})"
            ),
        }
    }

    /// As something that is not restored.
    pub fn left_out(&self) -> String {
        match self {
            Unknown::Groups(names) => {
                format!(
                    "privilege groups {}: the target knows none",
                    names.join(", ")
                )
            }
            Unknown::Privileges { names, held_by } => format!(
                "{}: the target does not know {}",
                joined(held_by),
                joined(names)
            ),
            Unknown::Wider(grant) => {
                format!("{grant}: the target knows that privilege for all collections only")
            }
        }
    }

    /// Takes it out of what is meant.
    pub fn remove(&self, meant: &mut Rbac) {
        match self {
            Unknown::Groups(names) => {
                meant
                    .grants
                    .retain(|grant| !names.contains(&grant.privilege));
                meant
                    .privilege_groups
                    .retain(|group| !names.contains(&group.name));
            }
            Unknown::Privileges { names, .. } => {
                meant
                    .grants
                    .retain(|grant| !names.contains(&grant.privilege));
                for group in &mut meant.privilege_groups {
                    group
                        .privileges
                        .retain(|privilege| !names.contains(privilege));
                }
            }
            Unknown::Wider(wider) => meant.grants.retain(|grant| !grant.grants_same(wider)),
        }
    }
}

fn joined(names: &BTreeSet<String>) -> String {
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    names.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Role;

    fn grant(object: &str, name: &str, privilege: &str) -> Grant {
        Grant {
            role: "reader".into(),
            object: object.into(),
            database: "default".into(),
            object_name: name.into(),
            privilege: privilege.into(),
            grantor: "root".into(),
        }
    }

    fn modern() -> Rbac {
        Rbac {
            roles: vec![Role {
                name: "reader".into(),
                description: String::new(),
            }],
            privilege_groups: vec![PrivilegeGroup {
                name: "reading".into(),
                privileges: vec!["Query".into(), "DescribeDatabase".into()],
            }],
            grants: vec![
                grant("Collection", "docs", "Search"),
                grant("Collection", "docs", "reading"),
                grant("Global", "*", "DescribeDatabase"),
                grant("Global", "docs", "DescribeCollection"),
            ],
            ..Rbac::default()
        }
    }

    fn unknown_to(version: &str, rbac: &Rbac) -> Vec<Unknown> {
        let version = ServerVersion::parse(version).unwrap();
        let target = Target {
            version: &version,
            source: None,
            names_global_grants: version.is_milvus_from(2, 4, 10),
            groups: rbac
                .privilege_groups
                .iter()
                .map(|group| group.name.as_str())
                .collect(),
        };
        target.unknown(&Missing::of(rbac, &Rbac::default()))
    }

    #[test]
    fn an_old_server_is_not_sent_what_it_does_not_know_or_would_widen() {
        let unknown = unknown_to("2.3.5", &modern());
        let version = ServerVersion::parse("2.3.5").unwrap();
        let problems: Vec<String> = unknown.iter().map(|one| one.problem(&version)).collect();
        assert_eq!(problems.len(), 3, "{problems:?}");
        for (problem, words) in problems.iter().zip([
            "privilege groups, such as reading",
            "the privileges DescribeDatabase of reader, reading",
            "would grant more than \"reader: DescribeCollection on docs\"",
        ]) {
            assert!(problem.contains(words), "{problem}");
            assert!(problem.contains("--rbac-skip-unknown"), "{problem}");
        }
        assert!(unknown_to("2.5.4", &modern()).is_empty());
    }

    #[test]
    fn what_is_left_out_leaves_the_rest() {
        let mut rest = modern();
        for unknown in unknown_to("2.3.5", &modern()) {
            unknown.remove(&mut rest);
        }
        assert_eq!(rest.grants, [grant("Collection", "docs", "Search")]);
        assert_eq!((rest.roles.len(), rest.privilege_groups.len()), (1, 0));
        assert!(unknown_to("2.3.5", &rest).is_empty());
    }
}
