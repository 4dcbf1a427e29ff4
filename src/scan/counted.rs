//! Counts held against keys, range by range.

use std::time::Duration;

use super::Scan;
use crate::columns::KeyColumn;
use crate::error::Result;
use crate::milvus::expr::{and, key_in, key_range};
use crate::model::Key;

/// How many keys one count names.
const KEYS_A_COUNT: usize = 2_000;

/// How often a range to which others write is counted, and for how long it is left alone after the first time.
const COUNTS: u32 = 10;
const PAUSE: Duration = Duration::from_millis(50);

/// A range that does not agree after so many counts is counted in so many parts, and they in parts of theirs, so often:
/// a page of 16,384 keys comes down to 4.
const COUNTS_OF_A_LARGE_RANGE: u32 = 2;
const PARTS: usize = 8;
const DIVISIONS: u32 = 4;

/// A range and the keys that a walk came upon in it.
struct Walked {
    after: Option<Key>,
    last: Option<Key>,
    keys: KeyColumn,
    /// How often it was divided to come to this one.
    divided: u32,
}

impl Scan {
    /// Shows, range by range, that all rows that are counted have keys that a walk comes upon.
    ///
    /// For a collection to which others write: of all of it no two numbers are of one moment, but those of a range
    /// agree as soon as nobody has written to it for the blink of an eye, the sooner the fewer keys it has; a row that
    /// is never returned stays missing. What comes after the last key was written since, as far as anyone can tell.
    pub(super) async fn find_all_counted(&self) -> Result<()> {
        let mut walker = self.walk();
        let mut after = None;
        while let Some(keys) = walker.next_page().await? {
            let last = keys.key(keys.len() - 1);
            let range = Walked {
                after,
                last: last.clone(),
                keys,
                divided: 0,
            };
            self.find_counted(range).await?;
            after = last;
        }
        Ok(())
    }

    async fn find_counted(&self, range: Walked) -> Result<()> {
        let mut todo = vec![range];
        while let Some(mut range) = todo.pop() {
            for count in 1.. {
                let missing = self.counted_beside(&range).await?;
                if missing == 0 {
                    break;
                }
                if count == COUNTS {
                    return Err(self.incomplete(format!(
                        "rows are written while it is read, and between the keys {} and {} {} counts {missing} rows \
                         more than it returns, however often it is asked; try again when nobody writes to it",
                        shown(range.after.as_ref()),
                        shown(range.last.as_ref()),
                        self.cluster.server(),
                    )));
                }
                tokio::time::sleep(PAUSE * count).await;
                range.keys = self
                    .keys_between(range.after.clone(), range.last.clone())
                    .await?;
                if count >= COUNTS_OF_A_LARGE_RANGE && range.divided < DIVISIONS {
                    let parts = self.parts_of(&range);
                    if parts.len() > 1 {
                        todo.extend(parts);
                        break;
                    }
                }
            }
        }
        Ok(())
    }

    /// How many rows are counted in a range whose keys the walk did not come upon.
    ///
    /// Neither number is waited for until it is of the present: rows that were there when the run began are in both.
    async fn counted_beside(&self, range: &Walked) -> Result<u64> {
        let (after, last) = (range.after.as_ref(), range.last.as_ref());
        let range_of_keys = key_range(&self.key.name, self.has_text_keys(), after, last);
        let expr = and(self.filter.as_deref(), range_of_keys);
        let (partition, moment) = (self.partition.as_deref(), self.snapshot.read_at());
        let (counted, under_keys) = futures::try_join!(
            self.cluster.count_at(&self.name, partition, &expr, moment),
            self.count_under(&range.keys, moment),
        )?;
        Ok(counted.unwrap_or(0).saturating_sub(under_keys))
    }

    async fn keys_between(&self, after: Option<Key>, last: Option<Key>) -> Result<KeyColumn> {
        let mut keys = KeyColumn::empty(self.has_text_keys());
        let mut walker = self.walk_between(after, last);
        while let Some(page) = walker.next_page().await? {
            keys.append(page);
        }
        Ok(keys)
    }

    /// The parts of a range, each of which ends at a key that an expression can name.
    fn parts_of(&self, range: &Walked) -> Vec<Walked> {
        let size = range.keys.len().div_ceil(PARTS).max(1);
        let mut parts = Vec::new();
        let mut after = range.after.clone();
        let mut start = 0;
        while start < range.keys.len() {
            let is_end = |end: &usize| {
                let key = range.keys.key(end - 1);
                key.is_some_and(|key| self.can_name(&key))
            };
            let end = (start + size..range.keys.len()).find(is_end);
            let last = match end {
                Some(end) => range.keys.key(end - 1),
                None => range.last.clone(),
            };
            let end = end.unwrap_or(range.keys.len());
            parts.push(Walked {
                after: after.clone(),
                last: last.clone(),
                keys: range.keys.slice(start..end),
                divided: range.divided + 1,
            });
            (start, after) = (end, last);
        }
        parts
    }

    /// The number of rows that the server holds under just these keys: more than there are keys where rows
    /// share one.
    pub(super) async fn count_under(&self, keys: &KeyColumn, timestamp: u64) -> Result<u64> {
        let mut sum = 0;
        let nameable: Vec<_> = (0..keys.len())
            .filter_map(|position| keys.key(position))
            .filter(|key| self.can_name(key) && !matches!(key, Key::Int(i64::MIN)))
            .collect();
        // Keys that no expression can name were read once each.
        sum += (keys.len() - nameable.len()) as u64;
        for some in nameable.chunks(KEYS_A_COUNT) {
            let expr = and(self.filter.as_deref(), key_in(&self.key.name, some));
            let count = self
                .cluster
                .count_at(&self.name, self.partition.as_deref(), &expr, timestamp)
                .await?;
            sum += count.unwrap_or(some.len() as u64);
        }
        Ok(sum)
    }
}

fn shown(key: Option<&Key>) -> String {
    key.map_or_else(|| "(none)".to_owned(), Key::to_string)
}
