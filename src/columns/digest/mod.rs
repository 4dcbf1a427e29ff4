//! Digests of rows that depend neither on their order nor on how they were cut.
//!
//! `formats/digests.md` defines them for other readers; the two must agree.

mod canonical;
mod json;

use std::collections::BTreeMap;
use std::fmt;
use std::ops::AddAssign;
use std::str::FromStr;

use arrow_array::{Array, Int64Array, RecordBatch, StringArray};
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::{xxh3_64, xxh3_128, xxh3_128_with_seed};

use self::canonical::Canonical;
use super::keys::{KeyColumn, KeyValues};
use super::schema::column;
use crate::model::{DYNAMIC_FIELD, Field};
use crate::{Error, Result};

/// A sum of hashes modulo 2^128. Written as 32 lower-case hexadecimal digits.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize,
)]
#[serde(into = "String", try_from = "String")]
pub struct Digest(pub u128);

impl Digest {
    /// The sum of both, modulo 2^128.
    #[must_use]
    pub fn wrapping_add(self, other: Digest) -> Digest {
        Digest(self.0.wrapping_add(other.0))
    }
}

/// Adds modulo 2^128.
impl AddAssign for Digest {
    fn add_assign(&mut self, other: Digest) {
        *self = self.wrapping_add(other);
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl From<Digest> for String {
    fn from(digest: Digest) -> String {
        digest.to_string()
    }
}

impl TryFrom<String> for Digest {
    type Error = String;

    fn try_from(text: String) -> Result<Digest, String> {
        text.parse()
    }
}

impl FromStr for Digest {
    type Err = String;

    fn from_str(text: &str) -> Result<Digest, String> {
        let digits = text
            .bytes()
            .all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'));
        match u128::from_str_radix(text, 16) {
            Ok(sum) if digits && text.len() == 32 => Ok(Digest(sum)),
            _ => Err(format!(
                "{text:?} is not a digest of 32 lower-case hexadecimal digits"
            )),
        }
    }
}

/// What rows come to: their number, and their digests. Default is that of no rows at all.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Digests {
    /// How many rows there are.
    pub rows: u64,
    /// Over whole rows: equal where the rows are.
    pub all: Digest,
    /// Over each field's values, with the keys of their rows: these name the field that differs.
    pub fields: BTreeMap<String, Digest>,
}

impl Digests {
    /// Adds other rows of the same collection, with the same fields.
    pub fn merge(&mut self, other: &Digests) {
        self.rows += other.rows;
        self.all += other.all;
        for (name, digest) in &other.fields {
            *self.fields.entry(name.clone()).or_default() += *digest;
        }
    }
}

/// The digests of rows over `fields`, whatever other columns the batch has.
///
/// # Errors
/// [`Error::Column`] where a column is missing or has another type than its field, or a key is null.
pub fn digest(fields: &[Field], batch: &RecordBatch, key_field: &str) -> Result<Digests> {
    let columns = hash_columns(fields, batch, key_field)?;
    Ok(Digests {
        rows: batch.num_rows() as u64,
        all: sum(&combine(&columns, batch.num_rows())),
        fields: columns
            .iter()
            .map(|(name, hashes)| ((*name).to_owned(), sum(hashes)))
            .collect(),
    })
}

/// The hash of each row, whose sum is [`Digests::all`].
///
/// # Errors
/// As [`digest`].
pub fn row_hashes(fields: &[Field], batch: &RecordBatch, key_field: &str) -> Result<Vec<u128>> {
    let columns = hash_columns(fields, batch, key_field)?;
    Ok(combine(&columns, batch.num_rows()))
}

/// The digest of the key field `field` over keys alone: what [`Digests::fields`] has of it over their rows.
///
/// # Errors
/// [`Error::Column`] where the keys are not of the field's type.
pub fn key_digest(field: &Field, keys: &KeyColumn) -> Result<Digest> {
    let hashes = match keys {
        keys if keys.is_empty() => Vec::new(),
        KeyColumn::Int(keys) => {
            let keys = Int64Array::from(keys.clone());
            hash_column(field, &keys, KeyValues::Int(&keys))?
        }
        KeyColumn::Text(keys) => {
            let keys =
                StringArray::from_iter_values(keys.iter().map(|key| String::from_utf8_lossy(key)));
            hash_column(field, &keys, KeyValues::Text(&keys))?
        }
    };
    Ok(sum(&hashes))
}

fn sum(hashes: &[u128]) -> Digest {
    Digest(hashes.iter().copied().fold(0, u128::wrapping_add))
}

/// The hashes of each field's values, by the bytes of the field's name.
type Columns<'a> = BTreeMap<&'a str, Vec<u128>>;

fn hash_columns<'a>(
    fields: &'a [Field],
    batch: &RecordBatch,
    key_field: &str,
) -> Result<Columns<'a>> {
    let keys = KeyValues::of(batch, key_field)?;
    fields
        .iter()
        .map(|field| {
            let hashes = hash_column(field, column(field, batch)?, keys)?;
            Ok((field.name.as_str(), hashes))
        })
        .collect()
}

fn hash_column(field: &Field, column: &dyn Array, keys: KeyValues<'_>) -> Result<Vec<u128>> {
    let values = Canonical::of(field, column)?;
    let mut seeds = Seeds::new(&field.name)?;
    // Undeclared keys are never null: a row without any has `{}`.
    let nulls = column
        .logical_nulls()
        .filter(|_| field.name != DYNAMIC_FIELD);
    let mut scratch = Vec::new();
    (0..column.len())
        .map(|row| {
            if nulls.as_ref().is_some_and(|nulls| nulls.is_null(row)) {
                return Ok(xxh3_128_with_seed(&[], seeds.seed(NULL, keys, row)));
            }
            let seed = seeds.seed(VALUE, keys, row);
            Ok(xxh3_128_with_seed(values.bytes(row, &mut scratch)?, seed))
        })
        .collect()
}

const NULL: u8 = 0;
const VALUE: u8 = 1;

/// Seeds that tie a value to its field and its row.
struct Seeds {
    /// Tag, length of the name, name; the key follows.
    buffer: Vec<u8>,
    prefix: usize,
}

impl Seeds {
    fn new(name: &str) -> Result<Seeds> {
        let length = u32::try_from(name.len())
            .map_err(|_| Error::column(name, "the name is longer than 4 GiB"))?;
        let mut buffer = vec![VALUE];
        buffer.extend_from_slice(&length.to_le_bytes());
        buffer.extend_from_slice(name.as_bytes());
        let prefix = buffer.len();
        Ok(Seeds { buffer, prefix })
    }

    fn seed(&mut self, tag: u8, keys: KeyValues<'_>, row: usize) -> u64 {
        self.buffer.truncate(self.prefix);
        self.buffer[0] = tag;
        match keys {
            KeyValues::Int(keys) => self
                .buffer
                .extend_from_slice(&keys.value(row).to_le_bytes()),
            KeyValues::Text(keys) => self.buffer.extend_from_slice(keys.value(row).as_bytes()),
        }
        xxh3_64(&self.buffer)
    }
}

fn combine(columns: &Columns<'_>, rows: usize) -> Vec<u128> {
    let mut buffer = Vec::with_capacity(columns.len() * size_of::<u128>());
    (0..rows)
        .map(|row| {
            buffer.clear();
            for hashes in columns.values() {
                buffer.extend_from_slice(&hashes[row].to_le_bytes());
            }
            xxh3_128(&buffer)
        })
        .collect()
}
