//! What data files look like, byte by byte.

use arrow_array::Array;
use bytes::Bytes;
use parquet::basic::{Compression, Encoding};
use parquet::file::metadata::{ParquetMetaData, ParquetMetaDataReader};

use super::*;
use crate::Error;
use crate::archive::{DataFileEncoder, FileSummary};

fn encode(batches: &[RecordBatch]) -> (Bytes, FileSummary) {
    let mut encoder = DataFileEncoder::new(schema(), fields(), "id").unwrap();
    let mut bytes = Vec::new();
    for batch in batches {
        bytes.extend(encoder.push(batch).unwrap().concat());
    }
    let (last, summary) = encoder.finish().unwrap();
    bytes.extend(last.concat());
    (Bytes::from(bytes), summary)
}

fn footer(bytes: &Bytes) -> ParquetMetaData {
    ParquetMetaDataReader::new()
        .parse_and_finish(bytes)
        .unwrap()
}

/// Cuts rows into batches of the sizes given, over and over.
fn cut(batch: &RecordBatch, sizes: &[usize]) -> Vec<RecordBatch> {
    let mut batches = Vec::new();
    let mut start = 0;
    for size in sizes.iter().cycle() {
        let size = (*size).min(batch.num_rows() - start);
        batches.push(batch.slice(start, size));
        start += size;
        if start == batch.num_rows() {
            break;
        }
    }
    batches
}

#[test]
fn bytes_do_not_depend_on_how_rows_were_cut() {
    let all = rows(-40_000..100_000);
    let (bytes, summary) = encode(std::slice::from_ref(&all));
    assert_eq!(footer(&bytes).num_row_groups(), 3);
    for sizes in [
        &[1000][..],
        &[65_536],
        &[65_535, 2],
        &[1, 30_000, 0, 7],
        &[99_999],
    ] {
        let (other, other_summary) = encode(&cut(&all, sizes));
        assert!(bytes == other, "cut by {sizes:?}");
        assert_eq!(summary, other_summary);
    }
}

/// The same rows with their nulls told otherwise, and with values below the nulls.
#[test]
fn bytes_do_not_depend_on_how_nulls_are_held() {
    let all = rows(1..7);
    assert_eq!(all.column(1).null_count(), 0);
    let titles = all.column(1).as_string::<i32>();
    let valid = arrow_buffer::NullBuffer::new_valid(6);
    let spelt = StringArray::new(
        titles.offsets().clone(),
        titles.values().clone(),
        Some(valid),
    );
    let mut columns = all.columns().to_vec();
    columns[1] = Arc::new(spelt);
    let spelt = RecordBatch::try_new(all.schema(), columns).unwrap();
    assert!(encode(std::slice::from_ref(&all)) == encode(std::slice::from_ref(&spelt)));
    // The rest has nulls: joined to it, both become one array.
    let (head, rest) = (all.slice(0, 6), rows(7..20));
    assert!(encode(&[head, rest.clone()]) == encode(&[spelt, rest]));

    let (whole, filled) = (rows(7..9), {
        let batch = rows(7..9);
        let nulls = batch.column(1).nulls().cloned();
        let offsets = OffsetBuffer::from_lengths([6, 7]);
        let titles = StringArray::new(offsets, Bytes::from_static(b"fillertitle 8").into(), nulls);
        let mut columns = batch.columns().to_vec();
        columns[1] = Arc::new(titles);
        RecordBatch::try_new(batch.schema(), columns).unwrap()
    });
    assert_eq!(whole.column(1).null_count(), 1);
    assert!(encode(&[whole]) == encode(&[filled]));
}

#[test]
fn row_groups_end_by_bytes_too() {
    // About 2 KiB a row by the JSON column alone: 16 MiB are reached long before 65,536 rows.
    let batch = rows(0..20_000);
    let wide: StringArray = (0..20_000)
        .map(|id| Some(format!("{{\"n\":{id:02000}}}")))
        .collect();
    let mut columns = batch.columns().to_vec();
    columns[3] = Arc::new(wide);
    let batch = RecordBatch::try_new(batch.schema(), columns).unwrap();
    let (bytes, _) = encode(std::slice::from_ref(&batch));
    let footer = footer(&bytes);
    assert!(footer.num_row_groups() >= 3);
    assert!(footer.row_group(0).num_rows() < 9000);
    assert!(bytes == encode(&cut(&batch, &[777])).0);
}

#[test]
fn encodings_are_those_that_milvus_imports() {
    let (bytes, summary) = encode(&[rows(0..5000)]);
    assert_eq!(bytes.len() as u64, summary.bytes);
    let footer = footer(&bytes);
    let file = footer.file_metadata();
    assert_eq!(file.created_by(), Some("milvault format 1"));
    assert!(file.key_value_metadata().is_none(), "no ARROW:schema");
    for column in footer.row_group(0).columns() {
        let path = column.column_path().string();
        let encodings: Vec<Encoding> = column.encodings().collect();
        let dictionary = encodings.contains(&Encoding::RLE_DICTIONARY);
        match path.as_str() {
            "id" => assert!(encodings.contains(&Encoding::DELTA_BINARY_PACKED) && !dictionary),
            "title" => assert!(dictionary),
            "v.list.element" => {
                assert_eq!(column.compression(), Compression::UNCOMPRESSED);
                assert!(encodings.contains(&Encoding::PLAIN) && !dictionary);
                assert!(column.statistics().is_none());
                continue;
            }
            "$meta" => assert!(column.statistics().is_none()),
            other => panic!("unexpected column {other}"),
        }
        assert!(
            matches!(column.compression(), Compression::ZSTD(_)),
            "{path}"
        );
    }
}

/// Where an update of Parquet or zstd changes this, every later export writes files that differ from those of the
/// exports before it, though the rows are the same: incremental archives would start anew. Readers do not mind.
#[test]
fn bytes_are_what_they_always_were() {
    let (_, summary) = encode(&[rows(0..1000)]);
    assert_eq!(
        summary.sha256,
        "dd5e3c156158d4ff0bd45e9b19fa2584d6a8a8be8c76b4951359bb2878f0f2b1"
    );
}

#[test]
fn the_summary_is_of_the_rows() {
    let (bytes, summary) = encode(&[rows(5..8), rows(8..20)]);
    assert_eq!(summary.digests.rows, 15);
    assert_eq!(summary.first_key, crate::model::Key::Int(5));
    assert_eq!(summary.last_key, crate::model::Key::Int(19));
    let sha256 = ring::digest::digest(&ring::digest::SHA256, &bytes);
    assert_eq!(
        summary.sha256,
        crate::archive::encoder::hex(sha256.as_ref())
    );
}

#[test]
fn keys_that_do_not_ascend_are_refused() {
    for batches in [[rows(5..9), rows(8..10)], [rows(5..9), rows(1..2)]] {
        let mut encoder = DataFileEncoder::new(schema(), fields(), "id").unwrap();
        encoder.push(&batches[0]).unwrap();
        let refused = encoder.push(&batches[1]);
        assert!(matches!(refused, Err(Error::Column { field, .. }) if field == "id"));
    }
}

#[test]
fn a_file_without_rows_is_refused() {
    let mut encoder = DataFileEncoder::new(schema(), fields(), "id").unwrap();
    assert!(encoder.push(&rows(0..0)).unwrap().is_empty());
    assert!(matches!(encoder.finish(), Err(Error::Column { .. })));
}
