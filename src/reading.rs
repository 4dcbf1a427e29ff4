//! Reading: collections of a live cluster, each made readable, read whole into a sink, proven, and put back as it was.
//!
//! Export and migration read this way, and what a migration has written is checked so.

mod plan;
mod rows;
mod sums;

use std::sync::Arc;

use tokio::sync::{Mutex, MutexGuard, Semaphore};

use crate::archive::{Consistency, Drift, Mode, Selection};
use crate::columns::digest::Digests;
use crate::error::Result;
use crate::milvus::Cluster;
use crate::model::Collection;
use crate::progress::{Context, Task};
use crate::readable::{self, ReadAccess, Readable};
use crate::scan::{Budget, Completeness, Scan, Snapshot, first_rows};

pub(crate) use plan::{Plan, databases, plan};
pub(crate) use rows::{Rows, Sink};
pub(crate) use sums::{Digesting, Sums};

/// How collections are read.
#[derive(Clone, Debug)]
pub(crate) struct ReadOptions {
    /// What is read.
    pub selection: Selection,
    /// What may be done to collections that cannot be read as they are.
    pub access: ReadAccess,
    /// How many ranges are fetched at once, and by how many requests.
    pub jobs: usize,
    /// How many bytes of rows may be in flight.
    pub memory: u64,
    /// What it is done for, as a user who stops it is told: `the export`.
    pub purpose: &'static str,
}

/// A read of collections, which share a moment and limits.
pub(crate) struct Reading<'a> {
    cluster: &'a Cluster,
    options: ReadOptions,
    snapshot: Arc<Snapshot>,
    /// Bytes in flight.
    budget: Budget,
    /// Ranges in flight.
    slots: Arc<Semaphore>,
    /// Requests in flight.
    turns: Arc<Semaphore>,
    /// Held while a collection is loaded to be read: one at a time.
    loading: Mutex<()>,
}

impl<'a> Reading<'a> {
    /// Everything that is written before this call will be read.
    pub async fn begin(cluster: &'a Cluster, options: ReadOptions) -> Result<Reading<'a>> {
        Ok(Reading {
            cluster,
            snapshot: Arc::new(Snapshot::begin(cluster).await?),
            budget: Budget::new(options.memory),
            slots: Arc::new(Semaphore::new(options.jobs.max(1))),
            turns: Arc::new(Semaphore::new(options.jobs.max(1))),
            loading: Mutex::new(()),
            options,
        })
    }

    /// The server that is read.
    pub fn cluster(&self) -> &'a Cluster {
        self.cluster
    }

    /// What is read.
    pub fn selection(&self) -> &Selection {
        &self.options.selection
    }

    /// Makes a collection readable, and counts its rows; on failure it is as it was.
    pub async fn open<'r>(&'r self, plan: &'r Plan, ctx: &Context) -> Result<OpenCollection<'r>> {
        // Several more in memory than the operator planned for could be too many.
        let alone = if plan.collection.load.loaded {
            None
        } else {
            Some(self.loading.lock().await)
        };
        let selection = self.selection();
        let scans = plan.scans(self.cluster, selection, &self.snapshot)?;
        let access = self.options.access;
        let readable = readable::open(self.cluster, &plan.collection, access, ctx).await?;
        let counting = async {
            let scans = match selection.limit {
                Some(limit) => first_rows(scans, limit).await?,
                None => scans,
            };
            let proof = Completeness::begin(&scans, plan.reads_all_partitions()).await?;
            Ok((scans, proof))
        };
        match ctx.until_stopped(self.options.purpose, counting).await {
            Ok((scans, proof)) => Ok(OpenCollection {
                reading: self,
                plan,
                scans,
                proof,
                readable,
                _alone: alone,
            }),
            Err(error) => {
                readable.put_back(self.cluster, &plan.collection, ctx).await;
                Err(error)
            }
        }
    }

    /// To which moment all rows that were read belong; `drift` is the sum of what was met.
    pub fn consistency(&self, drift: Drift) -> Consistency {
        let timestamp = self.snapshot.held();
        Consistency {
            mode: if timestamp.is_some() {
                Mode::Snapshot
            } else {
                Mode::Walk
            },
            timestamp,
            drift,
        }
    }
}

/// A collection that can be read. [`OpenCollection::close`] puts it back as it was.
#[must_use]
pub(crate) struct OpenCollection<'r> {
    reading: &'r Reading<'r>,
    plan: &'r Plan,
    /// One a partition of the plan.
    scans: Vec<Scan>,
    proof: Completeness,
    readable: Readable,
    _alone: Option<MutexGuard<'r, ()>>,
}

/// What was read of a collection.
#[derive(Debug)]
pub(crate) struct Read<K> {
    /// One a partition of the plan.
    pub partitions: Vec<ReadPartition<K>>,
    /// What changed meanwhile.
    pub drift: Drift,
    /// What the server answered to `count(*)` at the end, where it can.
    pub server_rows: Option<u64>,
}

/// What was read of a partition.
#[derive(Debug)]
pub(crate) struct ReadPartition<K> {
    /// Its name; none where the collection is read as one.
    pub name: Option<String>,
    /// Of all its rows.
    pub digests: Digests,
    /// What the sink has kept of its ranges, in no order.
    pub kept: Vec<K>,
}

impl<K> Read<K> {
    /// Of all rows.
    pub fn digests(&self) -> Digests {
        let mut all = Digests::default();
        for partition in &self.partitions {
            all.merge(&partition.digests);
        }
        all
    }
}

impl OpenCollection<'_> {
    /// How it was described.
    pub fn collection(&self) -> &Collection {
        &self.plan.collection
    }

    /// How many rows there are to read, where the server can count them: of a sample it cannot.
    pub fn rows(&self) -> Option<u64> {
        let sampled = self.reading.selection().sample.is_some();
        self.proof.rows().filter(|_| !sampled)
    }

    /// A scan of each partition.
    pub fn scans(&self) -> &[Scan] {
        &self.scans
    }

    /// Reads all rows into the sink, and shows that they were all.
    ///
    /// # Errors
    /// [`crate::Error::Incomplete`] where that cannot be shown: only when this returns without an error are the rows
    /// that the sink has got those of the collection.
    pub async fn read<S: Sink>(
        &self,
        sink: S,
        task: Box<dyn Task>,
        ctx: &Context,
    ) -> Result<Read<S::Kept>> {
        rows::read(self, sink, task, ctx).await
    }

    /// Puts the collection back as it was.
    pub async fn close(self, ctx: &Context) {
        let cluster = self.reading.cluster;
        self.readable
            .put_back(cluster, &self.plan.collection, ctx)
            .await;
    }
}
