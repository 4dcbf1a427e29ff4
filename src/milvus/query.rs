//! Reading rows.

use prost::Message;

use super::Cluster;
use super::cluster::Repeat;
use super::wire::common::{ConsistencyLevel, KeyValuePair};
use super::wire::milvus::{AllocTimestampRequest, QueryRequest, QueryResults};
use super::wire::schema::FieldData;
use crate::error::{Error, Result};
use crate::model::CollectionName;

/// The largest `limit` that servers allow by default (`quotaAndLimits.limits.maxQueryResultWindow`).
pub const LARGEST_PAGE: u64 = 16_384;

/// One read.
#[derive(Clone, Debug)]
pub struct Query<'a> {
    /// What to read.
    pub collection: &'a CollectionName,
    /// Only this partition; never with a partition key.
    pub partition: Option<&'a str>,
    /// Which rows.
    pub expr: String,
    /// Which fields, always named: `*` leaves out vectors on 2.2. The key always comes along.
    pub fields: &'a [String],
    /// At most about so many rows: a page may hold more, and a short page is not the end.
    pub limit: Option<u64>,
    /// The state to read has everything up to this moment, as a server gave it; it is just the state of that
    /// moment where the server pins reads. 0 reads the latest state, and waits until it is there.
    pub timestamp: u64,
}

/// The rows of one answer.
#[derive(Debug)]
pub struct Page {
    /// One entry a field, in any order.
    pub fields: Vec<FieldData>,
    /// The moment that was read, where the server pins one (2.5 on); else 0.
    pub session_ts: u64,
    /// The size of the answer on the wire, in bytes.
    pub bytes: u64,
}

impl Cluster {
    /// The server's time now; `None` where it does not tell (milvus-lite).
    pub async fn now(&self) -> Result<Option<u64>> {
        let answer = self
            .call(
                "AllocTimestamp",
                "the server",
                Repeat::Safe,
                AllocTimestampRequest {},
                |mut client, request| async move { client.alloc_timestamp(request).await },
            )
            .await;
        match answer {
            Ok(answer) => Ok(Some(answer.timestamp).filter(|timestamp| *timestamp > 0)),
            // Users may lack the right to this call.
            Err(Error::Unsupported { .. } | Error::Call { .. } | Error::Denied { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Reads a page of rows.
    ///
    /// # Errors
    /// [`crate::Error::TooLarge`] where the answer is over what server or client take: ask for less.
    pub async fn query(&self, query: &Query<'_>) -> Result<Page> {
        let name = query.collection;
        let mut params = vec![pair("iterator", "True"), pair("timezone", "UTC")];
        if let Some(limit) = query.limit {
            params.push(pair("limit", &limit.min(LARGEST_PAGE).to_string()));
            // Ends a page where one segment's rows end, so that none is skipped. Without a limit it would
            // end the whole answer there (seen on 2.3.5: 977 of 1,000 rows).
            params.push(pair("reduce_stop_for_best", "True"));
        }
        let answer = self
            .read(QueryRequest {
                db_name: name.database.clone(),
                collection_name: name.collection.clone(),
                expr: query.expr.clone(),
                output_fields: query.fields.to_vec(),
                partition_names: query.partition.map(str::to_owned).into_iter().collect(),
                guarantee_timestamp: query.timestamp,
                query_params: params,
                consistency_level: ConsistencyLevel::Strong.into(),
            })
            .await?;
        let bytes = answer
            .fields_data
            .iter()
            .map(|data| data.encoded_len() as u64)
            .sum();
        Ok(Page {
            fields: answer.fields_data,
            session_ts: answer.session_ts,
            bytes,
        })
    }

    /// The one call that reads: rows, or their number.
    pub(super) async fn read(&self, message: QueryRequest) -> Result<QueryResults> {
        let database = message.db_name.clone();
        let subject = CollectionName::new(&database, &message.collection_name).to_string();
        self.call_in(
            &database,
            "Query",
            &subject,
            Repeat::Safe,
            message,
            |mut client, request| async move { client.query(request).await },
        )
        .await
    }
}

pub(super) fn pair(key: &str, value: &str) -> KeyValuePair {
    KeyValuePair {
        key: key.to_owned(),
        value: value.to_owned(),
    }
}
