//! Primary keys, out of rows and out of answers that have nothing else.

use arrow_array::{Array, BooleanArray, Int64Array, RecordBatch, StringArray};
use arrow_select::filter::filter_record_batch;
use bytes::Bytes;

use super::decode::has_no_rows;
use super::validity::take_valid_data;
use crate::milvus::wire::schema::FieldData;
use crate::milvus::wire::schema::field_data::Field as Payload;
use crate::milvus::wire::schema::scalar_field::Data;
use crate::model::Key;
use crate::{Error, Result};

/// The primary keys of an answer, as compact as they came. In the order of the answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyColumn {
    /// `Int64` keys.
    Int(Vec<i64>),
    /// `VarChar` keys, each UTF-8; they share the memory of the answer.
    Text(Vec<Bytes>),
}

impl KeyColumn {
    /// Takes the keys out of the answer's column.
    ///
    /// # Errors
    /// [`Error::Column`] where the column is not one of keys: another type, null, or text that is not UTF-8.
    pub fn from_wire(mut data: FieldData) -> Result<KeyColumn> {
        if take_valid_data(&mut data)?.contains(&false) {
            return Err(Error::column(&data.field_name, "a primary key is null"));
        }
        match data.field {
            None => Ok(KeyColumn::Int(Vec::new())),
            Some(Payload::Scalars(scalars)) => match scalars.data {
                None => Ok(KeyColumn::Int(Vec::new())),
                Some(Data::LongData(keys)) => Ok(KeyColumn::Int(keys.data)),
                Some(Data::StringData(keys)) => {
                    for key in &keys.data {
                        text(&data.field_name, key)?;
                    }
                    Ok(KeyColumn::Text(keys.data))
                }
                Some(_) => Err(not_keys(&data.field_name)),
            },
            Some(Payload::Vectors(_) | Payload::StructArrays(_)) => Err(not_keys(&data.field_name)),
        }
    }

    /// The keys of an answer's rows, in the order of the answer: none of an answer without rows. `None` where
    /// there are rows but no keys.
    ///
    /// # Errors
    /// As [`KeyColumn::from_wire`].
    pub fn of_answer(data: Vec<FieldData>, key_field: &str) -> Result<Option<KeyColumn>> {
        let has_rows = !data.iter().all(has_no_rows);
        let column = data.into_iter().find(|data| data.field_name == key_field);
        match column {
            Some(column) => KeyColumn::from_wire(column).map(Some),
            None if has_rows => Ok(None),
            None => Ok(Some(KeyColumn::Int(Vec::new()))),
        }
    }

