//! Fetching whole rows of a range, and proving that they are the ones that were walked.

use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use arrow_array::RecordBatch;

use super::Scan;
use super::cut::{KeyRange, width};
use crate::archive::Drift;
use crate::columns::{self, KeyColumn};
use crate::compute;
use crate::error::{Error, Result};
use crate::milvus::Page;
use crate::milvus::expr::{key_in, key_range};
use crate::model::{Field, Key};

/// The bytes that one answer aims at. Servers stop at 64 MiB (2.2, 2.3), and spend less on two answers than on one
/// of twice the size.
const PIECE_BYTES: u64 = 6 << 20;

/// How many keys of a sample one expression names, and how many bytes of them, at most.
const KEYS_NAMED: usize = 1_000;
const KEY_BYTES_NAMED: usize = 1 << 20;

/// How often a range is walked again when its rows are not those of the walk.
const ATTEMPTS: u32 = 4;
const PAUSE: Duration = Duration::from_millis(150);

/// A part of a range that is asked for in one answer.
#[derive(Clone, Debug)]
pub struct Piece {
    after: Option<Key>,
    keys: KeyColumn,
    /// Whether some of the keys were counted and not seen.
    counted: bool,
    /// What the answer is expected to weigh, in bytes.
    pub bytes: u64,
}

impl Piece {
    /// How many keys were walked.
    pub fn rows(&self) -> usize {
        self.keys.len()
    }
}

/// The rows of a piece.
#[derive(Debug)]
pub struct Fetched {
    /// The rows in order of key.
    pub batches: Vec<RecordBatch>,
    /// What the answers weighed on the wire.
    pub bytes: u64,
    /// What had changed since the keys were walked.
    pub drift: Drift,
}

/// What rows weigh, as far as is known: the schema at first, then what came.
#[derive(Debug)]
pub struct RowWidth(AtomicU64);

impl RowWidth {
    /// The width that the schema tells.
    pub fn of(fields: &[Field]) -> RowWidth {
        RowWidth(AtomicU64::new(fields.iter().map(width).sum::<u64>().max(8)))
    }

    fn learn(&self, bytes: u64, rows: usize) {
        if rows > 0 {
            // Half old, half new: follows a change of width within a few pieces.
            let now = self.0.load(Ordering::Relaxed);
            self.0
                .store((now + bytes / rows as u64) / 2 + 1, Ordering::Relaxed);
        }
    }

    fn rows_per_piece(&self) -> usize {
        (PIECE_BYTES / self.0.load(Ordering::Relaxed).max(1)).max(1) as usize
    }
}

impl Scan {
    /// The next piece of a range, from position `from` of its keys.
    pub fn piece(&self, range: &KeyRange, from: usize, width: &RowWidth) -> Piece {
        let left = range.keys.len() - from;
        let rows = width.rows_per_piece();
        // Two halves rather than a piece and a crumb.
        let rows = if left <= rows {
            left
        } else if left < 2 * rows {
            left.div_ceil(2)
        } else {
            rows
        };
        let mut end = from + rows;
        while end < range.keys.len()
            && !range
                .keys
                .key(end - 1)
                .is_some_and(|key| self.can_name(&key))
        {
            end += 1;
        }
        let after = if from == 0 {
            range.after.clone()
        } else {
            range.keys.key(from - 1)
        };
        Piece {
            after,
            keys: range.keys.slice(from..end),
            counted: range.counted,
            bytes: (end - from) as u64 * width.0.load(Ordering::Relaxed),
        }
    }

