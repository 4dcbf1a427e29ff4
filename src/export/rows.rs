//! The rows of one collection, into data files.

use std::sync::Arc;

use futures::stream::TryStreamExt;
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;

use super::{ExportOptions, Limits, Plan};
use crate::archive::{ArchiveWriter, CollectionEntry, DataFilePath, Drift, File, Partition};
use crate::columns::KeyColumn;
use crate::columns::digest::Digests;
use crate::error::{Error, Result};
use crate::milvus::Cluster;
use crate::model::{Collection, CollectionName, schema_differences};
use crate::progress::{Context, Task};
use crate::scan::{Budget, Completeness, KeyRange, KeySet, RowWidth, RowsRead, Scan, Snapshot};

/// How many ranges the walk may be ahead of the fetchers.
const RANGES_AHEAD: usize = 4;

/// One range's result.
struct Written {
    partition: usize,
    file: Option<(File, Digests)>,
    drift: Drift,
}

/// Everything that the fetchers of one collection share.
struct Shared {
    scans: Vec<Scan>,
    width: RowWidth,
    budget: Budget,
    writer: ArchiveWriter,
    task: Box<dyn Task>,
    name: CollectionName,
    /// Cancelled when nothing more is to be read.
    ctx: Context,
}

/// Reads all rows of a collection into the archive, and says what was read and what changed meanwhile.
pub(super) async fn export_rows(
    cluster: &Cluster,
    writer: &ArchiveWriter,
    plan: &Plan,
    snapshot: &Arc<Snapshot>,
    limits: &Limits,
    options: &ExportOptions,
    ctx: &Context,
) -> Result<(CollectionEntry, Drift)> {
    let collection = &plan.collection;
    let scans = plan.scans(cluster, options.selection.filter.as_deref(), snapshot)?;
    let counting = Completeness::begin(&scans, plan.reads_all_partitions());
    let proof = ctx.until_stopped("the export", counting).await?;
    let task = ctx
        .monitor
        .begin("export", &collection.name.to_string(), proof.rows());
    let shared = Arc::new(Shared {
        width: RowWidth::of(&plan.fields),
        budget: limits.budget.clone(),
        writer: writer.clone(),
        task,
        scans: scans.clone(),
        name: collection.name.clone(),
        ctx: Context {
            monitor: ctx.monitor.clone(),
            cancel: ctx.cancel.child_token(),
        },
    });

    let mut work = JoinSet::new();
    let writing = write_all(&mut work, &shared, &limits.slots, options.jobs);
    let written = ctx.until_stopped("the export", writing).await;
    // Nobody may write any more when the archive is discarded. Not aborted: what a thread does to a file would
    // go on.
    shared.ctx.cancel.cancel();
    while work.join_next().await.is_some() {}
    let mut written = written?;

    let mut drift = Drift::default();
    let mut digests = Digests::default();
    let mut partitions: Vec<Partition> = plan
        .partitions
        .iter()
        .map(|name| Partition {
            name: name.clone(),
            rows: 0,
            files: Vec::new(),
        })
        .collect();
    for range in &mut written {
        drift += range.drift;
        if let Some((file, sums)) = range.file.take() {
            digests.merge(&sums);
            partitions[range.partition].rows += file.rows;
            partitions[range.partition].files.push(file);
        }
    }
    for partition in &mut partitions {
        partition
            .files
            .sort_by(|a, b| a.first_key.cmp(&b.first_key));
    }
    let rows = digests.rows;
    if rows == 0
        && let Some(filter) = &options.selection.filter
    {
        ctx.monitor.warn(&format!(
            "{}: no row fulfils the filter {filter}",
            collection.name
        ));
    }
    let read = RowsRead {
        keys: KeySet {
            keys: rows,
            digest: collection
                .primary_key()
                .and_then(|key| digests.fields.get(&key.name))
                .copied()
                .unwrap_or_default(),
        },
        drift,
    };
    let proving = async {
        // First: rows of another definition are not worth counting.
        unchanged(cluster, collection).await?;
        proof.finish(&read, ctx.monitor.as_ref()).await
    };
    let server_rows = ctx.until_stopped("the export", proving).await?;
    let entry = CollectionEntry {
        schema: collection.clone(),
        exported_fields: plan.fields.iter().map(|field| field.name.clone()).collect(),
        rows,
        digests,
        server_rows,
        partitions,
    };
    Ok((entry, drift))
}

