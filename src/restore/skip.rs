//! Leaving a collection as it is, but not without a look at it: it may be the half of an earlier restore.

use super::plan::Target;
use crate::error::Result;
use crate::milvus::Cluster;

/// Notes if the collection that is there has another number of rows than the archive.
pub(super) async fn compare_counts(cluster: &Cluster, target: &mut Target<'_>) -> Result<()> {
    let name = &target.meant.name;
    let counted = match cluster.load_state(name).await? {
        true => cluster.count(name).await?,
        false => None,
    };
    let counted = match counted {
        Some(counted) => Some(counted),
        None => cluster.stored_rows(name).await?,
    };
    if let Some(counted) = counted.filter(|counted| *counted != target.rows()) {
        target.differs = true;
        target.notes.push(format!(
            "has {counted} rows, the archive {}; compare the two, or restore again with --if-exists replace",
            target.rows()
        ));
    }
    Ok(())
}
