//! Export: a live cluster to an archive.
//!
//! Describe, check, then per collection: make it readable, walk its keys, cut the walk into ranges, fetch
//! the ranges in parallel into one data file each; the manifest last.

mod preview;
mod rows;

use std::sync::Arc;

use futures::{StreamExt, TryStreamExt, stream};
use tokio::sync::{Mutex, Semaphore};

use crate::archive::{
    ArchiveWriter, CollectionEntry, Consistency, Drift, FORMAT, Manifest, Mode, Selection, Source,
    Tool,
};
use crate::error::{Error, Result};
use crate::milvus::Cluster;
use crate::model::{Collection, Field};
use crate::progress::Context;
use crate::readable::{self, ReadAccess};
use crate::scan::{Budget, Scan, Snapshot};
use crate::select;
use crate::store::Store;
use crate::together::each;

pub use preview::{Preview, PreviewedCollection, RowsFrom, preview};

/// How an export is done.
#[derive(Clone, Debug)]
pub struct ExportOptions {
    /// The archive's name in its store.
    pub name: String,
    /// Where the rows come from, as the manifest says it: no credentials.
    pub source: String,
    /// What is exported.
    pub selection: Selection,
    /// What may be done to collections that cannot be read as they are.
    pub access: ReadAccess,
    /// How many ranges are fetched at once.
    pub jobs: usize,
    /// How many bytes of rows may be in flight.
    pub memory: u64,
}

/// How many collections are exported at once.
const COLLECTIONS_AT_ONCE: usize = 4;

/// How many collections are described at once.
const DESCRIBED_AT_ONCE: usize = 8;

/// What all collections of an export share.
struct Limits {
    /// Bytes in flight.
    budget: Budget,
    /// Ranges in flight.
    slots: Arc<Semaphore>,
    /// Held while a collection is loaded for the export: one at a time.
    loading: Mutex<()>,
}

/// A collection with what of it is read.
pub(crate) struct Plan {
    collection: Collection,
    fields: Vec<Field>,
    /// Partitions to read one by one; `None` is the collection as one.
    partitions: Vec<Option<String>>,
}

impl Plan {
    /// A scan of each partition.
    fn scans(
        &self,
        cluster: &Cluster,
        filter: Option<&str>,
        snapshot: &Arc<Snapshot>,
    ) -> Result<Vec<Scan>> {
        let scan = |name: &Option<String>| {
            Scan::new(
                cluster,
                &self.collection,
                name.as_deref(),
                &self.fields,
                filter,
                snapshot,
            )
        };
        self.partitions.iter().map(scan).collect()
    }

    /// Whether nothing is left out but rows that a filter hides.
    fn reads_all_partitions(&self) -> bool {
        self.partitions.contains(&None) || self.partitions.len() == self.collection.partitions.len()
    }
}

/// Exports collections into a new archive of `store`. On failure nothing of the archive remains.
pub async fn export(
    cluster: &Cluster,
    store: Arc<dyn Store>,
    options: &ExportOptions,
    ctx: &Context,
) -> Result<Manifest> {
    let plans = plan(cluster, &options.selection).await?;
    for plan in &plans {
        readable::check(cluster, &plan.collection, options.access)?;
    }
    let created = jiff::Timestamp::now();
    let writer = ArchiveWriter::begin(store, &options.name).await?;
    let work = async {
        let snapshot = Arc::new(Snapshot::begin(cluster).await?);
        let limits = Limits {
            budget: Budget::new(options.memory / 2),
            slots: Arc::new(Semaphore::new(options.jobs.max(1))),
            loading: Mutex::new(()),
        };
        let exported = each(&plans, COLLECTIONS_AT_ONCE, ctx, |plan, ctx| {
            export_collection(cluster, &writer, plan, &snapshot, &limits, options, ctx)
        });
        let mut drift = Drift::default();
        let mut collections = Vec::with_capacity(plans.len());
        for (entry, met) in exported.await? {
            drift += met;
            collections.push(entry);
        }
        let timestamp = snapshot.timestamp();
        let mode = if timestamp.is_some() {
            Mode::Snapshot
        } else {
            Mode::Walk
        };
        Ok(manifest(
            cluster,
            options,
            created,
            Consistency {
                mode,
                timestamp,
                drift,
            },
            collections,
        ))
    };
    let made = async {
        let manifest: Manifest = work.await?;
        writer.seal(&manifest).await?;
        Ok(manifest)
    };
    match made.await {
        // Somebody else writes under our name, against all rules: what is there may be theirs.
        Err(error @ Error::Exists { .. }) => Err(error),
        Err(error) => {
            if let Err(left) = writer.discard().await {
                ctx.monitor
                    .warn(&format!("what was written could not be removed: {left}"));
            }
            Err(error)
        }
        made => made,
    }
}

