//! The rows of one collection, into a sink.

use std::convert::Infallible;
use std::sync::Arc;

use arrow_array::RecordBatch;
use futures::future;
use futures::stream::TryStreamExt;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::task::JoinSet;

use super::{OpenCollection, Plan, Read, ReadPartition};
use crate::archive::Drift;
use crate::columns::digest::Digests;
use crate::compute;
use crate::error::{Error, Result};
use crate::masking::Masking;
use crate::milvus::Cluster;
use crate::model::{CollectionName, schema_differences};
use crate::progress::{Context, Task};
use crate::scan::{Budget, Fetched, KeyRange, KeySet, RowWidth, RowsRead, Scan};

/// How many ranges the walk may be ahead of the fetchers.
const RANGES_AHEAD: usize = 4;

/// Rows on their way, with their share of the memory that may be in flight.
#[derive(Clone, Debug)]
pub(crate) struct Rows {
    /// The rows, in order of key.
    pub batch: RecordBatch,
    /// Given back when the last holder drops it.
    pub held: Option<Arc<OwnedSemaphorePermit>>,
}

/// Where rows go, range by range; several ranges at once.
pub(crate) trait Sink: Send + Sync + 'static {
    /// A range that is under way.
    type Range: Send;
    /// What is kept of a range.
    type Kept: Send + 'static;

    /// Begins a range, whose first rows are these; they are pushed next.
    fn begin(
        &self,
        scan: &Scan,
        first: &RecordBatch,
    ) -> impl Future<Output = Result<Self::Range>> + Send;

    /// Takes rows, which follow those before in order of key.
    fn push(
        &self,
        range: Self::Range,
        rows: Rows,
    ) -> impl Future<Output = Result<Self::Range>> + Send;

    /// Completes a range: what is kept of it, and the digests of its rows.
    fn finish(
        &self,
        range: Self::Range,
    ) -> impl Future<Output = Result<(Self::Kept, Digests)>> + Send;
}

/// One range's result.
struct Taken<K> {
    partition: usize,
    /// None where the range had become empty.
    kept: Option<(K, Digests)>,
    /// Of keys that are masked, what they were.
    keys: KeySet,
    drift: Drift,
}

/// Everything that the fetchers of one collection share.
struct Shared<S> {
    scans: Vec<Scan>,
    width: RowWidth,
    budget: Budget,
    turns: Arc<Semaphore>,
    masking: Masking,
    sink: S,
    task: Box<dyn Task>,
    name: CollectionName,
    purpose: &'static str,
    /// Cancelled when nothing more is to be read.
    ctx: Context,
}

/// Reads all rows of a collection, and says what was read and what changed meanwhile.
pub(super) async fn read<S: Sink>(
    open: &OpenCollection<'_>,
    sink: S,
    task: Box<dyn Task>,
    ctx: &Context,
) -> Result<Read<S::Kept>> {
    let OpenCollection { reading, plan, .. } = open;
    let (options, collection) = (&reading.options, &plan.collection);
    let shared = Arc::new(Shared {
        width: RowWidth::of(&plan.fields),
        budget: reading.budget.clone(),
        turns: reading.turns.clone(),
        masking: plan.masking.clone(),
        sink,
        task,
        scans: open.scans.clone(),
        name: collection.name.clone(),
        purpose: options.purpose,
        ctx: Context {
            monitor: ctx.monitor.clone(),
            cancel: ctx.cancel.child_token(),
        },
    });

    let mut work = JoinSet::new();
    let taking = take_all(&mut work, &shared, &reading.slots, options.jobs);
    let taken = ctx.until_stopped(options.purpose, taking).await;
    // Nobody may write any more when the archive is discarded. Not aborted: what a thread does to a file would
    // go on.
    shared.ctx.cancel.cancel();
    while work.join_next().await.is_some() {}
    // Ends the display, and what the sink feeds.
    drop(shared);

    let mut drift = Drift::default();
    let mut masked_keys = KeySet::default();
    let mut partitions: Vec<ReadPartition<S::Kept>> = plan
        .partitions
        .iter()
        .map(|name| ReadPartition {
            name: name.clone(),
            digests: Digests::default(),
            kept: Vec::new(),
        })
        .collect();
    for range in taken? {
        drift += range.drift;
        masked_keys += range.keys;
        if let Some((kept, sums)) = range.kept {
            let partition = &mut partitions[range.partition];
            partition.digests.merge(&sums);
            partition.kept.push(kept);
        }
    }
    let mut read = Read {
        partitions,
        drift,
        server_rows: None,
    };
    let digests = read.digests();
    if digests.rows == 0
        && let Some(filter) = &options.selection.filter
    {
        ctx.monitor.warn(&format!(
            "{}: no row fulfils the filter {filter}",
            collection.name
        ));
    }
    let keys = if plan.masking.masks_keys() {
        masked_keys
    } else {
        KeySet {
            keys: digests.rows,
            digest: collection
                .primary_key()
                .and_then(|key| digests.fields.get(&key.name))
                .copied()
                .unwrap_or_default(),
        }
    };
    let rows_read = RowsRead { keys, drift };
    let proving = async {
        // First: rows of another definition are not worth counting.
        unchanged(reading.cluster, plan, options.purpose).await?;
        open.proof.finish(&rows_read, ctx.monitor.as_ref()).await
    };
    read.server_rows = ctx.until_stopped(options.purpose, proving).await?;
    Ok(read)
}