    /// Fetches a piece. The rows are exactly those of the keys that were walked; where they are not, the
    /// keys are walked again, and what changed is counted.
    pub async fn fetch(&self, piece: Piece, width: &RowWidth) -> Result<Fetched> {
        let mut fetched = Fetched {
            batches: Vec::new(),
            bytes: 0,
            drift: Drift::default(),
        };
        let Some(last) = piece
            .keys
            .len()
            .checked_sub(1)
            .and_then(|last| piece.keys.key(last))
        else {
            return Ok(fetched);
        };
        let mut walked = piece.keys;
        for attempt in 1.. {
            let (batches, bytes) = self.rows_of(&piece.after, &walked, &last).await?;
            let came = self.keys_of(&batches)?;
            if came == walked {
                width.learn(bytes, came.len());
                fetched.batches = batches;
                fetched.bytes = bytes;
                return Ok(fetched);
            }
            if attempt == ATTEMPTS {
                let Some(settled) = self.settle(&walked, &came, batches).await? else {
                    let (more, fewer) = came.differences(&walked);
                    return Err(self.incomplete(format!(
                        "keys after {} up to {last} do not hold still: {} walked, then {fewer} of them missing and \
                         {more} others there, {ATTEMPTS} times; stop what writes to them, or try again later",
                        show(&piece.after),
                        walked.len(),
                    )));
                };
                fetched.drift += settled.drift;
                fetched.bytes = bytes;
                fetched.batches.extend(settled.rows);
                return Ok(fetched);
            }
            // Keys that were only counted may never have been there: of two rows that share a key, one is returned.
            let seen = attempt > 1 || !piece.counted;
            if seen {
                tokio::time::sleep(PAUSE * attempt).await;
            }
            let again = self.walk_again(&piece.after, &last).await?;
            if seen {
                let (more, fewer) = again.differences(&walked);
                fetched.drift += Drift {
                    ranges_rewalked: 1,
                    keys_added: more,
                    keys_removed: fewer,
                };
            }
            walked = again;
        }
        Ok(fetched)
    }

    async fn walk_again(&self, after: &Option<Key>, last: &Key) -> Result<KeyColumn> {
        let to = Some(last.clone()).filter(|last| self.can_name(last));
        let mut walker = self.walk_between(after.clone(), to);
        let mut keys = KeyColumn::empty(self.has_text_keys());
        while let Some(page) = walker.next_page().await? {
            keys.append(page);
        }
        keys.truncate_after(last);
        Ok(self.picked(keys))
    }

    /// The rows after `after` up to `last`; split where the answer would be too large.
    async fn rows_of(
        &self,
        after: &Option<Key>,
        walked: &KeyColumn,
        last: &Key,
    ) -> Result<(Vec<RecordBatch>, u64)> {
        let mut batches = Vec::new();
        let mut bytes = 0;
        // Positions in `walked` still to be asked for, the next one on top.
        let mut todo = if self.sampled.is_some() {
            named_parts(walked)
        } else {
            std::iter::once(0..walked.len()).collect()
        };
        while let Some(part) = todo.pop() {
            let after = if part.start == 0 {
                after.clone()
            } else {
                walked.key(part.start - 1)
            };
            let to = if part.end == walked.len() {
                Some(last.clone())
            } else {
                walked.key(part.end - 1)
            };
            let nameable = to.clone().filter(|to| self.can_name(to));
            let expr = self.picked_in(walked, &part).unwrap_or_else(|| {
                key_range(
                    &self.key.name,
                    self.has_text_keys(),
                    after.as_ref(),
                    nameable.as_ref(),
                )
            });
            match self
                .cluster
                .query(&self.query(expr, &self.field_names, None))
                .await
            {
                Ok(page) => {
                    bytes += page.bytes;
                    let batch = self.decode(page).await?;
                    let batch = match (&to, &nameable) {
                        (Some(to), None) => columns::up_to(&batch, &self.key.name, to)?,
                        _ => batch,
                    };
                    let batch = match &self.sampled {
                        Some(sampled) => columns::rows_with(&batch, &self.key.name, |key| {
                            sampled.sample.picks(key)
                        })?,
                        None => batch,
                    };
                    if batch.num_rows() > 0 {
                        if let Some(rest) = self.rest_of(walked, &part, &batch)? {
                            todo.push(rest);
                        }
                        batches.push(batch);
                    }
                }
                Err(Error::TooLarge { .. }) if part.len() > 1 => {
                    let middle = self.middle(walked, &part);
                    todo.push(middle..part.end);
                    todo.push(part.start..middle);
                }
                Err(Error::TooLarge { reason, .. }) => {
                    return Err(self.incomplete(format!(
                        "the row with key {} alone is larger than the server sends ({reason}); raise the server's \
                         limit, or leave out its large fields with --exclude-fields",
                        show(&to)
                    )));
                }
                Err(error) => return Err(error),
            }
        }
        Ok((batches, bytes))
    }

