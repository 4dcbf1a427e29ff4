//! From rows to the bytes of a data file.

use std::fmt::Write as _;
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use bytes::Bytes;
use parquet::arrow::ArrowSchemaConverter;
use parquet::basic::{Compression, Encoding, Type as PhysicalType, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::SchemaDescriptor;
use ring::digest::{Context as Sha, SHA256};

use super::row_group;
use crate::columns::{self, digest::Digests};
use crate::model::{DataType, Field, Key};
use crate::{Error, Result};

/// Stored in every data file. It names the format, not the tool's version: bytes must not change with that.
const CREATED_BY: &str = "milvault format 1";

/// Where the path of a leaf of a struct array has the name of the field: `chunks.list.element.text`.
const MEMBER: usize = 3;

/// A row group ends before the row that would take it past either of these.
const GROUP_BYTES: u64 = 16 << 20;
const GROUP_ROWS: usize = 65_536;

/// Writes one data file. Pure computation: bytes come out as they are ready.
///
/// The bytes depend on the rows alone, not on the batches in which they are pushed.
pub struct DataFileEncoder {
    writer: SerializedFileWriter<Vec<u8>>,
    schema: SchemaRef,
    fields: Arc<[Field]>,
    key_field: String,
    /// The rows of the group that is being filled.
    group: Vec<RecordBatch>,
    group_rows: usize,
    group_bytes: u64,
    groups: usize,
    sha: Sha,
    bytes: u64,
    first_key: Option<Key>,
    last_key: Option<Key>,
    digests: Digests,
}

/// What the manifest keeps of a data file, and the digests that its collection's are summed from.
#[derive(Clone, Debug, PartialEq)]
pub struct FileSummary {
    /// The file's size.
    pub bytes: u64,
    /// SHA-256 of its bytes, as 64 lower-case hexadecimal digits.
    pub sha256: String,
    /// The key of its first row.
    pub first_key: Key,
    /// The key of its last row.
    pub last_key: Key,
    /// The digests of its rows, and their number.
    pub digests: Digests,
}

impl DataFileEncoder {
    /// Begins a file whose columns are `fields`; `schema` is theirs, of [`columns::arrow_schema`].
    pub fn new(schema: SchemaRef, fields: Vec<Field>, key_field: &str) -> Result<DataFileEncoder> {
        let descriptor = ArrowSchemaConverter::new()
            .convert(&schema)
            .map_err(|error| refused(key_field, &error))?;
        let properties = Arc::new(properties(&descriptor, &fields, key_field)?);
        let writer =
            SerializedFileWriter::new(Vec::new(), descriptor.root_schema_ptr(), properties)
                .map_err(|error| refused(key_field, &error))?;
        Ok(DataFileEncoder {
            writer,
            schema,
            fields: fields.into(),
            key_field: key_field.to_owned(),
            group: Vec::new(),
            group_rows: 0,
            group_bytes: 0,
            groups: 0,
            sha: Sha::new(&SHA256),
            bytes: 0,
            first_key: None,
            last_key: None,
            digests: Digests::default(),
        })
    }

    /// Appends rows, whose keys must ascend; gives the bytes that are ready.
    pub fn push(&mut self, batch: &RecordBatch) -> Result<Vec<Bytes>> {
        self.follow_keys(batch)?;
        self.digests.merge(&columns::digest::digest(
            &self.fields,
            batch,
            &self.key_field,
        )?);
        let mut ready = Vec::new();
        let mut start = 0;
        for (row, bytes) in columns::row_bytes(batch).into_iter().enumerate() {
            let bytes = bytes as u64;
            let full = self.group_rows == GROUP_ROWS
                || self.group_rows > 0 && self.group_bytes.saturating_add(bytes) > GROUP_BYTES;
            if full {
                self.gather(batch, start, row);
                start = row;
                self.end_group()?;
                self.take(&mut ready);
            }
            self.group_rows += 1;
            self.group_bytes = self.group_bytes.saturating_add(bytes);
        }
        self.gather(batch, start, batch.num_rows());
        Ok(ready)
    }

    /// Ends the file; gives the last bytes.
    pub fn finish(mut self) -> Result<(Vec<Bytes>, FileSummary)> {
        let (Some(first_key), Some(last_key)) = (self.first_key.take(), self.last_key.take())
        else {
            return Err(Error::column(
                &self.key_field,
                "a data file needs at least one row",
            ));
        };
        self.end_group()?;
        self.writer
            .finish()
            .map_err(|error| refused(&self.key_field, &error))?;
        let mut ready = Vec::new();
        self.take(&mut ready);
        let summary = FileSummary {
            bytes: self.bytes,
            sha256: hex(self.sha.finish().as_ref()),
            first_key,
            last_key,
            digests: self.digests,
        };
        Ok((ready, summary))
    }

    /// Keeps the file's first and last key, and its order.
    fn follow_keys(&mut self, batch: &RecordBatch) -> Result<()> {
        for key in columns::keys(batch, &self.key_field)? {
            if let Some(last) = self.last_key.as_ref().filter(|last| **last >= key) {
                return Err(Error::column(
                    &self.key_field,
                    format!("key {key} follows key {last}"),
                ));
            }
            if self.first_key.is_none() {
                self.first_key = Some(key.clone());
            }
            self.last_key = Some(key);
        }
        Ok(())
    }

    /// Keeps rows `start..end` for the current group.
    fn gather(&mut self, batch: &RecordBatch, start: usize, end: usize) {
        if end > start {
            self.group.push(batch.slice(start, end - start));
        }
    }

    /// Writes the gathered rows as one row group.
    fn end_group(&mut self) -> Result<()> {
        let sink = self.writer.inner_mut();
        sink.reserve(usize::try_from(self.group_bytes).unwrap_or(0));
        row_group::write(&mut self.writer, &self.schema, self.groups, &self.group)
            .map_err(|error| refused(&self.key_field, &error))?;
        self.groups += 1;
        self.group.clear();
        self.group_rows = 0;
        self.group_bytes = 0;
        Ok(())
    }

    /// Moves out what the Parquet writer has written so far.
    fn take(&mut self, ready: &mut Vec<Bytes>) {
        let bytes = std::mem::take(self.writer.inner_mut());
        if !bytes.is_empty() {
            self.sha.update(&bytes);
            self.bytes += bytes.len() as u64;
            ready.push(Bytes::from(bytes));
        }
    }
}

/// How each column is encoded. `formats/v1.md` says why; Milvus's bulk import bounds the choice.
fn properties(
    descriptor: &SchemaDescriptor,
    fields: &[Field],
    key_field: &str,
) -> Result<WriterProperties> {
    let zstd =
        Compression::ZSTD(ZstdLevel::try_new(1).map_err(|error| refused(key_field, &error))?);
    let mut properties = WriterProperties::builder()
        .set_created_by(CREATED_BY.to_owned())
        .set_max_row_group_row_count(None)
        .set_max_row_group_bytes(None)
        .set_offset_index_disabled(true)
        .set_statistics_enabled(EnabledStatistics::Chunk)
        .set_compression(zstd);
    for leaf in descriptor.columns() {
        let path = leaf.path().clone();
        let Some(field) = fields
            .iter()
            .find(|field| path.parts().first() == Some(&field.name))
        else {
            continue;
        };
        if field.primary_key {
            // Keys are unique: a dictionary would hold them all.
            properties = properties.set_column_dictionary_enabled(path.clone(), false);
            if leaf.physical_type() == PhysicalType::INT64 {
                properties = properties.set_column_encoding(path, Encoding::DELTA_BINARY_PACKED);
            }
            continue;
        }
        // The field whose values the leaf has; a struct array's are leaves of its fields.
        let own = match field.data_type {
            DataType::ArrayOfStruct => field
                .fields
                .iter()
                .find(|part| path.parts().get(MEMBER) == Some(&part.name)),
            _ => Some(field),
        };
        let own = own.unwrap_or(field);
        let nested = matches!(
            field.data_type,
            DataType::Json | DataType::Array | DataType::ArrayOfStruct
        );
        if nested || field.data_type.is_vector() {
            // The least and the greatest text, element or number says nothing of a row.
            properties =
                properties.set_column_statistics_enabled(path.clone(), EnabledStatistics::None);
        }
        let numbers_of_32_bits = leaf.physical_type() == PhysicalType::INT32;
        if own.data_type == DataType::SparseFloatVector {
            // The indices repeat from row to row, the values do not.
            properties = properties.set_column_dictionary_enabled(path, numbers_of_32_bits);
        } else if own.data_type.is_vector() {
            // Parquet has bytes as numbers of 32 bits, of which a dictionary makes bytes again.
            properties = properties
                .set_column_dictionary_enabled(path.clone(), numbers_of_32_bits)
                .set_column_compression(path, Compression::UNCOMPRESSED);
        }
    }
    Ok(properties.build())
}

fn refused(key_field: &str, error: &ParquetError) -> Error {
    Error::column(key_field, format!("the rows cannot be encoded: {error}"))
}

/// Lower-case hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    let mut hex = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        // Writing to a string cannot fail.
        let _ = write!(hex, "{byte:02x}");
    }
    hex
}
