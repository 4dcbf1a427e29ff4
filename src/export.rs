//! Export: a live cluster to an archive.
//!
//! Describe, check, then per collection: make it readable, walk its keys, cut the walk into ranges, fetch
//! the ranges in parallel into one data file each; the manifest last.

mod files;
mod preview;

use std::sync::Arc;

use self::files::Files;
use crate::archive::{
    ArchiveWriter, CollectionEntry, Consistency, Drift, FORMAT, Failure, Manifest, Partition,
    RbacFile, Recipients, Selection, Source, Tool, Unlocked,
};
use crate::error::{Error, Result};
use crate::masking::{KeyOrder, MaskKey};
use crate::milvus::Cluster;
use crate::model::{Database, Rbac};
use crate::progress::Context;
use crate::rbac;
use crate::readable::{self, ReadAccess};
use crate::reading::{OpenCollection, Plan, ReadOptions, Reading, databases, plan};
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
    /// The secret of masks that need one.
    pub mask_key: Option<MaskKey>,
    /// What may be done to collections that cannot be read as they are.
    pub access: ReadAccess,
    /// Whether users and roles are exported as well.
    pub rbac: bool,
    /// How many ranges are fetched at once.
    pub jobs: usize,
    /// How many bytes of rows may be in flight.
    pub memory: u64,
}

/// How many collections are exported at once.
const COLLECTIONS_AT_ONCE: usize = 4;

/// Where an archive goes, and who can read it.
#[derive(Clone, Debug)]
pub struct Target {
    /// The stores, which get the same bytes.
    pub stores: Vec<Arc<dyn Store>>,
    /// To whom it is encrypted; `None`: it is not.
    pub recipients: Option<Recipients>,
}

/// What an export has made.
#[derive(Debug)]
pub struct Exported {
    /// What the archive holds.
    pub manifest: Manifest,
    /// Its addresses, one for each store that has it.
    pub archives: Vec<String>,
    /// The stores that failed while others did not.
    pub failures: Vec<Failure>,
    /// Those of the archives that are whole, and not locked as the store was asked to.
    pub unlocked: Vec<Unlocked>,
}

/// Exports collections into a new archive of `store`. On failure nothing of the archive remains, unless it was being locked
/// already. One that is whole and could not be locked is no failure, and a warning.
pub async fn export(
    cluster: &Cluster,
    store: Arc<dyn Store>,
    options: &ExportOptions,
    ctx: &Context,
) -> Result<Manifest> {
    let target = Target {
        stores: vec![store],
        recipients: None,
    };
    let exported = export_to(cluster, target, options, ctx).await?;
    for unlocked in &exported.unlocked {
        let Unlocked { archive, error } = unlocked;
        let told = format!("{archive} is whole, but not all of it is locked: {error}");
        ctx.monitor.warn(&told);
    }
    Ok(exported.manifest)
}