    /// An expression for just the keys of a part that were picked; none where a range does, or some cannot be named.
    fn picked_in(&self, walked: &KeyColumn, part: &Range<usize>) -> Option<String> {
        self.sampled.as_ref().filter(|_| !part.is_empty())?;
        self.named(walked, part)
    }

    /// An expression for just the keys of a part; none where some cannot be named.
    pub(super) fn named(&self, keys: &KeyColumn, part: &Range<usize>) -> Option<String> {
        let keys: Option<Vec<Key>> = part
            .clone()
            .map(|position| keys.key(position))
            .map(|key| key.filter(|key| self.can_name(key) && *key != Key::Int(i64::MIN)))
            .collect();
        Some(key_in(&self.key.name, &keys?))
    }

    /// What is left of a part when the answer ends early, at a key that was walked: an answer to an iterator
    /// may be a page even where no limit was asked for.
    fn rest_of(
        &self,
        walked: &KeyColumn,
        part: &Range<usize>,
        batch: &RecordBatch,
    ) -> Result<Option<Range<usize>>> {
        let came = batch.num_rows();
        if came >= part.len() {
            return Ok(None);
        }
        let last = KeyColumn::of_batch(&batch.slice(came - 1, 1), &self.key.name)?.key(0);
        let next = part.start + came;
        Ok(
            (walked.key(next - 1) == last && last.is_some_and(|last| self.can_name(&last)))
                .then_some(next..part.end),
        )
    }

    /// A position in the middle at which a part may be split.
    fn middle(&self, walked: &KeyColumn, part: &Range<usize>) -> usize {
        let half = part.start + part.len() / 2;
        (half..part.end)
            .chain((part.start + 1..half).rev())
            .find(|end| walked.key(end - 1).is_some_and(|key| self.can_name(&key)))
            .unwrap_or(half)
    }

    pub(super) async fn decode(&self, page: Page) -> Result<RecordBatch> {
        let scan = self.clone();
        compute::run(move || {
            let batch = columns::decode(&scan.fields, &scan.schema, page.fields, &scan.key.name)?;
            match scan.hidden_null(&batch) {
                Some((field, row)) => {
                    let key = KeyColumn::of_batch(&batch, &scan.key.name)?.key(row);
                    Err(scan.incomplete(format!(
                        "field {field} of the row with key {} may be null or a vector of zeros: milvus-lite returns \
                         both alike; leave the field out with --exclude-fields {field}",
                        show(&key)
                    )))
                }
                None => Ok(batch),
            }
        })
        .await
    }

    /// A vector whose null-ness the server hides: milvus-lite 3.2.2 returns null vectors as zeros.
    fn hidden_null(&self, batch: &RecordBatch) -> Option<(&str, usize)> {
        if !self.cluster.version().is_lite_from(0, 0, 0) {
            return None;
        }
        let vectors = self
            .fields
            .iter()
            .filter(|field| field.nullable && field.data_type.is_vector());
        vectors
            .filter_map(|field| Some((field.name.as_str(), batch.column_by_name(&field.name)?)))
            .find_map(|(field, column)| columns::zero_vector(column).map(|row| (field, row)))
    }
}

/// The parts of some keys that expressions should name one by one, the first part last.
pub(super) fn named_parts(keys: &KeyColumn) -> Vec<Range<usize>> {
    let mut parts = Vec::new();
    let (mut start, mut bytes) = (0, 0);
    for position in 0..keys.len() {
        let weight = keys.bytes(position).len();
        if position > start && (position - start >= KEYS_NAMED || bytes + weight > KEY_BYTES_NAMED)
        {
            parts.push(start..position);
            (start, bytes) = (position, 0);
        }
        bytes += weight;
    }
    parts.push(start..keys.len());
    parts.reverse();
    parts
}

fn show(key: &Option<Key>) -> String {
    key.as_ref()
        .map_or_else(|| "the beginning".to_owned(), Key::to_string)
}
