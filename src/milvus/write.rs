//! Writing rows.

use std::collections::HashMap;
use std::time::Duration;

use super::Cluster;
use super::cluster::Repeat;
use super::expr;
use super::wire::milvus::{
    DeleteRequest, FlushRequest, GetFlushStateRequest, InsertRequest, SegmentIds,
};
use super::wire::schema::FieldData;
use super::wire::schema::field_data::Field as Payload;
use super::wire::schema::scalar_field::Data;
use crate::compat::{self, Call, Thing};
use crate::error::{Error, Result};
use crate::model::{CollectionName, Field, Key};
use crate::progress::Context;

const POLL: Duration = Duration::from_millis(200);

/// How long rows whose insert was not answered may still be on their way into the server: what comes before them
/// replaces none of them.
const ARRIVAL: Duration = Duration::from_secs(1);

impl Cluster {
    /// Inserts rows, each exactly once: when an answer is lost on the way, the same rows are sent again
    /// as an upsert, which replaces what may have arrived; where there is none (before 2.3), or where it would make
    /// the keys anew (autoID), what may have arrived is deleted by its keys, which the field `key` has. True if one
    /// or the other was needed. The keys must not be in the collection already.
    pub async fn insert(
        &self,
        name: &CollectionName,
        partition: Option<&str>,
        key: &Field,
        fields: Vec<FieldData>,
        rows: u32,
    ) -> Result<bool> {
        let message = request(name, partition, fields, rows);
        match self.send_insert(name, message.clone()).await {
            Ok(()) => Ok(false),
            Err(lost @ Error::Unreachable { .. }) => {
                tracing::debug!(%lost, "sending the rows again");
                let version = self.version();
                let upserts = compat::knows(version, Thing::Call(Call::Upsert));
                if (upserts || !version.is_known()) && !key.auto_id {
                    tokio::time::sleep(ARRIVAL).await;
                    self.send_upsert(name, message).await?;
                } else {
                    self.insert_anew(name, &key.name, message, lost).await?;
                }
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
        let rows = message.num_rows;
        let answer = self
            .call_on(
                name,
                "Insert",
                Repeat::OnlyWhenRefused,
                message,
                |mut client, request| async move { client.insert(request).await },
            )
            .await?;
        all_taken(name, rows, answer.insert_cnt)
    }

    /// Deletes what may have arrived of an insert, and inserts it again, until that is answered.
    async fn insert_anew(
        &self,
        name: &CollectionName,
        key: &str,
        message: InsertRequest,
        mut lost: Error,
    ) -> Result<()> {
        let begun = tokio::time::Instant::now();
        let delete = DeleteRequest {
            db_name: name.database.clone(),
            collection_name: name.collection.clone(),
            partition_name: message.partition_name.clone(),
            expr: match keys_of(&message.fields_data, key) {
                Some(keys) => expr::key_in(key, &keys),
                // They cannot be named, so nothing can be done about them.
                None => return Err(lost),
            },
        };
        while begun.elapsed() < self.retry_for() {
            tokio::time::sleep(ARRIVAL).await;
            self.call_on(
                name,
                "Delete",
                Repeat::Safe,
                delete.clone(),
                |mut client, request| async move { client.delete(request).await },
            )
            .await?;
            match self.send_insert(name, message.clone()).await {
                Err(again @ Error::Unreachable { .. }) => lost = again,
                sent => return sent,
            }
        }
        Err(lost)
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
        let rows = message.num_rows;
        let answer = self
            .call_on(
                name,
                "Upsert",
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
        let answer = self
            .call_on(
                name,
                "Flush",
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
                .call_on(
                    name,
                    "GetFlushState",
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

/// The keys of rows; `None` where an expression cannot name them all.
fn keys_of(fields: &[FieldData], key: &str) -> Option<Vec<Key>> {
    let field = fields.iter().find(|field| field.field_name == key)?;
    let Some(Payload::Scalars(scalars)) = &field.field else {
        return None;
    };
    match scalars.data.as_ref()? {
        Data::LongData(keys) if !keys.data.contains(&i64::MIN) => {
            Some(keys.data.iter().copied().map(Key::Int).collect())
        }
        Data::StringData(keys) => {
            let text = |bytes: &bytes::Bytes| String::from_utf8(bytes.to_vec()).ok().map(Key::Text);
            keys.data.iter().map(text).collect()
        }
        _ => None,
    }
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
