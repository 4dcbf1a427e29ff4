//! Where grants are in the target: their collections and databases may have other names there, or be missing.

use std::collections::{BTreeMap, BTreeSet};

use crate::compat;
use crate::error::Result;
use crate::milvus::Cluster;
use crate::model::{ANY, CollectionName, DEFAULT_DATABASE, Grant};
use crate::naming::Naming;

/// What there will be in the target.
pub(super) struct Places<'a> {
    naming: &'a Naming,
    /// What collections and aliases become that are restored as well.
    coming: &'a BTreeMap<CollectionName, CollectionName>,
    databases: BTreeSet<String>,
    /// Collections and aliases.
    collections: BTreeSet<CollectionName>,
}

impl Places<'_> {
    /// Looks for what grants are on: in the target, and among what is `coming`.
    pub async fn look<'a>(
        cluster: &Cluster,
        naming: &'a Naming,
        coming: &'a BTreeMap<CollectionName, CollectionName>,
        grants: &[Grant],
    ) -> Result<Places<'a>> {
        let existing = cluster.databases().await?;
        let mut places = Places {
            naming,
            coming,
            databases: existing.iter().cloned().collect(),
            collections: coming.values().cloned().collect(),
        };
        let here = [DEFAULT_DATABASE.to_owned()];
        let there = coming.values().map(|name| name.database.clone());
        places.databases.extend(there.chain(here));
        let wanted: BTreeSet<CollectionName> = grants
            .iter()
            .filter_map(Grant::collection)
            .filter(|name| name.database != ANY)
            .map(|name| places.target(&name))
            .collect();
        let is_wanted = |database: &&String| wanted.iter().any(|name| name.database == **database);
        let asked: Vec<String> = existing.iter().filter(is_wanted).cloned().collect();
        let held = cluster.collections_in(&asked).await?;
        places.collections.extend(held);
        for name in wanted {
            let known = places.collections.contains(&name);
            if !known && existing.contains(&name.database) {
                let (database, alias) = (&name.database, &name.collection);
                if cluster.alias_owner(database, alias).await?.is_some() {
                    places.collections.insert(name);
                }
            }
        }
        Ok(places)
    }

    /// What a collection or an alias is called in the target.
    fn target(&self, name: &CollectionName) -> CollectionName {
        let coming = self.coming.get(name).cloned();
        coming.unwrap_or_else(|| self.naming.target(name))
    }

    /// The grant as it is in the target, or why it cannot be there.
    pub fn find(&self, grant: &Grant) -> Result<Grant, String> {
        let mut placed = grant.clone();
        match grant.collection() {
            Some(name) if name.database != ANY => {
                let target = self.target(&name);
                if !self.collections.contains(&target) {
                    return Err(format!("there is no collection {target} in the target"));
                }
                placed.database = target.database;
                placed.object_name = target.collection;
            }
            // A collection of any database: it has no other name in each of them.
            Some(_) => {}
            None => {
                placed.database = self.database(grant);
                if placed.database != ANY && !self.databases.contains(&placed.database) {
                    return Err(format!(
                        "there is no database {} in the target",
                        placed.database
                    ));
                }
            }
        }
        Ok(placed)
    }

    /// The database in the target of a grant that is on no collection of its own.
    fn database(&self, grant: &Grant) -> String {
        let stays = grant.database == ANY
            || grant.object == Grant::USER
            || compat::is_of_cluster(&grant.privilege);
        if stays {
            grant.database.clone()
        } else {
            self.naming.database(&grant.database)
        }
    }

    /// A note for each database whose grants on everything are on everything in another one now: that may be more.
    pub fn moved(&self, grants: &[Grant]) -> Vec<String> {
        let moved: BTreeSet<(String, String)> = grants
            .iter()
            .filter(|grant| grant.collection().is_none())
            .map(|grant| (grant.database.clone(), self.database(grant)))
            .filter(|(from, to)| from != to && self.databases.contains(to))
            .collect();
        moved
            .into_iter()
            .map(|(from, to)| {
                format!("grants on everything in the database {from} are on everything in {to} now")
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grant(object: &str, database: &str, name: &str, privilege: &str) -> Grant {
        Grant {
            role: "r".into(),
            object: object.into(),
            database: database.into(),
            object_name: name.into(),
            privilege: privilege.into(),
            grantor: "root".into(),
        }
    }

    fn places<'a>(naming: &'a Naming, collections: &[(&str, &str)]) -> Places<'a> {
        let names = |(database, name): &(&str, &str)| CollectionName::new(*database, *name);
        let mut databases: BTreeSet<String> = collections
            .iter()
            .map(|(database, _)| database.to_string())
            .collect();
        databases.insert(DEFAULT_DATABASE.into());
        Places {
            naming,
            coming: Box::leak(Box::default()),
            databases,
            collections: collections.iter().map(names).collect(),
        }
    }

    /// Object, database and name.
    type Place<'a> = (&'a str, &'a str, &'a str);

    fn found(places: &Places, (object, database, name): Place, privilege: &str) -> String {
        match places.find(&grant(object, database, name, privilege)) {
            Ok(placed) => format!("{}.{}", placed.database, placed.object_name),
            Err(reason) => reason,
        }
    }

    #[test]
    fn grants_follow_their_collections() {
        let mut naming = Naming::default();
        naming.rename("docs:prod.texts").unwrap();
        naming.suffix = "_copy".into();
        let there = [
            ("prod", "texts_copy"),
            ("default", "images_copy"),
            ("default", "docs"),
        ];
        let places = places(&naming, &there);
        let on = |name, privilege| found(&places, ("Collection", "default", name), privilege);
        assert_eq!(on("docs", "Search"), "prod.texts_copy");
        assert_eq!(on("images", "Search"), "default.images_copy");
        // A group of privileges on one collection is a global grant with its name.
        let global = found(&places, ("Global", "default", "docs"), "CollectionAdmin");
        assert_eq!(global, "prod.texts_copy");
        assert!(on("other", "Search").contains("no collection other_copy"));
        // Users are called as they were.
        let user = found(&places, ("User", "default", "docs"), "UpdateUser");
        assert_eq!(user, "default.docs");
    }

    #[test]
    fn grants_on_everything_follow_the_database() {
        let mut naming = Naming::default();
        naming.rename("one.*:two.*").unwrap();
        let places = places(&naming, &[("two", "docs")]);
        let on = |database, privilege| found(&places, ("Collection", database, "*"), privilege);
        assert_eq!(on("one", "Search"), "two.*");
        assert_eq!(on("default", "Search"), "default.*");
        assert_eq!(on("*", "Search"), "*.*");
        assert!(on("three", "Search").contains("no database three"));
        // What is about the server stays where it is.
        let mut into = Naming::default();
        into.into_database = Some("two".into());
        let places = Places {
            naming: &into,
            ..places
        };
        let global = |privilege| found(&places, ("Global", "default", "*"), privilege);
        assert_eq!(global("CreateDatabase"), "default.*");
        assert_eq!(global("CreateCollection"), "two.*");
    }

    #[test]
    fn an_alias_is_where_its_collection_is() {
        let mut naming = Naming::default();
        naming.rename("docs:prod.texts").unwrap();
        let name = CollectionName::new;
        let coming = BTreeMap::from([
            (name("default", "docs"), name("prod", "texts")),
            (name("default", "live"), name("prod", "live")),
        ]);
        let places = Places {
            coming: &coming,
            ..places(&naming, &[("prod", "texts"), ("prod", "live")])
        };
        let on = |name| found(&places, ("Collection", "default", name), "Search");
        assert_eq!(on("docs"), "prod.texts");
        assert_eq!(on("live"), "prod.live");
    }

    #[test]
    fn what_may_have_become_more_is_told() {
        let mut naming = Naming::default();
        naming.into_database = Some("two".into());
        let places = places(&naming, &[("two", "docs")]);
        let grants = [
            grant("Collection", "one", "*", "Search"),
            grant("Collection", "one", "*", "Query"),
            grant("Collection", "one", "docs", "Query"),
            grant("Collection", "*", "*", "Load"),
        ];
        let notes = places.moved(&grants);
        assert_eq!(notes.len(), 1, "{notes:?}");
        assert!(notes[0].contains("one") && notes[0].contains("two"));
    }
}
