//! Reading a collection: walk its keys, cut the walk into ranges, fetch the ranges.
//!
//! Keys alone are cheap to page through; whole rows are cheap to fetch as bounded ranges without a limit,
//! while a page of whole rows costs the server `limit` rows of every segment. So the keys are walked first,
//! and each range then proves itself: it must return exactly the keys that were walked, or account for each that it
//! does not. Numbers in a row are counted instead of walked.

mod budget;
mod completeness;
mod counted;
mod cut;
mod fetch;
mod first;
mod leap;
mod rows;
mod settle;
mod snapshot;
mod verdict;
mod walk;

use std::sync::{Arc, Mutex};

use arrow_schema::SchemaRef;

pub use budget::Budget;
pub use completeness::{Completeness, KeySet, RowsRead};
pub use cut::{Cutter, KeyRange};
pub use fetch::{Fetched, Piece, RowWidth};
pub use first::{first_rows, last_key};
pub use snapshot::Snapshot;
pub use verdict::{StoredRows, Verdict};
pub use walk::Walker;

use crate::columns::{self, KeyColumn};
use crate::error::{Error, Result};
use crate::milvus::{Cluster, Query};
use crate::model::{Collection, CollectionName, DataType, Field, Sample};

/// A read of all (or the filtered) rows of one partition, or of a collection that is read as one.
#[derive(Clone, Debug)]
pub struct Scan {
    cluster: Cluster,
    name: CollectionName,
    partition: Option<String>,
    fields: Vec<Field>,
    field_names: Vec<String>,
    schema: SchemaRef,
    key: Field,
    filter: Option<String>,
    sampled: Option<Sampled>,
    snapshot: Arc<Snapshot>,
}

/// A share of the rows that a scan walks.
#[derive(Clone, Debug)]
struct Sampled {
    sample: Sample,
    /// All keys that were walked, whether picked or not.
    walked: Arc<Mutex<KeySet>>,
}

impl Scan {
    /// Plans a read of `fields`, the key among them.
    pub fn new(
        cluster: &Cluster,
        collection: &Collection,
        partition: Option<&str>,
        fields: &[Field],
        filter: Option<&str>,
        snapshot: &Arc<Snapshot>,
    ) -> Result<Scan> {
        let key = collection
            .primary_key()
            .ok_or_else(|| Error::Incompatible {
                problems: vec![format!("{} has no primary key", collection.name)],
            })?;
        Ok(Scan {
            cluster: cluster.clone(),
            name: collection.name.clone(),
            partition: partition.map(str::to_owned),
            field_names: fields.iter().map(|field| field.name.clone()).collect(),
            schema: columns::arrow_schema(fields)?,
            fields: fields.to_vec(),
            key: key.clone(),
            filter: filter.map(str::to_owned),
            sampled: None,
            snapshot: snapshot.clone(),
        })
    }

    /// The same read, of a share of the rows: all keys are walked, and rows are fetched of those that are picked.
    #[must_use]
    pub fn sampled(mut self, sample: Option<Sample>) -> Scan {
        self.sampled = sample.map(|sample| Sampled {
            sample,
            walked: Arc::default(),
        });
        self
    }

    /// Those of some keys whose rows are wanted.
    pub fn picked(&self, keys: KeyColumn) -> KeyColumn {
        match &self.sampled {
            Some(sampled) => keys.retain(|key| sampled.sample.picks(key)),
            None => keys,
        }
    }

    /// The collection.
    pub fn collection(&self) -> &CollectionName {
        &self.name
    }

    /// The partition; `None` where the collection is read as one.
    pub fn partition(&self) -> Option<&str> {
        self.partition.as_deref()
    }

    /// The columns of the rows.
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// The fields of the rows, in the order of the columns.
    pub fn fields(&self) -> &[Field] {
        &self.fields
    }

    /// The name of the primary key.
    pub fn key_field(&self) -> &str {
        &self.key.name
    }

    /// Whether keys are texts.
    fn has_text_keys(&self) -> bool {
        self.key.data_type == DataType::VarChar
    }

    fn query<'a>(&'a self, expr: String, fields: &'a [String], limit: Option<u64>) -> Query<'a> {
        Query {
            collection: &self.name,
            partition: self.partition.as_deref(),
            expr: crate::milvus::expr::and(self.filter.as_deref(), expr),
            fields,
            limit,
            timestamp: self.snapshot.read_at(),
        }
    }

    /// Settles the moment that reads belong to, before the first of them.
    ///
    /// The server tells it to an iterator's first query, which itself is read at a later moment than the one it tells
    /// (Milvus 2.5 to 3.0, `task_query.go`: the time at which the proxy began). So its rows are not used.
    async fn pin(&self) -> Result<()> {
        let everything =
            crate::milvus::expr::key_range(&self.key.name, self.has_text_keys(), None, None);
        let first = Query {
            collection: &self.name,
            partition: None,
            expr: everything,
            fields: std::slice::from_ref(&self.key.name),
            limit: Some(1),
            timestamp: 0,
        };
        let ask = || async { Ok(self.cluster.query(&first).await?.session_ts) };
        self.snapshot.pin(ask).await
    }

    fn incomplete(&self, reason: impl Into<String>) -> Error {
        Error::Incomplete {
            collection: self.name.clone(),
            reason: reason.into(),
        }
    }
}
