//! Bringing a collection into a state in which it can be read, and putting it back as it was.

use std::collections::BTreeMap;

use crate::compat::{self, Feature, Thing};
use crate::error::{Error, Result};
use crate::milvus::Cluster;
use crate::model::{Collection, DataType, Field, Index};
use crate::progress::Context;

/// What may be done to a collection that cannot be read as it is.
#[derive(Clone, Copy, Debug)]
pub struct ReadAccess {
    /// Load it, and release it afterwards.
    pub load: bool,
    /// Give it an index, without which it cannot be loaded, and drop the index afterwards.
    pub temp_index: bool,
}

/// A collection that can be read. [`Readable::put_back`] undoes what was done for it.
#[derive(Debug)]
#[must_use]
pub struct Readable {
    loaded: bool,
    indexed: Vec<Index>,
}

/// Checks, without touching anything, that `access` is enough to read all of some collections.
///
/// # Errors
/// [`Error::NotReadable`] of the first that cannot be read; it names the others.
pub fn check<'a>(
    cluster: &Cluster,
    collections: impl IntoIterator<Item = &'a Collection>,
    access: ReadAccess,
) -> Result<()> {
    let mut refused = Ok(());
    let mut others = Vec::new();
    for collection in collections {
        if collection.load.loaded {
            continue;
        }
        match check_unloaded(cluster, collection, access) {
            Err(error) if refused.is_ok() => refused = Err(error),
            Err(_) => others.push(collection.name.to_string()),
            Ok(()) => {}
        }
    }
    if let Err(Error::NotReadable { way_out, .. }) = &mut refused
        && !others.is_empty()
    {
        way_out.push_str(&format!("; the same goes for {}", others.join(", ")));
    }
    refused
}

fn check_unloaded(cluster: &Cluster, collection: &Collection, access: ReadAccess) -> Result<()> {
    let not_readable = |state: String, way_out: &str| Error::NotReadable {
        collection: collection.name.clone(),
        state,
        way_out: way_out.to_owned(),
    };
    if !access.load {
        return Err(not_readable(
            "is not loaded".into(),
            "leave out --no-load, or load it first",
        ));
    }
    match unindexed(cluster, collection).first() {
        Some((field, _)) if !access.temp_index => Err(not_readable(
            format!("is not loaded and cannot be, because its field {field} has no index"),
            "allow a temporary one with --temp-index, or create one",
        )),
        _ => Ok(()),
    }
}

/// Makes a collection readable, as far as `access` allows; on failure it is as it was.
///
/// Whether it is loaded is asked for again: somebody may have loaded or released it since it was described, and
/// what others have loaded must not be released.
pub async fn open(
    cluster: &Cluster,
    collection: &Collection,
    access: ReadAccess,
    ctx: &Context,
) -> Result<Readable> {
    let mut readable = Readable {
        loaded: false,
        indexed: Vec::new(),
    };
    if cluster.is_loaded(&collection.name).await? {
        return Ok(readable);
    }
    check_unloaded(cluster, collection, access)?;
    let opened = readable.open(cluster, collection, ctx).await;
    match opened {
        Ok(()) => Ok(readable),
        Err(error) => {
            readable.put_back(cluster, collection, ctx).await;
            Err(error)
        }
    }
}

impl Readable {
    async fn open(
        &mut self,
        cluster: &Cluster,
        collection: &Collection,
        ctx: &Context,
    ) -> Result<()> {
        let name = &collection.name;
        for (field_name, field) in unindexed(cluster, collection) {
            ctx.monitor.note(&format!(
                "{name}: a temporary index on {field_name} is being built"
            ));
            let index = temporary_index(field_name, field);
            // Before it is there: an index whose making was not answered must not stay.
            self.indexed.push(index.clone());
            if let Err(error) = cluster.create_index(name, &index).await {
                if matches!(error, Error::Call { code, .. } if code != 0) {
                    // The server says that it made none.
                    self.indexed.pop();
                }
                return Err(error);
            }
        }
        if !self.indexed.is_empty() {
            let task = ctx.monitor.begin("index", &name.to_string(), None);
            cluster.wait_for_indexes(name, task.as_ref(), ctx).await?;
        }
        // An index takes time to build.
        if cluster.is_loaded(name).await? {
            return Ok(());
        }
        ctx.monitor.note(&format!(
            "{name}: is not loaded; loading it for as long as it is read"
        ));
        self.loaded = true;
        cluster.load(name, 1, ctx).await
    }

    /// Puts the collection back as it was. What cannot be undone is told, and no error: the rows were read.
    pub async fn put_back(self, cluster: &Cluster, collection: &Collection, ctx: &Context) {
        let name = &collection.name;
        if self.loaded
            && let Err(error) = cluster.release(name).await
        {
            ctx.monitor
                .warn(&format!("{name}: could not be released again: {error}"));
        }
        for index in self.indexed {
            if let Err(error) = cluster.drop_index(name, &index.field, &index.name).await {
                ctx.monitor.warn(&format!(
                    "{name}: the temporary index {} could not be dropped: {error}",
                    index.name
                ));
            }
        }
    }
}

/// Vector fields without an index, also those of struct arrays, where loading needs one (every Milvus; milvus-lite
/// does not). Each under the name that an index calls it by.
pub(crate) fn unindexed<'a>(
    cluster: &Cluster,
    collection: &'a Collection,
) -> Vec<(String, &'a Field)> {
    if compat::knows(cluster.version(), Thing::Feature(Feature::LoadUnindexed)) {
        return Vec::new();
    }
    let has_index = |name: &String| collection.indexes.iter().any(|index| index.field == *name);
    collection
        .indexable()
        .filter(|(name, field)| field.data_type.is_vector() && !has_index(name))
        .collect()
}

fn temporary_index(name: String, field: &Field) -> Index {
    let (kind, metric) = match field.data_type {
        DataType::BinaryVector => ("BIN_FLAT", "HAMMING"),
        DataType::SparseFloatVector => ("SPARSE_INVERTED_INDEX", "IP"),
        // Milvus has graphs alone for these (its documentation of 2.6).
        DataType::Int8Vector => ("HNSW", "L2"),
        DataType::ArrayOfVector => match field.element_type {
            Some(DataType::BinaryVector) => ("AUTOINDEX", "MAX_SIM_HAMMING"),
            _ => ("AUTOINDEX", "MAX_SIM_COSINE"),
        },
        _ => ("FLAT", "L2"),
    };
    Index {
        // Names of indexes are letters, digits and _.
        name: format!("milvault_{}", name.replace(['[', ']'], "_")),
        field: name,
        params: BTreeMap::from([
            ("index_type".to_owned(), kind.to_owned()),
            ("metric_type".to_owned(), metric.to_owned()),
        ]),
    }
}