/// Makes one collection readable, exports its rows, and puts it back as it was.
async fn export_collection(
    cluster: &Cluster,
    writer: &ArchiveWriter,
    plan: &Plan,
    snapshot: &Arc<Snapshot>,
    limits: &Limits,
    options: &ExportOptions,
    ctx: Context,
) -> Result<(CollectionEntry, Drift)> {
    // Several more in memory than the operator planned for could be too many.
    let _alone = if plan.collection.load.loaded {
        None
    } else {
        Some(limits.loading.lock().await)
    };
    let readable = readable::open(cluster, &plan.collection, options.access, &ctx).await?;
    let exported = rows::export_rows(cluster, writer, plan, snapshot, limits, options, &ctx).await;
    readable.put_back(cluster, &plan.collection, &ctx).await;
    exported
}

/// Describes what is selected, and refuses what cannot be carried: all of it in one error.
pub(crate) async fn plan(cluster: &Cluster, selection: &Selection) -> Result<Vec<Plan>> {
    let databases = cluster.databases().await?;
    let mut all = Vec::new();
    for database in &databases {
        all.extend(cluster.collections(database).await?);
    }
    let home = cluster.address().database.as_deref();
    let names = select::collections(selection, &all, &databases, home, cluster.server())?;
    let mut plans = Vec::with_capacity(names.len());
    let mut problems = Vec::new();
    let mut described = stream::iter(&names)
        .map(|name| cluster.describe(name))
        .buffered(DESCRIBED_AT_ONCE);
    while let Some(collection) = described.try_next().await? {
        let fields = select::fields(selection, &collection)?;
        problems.extend(
            fields
                .iter()
                .filter_map(|field| unknown_type(&collection, field)),
        );
        let partitions = select::partitions(selection, &collection)?;
        plans.push(Plan {
            collection,
            fields,
            partitions,
        });
    }
    let collections: Vec<&Collection> = plans.iter().map(|plan| &plan.collection).collect();
    select::check_exclusions(selection, &collections)?;
    if !problems.is_empty() {
        return Err(Error::Incompatible { problems });
    }
    Ok(plans)
}

fn unknown_type(collection: &Collection, field: &Field) -> Option<String> {
    use crate::model::DataType::Unknown;
    let unknown = [Some(field.data_type), field.element_type]
        .into_iter()
        .flatten()
        .find(|data_type| matches!(data_type, Unknown(_)))?;
    Some(format!(
        "{}: field {} has {unknown}, which this milvault does not know; leave it out with --exclude-fields {}",
        collection.name, field.name, field.name
    ))
}

fn manifest(
    cluster: &Cluster,
    options: &ExportOptions,
    created: jiff::Timestamp,
    consistency: Consistency,
    collections: Vec<CollectionEntry>,
) -> Manifest {
    Manifest {
        format: FORMAT,
        tool: Tool {
            name: env!("CARGO_PKG_NAME").into(),
            version: env!("CARGO_PKG_VERSION").into(),
        },
        name: options.name.clone(),
        created: created.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        source: Source {
            server_version: cluster.version().text.clone(),
            address: options.source.clone(),
        },
        selection: options.selection.clone(),
        consistency,
        collections,
    }
}
