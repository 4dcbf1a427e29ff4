//! The archive of the types that no server has which installs without a container: Int8Vector, Text, Mol, arrays of
//! vectors, struct arrays, and vectors that may be null.
//!
//! Its rows are given here as a Milvus 3.0 answers them, and go the way of an export from there. The golden archive in
//! `fixtures/archive-v1-types` was made by this very code: see `fixtures/README.md`.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use arrow_array::RecordBatch;
use bytes::Bytes;
use futures::TryStreamExt;
use milvault::archive::{
    Archive, ArchiveWriter, CollectionEntry, Consistency, DataFilePath, Drift, FORMAT, Manifest,
    Mode, Partition, SUMMARY, Selection, Source, Tool, verify,
};
use milvault::columns;
use milvault::milvus::wire::schema::field_data::Field as Payload;
use milvault::milvus::wire::schema::scalar_field::Data as Scalars;
use milvault::milvus::wire::schema::vector_field::Data as Vectors;
use milvault::milvus::wire::schema::{
    ArrayArray, BytesArray, FieldData, FloatArray, LongArray, ScalarField, SparseFloatArray,
    StructArrayField, VectorArray, VectorField,
};
use milvault::model::{
    Collection, CollectionName, ConsistencyLevel, DataType, Field, Index, Key, Load,
};
use milvault::progress::Context;
use milvault::store::{self, StoreOptions};

const NAME: &str = "milvus-3.0-types";
const COLLECTION: &str = "newer_types";

/// The keys of the rows. In row 2 all that may be null is; row 3 has empty texts and arrays, row 4 odd numbers.
const ROWS: std::ops::RangeInclusive<i64> = 1..=5;
const NULL: i64 = 2;

const VECTORS: [(&str, DataType); 5] = [
    ("float", DataType::FloatVector),
    ("binary", DataType::BinaryVector),
    ("float16", DataType::Float16Vector),
    ("bfloat16", DataType::BFloat16Vector),
    ("int8", DataType::Int8Vector),
];

fn field(name: &str, data_type: DataType, params: &[(&str, &str)]) -> Field {
    let params = params
        .iter()
        .map(|(name, value)| (name.to_string(), value.to_string()));
    Field {
        name: name.to_owned(),
        data_type,
        params: params.collect(),
        ..Field::dynamic()
    }
}

fn vectors_field(name: &str, data_type: DataType, element_type: DataType) -> Field {
    let params = [("dim", "8"), ("max_capacity", "9")];
    Field {
        element_type: Some(element_type),
        ..field(name, data_type, &params)
    }
}

/// The key, then a field of each kind that takes no null and one that does, `null_…`.
fn fields() -> Vec<Field> {
    let mut plain = vec![
        field("text", DataType::Text, &[("enable_analyzer", "true")]),
        field("mol", DataType::Mol, &[]),
        field("geometry", DataType::Geometry, &[]),
        field("timestamptz", DataType::Timestamptz, &[]),
        field("sparse", DataType::SparseFloatVector, &[]),
    ];
    plain.extend(VECTORS.map(|(name, kind)| field(name, kind, &[("dim", "8")])));
    plain.extend(VECTORS.map(|(name, kind)| {
        vectors_field(&format!("array_of_{name}"), DataType::ArrayOfVector, kind)
    }));
    let text = Field {
        element_type: Some(DataType::VarChar),
        ..field(
            "text",
            DataType::Array,
            &[("max_capacity", "9"), ("max_length", "99")],
        )
    };
    let page = Field {
        element_type: Some(DataType::Int64),
        ..field("page", DataType::Array, &[("max_capacity", "9")])
    };
    let mut parts = vec![text, page];
    parts.extend(VECTORS.map(|(name, kind)| vectors_field(name, DataType::ArrayOfVector, kind)));
    plain.push(Field {
        fields: parts,
        ..field(
            "chunks",
            DataType::ArrayOfStruct,
            &[("mmap.enabled", "true")],
        )
    });
    let key = Field {
        primary_key: true,
        ..field("id", DataType::Int64, &[])
    };
    let nullable = plain.clone().into_iter().map(|field| Field {
        name: format!("null_{}", field.name),
        nullable: true,
        fields: field
            .fields
            .into_iter()
            .map(|part| Field {
                nullable: true,
                ..part
            })
            .collect(),
        ..field
    });
    std::iter::once(key)
        .chain(plain.clone())
        .chain(nullable)
        .collect()
}

/// How many elements the arrays of a row have.
fn count(row: i64) -> i64 {
    match row {
        3 => 0,
        4 => 3,
        _ => row % 2 + 1,
    }
}

fn text(row: i64) -> String {
    match row {
        3 => String::new(),
        4 => "\u{1F9EA}\n\"\\".to_owned(),
        _ => format!("text {row}"),
    }
}

fn float(row: i64, at: i64) -> f32 {
    match (row, at) {
        (4, 0) => -0.0,
        (4, 1) => f32::from_bits(1),
        (4, 2) => f32::MAX,
        _ => row as f32 - at as f32 / 4.0,
    }
}

