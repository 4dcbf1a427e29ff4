//! One collection of either kind of place, ready to be read.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use arrow_array::RecordBatch;
use futures::stream::{self, BoxStream, StreamExt, TryStreamExt};

use super::{CompareOptions, Side};
use crate::archive::{Archive, CollectionEntry, Selection};
use crate::compute;
use crate::error::{Error, Result};
use crate::masking::{self, KeyOrder, Masking};
use crate::milvus::Cluster;
use crate::model::{Collection, CollectionName, DYNAMIC_FIELD, Field, Mask};
use crate::progress::Context;
use crate::readable::{self, Readable};
use crate::reading::Plan;
use crate::scan::{Budget, Completeness, RowWidth, RowsRead, Scan, Snapshot, first_rows};
use crate::select;

/// What rows of one side may hold in memory while they are compared.
const BUDGET: u64 = 128 << 20;

/// What each of its scans may hold at least.
const LEAST_BUDGET: u64 = 4 << 20;

impl Side {
    /// The collections that are there, and the databases: of those named alone where the user may not list them.
    pub(super) async fn collections(
        &self,
        named: &[String],
    ) -> Result<(Vec<CollectionName>, Vec<String>)> {
        match self {
            Side::Cluster(cluster) => {
                let databases = cluster.databases_for(named).await?;
                let all = cluster.collections_in(&databases).await?;
                Ok((all, databases))
            }
            Side::Archive(archive) => {
                let entries = &archive.manifest().collections;
                let all: Vec<_> = entries
                    .iter()
                    .map(|entry| entry.schema.name.clone())
                    .collect();
                let databases: BTreeSet<_> = all.iter().map(|name| name.database.clone()).collect();
                Ok((all, databases.into_iter().collect()))
            }
        }
    }

    /// The place, as an error names it.
    pub(super) fn place(&self) -> String {
        match self {
            Side::Cluster(cluster) => cluster.server().to_owned(),
            Side::Archive(archive) => archive.uri(),
        }
    }

    /// What an archive was exported with.
    pub(super) fn selection(&self) -> Option<&Selection> {
        match self {
            Side::Cluster(_) => None,
            Side::Archive(archive) => Some(&archive.manifest().selection),
        }
    }

    /// Whether the place has all that there was: not an archive of a part of its source.
    pub(super) fn is_whole(&self) -> bool {
        match self {
            Side::Cluster(_) => true,
            Side::Archive(archive) => archive.manifest().selection == Selection::default(),
        }
    }

    /// The database that the place's address names.
    pub(super) fn database(&self) -> Option<&str> {
        match self {
            Side::Cluster(cluster) => cluster.address().database.as_deref(),
            Side::Archive(_) => None,
        }
    }
}

/// A collection that can be read.
pub(super) struct Content<'a> {
    /// The schema, with those fields alone that the place holds values of.
    schema: Collection,
    fields: Vec<Field>,
    partitions: Vec<Option<String>>,
    rows: Option<u64>,
    source: Source<'a>,
}

enum Source<'a> {
    Cluster(Box<ClusterSource<'a>>),
    Archive {
        archive: &'a Archive,
        entry: &'a CollectionEntry,
    },
}

struct ClusterSource<'a> {
    cluster: &'a Cluster,
    /// The collection as it is, to be put back as it was.
    described: Collection,
    masking: Masking,
    readable: Readable,
    scans: Vec<Scan>,
    width: RowWidth,
    /// One for each scan.
    budgets: Vec<Budget>,
    proof: Completeness,
    read: Mutex<RowsRead>,
}

