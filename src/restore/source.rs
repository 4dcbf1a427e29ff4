//! Where a restore takes its collections from: an archive, or a live cluster that is read meanwhile.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

use arrow_array::RecordBatch;
use futures::future;
use futures::stream::{self, BoxStream, Stream, StreamExt, TryStreamExt};
use tokio::sync::mpsc;

use crate::archive::{Archive, CollectionEntry, Partition, Selection};
use crate::columns::KeyColumn;
use crate::columns::digest::{self, Digests};
use crate::compute;
use crate::error::{Error, Result};
use crate::milvus::ServerVersion;
use crate::model::{Collection, CollectionName, Database, Field, Key};
use crate::progress::{Context, Silent};
use crate::reading::{OpenCollection, Plan, Read, Reading, Rows, Sink};
use crate::scan::Scan;

/// How many pieces of rows may wait to be written. What they weigh is bounded by the reading's memory.
const PIECES_AHEAD: usize = 4;

/// Where collections come from.
pub(crate) enum Source<'a> {
    Archive(&'a Archive),
    Cluster(&'a Live<'a>),
}

/// A live cluster as a source: what is read of it, and what was.
pub(crate) struct Live<'a> {
    pub reading: Reading<'a>,
    pub plans: Vec<Plan>,
    /// The databases that have properties.
    pub databases: Vec<Database>,
    /// What was read of each collection of which all rows were read.
    pub read: Mutex<BTreeMap<CollectionName, Read<()>>>,
}

impl<'a> Source<'a> {
    /// The names of all collections that the selection is made from, and those of their databases.
    pub(super) fn collections(&self) -> (Vec<CollectionName>, Vec<String>) {
        let schemas: Vec<&Collection> = self.origins().iter().map(Origin::schema).collect();
        let all = schemas.iter().map(|schema| schema.name.clone()).collect();
        let databases: BTreeSet<&String> =
            schemas.iter().map(|schema| &schema.name.database).collect();
        (all, databases.into_iter().cloned().collect())
    }

    /// Each collection.
    pub(super) fn origins(&self) -> Vec<Origin<'a>> {
        match *self {
            Source::Archive(archive) => archive
                .manifest()
                .collections
                .iter()
                .map(|entry| Origin::Archive {
                    archive,
                    entry,
                    partitions: entry.partitions.iter().collect(),
                })
                .collect(),
            Source::Cluster(live) => live
                .plans
                .iter()
                .map(|plan| Origin::Cluster { live, plan })
                .collect(),
        }
    }

    /// The databases that have properties.
    pub(super) fn databases(&self) -> &'a [Database] {
        match *self {
            Source::Archive(archive) => &archive.manifest().databases,
            Source::Cluster(live) => &live.databases,
        }
    }

    /// The place, as an error names it.
    pub(super) fn place(&self) -> String {
        match self {
            Source::Archive(archive) => archive.uri(),
            Source::Cluster(live) => live.reading.cluster().server().to_owned(),
        }
    }
}

/// One collection where it comes from.
#[derive(Clone)]
pub(super) enum Origin<'a> {
    Archive {
        archive: &'a Archive,
        entry: &'a CollectionEntry,
        /// Those that are restored.
        partitions: Vec<&'a Partition>,
    },
    Cluster {
        live: &'a Live<'a>,
        plan: &'a Plan,
    },
}

