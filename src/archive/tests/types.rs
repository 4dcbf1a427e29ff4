//! Every type of field, and keys that are texts, through an archive and back.

use arrow_array::StructArray;
use arrow_array::builder::{
    BinaryBuilder, BooleanBuilder, Float32Builder, Int8Builder, ListBuilder, StringBuilder,
    UInt32Builder,
};
use arrow_schema::{FieldRef, Fields};
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

fn encode(batches: &[RecordBatch]) -> Vec<u8> {
    let mut encoder = DataFileEncoder::new(batches[0].schema(), every_field(), "key").unwrap();
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
    let batch = every_row(3000);
    let whole = encode(std::slice::from_ref(&batch));
    for size in [1, 2, 1024, 1500] {
        let cuts = (0..3000).step_by(size);
        let cut: Vec<RecordBatch> = cuts
            .map(|start| batch.slice(start, size.min(3000 - start)))
            .collect();
        assert!(encode(&cut) == whole, "cut by {size}");
    }
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
