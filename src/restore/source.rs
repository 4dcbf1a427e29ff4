//! Where a restore takes its collections from: an archive, or a live cluster that is read meanwhile.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

use crate::archive::{Archive, CollectionEntry, Consistency, Drift, Partition, Selection};
use crate::error::{Error, Result};
use crate::masking::Masking;
use crate::milvus::{Identity, ServerVersion};
use crate::model::{Collection, CollectionName, Database, Field, Key, Rbac, Sample};
use crate::rbac;
use crate::reading::{Plan, Read, Reading};
use crate::select;

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

impl Live<'_> {
    /// To which moment the rows that were read belong.
    pub fn consistency(&self) -> Consistency {
        let mut drift = Drift::default();
        let read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        for read in read.values() {
            drift += read.drift;
        }
        self.reading.consistency(drift)
    }
}

impl<'a> Source<'a> {
    /// Each collection that is selected; what is read of a cluster, has been.
    pub(super) fn origins(&self, selection: &Selection) -> Result<Vec<Origin<'a>>> {
        match *self {
            Source::Archive(archive) => {
                let entries = &archive.manifest().collections;
                let names = entries.iter().map(|entry| &entry.schema.name);
                let all: Vec<CollectionName> = names.cloned().collect();
                let databases: BTreeSet<&String> = all.iter().map(|name| &name.database).collect();
                let databases: Vec<String> = databases.into_iter().cloned().collect();
                let uri = archive.uri();
                let names = select::collections(selection, &all, &databases, None, &uri)?;
                let chosen = entries
                    .iter()
                    .filter(|entry| names.contains(&entry.schema.name));
                Ok(chosen
                    .map(|entry| Origin::Archive {
                        archive,
                        entry,
                        partitions: entry.partitions.iter().collect(),
                        taken: Box::default(),
                    })
                    .collect())
            }
            Source::Cluster(live) => Ok(live
                .plans
                .iter()
                .map(|plan| Origin::Cluster { live, plan })
                .collect()),
        }
    }

    /// The databases that have properties.
    pub(super) fn databases(&self) -> &'a [Database] {
        match *self {
            Source::Archive(archive) => &archive.manifest().databases,
            Source::Cluster(live) => &live.databases,
        }
    }

    /// The users and roles, and the version of their server where that is known.
    pub(super) async fn rbac(&self) -> Result<(Rbac, Option<ServerVersion>)> {
        match self {
            Source::Archive(archive) => match archive.rbac().await? {
                Some(found) => {
                    let version = &archive.manifest().source.server_version;
                    Ok((found, ServerVersion::parse(version)))
                }
                None => Err(Error::Usage(format!(
                    "{} has no users and roles; leave --rbac away, or export with --rbac",
                    archive.uri()
                ))),
            },
            Source::Cluster(live) => {
                let cluster = live.reading.cluster();
                Ok((rbac::read(cluster).await?, Some(cluster.version().clone())))
            }
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
        taken: Box<Taken>,
    },
    Cluster {
        live: &'a Live<'a>,
        plan: &'a Plan,
    },
}

/// What of an archive's rows is taken, and what becomes of their values. What is read of a cluster has been through
/// that.
#[derive(Clone, Debug, Default)]
pub(super) struct Taken {
    pub sample: Option<Sample>,
    pub limit: Option<u64>,
    pub masking: Masking,
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

    /// Leaves out the partitions and the rows that are not selected.
    pub fn select(&mut self, selection: &Selection) {
        if let Origin::Archive {
            partitions, taken, ..
        } = self
        {
            (taken.sample, taken.limit) = (selection.sample, selection.limit);
            partitions.retain(|partition| match &partition.name {
                Some(name) => {
                    selection.partitions.is_empty() || selection.partitions.contains(name)
                }
                None => true,
            });
        }
    }

    /// What tells the collection from any other, where it is read from a live cluster.
    pub async fn identity(&self) -> Result<Option<Identity>> {
        match self {
            Origin::Archive { .. } => Ok(None),
            Origin::Cluster { live, plan } => {
                let source = live.reading.cluster();
                source.identity(&plan.collection.name).await.map(Some)
            }
        }
    }

    /// Has the values of an archive's rows masked.
    pub fn mask(&mut self, masking: Masking) {
        if let Origin::Archive { taken, .. } = self {
            taken.masking = masking;
        }
    }

    /// Whether primary keys are masked.
    pub fn masks_keys(&self) -> bool {
        match self {
            Origin::Archive { taken, .. } => taken.masking.masks_keys(),
            Origin::Cluster { plan, .. } => plan.masking.masks_keys(),
        }
    }

    /// How many rows will come, where that is known before they have.
    pub fn rows(&self) -> Option<u64> {
        match self {
            Origin::Archive {
                partitions, taken, ..
            } if taken.sample.is_none() && taken.limit.is_none() => {
                Some(partitions.iter().map(|partition| partition.rows).sum())
            }
            _ => None,
        }
    }

    /// How many rows there are. Unlike [`Origin::rows`] this asks a server; `None` where it cannot tell.
    pub async fn count(&self) -> Result<Option<u64>> {
        match self {
            Origin::Archive { .. } => Ok(self.rows()),
            Origin::Cluster { live, plan } => {
                let reading = &live.reading;
                plan.count(reading.cluster(), reading.selection()).await
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

    /// The name of the primary key.
    pub fn key_field(&self) -> Result<String> {
        let key = self.schema().primary_key().map(|key| key.name.clone());
        key.ok_or_else(|| Error::Incompatible {
            problems: vec![format!("{} has no primary key", self.schema().name)],
        })
    }

    /// What is done, as a verb.
    pub fn verb(&self) -> &'static str {
        match self {
            Origin::Archive { .. } => "restore",
            Origin::Cluster { .. } => "migrate",
        }
    }

    /// What is done, as a user who stops it is told.
    pub fn purpose(&self) -> &'static str {
        match self {
            Origin::Archive { .. } => "the restore",
            Origin::Cluster { .. } => "the migration",
        }
    }

    /// The source as a sentence names it.
    pub fn word(&self) -> &'static str {
        match self {
            Origin::Archive { .. } => "the archive",
            Origin::Cluster { .. } => "the source",
        }
    }
}
