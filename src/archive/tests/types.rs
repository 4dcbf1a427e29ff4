//! Every type of field, and keys that are texts, through an archive and back.

use arrow_array::builder::{
    BinaryBuilder, BooleanBuilder, Float32Builder, Int8Builder, ListBuilder, StringBuilder,
    UInt32Builder,
};
use arrow_array::{Int8Array, StructArray, UInt8Array};
use arrow_schema::{Field as ArrowField, FieldRef, Fields};
use futures::TryStreamExt;
use parquet::basic::{Compression, Encoding};
use parquet::file::metadata::ParquetMetaDataReader;

use super::*;
use crate::archive::{Archive, DataFileEncoder, verify};
use crate::model::Key;
use crate::progress::Context;

/// A text key, and a nullable field of each kind of column.
fn every_field() -> Vec<Field> {
    let mut key = field("key", DataType::VarChar);
    key.primary_key = true;
    let mut tags = field("tags", DataType::Array);
    tags.element_type = Some(DataType::VarChar);
    let mut fields = vec![key, tags];
    for (name, kind) in [
        ("flag", DataType::Bool),
        ("small", DataType::Int8),
        ("json", DataType::Json),
        ("dense", DataType::FloatVector),
        ("binary", DataType::BinaryVector),
        ("half", DataType::BFloat16Vector),
        ("sparse", DataType::SparseFloatVector),
    ] {
        fields.push(field(name, kind));
    }
    for field in &mut fields[1..] {
        field.nullable = true;
    }
    fields
}

fn element(schema: &SchemaRef, column: &str) -> FieldRef {
    match schema.field_with_name(column).unwrap().data_type() {
        ArrowType::List(element) => element.clone(),
        other => panic!("{other}"),
    }
}

/// `count` rows: every third is null wherever it may be, the next has empty texts and lists, the third is full.
fn every_row(count: usize) -> RecordBatch {
    let schema = columns::arrow_schema(&every_field()).unwrap();
    let (mut flag, mut small) = (BooleanBuilder::new(), Int8Builder::new());
    let (mut key, mut json) = (StringBuilder::new(), StringBuilder::new());
    let (mut binary, mut half) = (BinaryBuilder::new(), BinaryBuilder::new());
    let mut tags = ListBuilder::new(StringBuilder::new()).with_field(element(&schema, "tags"));
    let mut dense = ListBuilder::new(Float32Builder::new()).with_field(element(&schema, "dense"));
    let ArrowType::Struct(parts) = schema.field_with_name("sparse").unwrap().data_type() else {
        panic!("no struct")
    };
    let part = |parts: &Fields, at: usize| match parts[at].data_type() {
        ArrowType::List(element) => element.clone(),
        other => panic!("{other}"),
    };
    let mut indices = ListBuilder::new(UInt32Builder::new()).with_field(part(parts, 0));
    let mut values = ListBuilder::new(Float32Builder::new()).with_field(part(parts, 1));
    let mut present = Vec::new();
    for row in 0..count {
        let (null, full) = (row % 3 == 0, row % 3 == 2);
        key.append_value(if row == 0 {
            String::new()
        } else {
            format!("key {row:06}")
        });
        flag.append_option((!null).then_some(full));
        small.append_option((!null).then_some(i8::MIN));
        json.append_option((!null).then_some(if full { "{\"é\": 1e400}" } else { "" }));
        binary.append_option((!null).then_some([row as u8]));
        half.append_option((!null).then_some([row as u8, 1, 2, 3, 4, 5, 6, 7]));
        tags.append_option((!null).then(|| {
            let tags: &[&str] = if full { &["", "tag"] } else { &[] };
            tags.iter().map(|tag| Some(*tag))
        }));
        dense.append_option((!null).then(|| (0..4).map(|at| Some(row as f32 / at as f32))));
        let pairs = if full { 2 } else { 0 };
        indices.append_value((0..pairs).map(|at| Some(u32::MAX - pairs + at)));
        values.append_value((0..pairs).map(|at| Some(at as f32)));
        present.push(!null);
    }
    let sparse = StructArray::new(
        parts.clone(),
        vec![Arc::new(indices.finish()), Arc::new(values.finish())],
        Some(present.into()),
    );
    let columns: Vec<ArrayRef> = vec![
        Arc::new(key.finish()),
        Arc::new(tags.finish()),
        Arc::new(flag.finish()),
        Arc::new(small.finish()),
        Arc::new(json.finish()),
        Arc::new(dense.finish()),
        Arc::new(binary.finish()),
        Arc::new(half.finish()),
        Arc::new(sparse),
    ];
    RecordBatch::try_new(schema, columns).unwrap()
}

