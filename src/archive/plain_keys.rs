//! A data file for readers that cannot decode its keys.
//!
//! Milvus before 2.6 reads Parquet with arrow-go 12, whose decoder of DELTA_BINARY_PACKED keeps the state of one page
//! for the next (apache/arrow#38399, mended in 14.0.1): from the second page of a column on, each value comes out as
//! its successor, or the whole server dies. Seen on 2.3.5.

use bytes::Bytes;
use parquet::basic::{Compression, ZstdLevel};
use parquet::column::reader::ColumnReader;
use parquet::column::writer::{ColumnCloseResult, ColumnWriter};
use parquet::errors::{ParquetError, Result};
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::file::reader::{FileReader, RowGroupReader, SerializedFileReader};
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};

/// The same file with plain keys, where they are integers. All other columns stay as they are, byte by byte.
pub(super) fn with_plain_keys(file: Bytes, key_field: &str) -> Result<Bytes> {
    let reader = SerializedFileReader::new(file.clone())?;
    let metadata = reader.metadata();
    let schema = metadata.file_metadata().schema_descr().root_schema_ptr();
    let mut properties = WriterProperties::builder()
        .set_dictionary_enabled(false)
        .set_offset_index_disabled(true)
        .set_statistics_enabled(EnabledStatistics::Chunk)
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(1)?))
        .set_max_row_group_row_count(None)
        .set_max_row_group_bytes(None)
        .set_key_value_metadata(metadata.file_metadata().key_value_metadata().cloned());
    if let Some(made_by) = metadata.file_metadata().created_by() {
        properties = properties.set_created_by(made_by.to_owned());
    }
    let out = Vec::with_capacity(file.len());
    let mut writer = SerializedFileWriter::new(out, schema, properties.build().into())?;
    for index in 0..metadata.num_row_groups() {
        let from = reader.get_row_group(index)?;
        let mut to = writer.next_row_group()?;
        for (position, chunk) in metadata.row_group(index).columns().iter().enumerate() {
            let is_key = chunk.column_path().parts() == [key_field];
            if is_key
                && let ColumnReader::Int64ColumnReader(_) = from.get_column_reader(position)?
            {
                write_plain(&*from, position, &mut to)?;
                continue;
            }
            let close = ColumnCloseResult {
                bytes_written: u64::try_from(chunk.compressed_size()).unwrap_or(0),
                rows_written: u64::try_from(metadata.row_group(index).num_rows()).unwrap_or(0),
                metadata: chunk.clone(),
                bloom_filter: None,
                column_index: None,
                offset_index: None,
            };
            to.append_column(&file, close)?;
        }
        to.close()?;
    }
    Ok(writer.into_inner()?.into())
}

/// Writes one column of required integers anew.
fn write_plain<W: std::io::Write + Send>(
    from: &dyn RowGroupReader,
    position: usize,
    to: &mut SerializedRowGroupWriter<'_, W>,
) -> Result<()> {
    let unexpected = || ParquetError::General("the keys are not what they were taken for".into());
    let rows = usize::try_from(from.metadata().num_rows()).map_err(|_| unexpected())?;
    let mut values = Vec::with_capacity(rows);
    let ColumnReader::Int64ColumnReader(mut column) = from.get_column_reader(position)? else {
        return Err(unexpected());
    };
    while values.len() < rows {
        let (read, _, _) = column.read_records(rows - values.len(), None, None, &mut values)?;
        if read == 0 {
            return Err(unexpected());
        }
    }
    let mut column = to.next_column()?.ok_or_else(unexpected)?;
    let ColumnWriter::Int64ColumnWriter(writer) = column.untyped() else {
        return Err(unexpected());
    };
    writer.write_batch(&values, None, None)?;
    column.close()
}
