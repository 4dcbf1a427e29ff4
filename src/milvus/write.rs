//! Writing rows.

use std::collections::HashMap;
use std::time::Duration;

use super::Cluster;
use super::cluster::Repeat;
use super::wire::milvus::{FlushRequest, GetFlushStateRequest, InsertRequest, SegmentIds};
use super::wire::schema::FieldData;
use crate::error::{Error, Result};
use crate::model::CollectionName;
use crate::progress::Context;

const POLL: Duration = Duration::from_millis(200);

impl Cluster {
    /// Inserts rows, each exactly once: when an answer is lost on the way, the same rows are sent again
    /// as an upsert (2.3 on), which replaces what may have arrived; true if that was needed. The rows' keys must
    /// not be in the collection already, and the collection must not make its keys itself.
    pub async fn insert(
        &self,
        name: &CollectionName,
        partition: Option<&str>,
        fields: Vec<FieldData>,
        rows: u32,
    ) -> Result<bool> {
        let message = request(name, partition, fields, rows);
        match self.send_insert(name, message.clone()).await {
            Ok(()) => Ok(false),
            Err(lost @ Error::Unreachable { .. }) => {
                tracing::debug!(%lost, "sending the rows again as an upsert");
                self.send_upsert(name, message).await?;
                Ok(true)
            }
            Err(error) => Err(error),
        }
    }

    /// Inserts rows that bring no keys, because the server makes them: when an answer is lost on the way, nobody can
    /// tell whether they are there, and that is an error.
    pub async fn insert_once(
        &self,
        name: &CollectionName,
        partition: Option<&str>,
        fields: Vec<FieldData>,
        rows: u32,
    ) -> Result<()> {
        self.send_insert(name, request(name, partition, fields, rows))
            .await
    }

    async fn send_insert(&self, name: &CollectionName, message: InsertRequest) -> Result<()> {
        let subject = name.to_string();
        let rows = message.num_rows;
        let answer = self
            .call_in(
                &name.database,
                "Insert",
                &subject,
                Repeat::OnlyWhenRefused,
                message,
                |mut client, request| async move { client.insert(request).await },
            )
            .await?;
        all_taken(name, rows, answer.insert_cnt)
    }

    /// Writes rows, each replacing the one of the same key that its partition has, if there is one (2.3 on).
    pub async fn upsert(
        &self,
        name: &CollectionName,
        partition: Option<&str>,
        fields: Vec<FieldData>,
        rows: u32,
    ) -> Result<()> {
        self.send_upsert(name, request(name, partition, fields, rows))
            .await
    }

    async fn send_upsert(&self, name: &CollectionName, message: InsertRequest) -> Result<()> {
        let subject = name.to_string();
        let rows = message.num_rows;
        let answer = self
            .call_in(
                &name.database,
                "Upsert",
                &subject,
                Repeat::Safe,
                message,
                |mut client, request| async move { client.upsert(request).await },
            )
            .await?;
        all_taken(name, rows, answer.upsert_cnt)
    }

    /// Makes all rows of a collection durable and waits until they are.
    pub async fn flush(&self, name: &CollectionName, ctx: &Context) -> Result<()> {
        let message = FlushRequest {
            db_name: name.database.clone(),
            collection_names: vec![name.collection.clone()],
        };
        let subject = name.to_string();
        let answer = self
            .call_in(
                &name.database,
                "Flush",
                &subject,
                Repeat::Safe,
                message,
                |mut client, request| async move { client.flush(request).await },
            )
            .await?;
        let segments = ids(&answer.coll_seg_i_ds, &name.collection);
        let state = GetFlushStateRequest {
            segment_i_ds: segments,
            flush_ts: answer
                .coll_flush_ts
                .get(&name.collection)
                .copied()
                .unwrap_or(0),
            db_name: name.database.clone(),
            collection_name: name.collection.clone(),
        };
        loop {
            let flushed = self
                .call_in(
                    &name.database,
                    "GetFlushState",
                    &subject,
                    Repeat::Safe,
                    state.clone(),
                    |mut client, request| async move { client.get_flush_state(request).await },
                )
                .await;
            match flushed {
                Ok(answer) if answer.flushed => return Ok(()),
                Ok(_) => ctx.pause(POLL, "flushing").await?,
                Err(Error::Unsupported { .. }) => return Ok(()),
                Err(error) => return Err(error),
            }
        }
    }
}

fn ids(segments: &HashMap<String, SegmentIds>, collection: &str) -> Vec<i64> {
    segments
        .get(collection)
        .map(|ids| ids.data.clone())
        .unwrap_or_default()
}

/// A server that takes fewer rows than it was sent must not pass unnoticed.
fn all_taken(name: &CollectionName, sent: u32, taken: i64) -> Result<()> {
    if taken == i64::from(sent) {
        return Ok(());
    }
    Err(Error::Incomplete {
        collection: name.clone(),
        reason: format!("the server took {taken} of {sent} rows"),
    })
}

fn request(
    name: &CollectionName,
    partition: Option<&str>,
    fields: Vec<FieldData>,
    rows: u32,
) -> InsertRequest {
    InsertRequest {
        db_name: name.database.clone(),
        collection_name: name.collection.clone(),
        partition_name: partition.unwrap_or_default().to_owned(),
        fields_data: fields,
        num_rows: rows,
    }
}