/// A text key, and a nullable field of each kind of column that nests.
fn nesting_fields() -> Vec<Field> {
    let mut key = field("key", DataType::VarChar);
    key.primary_key = true;
    let of = |name: &str, data_type, element_type| Field {
        element_type: Some(element_type),
        params: [("dim".to_owned(), DIM.to_string())].into(),
        ..field(name, data_type)
    };
    let mut chunks = field("chunks", DataType::ArrayOfStruct);
    chunks.fields = vec![
        of("text", DataType::Array, DataType::VarChar),
        of("dense", DataType::ArrayOfVector, DataType::FloatVector),
        of("half", DataType::ArrayOfVector, DataType::Float16Vector),
    ];
    let mut fields = vec![
        key,
        of("bytes", DataType::Int8Vector, DataType::Int8),
        of("vectors", DataType::ArrayOfVector, DataType::FloatVector),
        chunks,
    ];
    fields[1].element_type = None;
    for field in &mut fields[1..] {
        field.nullable = true;
    }
    fields
}

/// `count` rows: every third is null wherever it may be, the next has no elements, the third has two.
fn nesting_rows(count: usize) -> RecordBatch {
    fn lists(valid: Option<Vec<bool>>, lengths: Vec<usize>, items: ArrayRef) -> ArrayRef {
        let item = ArrowField::new("element", items.data_type().clone(), false);
        let offsets = OffsetBuffer::from_lengths(lengths);
        Arc::new(ListArray::new(
            Arc::new(item),
            offsets,
            items,
            valid.map(Into::into),
        ))
    }
    let valid: Vec<bool> = (0..count).map(|row| row % 3 != 0).collect();
    let lengths: Vec<usize> = (0..count)
        .map(|row| if row % 3 == 2 { 2 } else { 0 })
        .collect();
    let elements: usize = lengths.iter().sum();
    let dim = DIM as usize;
    let floats: Float32Array = (0..elements * dim)
        .map(|at| Some(at as f32 / 7.0))
        .collect();
    let dense = lists(None, vec![dim; elements], Arc::new(floats));
    let halves: UInt8Array = (0..elements * dim * 2).map(|at| Some(at as u8)).collect();
    let half = lists(None, vec![dim * 2; elements], Arc::new(halves));
    let texts: StringArray = (0..elements)
        .map(|at| Some(format!("text {}", at / 3)))
        .collect();
    let members: Vec<ArrayRef> = vec![Arc::new(texts), dense.clone(), half];
    let schema = columns::arrow_schema(&nesting_fields()).unwrap();
    let ArrowType::List(element) = schema.field(3).data_type() else {
        panic!("no list")
    };
    let ArrowType::Struct(parts) = element.data_type() else {
        panic!("no struct")
    };
    let structs = StructArray::new(parts.clone(), members, None);
    let keys: StringArray = (0..count)
        .map(|row| Some(format!("key {row:06}")))
        .collect();
    let full: Vec<usize> = valid
        .iter()
        .map(|valid| if *valid { dim } else { 0 })
        .collect();
    let bytes: Int8Array = (0..full.iter().sum())
        .map(|at: usize| Some(at as i8))
        .collect();
    let columns: Vec<ArrayRef> = vec![
        Arc::new(keys),
        lists(Some(valid.clone()), full, Arc::new(bytes)),
        lists(Some(valid.clone()), lengths.clone(), dense),
        lists(Some(valid), lengths, Arc::new(structs)),
    ];
    RecordBatch::try_new(schema, columns).unwrap()
}

fn encode(batches: &[RecordBatch]) -> Vec<u8> {
    let fields = match batches[0].column_by_name("chunks") {
        Some(_) => nesting_fields(),
        None => every_field(),
    };
    let mut encoder = DataFileEncoder::new(batches[0].schema(), fields, "key").unwrap();
    let mut bytes = Vec::new();
    for batch in batches {
        bytes.extend(encoder.push(batch).unwrap().concat());
    }
    bytes.extend(encoder.finish().unwrap().0.concat());
    bytes
}

