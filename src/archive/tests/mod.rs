#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod damage;
mod encoding;
pub(crate) mod hooked;
mod listing;
mod manifest_damage;
mod plain_keys;
mod rbac;
mod schema;
mod sealing;
mod selection;
mod types;
mod writing;

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use arrow_array::types::Float32Type;
use arrow_array::{
    ArrayRef, Float32Array, Int64Array, ListArray, RecordBatch, StringArray, cast::AsArray,
};
use arrow_buffer::OffsetBuffer;
use arrow_schema::{DataType as ArrowType, SchemaRef};

use super::manifest::{
    CollectionEntry, Consistency, Drift, FORMAT, File, Manifest, Mode, Partition, RbacFile,
    Selection, Source, Tool,
};
use super::{ArchiveWriter, DataFilePath};
use crate::columns;
use crate::columns::digest::Digests;
use crate::model::{
    Collection, CollectionName, ConsistencyLevel, DEFAULT_PARTITION, DYNAMIC_FIELD, DataType,
    Field, Load,
};
use crate::store::{LocalStore, Store};

const DIM: i64 = 4;

/// A folder as a store. The folder goes when it is dropped.
pub(crate) fn folder() -> (tempfile::TempDir, Arc<dyn Store>) {
    let folder = tempfile::tempdir().unwrap();
    let store = LocalStore::new(folder.path().to_str().unwrap());
    (folder, Arc::new(store))
}

fn field(name: &str, data_type: DataType) -> Field {
    let mut field = Field {
        name: name.to_owned(),
        data_type,
        ..Field::dynamic()
    };
    match data_type {
        DataType::FloatVector => field.params.insert("dim".to_owned(), DIM.to_string()),
        DataType::VarChar => field
            .params
            .insert("max_length".to_owned(), "256".to_owned()),
        _ => None,
    };
    field
}

/// The columns of the test collections.
fn fields() -> Vec<Field> {
    let mut key = field("id", DataType::Int64);
    key.primary_key = true;
    let mut title = field("title", DataType::VarChar);
    title.nullable = true;
    vec![
        key,
        title,
        field("v", DataType::FloatVector),
        Field::dynamic(),
    ]
}

fn schema() -> SchemaRef {
    columns::arrow_schema(&fields()).unwrap()
}

/// Rows whose keys are `keys`; the other values follow from the key.
pub(crate) fn rows(keys: Range<i64>) -> RecordBatch {
    let schema = schema();
    let ids: Vec<i64> = keys.collect();
    let titles: StringArray = ids
        .iter()
        .map(|id| (id % 7 != 0).then(|| format!("title {}", id % 100)))
        .collect();
    let values: Float32Array = ids
        .iter()
        .flat_map(|id| (0..DIM).map(move |at| (id * DIM + at) as f32 / 3.0))
        .collect();
    let ArrowType::List(element) = schema.field(2).data_type() else {
        panic!("no list")
    };
    let lengths = ids.iter().map(|_| DIM as usize);
    let vectors = ListArray::new(
        element.clone(),
        OffsetBuffer::from_lengths(lengths),
        Arc::new(values),
        None,
    );
    let meta: StringArray = ids
        .iter()
        .map(|id| Some(format!("{{\"n\":{id}}}")))
        .collect();
    let columns: Vec<ArrayRef> = vec![
        Arc::new(Int64Array::from(ids)),
        Arc::new(titles),
        Arc::new(vectors),
        Arc::new(meta),
    ];
    RecordBatch::try_new(schema, columns).unwrap()
}

/// The keys and vectors of rows, to tell whether they are those of [`rows`].
pub(crate) fn values(batches: &[RecordBatch]) -> Vec<(i64, Vec<f32>)> {
    let mut values = Vec::new();
    for batch in batches {
        let ids = batch
            .column(0)
            .as_primitive::<arrow_array::types::Int64Type>();
        let vectors = batch.column(2).as_list::<i32>();
        for row in 0..batch.num_rows() {
            let vector = vectors.value(row);
            values.push((
                ids.value(row),
                vector.as_primitive::<Float32Type>().values().to_vec(),
            ));
        }
    }
    values
}

pub(crate) fn collection(name: &str) -> Collection {
    let mut fields = fields();
    fields.pop();
    Collection {
        name: CollectionName::new("default", name),
        description: String::new(),
        fields,
        dynamic: true,
        functions: Vec::new(),
        properties: BTreeMap::new(),
        partitions: vec![DEFAULT_PARTITION.to_owned()],
        shards: 1,
        consistency_level: ConsistencyLevel::Bounded,
        aliases: Vec::new(),
        indexes: Vec::new(),
        load: Load::default(),
    }
}

pub(crate) async fn data_file(
    writer: &ArchiveWriter,
    name: &str,
    batch: RecordBatch,
) -> (File, Digests) {
    let collection = CollectionName::new("default", name);
    let keys = columns::keys(&batch, "id").unwrap();
    let partition = Some(DEFAULT_PARTITION);
    let path = DataFilePath {
        collection: &collection,
        partition,
        first_key: &keys[0],
    }
    .path();
    let file = writer
        .data_file(&path, schema(), fields(), "id")
        .await
        .unwrap();
    file.push(batch).await.unwrap().finish().await.unwrap()
}

pub(crate) fn entry(name: &str, files: Vec<(File, Digests)>) -> CollectionEntry {
    let mut digests = Digests::default();
    for (_, part) in &files {
        digests.merge(part);
    }
    let rows = digests.rows;
    let files = files.into_iter().map(|(file, _)| file).collect();
    CollectionEntry {
        schema: collection(name),
        exported_fields: ["id", "title", "v", DYNAMIC_FIELD]
            .map(str::to_owned)
            .to_vec(),
        rows,
        digests,
        server_rows: None,
        partitions: vec![Partition {
            name: Some(DEFAULT_PARTITION.to_owned()),
            rows,
            files,
        }],
    }
}

pub(crate) fn manifest(name: &str, collections: Vec<CollectionEntry>) -> Manifest {
    Manifest {
        format: FORMAT,
        tool: Tool {
            name: "milvault".to_owned(),
            version: "0.0.0".to_owned(),
        },
        name: name.to_owned(),
        created: "2026-11-21T02:00:00Z".to_owned(),
        source: Source {
            server_version: "2.3.5".to_owned(),
            address: "http://localhost:19530".to_owned(),
        },
        selection: Selection::default(),
        consistency: Consistency {
            mode: Mode::Walk,
            timestamp: None,
            drift: Drift::default(),
        },
        databases: Vec::new(),
        collections,
        rbac: None,
    }
}

/// Writes an archive of two collections with two files each; the second has other rows.
pub(crate) async fn export(store: &Arc<dyn Store>, name: &str) -> Manifest {
    let writer = ArchiveWriter::begin(store.clone(), name).await.unwrap();
    let mut entries = Vec::new();
    for (collection, first) in [("docs", 0), ("news", 10_000)] {
        let low = data_file(&writer, collection, rows(first..first + 300)).await;
        let high = data_file(&writer, collection, rows(first + 300..first + 500)).await;
        entries.push(entry(collection, vec![low, high]));
    }
    let manifest = manifest(name, entries);
    writer.seal(&manifest).await.unwrap();
    manifest
}