/// The same into several stores at once, which get the same bytes. Where a store fails on the way, the archive is completed
/// in the others, and the failure is returned beside it; where all fail, that is the error.
///
/// # Errors
/// Those of [`export`]. Where one of the stores refuses the name, nothing is begun in any.
pub async fn export_to(
    cluster: &Cluster,
    target: Target,
    options: &ExportOptions,
    ctx: &Context,
) -> Result<Exported> {
    // First, because who may not read them should know at once.
    let rbac = read_rbac(cluster, options).await?;
    let plans = options.plan(cluster).await?;
    let collections = plans.iter().map(|plan| &plan.collection);
    readable::check(cluster, collections, options.access)?;
    let created = jiff::Timestamp::now();
    let Target { stores, recipients } = target;
    let writer = match &recipients {
        None => ArchiveWriter::begin_in(stores, &options.name).await?,
        Some(recipients) => {
            ArchiveWriter::begin_encrypted(stores, &options.name, recipients).await?
        }
    };
    let work = async {
        let reading = Reading::begin(cluster, options.reading()).await?;
        let exported = each(
            &plans,
            COLLECTIONS_AT_ONCE,
            ctx,
            "exporting",
            |plan, ctx| export_collection(&reading, plan, &writer, ctx),
        );
        let databases = databases(cluster, &plans).await?;
        let mut drift = Drift::default();
        let mut collections = Vec::with_capacity(plans.len());
        for (entry, met) in exported.await? {
            drift += met;
            collections.push(entry);
        }
        let consistency = reading.consistency(drift);
        let rbac = match &rbac {
            Some(rbac) => Some(writer.rbac(rbac).await?),
            None => None,
        };
        Ok(manifest(
            cluster,
            options,
            created,
            consistency,
            (databases, collections),
            rbac,
        ))
    };
    let made = async {
        let manifest: Manifest = work.await?;
        let unlocked = writer.seal(&manifest).await?;
        Ok(Exported {
            manifest,
            archives: writer.uris(),
            failures: writer.failures().await,
            unlocked,
        })
    };
    match made.await {
        Err(error) => {
            match writer.discard().await {
                // Where the name is ours no more, what is there may be somebody else's: that stays, and was told.
                Ok(()) | Err(Error::Exists { .. }) => {}
                Err(left) => ctx
                    .monitor
                    .warn(&format!("what was written could not be removed: {left}")),
            }
            Err(error)
        }
        made => made,
    }
}

/// The users and roles, where they are wanted.
pub(crate) async fn read_rbac(cluster: &Cluster, options: &ExportOptions) -> Result<Option<Rbac>> {
    if !options.rbac {
        return Ok(None);
    }
    rbac::read(cluster).await.map(Some)
}

/// Makes one collection readable, exports its rows, and puts it back as it was.
async fn export_collection(
    reading: &Reading<'_>,
    plan: &Plan,
    writer: &ArchiveWriter,
    ctx: Context,
) -> Result<(CollectionEntry, Drift)> {
    let open = reading.open(plan, &ctx).await?;
    let exported = export_rows(&open, plan, writer, &ctx).await;
    open.close(&ctx).await;
    exported
}

/// Reads all rows of a collection into data files, and says what was read and what changed meanwhile.
async fn export_rows(
    open: &OpenCollection<'_>,
    plan: &Plan,
    writer: &ArchiveWriter,
    ctx: &Context,
) -> Result<(CollectionEntry, Drift)> {
    let subject = plan.collection.name.to_string();
    let task = ctx.monitor.begin("export", &subject, open.rows());
    let read = open.read(Files(writer.clone()), task, ctx).await?;
    let digests = read.digests();
    let partitions = read.partitions.into_iter().map(|mut partition| {
        partition.kept.sort_by(|a, b| a.first_key.cmp(&b.first_key));
        Partition {
            name: partition.name,
            rows: partition.digests.rows,
            files: partition.kept,
        }
    });
    let entry = CollectionEntry {
        schema: plan.collection.clone(),
        exported_fields: plan.fields.iter().map(|field| field.name.clone()).collect(),
        rows: digests.rows,
        digests,
        server_rows: read.server_rows,
        partitions: partitions.collect(),
    };
    Ok((entry, read.drift))
}

impl ExportOptions {
    async fn plan(&self, cluster: &Cluster) -> Result<Vec<Plan>> {
        let mask_key = self.mask_key.as_ref();
        plan(cluster, &self.selection, mask_key, KeyOrder::Matters).await
    }

    /// How the collections are read. Half of the memory is for what is written.
    fn reading(&self) -> ReadOptions {
        ReadOptions {
            selection: self.selection.clone(),
            access: self.access,
            jobs: self.jobs,
            memory: self.memory / 2,
            purpose: "the export",
        }
    }
}

fn manifest(
    cluster: &Cluster,
    options: &ExportOptions,
    created: jiff::Timestamp,
    consistency: Consistency,
    (databases, collections): (Vec<Database>, Vec<CollectionEntry>),
    rbac: Option<RbacFile>,
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
        databases,
        collections,
        rbac,
    }
}
