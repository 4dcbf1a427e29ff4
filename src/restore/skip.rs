//! Leaving a collection as it is, but not without a look at it: it may be the half of an earlier restore.

use super::plan::Target;
use crate::error::Result;
use crate::milvus::Cluster;

/// Notes if the collection that is there lacks indexes, or has another number of rows than its source.
pub(super) async fn look(cluster: &Cluster, target: &mut Target<'_>) -> Result<()> {
    let name = &target.meant.name;
    let there = cluster.index_names(name).await?;
    let lacks = |field: &&String| !there.iter().any(|index| index.field == **field);
    let meant = target.meant.indexes.iter().map(|index| &index.field);
    let missing: Vec<&str> = meant.filter(lacks).map(String::as_str).collect();
    if !missing.is_empty() {
        target.notes.push(format!(
            "has no index on {}; create what is missing, or do it again with --if-exists replace",
            missing.join(", ")
        ));
    }
    let Some(expected) = target.origin.count().await? else {
        target
            .notes
            .push("the source cannot count its rows; compare to be sure".to_owned());
        return Ok(());
    };
    let counted = match cluster.is_loaded(name).await? {
        true => cluster.count(name).await?,
        false => None,
    };
    let counted = match counted {
        Some(counted) => Some(counted),
        None => cluster.stored_rows(name).await?,
    };
    if let Some(counted) = counted.filter(|counted| *counted != expected) {
        target.differs = true;
        target.notes.push(format!(
            "has {counted} rows, {} {expected}; compare the two, or do it again with --if-exists replace",
            target.origin.word()
        ));
    }
    Ok(())
}