/// The vector of a row, or of an element of its array, as Milvus has it.
fn vector(kind: DataType, row: i64, element: i64) -> Vec<u8> {
    let bytes = match kind {
        DataType::FloatVector => {
            let floats = (0..8).flat_map(|at| float(row + element, at).to_le_bytes());
            return floats.collect();
        }
        DataType::BinaryVector => 1,
        DataType::Int8Vector => 8,
        _ => 16,
    };
    let byte = |at: i64| u8::try_from((row * 61 + element * 7 + at * 13) % 256).unwrap();
    (0..bytes).map(byte).collect()
}

fn vector_field(kind: DataType, bytes: Vec<u8>) -> VectorField {
    let bytes = Bytes::from(bytes);
    let data = match kind {
        DataType::FloatVector => Vectors::FloatVector(FloatArray { data: vec![bytes] }),
        DataType::BinaryVector => Vectors::BinaryVector(bytes),
        DataType::Float16Vector => Vectors::Float16Vector(bytes),
        DataType::BFloat16Vector => Vectors::Bfloat16Vector(bytes),
        _ => Vectors::Int8Vector(bytes),
    };
    VectorField {
        dim: 8,
        data: Some(data),
        valid_data: Vec::new(),
    }
}

fn scalar_field(data: Scalars) -> ScalarField {
    ScalarField {
        data: Some(data),
        valid_data: Vec::new(),
    }
}

/// What a server has of a field: scalars and arrays of vectors with a filler at nulls, vectors without.
fn answer(field: &Field) -> FieldData {
    let has = |row: &i64| !field.nullable || *row != NULL;
    let texts = |text: &dyn Fn(i64) -> String| BytesArray {
        data: ROWS
            .map(|row| if has(&row) { text(row) } else { String::new() })
            .map(Bytes::from)
            .collect(),
    };
    let scalars = |data| Payload::Scalars(scalar_field(data));
    let arrays = |row: i64| if has(&row) { 0..count(row) } else { 0..0 };
    let payload = match field.data_type {
        DataType::Int64 => scalars(Scalars::LongData(LongArray {
            data: ROWS.collect(),
        })),
        DataType::Text => scalars(Scalars::StringData(texts(&text))),
        DataType::Mol => scalars(Scalars::MolSmilesData(texts(&|row| {
            "C".repeat(row as usize)
        }))),
        DataType::Geometry => scalars(Scalars::GeometryWktData(texts(&|row| {
            format!("POINT ({row} 0.5)")
        }))),
        DataType::Timestamptz => scalars(Scalars::StringData(texts(&|row| {
            format!("2024-02-29T23:59:5{row}Z")
        }))),
        DataType::SparseFloatVector => {
            let pairs = |row: i64| {
                let pair = move |at: i64| {
                    let index = u32::try_from(at * 1000).unwrap();
                    [index.to_le_bytes(), float(row, at).to_le_bytes()].concat()
                };
                (0..count(row)).flat_map(pair).collect::<Vec<u8>>()
            };
            Payload::Vectors(VectorField {
                data: Some(Vectors::SparseFloatVector(SparseFloatArray {
                    contents: ROWS.filter(has).map(|row| pairs(row).into()).collect(),
                    dim: 3000,
                })),
                ..VectorField::default()
            })
        }
        DataType::ArrayOfVector => {
            let kind = field.element_type.unwrap();
            let of_row = |row: i64| {
                let vectors = arrays(row).flat_map(|element| vector(kind, row, element));
                vector_field(kind, vectors.collect())
            };
            Payload::Vectors(VectorField {
                dim: 8,
                data: Some(Vectors::VectorArray(VectorArray {
                    dim: 8,
                    data: ROWS.map(of_row).collect(),
                    element_type: kind.code(),
                })),
                valid_data: Vec::new(),
            })
        }
        DataType::Array => {
            let of_row = |row: i64| {
                scalar_field(if field.element_type == Some(DataType::Int64) {
                    let data = arrays(row).map(|element| row * 10 + element).collect();
                    Scalars::LongData(LongArray { data })
                } else {
                    let texts = arrays(row).map(|element| format!("{}/{element}", text(row)));
                    Scalars::StringData(BytesArray {
                        data: texts.map(Bytes::from).collect(),
                    })
                })
            };
            scalars(Scalars::ArrayData(ArrayArray {
                data: ROWS.map(of_row).collect(),
                element_type: field.element_type.unwrap().code(),
            }))
        }
        DataType::ArrayOfStruct => Payload::StructArrays(StructArrayField {
            fields: field.fields.iter().map(answer).collect(),
        }),
        kind => {
            let vectors = ROWS.filter(has).flat_map(|row| vector(kind, row, 0));
            Payload::Vectors(vector_field(kind, vectors.collect()))
        }
    };
    let said = field.nullable && field.data_type != DataType::ArrayOfStruct;
    FieldData {
        r#type: field.data_type.code(),
        field_name: field.name.clone(),
        field: Some(payload),
        valid_data: ROWS.filter(|_| said).map(|row| has(&row)).collect(),
        ..FieldData::default()
    }
}

