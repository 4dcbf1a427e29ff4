//! The rows of one collection on their way into a restore.

use std::sync::PoisonError;

use arrow_array::RecordBatch;
use futures::future;
use futures::stream::{self, BoxStream, Stream, StreamExt, TryStreamExt};
use tokio::sync::mpsc;

use super::source::{Live, Origin, Taken};
use crate::archive::{Archive, CollectionEntry, File, Partition};
use crate::columns::digest::Digests;
use crate::columns::{self, KeyColumn};
use crate::compute;
use crate::error::{Error, Result};
use crate::model::Key;
use crate::progress::{Context, Silent};
use crate::reading::{OpenCollection, Rows, Sink, Sums};
use crate::scan::{Scan, last_key};

/// How many pieces of rows may wait to be written. What they weigh is bounded by the reading's memory.
const PIECES_AHEAD: usize = 4;

impl<'a> Origin<'a> {
    /// Makes ready to read the rows.
    pub async fn open(&self, ctx: &Context) -> Result<Feed<'a>> {
        match self {
            Origin::Archive {
                archive,
                entry,
                partitions,
                taken,
            } => {
                let mut feed = ArchiveFeed {
                    archive,
                    entry,
                    partitions: partitions.clone(),
                    taken: taken.clone(),
                    key_field: self.key_field()?,
                    last: None,
                };
                if let Some(limit) = taken.limit {
                    let finding = feed.last_key(limit);
                    feed.last = ctx.until_stopped("the restore", finding).await?;
                }
                Ok(Feed::Archive(Box::new(feed)))
            }
            Origin::Cluster { live, plan } => Ok(Feed::Cluster {
                live,
                open: Box::new(live.reading.open(plan, ctx).await?),
            }),
        }
    }
}

/// The rows of one collection, ready to be read. [`Feed::close`] puts a cluster's collection back as it was.
#[must_use]
pub(super) enum Feed<'a> {
    Archive(Box<ArchiveFeed<'a>>),
    Cluster {
        live: &'a Live<'a>,
        open: Box<OpenCollection<'a>>,
    },
}

/// The rows of one collection of an archive.
pub(super) struct ArchiveFeed<'a> {
    archive: &'a Archive,
    entry: &'a CollectionEntry,
    partitions: Vec<&'a Partition>,
    taken: Box<Taken>,
    key_field: String,
    /// The key of the last row that is taken, where there is a limit.
    last: Option<Key>,
}

/// One data file of an archive.
#[derive(Clone, Copy)]
pub(super) struct DataFile<'a> {
    /// The collection that it belongs to.
    pub entry: &'a CollectionEntry,
    /// The name of its partition; none where rows find theirs by a key.
    pub partition: Option<&'a str>,
    pub file: &'a File,
}

/// Rows of one partition.
pub(super) struct Piece {
    /// Its name; none where rows find theirs by a key.
    pub partition: Option<String>,
    pub rows: Rows,
}

impl Feed<'_> {
    /// How many rows will come, where that is known before they have; of a cluster to which somebody writes, about
    /// so many.
    pub fn rows(&self) -> Option<u64> {
        match self {
            Feed::Archive(feed) if feed.taken.sample.is_none() && feed.last.is_none() => {
                Some(feed.partitions.iter().map(|partition| partition.rows).sum())
            }
            Feed::Archive(_) => None,
            Feed::Cluster { open, .. } => open.rows(),
        }
    }

    /// All rows. Only where the stream ends without an error were they those of the source, each of them.
    pub fn pieces(&self, ctx: &Context) -> BoxStream<'_, Result<Piece>> {
        match self {
            Feed::Archive(feed) => {
                let partitions = feed.partitions.iter().map(|partition| {
                    let batches = feed.batches(partition).and_then(|batch| feed.masked(batch));
                    batches.map_ok(|batch| Piece {
                        partition: partition.name.clone(),
                        rows: Rows { batch, held: None },
                    })
                });
                stream::iter(partitions).flatten().boxed()
            }
            Feed::Cluster { live, open } => {
                let (sender, mut receiver) = mpsc::channel(PIECES_AHEAD);
                let ctx = ctx.clone();
                let reading = async move {
                    let read = open.read(Channel(sender), Box::new(Silent), &ctx).await?;
                    let mut all = live.read.lock().unwrap_or_else(PoisonError::into_inner);
                    all.insert(open.collection().name.clone(), read);
                    Ok(())
                };
                // Reading goes on whenever rows are waited for, and its error comes behind them.
                let failure = stream::once(reading)
                    .filter_map(|read: Result<()>| future::ready(read.err().map(Err)));
                let pieces = stream::poll_fn(move |task| receiver.poll_recv(task));
                stream::select(pieces.map(Ok), failure).boxed()
            }
        }
    }

    /// The keys of a partition's rows, before any masking.
    pub fn keys<'f>(&'f self, partition: Option<&'f str>) -> BoxStream<'f, Result<KeyColumn>> {
        match self {
            Feed::Archive(feed) => {
                let wanted = feed
                    .partitions
                    .iter()
                    .filter(move |one| one.name.as_deref() == partition);
                stream::iter(wanted)
                    .flat_map(|partition| feed.keys(partition))
                    .boxed()
            }
            Feed::Cluster { open, .. } => {
                let wanted = open
                    .scans()
                    .iter()
                    .filter(move |scan| scan.partition() == partition);
                stream::iter(wanted)
                    .flat_map(|scan| scan.keys().boxed())
                    .boxed()
            }
        }
    }

    /// Puts a cluster's collection back as it was.
    pub async fn close(self, ctx: &Context) {
        if let Feed::Cluster { open, .. } = self {
            open.close(ctx).await;
        }
    }
}

