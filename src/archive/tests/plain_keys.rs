//! Data files whose keys were written anew.

use bytes::Bytes;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::basic::{Encoding, Type};
use parquet::file::metadata::{ColumnChunkMetaData, ParquetMetaDataReader};

use super::*;
use crate::archive::DataFileEncoder;
use crate::archive::plain_keys::with_plain_keys;

fn encoded(all: &RecordBatch, fields: Vec<Field>) -> Bytes {
    let schema = columns::arrow_schema(&fields).unwrap();
    let mut encoder = DataFileEncoder::new(schema, fields, "id").unwrap();
    let mut bytes = encoder.push(all).unwrap().concat();
    bytes.extend(encoder.finish().unwrap().0.concat());
    bytes.into()
}

fn read(file: &Bytes) -> Vec<RecordBatch> {
    let reader = ParquetRecordBatchReaderBuilder::try_new(file.clone()).unwrap();
    reader.build().unwrap().map(Result::unwrap).collect()
}

fn chunks(file: &Bytes) -> Vec<ColumnChunkMetaData> {
    let metadata = ParquetMetaDataReader::new().parse_and_finish(file).unwrap();
    let groups = metadata.row_groups().iter();
    groups.flat_map(|group| group.columns().to_vec()).collect()
}

fn stored(file: &Bytes, chunk: &ColumnChunkMetaData) -> Bytes {
    let (start, length) = chunk.byte_range();
    file.slice(start as usize..(start + length) as usize)
}

#[test]
fn rows_stay_as_they_are_and_so_do_the_bytes_of_all_other_columns() {
    // Three row groups, the first two of which have keys of several pages.
    let file = encoded(&rows(-40_000..100_000), fields());
    let plain = with_plain_keys(file.clone(), "id").unwrap();
    assert_eq!(read(&file), read(&plain));
    let (before, after) = (chunks(&file), chunks(&plain));
    assert_eq!(before.len(), after.len());
    for (before, after) in before.iter().zip(&after) {
        let encodings: Vec<Encoding> = after.encodings().collect();
        if before.column_type() == Type::INT64 {
            assert!(
                before
                    .encodings()
                    .any(|one| one == Encoding::DELTA_BINARY_PACKED)
            );
            assert!(!encodings.contains(&Encoding::DELTA_BINARY_PACKED));
            assert!(encodings.contains(&Encoding::PLAIN));
        } else {
            assert_eq!(encodings, before.encodings().collect::<Vec<_>>());
            assert!(stored(&file, before) == stored(&plain, after));
        }
    }
}

#[test]
fn text_keys_are_plain_already() {
    let mut fields = fields();
    fields.truncate(1);
    fields[0].data_type = DataType::VarChar;
    fields[0].params.insert("max_length".into(), "9".into());
    let keys: StringArray = (0..50_000).map(|row| Some(format!("{row:05}"))).collect();
    let schema = columns::arrow_schema(&fields).unwrap();
    let all = RecordBatch::try_new(schema, vec![Arc::new(keys)]).unwrap();
    let file = encoded(&all, fields);
    let again = with_plain_keys(file.clone(), "id").unwrap();
    assert_eq!(read(&file), read(&again));
    assert!(stored(&file, &chunks(&file)[0]) == stored(&again, &chunks(&again)[0]));
}

#[test]
fn garbage_is_an_error() {
    for garbage in [&b"PAR1"[..], b"", &[0; 100]] {
        assert!(with_plain_keys(Bytes::from_static(garbage), "id").is_err());
    }
}
