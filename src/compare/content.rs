//! One collection of either kind of place, ready to be read.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use arrow_array::RecordBatch;
use futures::stream::{self, BoxStream, StreamExt, TryStreamExt};

use super::{CompareOptions, Side};
use crate::archive::{Archive, CollectionEntry, Selection};
use crate::error::{Error, Result};
use crate::milvus::Cluster;
use crate::model::{Collection, CollectionName, DYNAMIC_FIELD, Field};
use crate::progress::Context;
use crate::readable::{self, Readable};
use crate::scan::{Budget, Completeness, RowWidth, RowsRead, Scan, Snapshot};
use crate::select;

/// What rows of one side may hold in memory while they are compared.
const BUDGET: u64 = 128 << 20;

/// What each of its scans may hold at least.
const LEAST_BUDGET: u64 = 4 << 20;

impl Side {
    /// The collections that are there, and the databases.
    pub(super) async fn collections(&self) -> Result<(Vec<CollectionName>, Vec<String>)> {
        match self {
            Side::Cluster(cluster) => {
                let databases = cluster.databases().await?;
                let mut all = Vec::new();
                for database in &databases {
                    all.extend(cluster.collections(database).await?);
                }
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

    /// The filter that an archive was exported with.
    pub(super) fn filter(&self) -> Option<String> {
        match self {
            Side::Cluster(_) => None,
            Side::Archive(archive) => archive.manifest().selection.filter.clone(),
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
                let described = cluster.describe(name).await?;
                let fields = select_fields(&described)?;
                let partitions = select::partitions(&options.selection, &described)?;
                let snapshot = Arc::new(Snapshot::begin(cluster).await?);
                let filter = options.selection.filter.as_deref();
                let scans = partitions
                    .iter()
                    .map(|part| {
                        Scan::new(
                            cluster,
                            &described,
                            part.as_deref(),
                            &fields,
                            filter,
                            &snapshot,
                        )
                    })
                    .collect::<Result<Vec<_>>>()?;
                let width = RowWidth::of(&fields);
                let readable = readable::open(cluster, &described, options.access, ctx).await?;
                let whole =
                    partitions.contains(&None) || partitions.len() == described.partitions.len();
                let proof = match Completeness::begin(&scans, whole).await {
                    Ok(proof) => proof,
                    Err(error) => {
                        readable.put_back(cluster, &described, ctx).await;
                        return Err(error);
                    }
                };
                let budgets = Budget::split(BUDGET, scans.len(), LEAST_BUDGET);
                let schema = restricted(&described, &fields);
                let rows = proof.rows();
                let source = ClusterSource {
                    cluster,
                    described,
                    readable,
                    scans,
                    width,
                    budgets,
                    proof,
                    read: Mutex::default(),
                };
                Ok(Content {
                    schema,
                    fields,
                    partitions,
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
                    .map(|(scan, budget)| scan.rows(width, budget, read).boxed())
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

/// The schema with only the fields whose values are compared.
fn restricted(schema: &Collection, fields: &[Field]) -> Collection {
    let mut schema = schema.clone();
    schema
        .fields
        .retain(|field| fields.iter().any(|kept| kept.name == field.name));
    schema.dynamic = fields.iter().any(|field| field.name == DYNAMIC_FIELD);
    schema
}