impl<'a> Origin<'a> {
    /// The collection as its source has it.
    pub fn schema(&self) -> &'a Collection {
        match self {
            Origin::Archive { entry, .. } => &entry.schema,
            Origin::Cluster { plan, .. } => &plan.collection,
        }
    }

    /// The fields that the source has values of, in the order of the columns.
    pub fn fields(&self) -> Result<Vec<Field>> {
        match self {
            Origin::Archive { archive, entry, .. } => archive.fields(entry),
            Origin::Cluster { plan, .. } => Ok(plan.fields.clone()),
        }
    }

    /// The names of the partitions that the source has rows of; none where rows find theirs by a key.
    pub fn partitions(&self) -> Vec<Option<&'a str>> {
        match self {
            Origin::Archive { partitions, .. } => partitions
                .iter()
                .map(|partition| partition.name.as_deref())
                .collect(),
            Origin::Cluster { plan, .. } => plan.partitions.iter().map(Option::as_deref).collect(),
        }
    }

    /// Leaves out the partitions that are not selected.
    pub fn select_partitions(&mut self, selection: &Selection) {
        if let Origin::Archive { partitions, .. } = self {
            partitions.retain(|partition| match &partition.name {
                Some(name) => {
                    selection.partitions.is_empty() || selection.partitions.contains(name)
                }
                None => true,
            });
        }
    }

    /// How many rows will come, where that is known before they have.
    pub fn rows(&self) -> Option<u64> {
        match self {
            Origin::Archive { partitions, .. } => {
                Some(partitions.iter().map(|partition| partition.rows).sum())
            }
            Origin::Cluster { .. } => None,
        }
    }

    /// How many rows there are. Unlike [`Origin::rows`] this asks a server; `None` where it cannot tell.
    pub async fn count(&self) -> Result<Option<u64>> {
        match self {
            Origin::Archive { .. } => Ok(self.rows()),
            Origin::Cluster { live, plan } => {
                plan.count(live.reading.cluster(), live.reading.filter())
                    .await
            }
        }
    }

    /// How many bytes the rows have where they come from, if that is known.
    pub fn bytes(&self) -> Option<u64> {
        match self {
            Origin::Archive { partitions, .. } => {
                let files = partitions.iter().flat_map(|partition| &partition.files);
                Some(files.map(|file| file.bytes).sum())
            }
            Origin::Cluster { .. } => None,
        }
    }

    /// The version of the server that the definition comes from, if it is known.
    pub fn version(&self) -> Option<ServerVersion> {
        match self {
            Origin::Archive { archive, .. } => {
                ServerVersion::parse(&archive.manifest().source.server_version)
            }
            Origin::Cluster { live, .. } => Some(live.reading.cluster().version().clone()),
        }
    }

    /// Whether one of the rows has this key, the greatest of its kind; `None` where only reading them tells.
    pub fn has_greatest_key(&self, key: &Key) -> Option<bool> {
        match self {
            Origin::Archive { entry, .. } => Some(entry.files().any(|file| file.last_key == *key)),
            Origin::Cluster { .. } => None,
        }
    }

    /// The source as a sentence names it.
    pub fn word(&self) -> &'static str {
        match self {
            Origin::Archive { .. } => "the archive",
            Origin::Cluster { .. } => "the source",
        }
    }

    /// Makes ready to read the rows.
    pub async fn open(&self, ctx: &Context) -> Result<Feed<'a>> {
        match self {
            Origin::Archive {
                archive,
                entry,
                partitions,
            } => Ok(Feed::Archive {
                archive,
                entry,
                partitions: partitions.clone(),
            }),
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
    Archive {
        archive: &'a Archive,
        entry: &'a CollectionEntry,
        partitions: Vec<&'a Partition>,
    },
    Cluster {
        live: &'a Live<'a>,
        open: Box<OpenCollection<'a>>,
    },
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
            Feed::Archive { partitions, .. } => {
                Some(partitions.iter().map(|partition| partition.rows).sum())
            }
            Feed::Cluster { open, .. } => open.rows(),
        }
    }

    /// All rows. Only where the stream ends without an error were they those of the source, each of them.
    pub fn pieces(&self, ctx: &Context) -> BoxStream<'_, Result<Piece>> {
        match self {
            Feed::Archive {
                archive,
                entry,
                partitions,
            } => {
                let partitions = partitions.iter().map(|partition| {
                    let batches = batches(archive, entry, partition);
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

    /// The keys of a partition's rows.
    pub fn keys<'f>(
        &'f self,
        partition: Option<&'f str>,
        key_field: &'f str,
    ) -> BoxStream<'f, Result<KeyColumn>> {
        match self {
            Feed::Archive {
                archive,
                entry,
                partitions,
            } => {
                let wanted = partitions
                    .iter()
                    .filter(move |one| one.name.as_deref() == partition);
                stream::iter(wanted)
                    .flat_map(|partition| batches(archive, entry, partition))
                    .and_then(move |batch| future::ready(KeyColumn::of_batch(&batch, key_field)))
                    .boxed()
            }
            Feed::Cluster { open, .. } => {
                let wanted = open
                    .scans()
                    .iter()
                    .filter(move |scan| scan.partition() == partition);
                stream::iter(wanted)
                    .flat_map(|scan| {
                        stream::try_unfold(scan.walk(), async |mut walker| {
                            let page = walker.next_page().await?;
                            Ok(page.map(|keys| (keys, walker)))
                        })
                        .boxed()
                    })
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

/// The rows of a partition of an archive.
fn batches<'a>(
    archive: &'a Archive,
    entry: &'a CollectionEntry,
    partition: &'a Partition,
) -> impl Stream<Item = Result<RecordBatch>> + Send + 'a {
    stream::iter(&partition.files)
        .map(|file| archive.batches(entry, file))
        .map_ok(|batches| batches.boxed())
        .try_flatten()
}

/// The sink of a reading that feeds a restore: rows go on as they come.
struct Channel(mpsc::Sender<Piece>);

/// A range that goes on.
struct Passed {
    partition: Option<String>,
    fields: Vec<Field>,
    key_field: String,
    digests: Digests,
}

impl Sink for Channel {
    type Range = Passed;
    type Kept = ();

    async fn begin(&self, scan: &Scan, _: &RecordBatch) -> Result<Passed> {
        Ok(Passed {
            partition: scan.partition().map(str::to_owned),
            fields: scan.fields().to_vec(),
            key_field: scan.key_field().to_owned(),
            digests: Digests::default(),
        })
    }

    async fn push(&self, mut range: Passed, rows: Rows) -> Result<Passed> {
        let batch = rows.batch.clone();
        let range = compute::run(move || -> Result<Passed> {
            let sums = digest::digest(&range.fields, &batch, &range.key_field)?;
            range.digests.merge(&sums);
            Ok(range)
        })
        .await?;
        let piece = Piece {
            partition: range.partition.clone(),
            rows,
        };
        // Who no longer wants the rows knows why.
        let gone = |_| Error::Stopped("rows were being read".to_owned());
        self.0.send(piece).await.map_err(gone)?;
        Ok(range)
    }

    async fn finish(&self, range: Passed) -> Result<((), Digests)> {
        Ok(((), range.digests))
    }
}