/// Walks and fetches everything; `work` is done when this ends well.
async fn write_all(
    work: &mut JoinSet<Result<Option<Written>>>,
    shared: &Arc<Shared>,
    slots: &Arc<Semaphore>,
    jobs: usize,
) -> Result<Vec<Written>> {
    let (ranges, mut walked) = mpsc::channel(RANGES_AHEAD);
    let walker = shared.clone();
    work.spawn(async move {
        let walking = walk(walker.scans.clone(), ranges);
        walker.until_stopped(walking).await.map(|()| None)
    });
    let mut written: Vec<Written> = Vec::new();
    let mut walking = true;
    while walking || !work.is_empty() {
        tokio::select! {
            range = walked.recv(), if walking && work.len() <= jobs => match range {
                Some((partition, range)) => {
                    let (shared, slots) = (shared.clone(), slots.clone());
                    work.spawn(async move {
                        let waiting = async { Ok(slots.acquire_owned().await) };
                        let _slot = shared.until_stopped(waiting).await?;
                        write_range(&shared, partition, range).await.map(Some)
                    });
                }
                None => walking = false,
            },
            Some(done) = work.join_next() => match done {
                Ok(result) => written.extend(result?),
                Err(lost) => return Err(Error::Program {
                    doing: format!("export {}", shared.name),
                    reason: format!("a task failed: {lost}"),
                }),
            },
        }
    }
    Ok(written)
}

/// Walks the partitions one after the other, ahead of the fetchers.
async fn walk(scans: Vec<Scan>, ranges: mpsc::Sender<(usize, KeyRange)>) -> Result<()> {
    for (partition, scan) in scans.iter().enumerate() {
        let mut walked = std::pin::pin!(scan.ranges());
        while let Some(range) = walked.try_next().await? {
            if ranges.send((partition, range)).await.is_err() {
                return Ok(());
            }
        }
    }
    Ok(())
}

/// Fetches one range, piece by piece, into one data file.
async fn write_range(shared: &Shared, partition: usize, range: KeyRange) -> Result<Written> {
    let scan = &shared.scans[partition];
    let mut drift = Drift::default();
    let mut file = None;
    {
        let mut fetched = std::pin::pin!(scan.fetch_range(&range, &shared.width, &shared.budget));
        while let Some((piece, _held)) = shared.until_stopped(fetched.try_next()).await? {
            drift += piece.drift;
            let rows = piece
                .batches
                .iter()
                .map(|batch| batch.num_rows() as u64)
                .sum();
            for batch in piece.batches {
                let open = match file.take() {
                    Some(open) => open,
                    None => {
                        shared
                            .begin_file(scan, &KeyColumn::of_batch(&batch, scan.key_field())?)
                            .await?
                    }
                };
                file = Some(open.push(batch).await?);
            }
            shared.task.advance(rows, piece.bytes);
        }
    }
    let file = match file {
        Some(open) => Some(open.finish().await?),
        None => None,
    };
    Ok(Written {
        partition,
        file,
        drift,
    })
}

impl Shared {
    /// Reads, until nothing more is to be read. Writing is not given up half-way.
    async fn until_stopped<T>(&self, reading: impl Future<Output = Result<T>>) -> Result<T> {
        self.ctx.until_stopped("the export", reading).await
    }

    async fn begin_file(
        &self,
        scan: &Scan,
        keys: &KeyColumn,
    ) -> Result<crate::archive::DataFileWriter> {
        let first_key = keys
            .key(0)
            .ok_or_else(|| Error::column(scan.key_field(), "a range has no keys"))?;
        let path = DataFilePath {
            collection: scan.collection(),
            partition: scan.partition(),
            first_key: &first_key,
        };
        self.writer
            .data_file(
                &path.path(),
                scan.schema().clone(),
                scan.fields().to_vec(),
                scan.key_field(),
            )
            .await
    }
}

/// Checks that a collection is still defined as it was when it was described.
async fn unchanged(cluster: &Cluster, before: &Collection) -> Result<()> {
    let after = cluster.describe(&before.name).await?;
    let changed = schema_differences(before, &after, ("the export", "the cluster now"));
    if changed.is_empty() {
        return Ok(());
    }
    Err(Error::Incomplete {
        collection: before.name.clone(),
        reason: format!(
            "its definition changed while it was exported ({}); export it again",
            changed.join("; ")
        ),
    })
}