fn rows() -> RecordBatch {
    let fields = fields();
    let schema = columns::arrow_schema(&fields).unwrap();
    let data = fields.iter().map(answer).collect();
    columns::decode(&fields, &schema, data, "id").unwrap()
}

fn collection() -> Collection {
    let index = |field: &str, kind: &str, metric: &str| Index {
        name: format!("{}_index", field.replace(['[', ']'], "_")),
        field: field.to_owned(),
        params: BTreeMap::from([
            ("index_type".to_owned(), kind.to_owned()),
            ("metric_type".to_owned(), metric.to_owned()),
        ]),
    };
    Collection {
        name: CollectionName::new("default", COLLECTION),
        description: "a field of each of the newer types".to_owned(),
        fields: fields(),
        dynamic: false,
        functions: Vec::new(),
        properties: BTreeMap::new(),
        partitions: vec!["_default".to_owned()],
        shards: 1,
        consistency_level: ConsistencyLevel::Bounded,
        aliases: Vec::new(),
        indexes: vec![
            index("int8", "HNSW", "COSINE"),
            index("chunks[float]", "HNSW", "MAX_SIM_COSINE"),
        ],
        load: Load {
            loaded: false,
            replicas: 0,
            ..Load::default()
        },
    }
}

/// Makes the archive in a folder.
async fn make(folder: &Path) {
    let store = store::open(folder.to_str().unwrap(), &StoreOptions::default())
        .await
        .unwrap();
    let writer = ArchiveWriter::begin(store, NAME).await.unwrap();
    let rows = rows();
    let path = DataFilePath {
        collection: &CollectionName::new("default", COLLECTION),
        partition: Some("_default"),
        first_key: &Key::Int(*ROWS.start()),
    };
    let path = path.path();
    let file = writer.data_file(&path, rows.schema(), fields(), "id");
    let file = file.await.unwrap().push(rows).await.unwrap();
    let (file, digests) = file.finish().await.unwrap();
    let entry = CollectionEntry {
        schema: collection(),
        exported_fields: fields().into_iter().map(|field| field.name).collect(),
        rows: digests.rows,
        digests,
        server_rows: None,
        partitions: vec![Partition {
            name: Some("_default".to_owned()),
            rows: file.rows,
            files: vec![file],
        }],
    };
    let manifest = Manifest {
        format: FORMAT,
        tool: Tool {
            name: "milvault".to_owned(),
            version: "0.1.0".to_owned(),
        },
        name: NAME.to_owned(),
        created: "2026-11-21T14:00:00Z".to_owned(),
        source: Source {
            server_version: "v3.0.0".to_owned(),
            address: "http://localhost:19530".to_owned(),
        },
        selection: Selection::default(),
        consistency: Consistency {
            mode: Mode::Walk,
            timestamp: None,
            drift: Drift::default(),
        },
        databases: Vec::new(),
        collections: vec![entry],
        rbac: None,
    };
    writer.seal(&manifest).await.unwrap();
}

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/archive-v1-types")
}

#[tokio::test]
async fn the_archive_of_newer_types_holds_what_it_held() {
    let store = store::open(fixtures().to_str().unwrap(), &StoreOptions::default())
        .await
        .unwrap();
    let archive = Archive::open(store, NAME).await.unwrap();
    let entry = &archive.manifest().collections[0];
    assert_eq!(entry.schema, collection());
    assert_eq!(
        (entry.rows, entry.digests.all.to_string().as_str()),
        (5, "3675235f59d7db5c34d423cc0ea874ef")
    );
    let file = entry.files().next().unwrap();
    let batches = archive.batches(entry, file).unwrap();
    let read: Vec<RecordBatch> = batches.try_collect().await.unwrap();
    assert_eq!(read, [rows()]);
    let report = verify(&archive, &Context::silent(), 1).await.unwrap();
    assert!(report.is_good(), "{:?}", report.problems);
}

/// What is made stays in the folder for the test's files, where `fixtures/make.sh` finds it.
#[tokio::test]
async fn the_archive_of_newer_types_is_made_byte_for_byte_as_it_was() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("archive-v1-types");
    if folder.exists() {
        fs::remove_dir_all(&folder).unwrap();
    }
    fs::create_dir_all(&folder).unwrap();
    make(&folder).await;
    let mut made = files(&folder);
    // The archive is older than summaries.
    assert!(made.remove(&Path::new(NAME).join(SUMMARY)).is_some());
    assert_eq!(made.len(), 3);
    assert!(
        made == files(&fixtures()),
        "{} is another",
        folder.display()
    );
}

/// The bytes of all files in a folder, by their paths.
fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = PathBuf::from(path.file_name().unwrap());
        if path.is_dir() {
            found.extend(
                files(&path)
                    .into_iter()
                    .map(|(path, bytes)| (name.join(path), bytes)),
            );
        } else {
            found.insert(name, fs::read(path).unwrap());
        }
    }
    found
}