impl<'a> Content<'a> {
    /// Describes a collection, and makes it readable as far as the options allow. Fields are selected by what the
    /// first place has; `second` may lack some of them.
    pub async fn open(
        side: &'a Side,
        name: &CollectionName,
        second: bool,
        options: &CompareOptions,
        ctx: &Context,
    ) -> Result<Content<'a>> {
        let select_fields = |collection: &Collection| {
            if second {
                Ok(select::present_fields(&options.selection, collection))
            } else {
                select::check_exclusions(&options.selection, &[collection])?;
                select::fields(&options.selection, collection)
            }
        };
        match side {
            Side::Cluster(cluster) => {
                let mut selection = options.selection.clone();
                if second && options.second_as_is {
                    (selection.filter, selection.sample, selection.limit) = (None, None, None);
                    selection.masks.clear();
                }
                let described = cluster.describe(name).await?;
                let fields = select_fields(&described)?;
                let partitions = select::partitions(&options.selection, &described)?;
                let snapshot = Arc::new(Snapshot::begin(cluster).await?);
                let read = |mask: &Mask| fields.iter().any(|field| field.name == mask.field);
                let masks = std::mem::take(&mut selection.masks);
                for mask in masks.into_iter().filter(|mask| read(mask)) {
                    if masking::is_for(&mask, name)? {
                        selection.masks.push(mask);
                    }
                }
                let plan = Plan {
                    masking: masking::plan(
                        &selection.masks,
                        options.mask_key.as_ref(),
                        &[(&described, &fields)],
                        KeyOrder::Matters,
                    )?
                    .swap_remove(0),
                    collection: described,
                    fields,
                    partitions,
                };
                let scans = plan.scans(cluster, &selection, &snapshot)?;
                let width = RowWidth::of(&plan.fields);
                let readable =
                    readable::open(cluster, &plan.collection, options.access, ctx).await?;
                let counting = async {
                    let scans = match selection.limit {
                        Some(limit) => first_rows(scans, limit).await?,
                        None => scans,
                    };
                    let whole = plan.reads_all_partitions();
                    let proof = Completeness::begin(&scans, whole).await?;
                    Ok((scans, proof))
                };
                let (scans, proof) = match counting.await {
                    Ok(counted) => counted,
                    Err(error) => {
                        readable.put_back(cluster, &plan.collection, ctx).await;
                        return Err(error);
                    }
                };
                let budgets = Budget::split(BUDGET, scans.len(), LEAST_BUDGET);
                let schema = restricted(&plan.collection, &plan.fields);
                let rows = proof.rows();
                let source = ClusterSource {
                    cluster,
                    described: plan.collection,
                    masking: plan.masking,
                    readable,
                    scans,
                    width,
                    budgets,
                    proof,
                    read: Mutex::default(),
                };
                Ok(Content {
                    schema,
                    fields: plan.fields,
                    partitions: plan.partitions,
                    rows,
                    source: Source::Cluster(Box::new(source)),
                })
            }
            Side::Archive(archive) => {
                let entry = archive
                    .manifest()
                    .collections
                    .iter()
                    .find(|entry| entry.schema.name == *name)
                    .ok_or_else(|| Error::NoCollection {
                        name: name.to_string(),
                        place: archive.uri(),
                    })?;
                let selected = select_fields(&entry.schema)?;
                let mut fields = archive.fields(entry)?;
                fields.retain(|field| selected.iter().any(|wanted| wanted.name == field.name));
                let wanted = &options.selection.partitions;
                let partitions = entry
                    .partitions
                    .iter()
                    .map(|partition| partition.name.clone())
                    .filter(|name| {
                        wanted.is_empty() || name.as_ref().is_none_or(|name| wanted.contains(name))
                    })
                    .collect();
                let schema = restricted(&entry.schema, &fields);
                let source = Source::Archive { archive, entry };
                Ok(Content {
                    schema,
                    fields,
                    partitions,
                    rows: Some(entry.rows),
                    source,
                })
            }
        }
    }

    /// Puts a cluster's collection back as it was.
    pub async fn close(self, ctx: &Context) {
        if let Source::Cluster(source) = self.source {
            source
                .readable
                .put_back(source.cluster, &source.described, ctx)
                .await;
        }
    }

    /// Shows that all rows were read, after they were: what no query returns is not the same on both sides. What
    /// an archive has was shown when it was made.
    ///
    /// # Errors
    /// [`Error::Incomplete`] where it cannot be shown.
    pub async fn prove(&self, ctx: &Context) -> Result<()> {
        let Source::Cluster(source) = &self.source else {
            return Ok(());
        };
        let read = *source.read.lock().unwrap_or_else(PoisonError::into_inner);
        source.proof.finish(&read, ctx.monitor.as_ref()).await?;
        Ok(())
    }

    /// By field, how an archive's values were masked when it was made.
    pub fn masks(&self) -> Result<BTreeMap<String, String>> {
        let Source::Archive { archive, .. } = &self.source else {
            return Ok(BTreeMap::new());
        };
        let mut masks: BTreeMap<String, String> = BTreeMap::new();
        for mask in &archive.manifest().selection.masks {
            if masking::is_for(mask, self.name())? {
                *masks.entry(mask.field.clone()).or_default() += &mask.to_string();
            }
        }
        Ok(masks)
    }

    pub fn name(&self) -> &CollectionName {
        &self.schema.name
    }

    pub fn schema(&self) -> &Collection {
        &self.schema
    }

    pub fn fields(&self) -> &[Field] {
        &self.fields
    }

    pub fn field(&self, name: &str) -> Option<&Field> {
        self.fields.iter().find(|field| field.name == name)
    }

    pub fn partitions(&self) -> &[Option<String>] {
        &self.partitions
    }

    /// How many rows there are, as far as is known beforehand.
    pub fn rows(&self) -> Option<u64> {
        self.rows
    }

    pub fn key_field(&self) -> Result<&str> {
        let key = self.schema.primary_key().map(|key| key.name.as_str());
        key.ok_or_else(|| Error::Incompatible {
            problems: vec![format!("{} has no primary key", self.name())],
        })
    }

    /// The rows of some partitions, a stream each, in ascending order of key.
    pub fn read(
        &self,
        partitions: &[Option<String>],
    ) -> Result<Vec<BoxStream<'_, Result<RecordBatch>>>> {
        match &self.source {
            Source::Cluster(source) => {
                let ClusterSource {
                    masking,
                    scans,
                    width,
                    budgets,
                    read,
                    ..
                } = &**source;
                let wanted = scans.iter().zip(budgets).filter(|(scan, _)| {
                    partitions
                        .iter()
                        .any(|name| name.as_deref() == scan.partition())
                });
                Ok(wanted
                    .map(|(scan, budget)| {
                        let rows = scan.rows(width, budget, read);
                        rows.and_then(|batch| masked(masking, batch)).boxed()
                    })
                    .collect())
            }
            Source::Archive { archive, entry } => {
                let wanted = entry
                    .partitions
                    .iter()
                    .filter(|partition| partitions.contains(&partition.name));
                let streams = wanted.map(|partition| {
                    stream::iter(&partition.files)
                        .map(|file| archive.batches(entry, file))
                        .map_ok(|batches| batches.boxed())
                        .try_flatten()
                        .boxed()
                });
                Ok(streams.collect())
            }
        }
    }
}

async fn masked(masking: &Masking, batch: RecordBatch) -> Result<RecordBatch> {
    if masking.is_empty() {
        return Ok(batch);
    }
    let masking = masking.clone();
    compute::run(move || masking.apply(&batch)).await
}

/// The schema with only the fields whose values are compared.
fn restricted(schema: &Collection, fields: &[Field]) -> Collection {
    let mut schema = schema.clone();
    schema
        .fields
        .retain(|field| fields.iter().any(|kept| kept.name == field.name));
    schema.dynamic = fields.iter().any(|field| field.name == DYNAMIC_FIELD);
    schema
}