impl<'a> ArchiveFeed<'a> {
    /// The archive.
    pub fn archive(&self) -> &'a Archive {
        self.archive
    }

    /// All data files of the partitions that are restored.
    pub fn files(&self) -> Vec<DataFile<'a>> {
        let partitions = self.partitions.iter();
        partitions
            .flat_map(|partition| {
                partition.files.iter().map(|file| DataFile {
                    entry: self.entry,
                    partition: partition.name.as_deref(),
                    file,
                })
            })
            .collect()
    }

    /// The rows of some data files, as the archive has them.
    pub fn pieces_of<'f>(&'f self, files: &'f [DataFile<'a>]) -> BoxStream<'f, Result<Piece>> {
        let files = files.iter().map(|file| {
            self.batches_of(file.file).map_ok(|batch| Piece {
                partition: file.partition.map(str::to_owned),
                rows: Rows { batch, held: None },
            })
        });
        stream::iter(files).flatten().boxed()
    }

    /// The rows of a data file, which is read to its end, where it has shown to be good.
    fn batches_of<'f>(
        &'f self,
        file: &'a File,
    ) -> impl Stream<Item = Result<RecordBatch>> + Send + 'f {
        let batches = self.archive.batches(self.entry, file);
        stream::once(future::ready(batches.map(StreamExt::boxed))).try_flatten()
    }

    /// The rows of a partition that are taken, as the archive has them. Each file is read to its end, where it has
    /// shown to be good.
    fn batches<'f>(
        &'f self,
        partition: &'a Partition,
    ) -> impl Stream<Item = Result<RecordBatch>> + Send + 'f {
        let wanted = |file: &&File| {
            self.last
                .as_ref()
                .is_none_or(|last| file.first_key <= *last)
        };
        stream::iter(partition.files.iter().filter(wanted))
            .flat_map(|file| self.batches_of(file))
            .and_then(|batch| future::ready(self.narrowed(batch)))
    }

    fn narrowed(&self, batch: RecordBatch) -> Result<RecordBatch> {
        let batch = match &self.last {
            Some(last) => columns::up_to(&batch, &self.key_field, last)?,
            None => batch,
        };
        match self.taken.sample {
            Some(sample) => columns::rows_with(&batch, &self.key_field, |key| sample.picks(key)),
            None => Ok(batch),
        }
    }

    async fn masked(&self, batch: RecordBatch) -> Result<RecordBatch> {
        if self.taken.masking.is_empty() {
            return Ok(batch);
        }
        let masking = self.taken.masking.clone();
        compute::run(move || masking.apply(&batch)).await
    }

    fn keys<'f>(&'f self, partition: &'a Partition) -> BoxStream<'f, Result<KeyColumn>> {
        self.batches(partition)
            .and_then(|batch| future::ready(KeyColumn::of_batch(&batch, &self.key_field)))
            .boxed()
    }

    /// The key of the last of the first rows, so many; none where there are no more.
    async fn last_key(&self, limit: u64) -> Result<Option<Key>> {
        let keys = self.partitions.iter().map(|partition| self.keys(partition));
        last_key(keys.collect(), limit, |_| true).await
    }
}

/// The sink of a reading that feeds a restore: rows go on as they come.
struct Channel(mpsc::Sender<Piece>);

/// A range that goes on.
struct Passed {
    partition: Option<String>,
    sums: Sums,
}

impl Sink for Channel {
    type Range = Passed;
    type Kept = ();

    async fn begin(&self, scan: &Scan, _: &RecordBatch) -> Result<Passed> {
        Ok(Passed {
            partition: scan.partition().map(str::to_owned),
            sums: Sums::of(scan),
        })
    }

    async fn push(&self, range: Passed, rows: Rows) -> Result<Passed> {
        let Passed { partition, sums } = range;
        let sums = sums.add(rows.batch.clone()).await?;
        let piece = Piece {
            partition: partition.clone(),
            rows,
        };
        // Who no longer wants the rows knows why.
        let gone = |_| Error::Stopped("rows were being read".to_owned());
        self.0.send(piece).await.map_err(gone)?;
        Ok(Passed { partition, sums })
    }

    async fn finish(&self, range: Passed) -> Result<((), Digests)> {
        Ok(((), range.sums.digests))
    }
}
