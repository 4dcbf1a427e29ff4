//! Replacing a collection: its successor is built beside it, and takes its name when it is whole.

use super::plan::Target;
use crate::compat::{self, Call, Thing};
use crate::error::{Error, Result};
use crate::milvus::Cluster;
use crate::model::CollectionName;
use crate::progress::Context;

/// How long names may be (Milvus: `proxy.maxNameLength`).
const LONGEST_NAME: usize = 255;

/// Whether the server renames collections, so that what is replaced stays until its successor is whole.
pub(super) fn can_swap(cluster: &Cluster) -> bool {
    compat::knows(cluster.version(), Thing::Call(Call::RenameCollection))
}

/// A name beside that of a collection, which nobody else will have.
pub(super) fn beside(name: &CollectionName, what: &str) -> CollectionName {
    let ending = format!("_{what}_{:x}", jiff::Timestamp::now().as_microsecond());
    // Names are ASCII: whatever else was refused before.
    let mut collection = name.collection.clone();
    collection.truncate(LONGEST_NAME - ending.len());
    CollectionName::new(name.database.clone(), collection + &ending)
}

/// Gives the name of `name` to `successor`, and its aliases, which are returned, and drops what had it. Nothing of it
/// is stopped half-way.
///
/// For a moment between two renamings there is no collection of the name.
pub(super) async fn swap(
    cluster: &Cluster,
    name: &CollectionName,
    successor: &CollectionName,
    target: &mut Target<'_>,
    ctx: &Context,
) -> Result<Vec<String>> {
    let retired = beside(name, "replaced");
    let aliases = cluster.describe(name).await?.aliases;
    if let Err(error) = cluster.rename_collection(name, &retired.collection).await {
        ctx.monitor.warn(&format!(
            "{name}: where it is not there, it has become {retired}; then rename it back"
        ));
        return Err(error);
    }
    if let Err(error) = cluster.rename_collection(successor, &name.collection).await {
        match cluster.rename_collection(&retired, &name.collection).await {
            Ok(()) => {}
            Err(left) => ctx.monitor.warn(&format!(
                "{name}: where it is not there, it is called {retired}, and could not get its name back ({left}): rename \
                 it; where it is there, {retired} is what was replaced"
            )),
        }
        return Err(error);
    }
    let mut moved = Vec::new();
    for alias in aliases {
        match cluster.move_alias(name, &alias).await {
            Ok(()) => moved.push(alias),
            Err(error) => target.notes.push(format!(
                "the alias {alias} still stands for {retired}, because it could not be moved: {error}"
            )),
        }
    }
    if let Err(error) = cluster.drop_collection(&retired).await
        && !matches!(error, Error::NoCollection { .. })
    {
        target.notes.push(format!(
            "what was replaced is called {retired} and could not be dropped: {error}"
        ));
    }
    Ok(moved)
}
