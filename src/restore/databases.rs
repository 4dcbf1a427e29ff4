//! The databases that collections go into.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::Outcome;
use super::plan::Target;
use crate::compat::{self, Call, Feature, Thing};
use crate::error::{Error, Result};
use crate::milvus::Cluster;
use crate::model::Database;
use crate::progress::Context;

/// Properties of a database that begin so keep rows and definitions out.
const DENIES: &str = "database.force.deny.";

/// What a restore did with a database that the target lacked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct MadeDatabase {
    /// Its name in the target.
    pub name: String,
    /// The properties that it got.
    pub properties: BTreeMap<String, String>,
    /// What the user should know of it.
    pub notes: Vec<String>,
}

/// Which databases will be made, and with which properties: those of the database that their first collection comes
/// from. Properties of databases that are there are left alone.
pub(super) async fn plan(
    cluster: &Cluster,
    sources: &[Database],
    targets: &[Target<'_>],
) -> Result<Vec<MadeDatabase>> {
    let wanted = targets.iter().map(|target| &target.meant.name.database);
    let wanted: BTreeSet<&String> = wanted.collect();
    let wanted: Vec<String> = wanted.into_iter().cloned().collect();
    let existing = cluster.databases_for(&wanted).await?;
    let mut made: Vec<MadeDatabase> = Vec::new();
    let mut seen = BTreeSet::new();
    for target in targets {
        let name = &target.meant.name.database;
        let source = &target.origin.schema().name.database;
        let properties = sources.iter().find(|one| one.name == *source);
        let properties = properties
            .map(|one| one.properties.clone())
            .unwrap_or_default();
        if target.outcome == Outcome::Skipped || existing.contains(name) || !seen.insert(name) {
            continue;
        }
        let mut database = MadeDatabase {
            name: name.clone(),
            properties,
            notes: Vec::new(),
        };
        if !compat::knows(
            cluster.version(),
            Thing::Feature(Feature::DatabaseProperties),
        ) {
            let lost = std::mem::take(&mut database.properties);
            database.notes.extend(lost.into_iter().map(|(name, value)| {
                format!(
                    "the property {name}={value}: {} does not know properties of databases",
                    cluster.version()
                )
            }));
        }
        made.push(database);
    }
    Ok(made)
}

/// Makes the databases, without what would keep rows out.
pub(super) async fn create(cluster: &Cluster, databases: &[MadeDatabase]) -> Result<()> {
    let with = Thing::Call(Call::CreateDatabaseWithProperties);
    let with = compat::knows(cluster.version(), with);
    for database in databases {
        let mut first = database.properties.clone();
        first.retain(|name, _| !name.starts_with(DENIES));
        if with {
            cluster.create_database(&database.name, &first).await?;
            continue;
        }
        cluster
            .create_database(&database.name, &BTreeMap::new())
            .await?;
        if !first.is_empty() {
            cluster.alter_database(&database.name, &first).await?;
        }
    }
    Ok(())
}

/// After a failure: removes those that nothing came into.
pub(super) async fn remove_empty(cluster: &Cluster, databases: &[MadeDatabase], ctx: &Context) {
    for database in databases {
        let removed = async {
            if cluster.collections(&database.name).await?.is_empty() {
                cluster.drop_database(&database.name).await?;
            }
            Ok::<_, Error>(())
        };
        if let Err(error) = removed.await {
            ctx.monitor.warn(&format!(
                "the database {} was made and could not be removed: {error}",
                database.name
            ));
        }
    }
}

/// Sets what was held back while rows came in; what cannot be set is noted.
pub(super) async fn settle(cluster: &Cluster, databases: &mut [MadeDatabase]) {
    for database in databases {
        let mut last = database.properties.clone();
        last.retain(|name, _| name.starts_with(DENIES));
        if !last.is_empty()
            && let Err(error) = cluster.alter_database(&database.name, &last).await
        {
            let names: Vec<&str> = last.keys().map(String::as_str).collect();
            let names = names.join(", ");
            database
                .notes
                .push(format!("{names} could not be set: {error}"));
        }
    }
}