/// Walks and fetches everything; `work` is done when this ends well.
async fn take_all<S: Sink>(
    work: &mut JoinSet<Result<Option<Taken<S::Kept>>>>,
    shared: &Arc<Shared<S>>,
    slots: &Arc<Semaphore>,
    jobs: usize,
) -> Result<Vec<Taken<S::Kept>>> {
    let (ranges, mut walked) = mpsc::channel(RANGES_AHEAD);
    let walker = shared.clone();
    work.spawn(async move {
        let walking = walk(walker.scans.clone(), ranges);
        walker.until_stopped(walking).await.map(|()| None)
    });
    let mut taken = Vec::new();
    let mut walking = true;
    while walking || !work.is_empty() {
        tokio::select! {
            range = walked.recv(), if walking && work.len() <= jobs => match range {
                Some((partition, range)) => {
                    let (shared, slots) = (shared.clone(), slots.clone());
                    work.spawn(async move {
                        let waiting = async { Ok(slots.acquire_owned().await) };
                        let _slot = shared.until_stopped(waiting).await?;
                        take_range(&shared, partition, range).await.map(Some)
                    });
                }
                None => walking = false,
            },
            Some(done) = work.join_next() => match done {
                Ok(result) => taken.extend(result?),
                Err(lost) => return Err(Error::Program {
                    doing: format!("read {}", shared.name),
                    reason: format!("a task failed: {lost}"),
                }),
            },
        }
    }
    Ok(taken)
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

/// Fetches one range, piece by piece, into the sink.
async fn take_range<S: Sink>(
    shared: &Shared<S>,
    partition: usize,
    range: KeyRange,
) -> Result<Taken<S::Kept>> {
    let scan = &shared.scans[partition];
    // What is in it is bounded by the budget.
    let (sender, fetched) = mpsc::unbounded_channel();
    let fetching = async {
        let (width, budget, turns) = (&shared.width, &shared.budget, &shared.turns);
        let mut pieces = std::pin::pin!(scan.fetch_range(&range, width, budget, turns));
        while let Some(piece) = shared.until_stopped(pieces.try_next()).await.transpose() {
            // Who no longer wants the rows knows why.
            let failed = piece.is_err();
            if sender.send(piece).is_err() || failed {
                break;
            }
        }
        drop(sender);
        future::pending::<Infallible>().await
    };
    // Requests that have their turn go on while rows are written.
    tokio::select! {
        taken = write_range(shared, partition, fetched) => taken,
        never = fetching => match never {},
    }
}

/// What was fetched of a range, as it comes.
type Pieces = mpsc::UnboundedReceiver<Result<(Fetched, OwnedSemaphorePermit)>>;

/// Writes what comes of a range into the sink.
async fn write_range<S: Sink>(
    shared: &Shared<S>,
    partition: usize,
    mut pieces: Pieces,
) -> Result<Taken<S::Kept>> {
    let (scan, sink) = (&shared.scans[partition], &shared.sink);
    let mut drift = Drift::default();
    let mut keys = KeySet::default();
    let mut under_way = None;
    while let Some(piece) = pieces.recv().await {
        let (piece, held) = piece?;
        drift += piece.drift;
        let held = Arc::new(held);
        let mut rows = 0;
        for batch in piece.batches {
            rows += batch.num_rows() as u64;
            if shared.masking.masks_keys() {
                keys += scan.key_set(&batch)?;
            }
            let batch = shared.masked(batch).await?;
            let open = match under_way.take() {
                Some(open) => open,
                None => sink.begin(scan, &batch).await?,
            };
            let held = Some(held.clone());
            under_way = Some(sink.push(open, Rows { batch, held }).await?);
        }
        shared.task.advance(rows, piece.bytes);
    }
    let kept = match under_way {
        Some(open) => Some(sink.finish(open).await?),
        None => None,
    };
    Ok(Taken {
        partition,
        kept,
        keys,
        drift,
    })
}

impl<S> Shared<S> {
    async fn masked(&self, batch: RecordBatch) -> Result<RecordBatch> {
        if self.masking.is_empty() {
            return Ok(batch);
        }
        let masking = self.masking.clone();
        compute::run(move || masking.apply(&batch)).await
    }

    /// Reads, until nothing more is to be read. Writing is not given up half-way.
    async fn until_stopped<T>(&self, reading: impl Future<Output = Result<T>>) -> Result<T> {
        self.ctx.until_stopped(self.purpose, reading).await
    }
}

/// Checks that a collection is still defined as it was when it was described.
async fn unchanged(cluster: &Cluster, plan: &Plan, purpose: &str) -> Result<()> {
    let before = &plan.collection;
    let after = cluster.describe(&before.name).await?;
    let mut changed = schema_differences(before, &after, (purpose, "the cluster now"));
    // Rows of a partition that was not there when all were listed have been read by nobody.
    if plan.reads_each_partition() {
        let mut partitions = after.partitions.iter();
        if let Some(new) = partitions.find(|name| !before.partitions.contains(name)) {
            changed.push(format!("there is a new partition {new}"));
        }
    }
    if changed.is_empty() {
        return Ok(());
    }
    Err(Error::Incomplete {
        collection: before.name.clone(),
        reason: format!(
            "its definition changed during {purpose} ({}); do it again",
            changed.join("; ")
        ),
    })
}