#[tokio::test]
async fn every_type_survives() {
    let (_folder, store) = folder();
    let batch = every_row(1000);
    let writer = ArchiveWriter::begin(store.clone(), "prod").await.unwrap();
    let file = writer.data_file(
        "collections/x.parquet",
        batch.schema(),
        every_field(),
        "key",
    );
    let file = file
        .await
        .unwrap()
        .push(batch.clone())
        .await
        .unwrap()
        .finish()
        .await
        .unwrap();
    assert_eq!(
        file.0.first_key,
        Key::Text(String::new()),
        "empty text keys survive"
    );
    let mut entry = entry("docs", vec![file]);
    entry.schema.fields = every_field();
    entry.schema.dynamic = false;
    entry.exported_fields = every_field().into_iter().map(|field| field.name).collect();
    let manifest = manifest("prod", vec![entry]);
    writer.seal(&manifest).await.unwrap();

    let archive = Archive::open(store, "prod").await.unwrap();
    assert_eq!(*archive.manifest(), manifest);
    let entry = &archive.manifest().collections[0];
    let file = entry.files().next().unwrap();
    let read: Vec<RecordBatch> = archive
        .batches(entry, file)
        .unwrap()
        .try_collect()
        .await
        .unwrap();
    assert_eq!(read, [batch]);
    let report = verify(&archive, &Context::silent(), 1).await.unwrap();
    assert!(report.is_good(), "{report:?}");
}

#[test]
fn bytes_of_every_type_do_not_depend_on_how_rows_were_cut() {
    for batch in [every_row(3000), nesting_rows(3000)] {
        let whole = encode(std::slice::from_ref(&batch));
        for size in [1, 2, 1024, 1500] {
            let cuts = (0..3000).step_by(size);
            let cut: Vec<RecordBatch> = cuts
                .map(|start| batch.slice(start, size.min(3000 - start)))
                .collect();
            assert!(encode(&cut) == whole, "cut by {size}");
        }
    }
}

#[test]
fn bytes_of_vectors_take_a_byte_each_and_floats_in_structs_are_plain() {
    let rows = 30_000;
    let bytes = bytes::Bytes::from(encode(&[nesting_rows(rows)]));
    let footer = ParquetMetaDataReader::new()
        .parse_and_finish(&bytes)
        .unwrap();
    let mut seen = Vec::new();
    for column in footer.row_group(0).columns() {
        let path = column.column_path().string();
        let dictionary = column
            .encodings()
            .any(|encoding| encoding == Encoding::RLE_DICTIONARY);
        let plain = column.compression() == Compression::UNCOMPRESSED;
        match path.as_str() {
            "bytes.list.element" | "chunks.list.element.half.list.element" => {
                assert!(plain && dictionary, "{path}");
                let size = column.compressed_size() as usize;
                let values = column.num_values() as usize;
                // Levels of lists take up to half a byte a value here; numbers of 32 bits would take four.
                assert!(size < values * 3 / 2, "{path}: {size} bytes of {values}");
            }
            "vectors.list.element.list.element" | "chunks.list.element.dense.list.element" => {
                assert!(plain && !dictionary, "{path}");
            }
            _ => assert!(!plain, "{path}"),
        }
        assert!(path == "key" || column.statistics().is_none(), "{path}");
        seen.push(path);
    }
    assert_eq!(seen.len(), 6, "{seen:?}");
}

#[test]
fn vectors_are_plain_and_texts_of_keys_are_no_dictionary() {
    let bytes = bytes::Bytes::from(encode(&[every_row(3000)]));
    let footer = ParquetMetaDataReader::new()
        .parse_and_finish(&bytes)
        .unwrap();
    for column in footer.row_group(0).columns() {
        let path = column.column_path().string();
        let dictionary = column
            .encodings()
            .any(|encoding| encoding == Encoding::RLE_DICTIONARY);
        let plain = column.compression() == Compression::UNCOMPRESSED;
        match path.as_str() {
            "dense.list.element" | "binary" | "half" => assert!(plain && !dictionary, "{path}"),
            "key" | "sparse.values.list.element" => assert!(!plain && !dictionary, "{path}"),
            _ => assert!(!plain, "{path}"),
        }
        let known = [Encoding::PLAIN, Encoding::RLE, Encoding::RLE_DICTIONARY];
        assert!(
            column.encodings().all(|encoding| known.contains(&encoding)),
            "{path}"
        );
    }
}
