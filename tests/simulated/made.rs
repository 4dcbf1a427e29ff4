//! Collections of simulated servers.

use std::collections::BTreeSet;

use bytes::Bytes;
use milvault::milvus::wire::common::KeyValuePair;
use milvault::milvus::wire::milvus::{
    CreateCollectionRequest, CreateIndexRequest, InsertRequest, LoadCollectionRequest,
};
use milvault::milvus::wire::schema::scalar_field::Data as Scalar;
use milvault::milvus::wire::schema::vector_field::Data as Vector;
use milvault::milvus::wire::schema::{
    BytesArray, CollectionSchema, FieldData, FieldSchema, FloatArray, LongArray,
};
use milvault::milvus::{Address, Cluster, ConnectOptions};
use milvault::naming::Naming;
use prost::Message;

use crate::sim::data::Content;
use crate::sim::{Sim, World, cells};
use crate::support::vault::{
    Vault, assert_equal, collections, live, restore_into, restoring, side,
};

pub const DIM: usize = 4;

pub async fn connect(sim: &Sim) -> Cluster {
    let address = Address::parse(&format!("http://{}", sim.address)).unwrap();
    Cluster::connect(&address, &ConnectOptions::default())
        .await
        .unwrap()
}

pub fn pairs(pairs: &[(&str, &str)]) -> Vec<KeyValuePair> {
    let pair = |(key, value): &(&str, &str)| KeyValuePair {
        key: key.to_string(),
        value: value.to_string(),
    };
    pairs.iter().map(pair).collect()
}

pub fn field(name: &str, data_type: i32) -> FieldSchema {
    FieldSchema {
        name: name.into(),
        data_type,
        ..FieldSchema::default()
    }
}

pub fn key(name: &str) -> FieldSchema {
    FieldSchema {
        is_primary_key: true,
        ..field(name, 5)
    }
}

pub fn text(name: &str) -> FieldSchema {
    FieldSchema {
        type_params: pairs(&[("max_length", "1000")]),
        ..field(name, 21)
    }
}

pub fn vector(name: &str, data_type: i32) -> FieldSchema {
    FieldSchema {
        type_params: pairs(&[("dim", &DIM.to_string())]),
        ..field(name, data_type)
    }
}

/// Key `id`, number `number`, text `text`, vector `vector`.
pub fn plain() -> CollectionSchema {
    CollectionSchema {
        fields: vec![
            key("id"),
            field("number", 5),
            text("text"),
            vector("vector", 101),
        ],
        ..CollectionSchema::default()
    }
}

