//! Adding rows to a collection that is there.

use futures::TryStreamExt;

use super::plan::Target;
use super::{Limits, rows};
use crate::archive::Archive;
use crate::columns::{self, KeyColumn};
use crate::error::{Error, Result};
use crate::milvus::{Cluster, Query, expr};
use crate::model::{Key, schema_differences};
use crate::progress::Context;

/// How many keys one look names.
const KEYS_A_LOOK: usize = 1_000;

/// Why rows cannot be added to the collection that is there.
pub(super) async fn problems(cluster: &Cluster, target: &Target<'_>) -> Result<Vec<String>> {
    let name = &target.meant.name;
    let there = cluster.describe(name).await?;
    let mut problems: Vec<String> =
        schema_differences(&target.meant, &there, ("the archive", "the target"))
            .into_iter()
            .map(|difference| format!("{name}: {difference}, so rows cannot be appended"))
            .collect();
    if there.primary_key().is_some_and(|key| key.auto_id) {
        problems.push(format!(
            "{name}: makes its keys itself, so rows with keys cannot be appended"
        ));
    }
    if !(cluster.version().is_milvus_from(2, 3, 0) || cluster.version().is_lite_from(0, 0, 0)) {
        problems.push(format!(
            "{name}: {} has no upsert, so rows cannot be appended",
            cluster.version()
        ));
    }
    Ok(problems)
}

/// Upserts the rows, after having made sure that no other partition has one of their keys: an upsert replaces
/// within its partition only (seen on 2.3.5).
pub(super) async fn append(
    archive: &Archive,
    cluster: &Cluster,
    target: &mut Target<'_>,
    limits: &Limits,
    ctx: &Context,
) -> Result<()> {
    let name = target.meant.name.clone();
    let there = cluster.partitions(&name).await?;
    if !target.meant.has_partition_key() {
        let work = refuse_keys_elsewhere(archive, cluster, target, &there);
        ctx.until_stopped("the restore; nothing was appended yet", work)
            .await?;
        for partition in target
            .meant
            .partitions
            .iter()
            .filter(|partition| !there.contains(partition))
        {
            cluster.create_partition(&name, partition).await?;
        }
    }
    let work = async {
        let task = ctx
            .monitor
            .begin("append", &name.to_string(), Some(target.rows()));
        rows::insert_rows(archive, cluster, target, limits, task.as_ref()).await?;
        cluster.flush(&name, ctx).await
    };
    let appended = ctx.until_stopped("the restore", work).await;
    if appended.is_err() {
        ctx.monitor.warn(&format!(
            "{name}: a part of the rows was appended; append again to complete it"
        ));
    }
    appended
}

/// Fails if a partition of the target has a key that the archive has in another one.
async fn refuse_keys_elsewhere(
    archive: &Archive,
    cluster: &Cluster,
    target: &Target<'_>,
    there: &[String],
) -> Result<()> {
    let name = &target.meant.name;
    let Some(key) = target.meant.primary_key() else {
        return Ok(());
    };
    for partition in &target.partitions {
        let others: Vec<&String> = there
            .iter()
            .filter(|other| Some(*other) != partition.name.as_ref())
            .collect();
        if others.is_empty() {
            continue;
        }
        for file in &partition.files {
            let mut batches = std::pin::pin!(archive.batches(target.entry, file)?);
            while let Some(batch) = batches.try_next().await? {
                let keys = columns::keys(&batch, &key.name)?;
                // No expression can name the smallest integer.
                let keys: Vec<Key> = keys
                    .into_iter()
                    .filter(|key| *key != Key::Int(i64::MIN))
                    .collect();
                for some in keys.chunks(KEYS_A_LOOK) {
                    for other in &others {
                        let query = Query {
                            collection: name,
                            partition: Some(other),
                            expr: expr::key_in(&key.name, some),
                            fields: std::slice::from_ref(&key.name),
                            limit: None,
                            timestamp: 0,
                        };
                        let answer = cluster.query(&query).await?.fields;
                        let column = answer
                            .into_iter()
                            .find(|column| column.field_name == key.name);
                        if !column
                            .map(KeyColumn::from_wire)
                            .transpose()?
                            .is_none_or(|keys| keys.is_empty())
                        {
                            return Err(Error::Exists {
                                what: format!(
                                    "a key of partition {} of the archive in partition {other} of {name}",
                                    partition.name.as_deref().unwrap_or_default()
                                ),
                                way_out: "delete it there first; nothing was appended".into(),
                            });
                        }
                    }
                }
            }
        }
    }
    Ok(())
}
