//! Adding rows to a collection that is there.

use futures::TryStreamExt;

use super::feed::Feed;
use super::plan::Target;
use super::{Limits, rows};
use crate::columns::KeyColumn;
use crate::compat::{self, Call, KeysKept, Thing};
use crate::error::{Error, Result};
use crate::milvus::{Cluster, Query, expr};
use crate::model::{CollectionName, Key, schema_differences};
use crate::progress::Context;

/// How many keys one look names.
const KEYS_A_LOOK: usize = 1_000;

/// Why rows cannot be added to the collection that is there.
pub(super) async fn problems(cluster: &Cluster, target: &Target<'_>) -> Result<Vec<String>> {
    let name = &target.meant.name;
    let there = cluster.describe(name).await?;
    let mut problems: Vec<String> =
        schema_differences(&target.meant, &there, (target.origin.word(), "the target"))
            .into_iter()
            .map(|difference| format!("{name}: {difference}, so rows cannot be appended"))
            .collect();
    if there.primary_key().is_some_and(|key| key.auto_id) {
        problems.push(format!(
            "{name}: makes its keys itself, so rows with keys cannot be appended"
        ));
    }
    if target.fit.keys == Some(KeysKept::Regenerated) {
        problems.push(format!(
            "{name}: rows without their keys cannot be appended; leave out --auto-id regenerate"
        ));
    }
    if !compat::knows(cluster.version(), Thing::Call(Call::Upsert)) {
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
    feed: &Feed<'_>,
    cluster: &Cluster,
    target: &mut Target<'_>,
    limits: &Limits,
    ctx: &Context,
) -> Result<()> {
    let name = target.meant.name.clone();
    let there = cluster.partitions(&name).await?;
    if !target.meant.has_partition_key() {
        let work = refuse_keys_elsewhere(feed, cluster, target, &there);
        let purpose = format!("{}; nothing was appended yet", target.origin.purpose());
        ctx.until_stopped(&purpose, work).await?;
        for partition in target
            .meant
            .partitions
            .iter()
            .filter(|partition| !there.contains(partition))
        {
            cluster.create_partition(&name, partition).await?;
        }
    }
    let purpose = target.origin.purpose();
    let work = async {
        let task = ctx.monitor.begin("append", &name.to_string(), feed.rows());
        rows::insert_rows(feed, cluster, target, limits, task.as_ref(), ctx).await?;
        cluster.flush(&name, ctx).await
    };
    let appended = ctx.until_stopped(purpose, work).await;
    if appended.is_err() {
        ctx.monitor.warn(&format!(
            "{name}: a part of the rows was appended; append again to complete it"
        ));
    }
    appended
}

/// Fails if a partition of the target has a key that the source has in another one.
async fn refuse_keys_elsewhere(
    feed: &Feed<'_>,
    cluster: &Cluster,
    target: &Target<'_>,
    there: &[String],
) -> Result<()> {
    let name = &target.meant.name;
    let Some(key) = target.meant.primary_key() else {
        return Ok(());
    };
    for partition in target.origin.partitions() {
        let others: Vec<&String> = there
            .iter()
            .filter(|other| Some(other.as_str()) != partition)
            .collect();
        if others.is_empty() {
            continue;
        }
        let mut pages = feed.keys(partition);
        while let Some(keys) = pages.try_next().await? {
            // No expression can name the smallest integer.
            let keys: Vec<Key> = (0..keys.len())
                .filter_map(|position| keys.key(position))
                .filter(|key| *key != Key::Int(i64::MIN))
                .collect();
            for some in keys.chunks(KEYS_A_LOOK) {
                for other in &others {
                    if holds_any(cluster, name, other, &key.name, some).await? {
                        return Err(Error::Exists {
                            what: format!(
                                "a key of partition {} of {} in partition {other} of {name}",
                                partition.unwrap_or_default(),
                                target.origin.word(),
                            ),
                            way_out: "delete it there first; nothing was appended".into(),
                        });
                    }
                }
            }
        }
    }
    Ok(())
}

/// Whether a partition of the target has any of these keys.
async fn holds_any(
    cluster: &Cluster,
    name: &CollectionName,
    partition: &str,
    key_field: &String,
    keys: &[Key],
) -> Result<bool> {
    let query = Query {
        collection: name,
        partition: Some(partition),
        expr: expr::key_in(key_field, keys),
        fields: std::slice::from_ref(key_field),
        limit: None,
        timestamp: 0,
    };
    let answer = cluster.query(&query).await?.fields;
    let column = answer
        .into_iter()
        .find(|column| column.field_name == *key_field);
    let found = column.map(KeyColumn::from_wire).transpose()?;
    Ok(found.is_some_and(|keys| !keys.is_empty()))
}