/// Makes a collection in the default database, with an index on each vector field, and loads it.
pub fn make(world: &mut World, name: &str, schema: CollectionSchema, properties: &[(&str, &str)]) {
    world
        .create_collection(CreateCollectionRequest {
            collection_name: name.into(),
            schema: schema.encode_to_vec().into(),
            properties: pairs(properties),
            ..CreateCollectionRequest::default()
        })
        .unwrap();
    let bm25: Vec<&String> = schema
        .functions
        .iter()
        .flat_map(|one| &one.output_field_names)
        .collect();
    let columns = world.collection(name).columns.clone();
    for field in columns.iter().filter(|field| field.data_type >= 100) {
        let (kind, metric) = match field.data_type {
            104 if bm25.contains(&&field.name) => ("SPARSE_INVERTED_INDEX", "BM25"),
            104 => ("SPARSE_INVERTED_INDEX", "IP"),
            100 => ("BIN_FLAT", "HAMMING"),
            106 => ("HNSW", "MAX_SIM_IP"),
            _ => ("HNSW", "L2"),
        };
        world
            .create_index(CreateIndexRequest {
                collection_name: name.into(),
                field_name: field.name.clone(),
                extra_params: pairs(&[
                    ("index_type", kind),
                    ("metric_type", metric),
                    ("params", r#"{"M":16,"efConstruction":200}"#),
                ]),
                ..CreateIndexRequest::default()
            })
            .unwrap();
    }
    world
        .load_collection(LoadCollectionRequest {
            collection_name: name.into(),
            replica_number: 1,
            ..LoadCollectionRequest::default()
        })
        .unwrap();
}

pub fn scalars(name: &str, data_type: i32, data: Scalar) -> FieldData {
    FieldData {
        r#type: data_type,
        field_name: name.into(),
        field: Some(cells::of_scalars(data)),
        ..FieldData::default()
    }
}

pub fn longs(name: &str, data: Vec<i64>) -> FieldData {
    scalars(name, 5, Scalar::LongData(LongArray { data }))
}

pub fn texts(name: &str, texts: impl IntoIterator<Item = String>) -> FieldData {
    let data = texts.into_iter().map(Bytes::from).collect();
    scalars(name, 21, Scalar::StringData(BytesArray { data }))
}

/// A vector of `DIM` floats for each number.
pub fn vectors(name: &str, numbers: impl IntoIterator<Item = i64>) -> FieldData {
    let row =
        |number: i64| (0..DIM).flat_map(move |at| (number as f32 + at as f32 / 8.0).to_le_bytes());
    let data = vec![
        numbers
            .into_iter()
            .flat_map(row)
            .collect::<Vec<u8>>()
            .into(),
    ];
    let data = Vector::FloatVector(FloatArray { data });
    FieldData {
        r#type: 101,
        field_name: name.into(),
        field: Some(cells::of_vectors(DIM as i64, data)),
        ..FieldData::default()
    }
}

/// With `valid_data`: the columns of the functions above have but the values that are not NULL.
pub fn nullable(mut column: FieldData, valid: &[bool]) -> FieldData {
    column.valid_data = valid.to_vec();
    column
}

pub fn insert(world: &mut World, name: &str, num_rows: usize, fields_data: Vec<FieldData>) {
    world.insert(request(name, num_rows, fields_data)).unwrap();
}

pub fn upsert(world: &mut World, name: &str, num_rows: usize, fields_data: Vec<FieldData>) {
    world.upsert(request(name, num_rows, fields_data)).unwrap();
}

pub fn request(name: &str, num_rows: usize, fields_data: Vec<FieldData>) -> InsertRequest {
    InsertRequest {
        collection_name: name.into(),
        fields_data,
        num_rows: num_rows as u32,
        ..InsertRequest::default()
    }
}

/// Rows of [`plain`] with these keys, whose other values are made of `seed`.
pub fn plain_rows(keys: impl IntoIterator<Item = i64>, seed: i64) -> Vec<FieldData> {
    let keys: Vec<i64> = keys.into_iter().collect();
    vec![
        longs("id", keys.clone()),
        longs(
            "number",
            keys.iter().map(|key| key.wrapping_mul(10) + seed).collect(),
        ),
        texts(
            "text",
            keys.iter().map(|key| format!("row {key} of {seed}")),
        ),
        vectors("vector", keys.iter().map(|key| key + seed)),
    ]
}

/// [`plain`] as `docs`, with the rows 0 to `rows`.
pub fn make_plain(world: &mut World, rows: i64) {
    make(world, "docs", plain(), &[]);
    insert(world, "docs", rows as usize, plain_rows(0..rows, 0));
}

/// Writes rows as a client would, a partition at a time.
pub fn copy(rows: &Content, world: &mut World, name: &str) {
    let fields = world.collection(name).columns.clone();
    let partitions: BTreeSet<&String> = rows.keys().map(|(partition, _)| partition).collect();
    for partition in partitions {
        let known = &mut world.collection(name).partitions;
        if !known.contains(partition) {
            known.push(partition.clone());
        }
        let rows: Vec<_> = rows
            .iter()
            .filter(|((of, _), _)| of == partition)
            .map(|(_, cells)| cells)
            .collect();
        let column = |field: &FieldSchema| {
            let cells = rows.iter().map(|cells| cells[&field.name].clone());
            let mut column = cells::empty(field);
            cells::extend(&mut column, cells.clone().flatten().collect());
            let valid_data = cells.map(|cell| cell.is_some());
            FieldData {
                r#type: field.data_type,
                field_name: field.name.clone(),
                field: Some(column),
                valid_data: if field.nullable {
                    valid_data.collect()
                } else {
                    Vec::new()
                },
                ..FieldData::default()
            }
        };
        let columns = fields.iter().map(column).collect();
        let mut request = request(name, rows.len(), columns);
        request.partition_name = partition.clone();
        world.insert(request).unwrap();
    }
}

/// Exports `docs`, restores it into another server, and holds the very values of both against each other.
pub async fn round_trip(source: &Sim, target: &Sim) {
    let selection = collections("default", &["docs"]);
    let (from, to) = (connect(source).await, connect(target).await);
    let vault = Vault::new();
    let archive = vault.export(&from, "a", &selection).await;
    restore_into(&archive, &to, &restoring(&Naming::default())).await;
    let all = Default::default();
    assert_equal(&live(&from), &live(&to), &all, &Naming::default(), 1).await;
    assert_equal(&side(&archive), &live(&to), &all, &Naming::default(), 1).await;
    assert_eq!(
        target.world().content("docs"),
        source.world().content("docs")
    );
}
