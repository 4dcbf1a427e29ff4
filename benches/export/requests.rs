//! The requests of an export and of a restore, made in advance.

use std::sync::Arc;

use bytes::Bytes;
use futures::TryStreamExt;
use milvault::archive::Archive;
use milvault::columns;
use milvault::milvus::Cluster;
use milvault::milvus::expr::key_range;
use milvault::milvus::wire::common::{ConsistencyLevel, KeyValuePair};
use milvault::milvus::wire::milvus::{InsertRequest, QueryRequest};
use milvault::model::{Collection, CollectionName};
use milvault::scan::{RowWidth, Scan, Snapshot};
use prost::Message;

use crate::Failure;

/// As a restore cuts its inserts.
const INSERT_BYTES: usize = 4 << 20;
const INSERT_ROWS: usize = 8_192;

/// The queries that fetch all rows of a collection with int64 keys: the pieces of the ranges that an export walks.
pub async fn queries(cluster: &Cluster, collection: &Collection) -> Result<Vec<Bytes>, Failure> {
    let name = &collection.name;
    let snapshot = Arc::new(Snapshot::begin(cluster).await?);
    let begun = cluster.now().await?.unwrap_or(0);
    let scan = Scan::new(
        cluster,
        collection,
        None,
        &collection.fields,
        None,
        &snapshot,
    )?;
    let width = RowWidth::of(&collection.fields);
    let ranges: Vec<_> = scan.ranges().try_collect().await?;
    let mut queries = Vec::new();
    for range in &ranges {
        let mut from = 0;
        while from < range.keys.len() {
            let after = match from {
                0 => range.after.clone(),
                from => range.keys.key(from - 1),
            };
            from += scan.piece(range, from, &width).rows();
            let last = range.keys.key(from - 1);
            let request = QueryRequest {
                db_name: name.database.clone(),
                collection_name: name.collection.clone(),
                expr: key_range(scan.key_field(), false, after.as_ref(), last.as_ref()),
                output_fields: collection
                    .fields
                    .iter()
                    .map(|field| field.name.clone())
                    .collect(),
                partition_names: Vec::new(),
                guarantee_timestamp: begun,
                query_params: vec![pair("iterator", "True"), pair("timezone", "UTC")],
                consistency_level: ConsistencyLevel::Strong.into(),
            };
            queries.push(request.encode_to_vec().into());
        }
    }
    Ok(queries)
}

/// The inserts that put the rows of an archive's only collection into `target`.
pub async fn inserts(archive: &Archive, target: &CollectionName) -> Result<Vec<Bytes>, Failure> {
    let mut inserts = Vec::new();
    for entry in &archive.manifest().collections {
        let fields = archive.fields(entry)?;
        for file in entry.files() {
            let mut batches = std::pin::pin!(archive.batches(entry, file)?);
            while let Some(batch) = batches.try_next().await? {
                let bytes: usize = columns::row_bytes(&batch)
                    .into_iter()
                    .map(|bytes| bytes as usize)
                    .sum();
                let rows = (INSERT_BYTES * batch.num_rows() / bytes.max(1)).clamp(1, INSERT_ROWS);
                for start in (0..batch.num_rows()).step_by(rows) {
                    let slice = batch.slice(start, rows.min(batch.num_rows() - start));
                    let request = InsertRequest {
                        db_name: target.database.clone(),
                        collection_name: target.collection.clone(),
                        partition_name: String::new(),
                        fields_data: columns::encode(&fields, &slice)?,
                        num_rows: u32::try_from(slice.num_rows())?,
                    };
                    inserts.push(request.encode_to_vec().into());
                }
            }
        }
    }
    Ok(inserts)
}

fn pair(key: &str, value: &str) -> KeyValuePair {
    KeyValuePair {
        key: key.to_owned(),
        value: value.to_owned(),
    }
}
