//! Rows of a range that others write to faster than it can be read.
//!
//! A range proves itself by returning the keys that were walked, which needs a moment in which nobody writes to it.
//! Where none comes, those of its rows that did not come are asked for by their keys, until each has either come or
//! is gone.

use std::time::Duration;

use arrow_array::RecordBatch;

use super::Scan;
use super::fetch::named_parts;
use crate::archive::Drift;
use crate::columns::{self, KeyColumn};
use crate::compute;
use crate::error::{Error, Result};

/// How often rows that are still there and do not come are asked for.
const ATTEMPTS: u32 = 6;
const PAUSE: Duration = Duration::from_millis(50);

/// What a range came to.
pub(super) struct Settled {
    /// In order of key; none where all are gone.
    pub rows: Option<RecordBatch>,
    /// Which keys had come and gone since the walk.
    pub drift: Drift,
}

impl Scan {
    /// Asks for those of the `walked` keys by name that are not among the keys that `came`, with `batches`. Gives all
    /// rows; nothing where some are there, by their keys, and never come, where a key cannot be named, or where reads
    /// are of one moment, so that no writes explain what is missing.
    pub(super) async fn settle(
        &self,
        walked: &KeyColumn,
        came: &KeyColumn,
        mut batches: Vec<RecordBatch>,
    ) -> Result<Option<Settled>> {
        if self.snapshot.timestamp().is_some() {
            return Ok(None);
        }
        let (added, _) = came.differences(walked);
        let mut lost = walked.without(came);
        for attempt in 1..=ATTEMPTS {
            let Some(found) = self.rows_named(&lost).await? else {
                return Ok(None);
            };
            lost = lost.without(&self.keys_of(&found)?);
            batches.extend(found);
            if !self.any_key_of(&lost).await? {
                let (scan, removed) = (self.clone(), lost.len() as u64);
                let sort = move || columns::in_key_order(&scan.schema, &batches, &scan.key);
                return Ok(Some(Settled {
                    rows: Some(compute::run(sort).await?).filter(|rows| rows.num_rows() > 0),
                    drift: Drift {
                        ranges_rewalked: 0,
                        keys_added: added,
                        keys_removed: removed,
                    },
                }));
            }
            tokio::time::sleep(PAUSE * attempt).await;
        }
        Ok(None)
    }

    /// The keys of rows.
    pub(super) fn keys_of(&self, batches: &[RecordBatch]) -> Result<KeyColumn> {
        let mut keys = KeyColumn::empty(self.has_text_keys());
        for batch in batches {
            keys.append(KeyColumn::of_batch(batch, &self.key.name)?);
        }
        Ok(keys)
    }

    /// The rows with these keys, part by part in order of key; nothing where a key cannot be named.
    async fn rows_named(&self, keys: &KeyColumn) -> Result<Option<Vec<RecordBatch>>> {
        let mut batches = Vec::new();
        let mut todo = named_parts(keys);
        while let Some(part) = todo.pop() {
            if part.is_empty() {
                continue;
            }
            let Some(expr) = self.named(keys, &part) else {
                return Ok(None);
            };
            let query = self.query(expr, &self.field_names, None);
            match self.cluster.query(&query).await {
                Ok(page) => batches.push(self.decode(page).await?),
                Err(Error::TooLarge { .. }) if part.len() > 1 => {
                    let middle = part.start + part.len() / 2;
                    todo.push(middle..part.end);
                    todo.push(part.start..middle);
                }
                Err(error) => return Err(error),
            }
        }
        Ok(Some(batches))
    }

    /// Whether the server has any of these keys, all of which can be named.
    async fn any_key_of(&self, keys: &KeyColumn) -> Result<bool> {
        for part in named_parts(keys) {
            let Some(expr) = self.named(keys, &part).filter(|_| !part.is_empty()) else {
                continue;
            };
            let query = self.query(expr, std::slice::from_ref(&self.key.name), None);
            let page = self.cluster.query(&query).await?;
            let there = KeyColumn::of_answer(page.fields, &self.key.name)?;
            if there.is_none_or(|keys| !keys.is_empty()) {
                return Ok(true);
            }
        }
        Ok(false)
    }
}