    /// How many keys there are.
    pub fn len(&self) -> usize {
        match self {
            KeyColumn::Int(keys) => keys.len(),
            KeyColumn::Text(keys) => keys.len(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// A column without keys.
    pub fn empty(text: bool) -> KeyColumn {
        if text {
            KeyColumn::Text(Vec::new())
        } else {
            KeyColumn::Int(Vec::new())
        }
    }

    /// The keys of rows, in their order.
    ///
    /// # Errors
    /// As [`keys`].
    pub fn of_batch(batch: &RecordBatch, key_field: &str) -> Result<KeyColumn> {
        Ok(match KeyValues::of(batch, key_field)? {
            KeyValues::Int(keys) => KeyColumn::Int(keys.values().to_vec()),
            KeyValues::Text(keys) => {
                // One buffer for all keys, shared by slices of it.
                let texts = Bytes::from_owner(keys.values().clone());
                let offset = |row: usize| keys.value_offsets()[row] as usize;
                KeyColumn::Text(
                    (0..keys.len())
                        .map(|row| texts.slice(offset(row)..offset(row + 1)))
                        .collect(),
                )
            }
        })
    }

    /// Appends keys; those of the other kind only to an empty column, or when they are none.
    pub fn append(&mut self, more: KeyColumn) {
        match (&mut *self, more) {
            (KeyColumn::Int(keys), KeyColumn::Int(more)) => keys.extend(more),
            (KeyColumn::Text(keys), KeyColumn::Text(more)) => keys.extend(more),
            (empty, more) if empty.is_empty() && !more.is_empty() => *empty = more,
            _ => {}
        }
    }

    /// The keys at these positions.
    pub fn slice(&self, positions: std::ops::Range<usize>) -> KeyColumn {
        match self {
            KeyColumn::Int(keys) => KeyColumn::Int(keys[positions].to_vec()),
            KeyColumn::Text(keys) => KeyColumn::Text(keys[positions].to_vec()),
        }
    }

    /// The keys whose canonical bytes fulfil a condition.
    #[must_use]
    pub fn retain(self, wanted: impl Fn(&[u8]) -> bool) -> KeyColumn {
        match self {
            KeyColumn::Int(mut keys) => {
                keys.retain(|key| wanted(&key.to_le_bytes()));
                KeyColumn::Int(keys)
            }
            KeyColumn::Text(mut keys) => {
                keys.retain(|key| wanted(key));
                KeyColumn::Text(keys)
            }
        }
    }

    /// Puts the keys in ascending order, each once. Costs next to nothing where they are.
    pub fn sort_and_dedup(&mut self) {
        fn tidy<T: Ord>(keys: &mut Vec<T>) {
            if !keys.is_sorted_by(|a, b| a < b) {
                keys.sort_unstable();
                keys.dedup();
            }
        }
        match self {
            KeyColumn::Int(keys) => tidy(keys),
            KeyColumn::Text(keys) => tidy(keys),
        }
    }

    /// Drops the keys after `last`, of a column in ascending order.
    pub fn truncate_after(&mut self, last: &Key) {
        match (self, last) {
            (KeyColumn::Int(keys), Key::Int(last)) => {
                keys.truncate(keys.partition_point(|key| key <= last))
            }
            (KeyColumn::Text(keys), Key::Text(last)) => {
                keys.truncate(keys.partition_point(|key| key.as_ref() <= last.as_bytes()));
            }
            _ => {}
        }
    }

    /// The keys that are not in `other`; both ascend.
    #[must_use]
    pub fn without(&self, other: &KeyColumn) -> KeyColumn {
        fn only<T: Ord + Clone>(a: &[T], b: &[T]) -> Vec<T> {
            a.iter()
                .filter(|key| b.binary_search(key).is_err())
                .cloned()
                .collect()
        }
        match (self, other) {
            (KeyColumn::Int(a), KeyColumn::Int(b)) => KeyColumn::Int(only(a, b)),
            (KeyColumn::Text(a), KeyColumn::Text(b)) => KeyColumn::Text(only(a, b)),
            _ => self.clone(),
        }
    }

    /// How many keys are only here, and how many only in `other`; both ascend.
    pub fn differences(&self, other: &KeyColumn) -> (u64, u64) {
        fn count<T: Ord>(a: &[T], b: &[T]) -> (u64, u64) {
            let (mut i, mut j, mut both) = (0, 0, 0);
            while i < a.len() && j < b.len() {
                match a[i].cmp(&b[j]) {
                    std::cmp::Ordering::Less => i += 1,
                    std::cmp::Ordering::Greater => j += 1,
                    std::cmp::Ordering::Equal => {
                        both += 1;
                        i += 1;
                        j += 1;
                    }
                }
            }
            ((a.len() - both) as u64, (b.len() - both) as u64)
        }
        match (self, other) {
            (KeyColumn::Int(a), KeyColumn::Int(b)) => count(a, b),
            (KeyColumn::Text(a), KeyColumn::Text(b)) => count(a, b),
            _ => (self.len() as u64, other.len() as u64),
        }
    }

    /// The canonical bytes of the key at a position (see `formats/digests.md`).
    ///
    /// # Panics
    /// Where there is no key at that position.
    pub fn bytes(&self, position: usize) -> std::borrow::Cow<'_, [u8]> {
        match self {
            KeyColumn::Int(keys) => keys[position].to_le_bytes().to_vec().into(),
            KeyColumn::Text(keys) => keys[position].as_ref().into(),
        }
    }

    /// The key at a position, if there is one.
    pub fn key(&self, position: usize) -> Option<Key> {
        match self {
            KeyColumn::Int(keys) => keys.get(position).copied().map(Key::Int),
            KeyColumn::Text(keys) => {
                let key = keys.get(position)?;
                // `from_wire` has seen that it is UTF-8.
                Some(Key::Text(String::from_utf8_lossy(key).into_owned()))
            }
        }
    }
}

/// The keys of rows, in their order.
///
/// # Errors
/// [`Error::Column`] where `key_field` is not a column of `Int64` or `VarChar` without nulls.
pub fn keys(batch: &RecordBatch, key_field: &str) -> Result<Vec<Key>> {
    let keys = KeyValues::of(batch, key_field)?;
    Ok((0..batch.num_rows())
        .map(|row| match keys {
            KeyValues::Int(keys) => Key::Int(keys.value(row)),
            KeyValues::Text(keys) => Key::Text(keys.value(row).to_owned()),
        })
        .collect())
}

/// The rows of a batch in key order up to and including `last`.
///
/// # Errors
/// As [`keys`].
pub fn up_to(batch: &RecordBatch, key_field: &str, last: &Key) -> Result<RecordBatch> {
    let mut keys = KeyColumn::of_batch(batch, key_field)?;
    keys.truncate_after(last);
    Ok(batch.slice(0, keys.len()))
}

/// The rows whose key fulfils a condition, by its canonical bytes.
///
/// # Errors
/// As [`keys`].
pub fn rows_with(
    batch: &RecordBatch,
    key_field: &str,
    wanted: impl Fn(&[u8]) -> bool,
) -> Result<RecordBatch> {
    let keys = KeyColumn::of_batch(batch, key_field)?;
    let kept: BooleanArray = (0..keys.len())
        .map(|row| Some(wanted(&keys.bytes(row))))
        .collect();
    filter_record_batch(batch, &kept).map_err(|error| Error::column(key_field, error.to_string()))
}

/// The key column of rows.
#[derive(Clone, Copy)]
pub(super) enum KeyValues<'a> {
    Int(&'a Int64Array),
    Text(&'a StringArray),
}

impl<'a> KeyValues<'a> {
    pub(super) fn of(batch: &'a RecordBatch, key_field: &str) -> Result<KeyValues<'a>> {
        let Some(column) = batch.column_by_name(key_field) else {
            return Err(Error::column(key_field, "the rows have no such column"));
        };
        if column.null_count() > 0 {
            return Err(Error::column(key_field, "a primary key is null"));
        }
        let any = column.as_any();
        match (any.downcast_ref(), any.downcast_ref()) {
            (Some(keys), _) => Ok(KeyValues::Int(keys)),
            (_, Some(keys)) => Ok(KeyValues::Text(keys)),
            _ => Err(not_keys(key_field)),
        }
    }
}

fn text<'a>(field: &str, key: &'a [u8]) -> Result<&'a str> {
    std::str::from_utf8(key).map_err(|_| Error::column(field, "a primary key is not UTF-8"))
}

fn not_keys(field: &str) -> Error {
    Error::column(
        field,
        "primary keys are Int64 or VarChar, which these values are not",
    )
}
