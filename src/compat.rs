//! What each server version understands, as far as milvault sends it.
//!
//! Nothing unknown may ever be sent: Milvus 2.3.5 takes a collection with a type that it does not know and
//! dies on the first insert, and on every start after that; milvus-lite 2.5.1 dies on a default value. Older
//! servers drop what they do not know without a word. So versions decide before anything is created.

use crate::milvus::{Product, ServerVersion};
use crate::model::{Collection, ConsistencyLevel, DataType, DefaultValue, Field, Function, Index};

/// From when on something is known: the first Milvus, and the first milvus-lite if there is one.
struct Since {
    milvus: (u32, u32, u32),
    lite: Option<(u32, u32, u32)>,
    /// The first milvus-lite that has lost it again.
    gone_in_lite: Option<(u32, u32, u32)>,
}

const fn since(milvus: (u32, u32, u32), lite: Option<(u32, u32, u32)>) -> Since {
    Since {
        milvus,
        lite,
        gone_in_lite: None,
    }
}

impl Since {
    fn knows(&self, version: &ServerVersion) -> bool {
        match version.product {
            Product::Milvus => version.number >= self.milvus,
            Product::Lite => {
                self.lite.is_some_and(|lite| version.number >= lite)
                    && self.gone_in_lite.is_none_or(|gone| version.number < gone)
            }
        }
    }
}

const LITE_2: Option<(u32, u32, u32)> = Some((2, 0, 0));
const LITE_3: Option<(u32, u32, u32)> = Some((3, 0, 0));

/// Types, by the first release that can use them (release notes; milvus-lite: its own list of types).
fn type_since(data_type: DataType) -> Option<Since> {
    use DataType::*;
    let only_lite_2 = |milvus| Since {
        milvus,
        lite: LITE_2,
        gone_in_lite: Some((3, 0, 0)),
    };
    Some(match data_type {
        Bool | Int8 | Int16 | Int32 | Int64 | Float | Double | VarChar | FloatVector => {
            since((2, 2, 0), LITE_2)
        }
        BinaryVector => only_lite_2((2, 2, 0)),
        Json => since((2, 2, 9), LITE_2),
        Array => since((2, 3, 2), LITE_2),
        Float16Vector | BFloat16Vector => only_lite_2((2, 4, 0)),
        SparseFloatVector => since((2, 4, 0), LITE_2),
        Geometry | Timestamptz => since((2, 6, 1), LITE_3),
        Int8Vector => since((2, 6, 0), None),
        // Milvus's documentation of struct arrays says 2.6.4; the wire is older.
        ArrayOfVector | ArrayOfStruct => since((2, 6, 4), None),
        Text | Mol => since((3, 0, 0), None),
        Unknown(_) => return None,
    })
}

const DYNAMIC: Since = since((2, 2, 9), LITE_2);
const PARTITION_KEY: Since = since((2, 2, 9), LITE_3);
const CLUSTERING_KEY: Since = since((2, 4, 0), None);
const NULLABLE: Since = since((2, 5, 0), LITE_3);
const NULLABLE_VECTOR: Since = since((3, 0, 0), LITE_3);
const DEFAULT_VALUE: Since = since((2, 5, 0), LITE_3);
const BM25: Since = since((2, 5, 0), LITE_3);
const DATABASES: Since = since((2, 2, 9), LITE_3);
const PARTITIONS: Since = since((2, 2, 0), LITE_3);
const ALIASES: Since = since((2, 2, 0), LITE_3);
const COSINE: Since = since((2, 3, 0), LITE_2);

/// Index types, by the first release that builds them.
fn index_since(index_type: &str) -> Option<Since> {
    Some(match index_type {
        "FLAT" | "IVF_FLAT" | "AUTOINDEX" => since((2, 2, 0), LITE_2),
        "HNSW" | "IVF_SQ8" => since((2, 2, 0), LITE_3),
        "IVF_PQ" | "DISKANN" | "Trie" | "marisa-trie" | "STL_SORT" => since((2, 2, 0), None),
        "BIN_FLAT" => Since {
            milvus: (2, 2, 0),
            lite: LITE_2,
            gone_in_lite: Some((3, 0, 0)),
        },
        "BIN_IVF_FLAT" => since((2, 2, 0), None),
        "SCANN" => since((2, 3, 0), None),
        "GPU_IVF_FLAT" | "GPU_IVF_PQ" => since((2, 3, 0), None),
        "GPU_BRUTE_FORCE" | "GPU_CAGRA" => since((2, 4, 0), None),
        "SPARSE_INVERTED_INDEX" => since((2, 4, 0), LITE_2),
        "SPARSE_WAND" => since((2, 4, 0), LITE_2),
        "INVERTED" => since((2, 4, 0), LITE_3),
        "BITMAP" | "HNSW_SQ" | "HNSW_PQ" | "HNSW_PRQ" => since((2, 5, 0), None),
        "NGRAM" | "RTREE" | "MINHASH_LSH" | "IVF_RABITQ" | "AISAQ" => since((2, 6, 0), None),
        _ => return None,
    })
}

/// Everything of a collection that a server of this version cannot hold: one sentence each, with the way
/// out. `fields` are those that are carried.
pub fn problems(
    version: &ServerVersion,
    collection: &Collection,
    fields: &[Field],
    indexes: &[Index],
) -> Vec<String> {
    let name = &collection.name;
    let mut problems = Vec::new();
    let mut refuse = |what: String, way_out: &str| {
        let way_out = if way_out.is_empty() {
            String::new()
        } else {
            format!(" ({way_out})")
        };
        problems.push(format!("{name}: {version} does not know {what}{way_out}"));
    };
    for (what, text) in [
        ("collection", &name.collection),
        ("database", &name.database),
    ] {
        if !is_name(text) {
            refuse(
                format!(
                    "a {what} named {text:?}: names are letters, digits and _, at most 255, and begin with no digit"
                ),
                "choose another name with --rename, --suffix or --into-database",
            );
        }
    }
    if version.product == Product::Lite
        && !collection
            .fields
            .iter()
            .any(|field| field.data_type.is_vector())
    {
        refuse(
            "collections without a vector field".into(),
            "leave it out with --exclude",
        );
    }
    if name.database != crate::model::DEFAULT_DATABASE && !DATABASES.knows(version) {
        refuse(
            "databases".into(),
            "put it into the default one with --into-database default",
        );
    }
    if collection.dynamic && !DYNAMIC.knows(version) {
        refuse("dynamic fields".into(), "leave it out with --exclude");
    }
    if collection.partitions.len() > 1
        && !collection.has_partition_key()
        && !PARTITIONS.knows(version)
    {
        refuse(
            "partitions".into(),
            "restore one of them with --partition _default",
        );
    }
    if !collection.aliases.is_empty() && !ALIASES.knows(version) {
        refuse("aliases".into(), "leave them out with --no-aliases");
    }
    if let ConsistencyLevel::Unknown(_) = collection.consistency_level {
        refuse(
            format!("the consistency {}", collection.consistency_level),
            "nor does this milvault: use a newer one, or leave the collection out with --exclude",
        );
    }
    for function in &collection.functions {
        if function.kind != Function::BM25 {
            refuse(
                format!(
                    "the function {}, which milvault cannot restore yet",
                    function.name
                ),
                "",
            );
        } else if !BM25.knows(version) {
            refuse(
                format!("the BM25 function {}", function.name),
                "leave the collection out with --exclude",
            );
        }
    }
    for field in fields {
        let what = |what: &str| format!("{what} of field {}", field.name);
        let types = field
            .and_parts()
            .flat_map(|part| [Some(part.data_type), part.element_type]);
        let knows =
            |data_type: &DataType| type_since(*data_type).is_some_and(|since| since.knows(version));
        if let Some(data_type) = types.flatten().find(|data_type| !knows(data_type)) {
            refuse(
                what(&format!("the type {data_type}")),
                &format!("leave it out with --exclude-fields {}", field.name),
            );
        }
        let vectors = field.and_parts().any(|part| part.data_type.is_vector());
        let structs = field.data_type == DataType::ArrayOfStruct;
        let nullable = if vectors || structs {
            NULLABLE_VECTOR
        } else {
            NULLABLE
        };
        if field.nullable && !nullable.knows(version) {
            refuse(what("null values"), "");
        }
        if field.and_parts().any(|part| part.element_nullable) {
            refuse(
                what("null elements"),
                "nor does this milvault: use a newer one",
            );
        }
        if let Some(DefaultValue::Unknown(_)) = field.default {
            refuse(
                what("the kind of the default value"),
                "nor does this milvault: use a newer one",
            );
        } else if field.default.is_some() && !DEFAULT_VALUE.knows(version) {
            refuse(what("the default value"), "");
        }
        if field.partition_key && !PARTITION_KEY.knows(version) {
            refuse(what("the partition key"), "");
        }
        if field.clustering_key && !CLUSTERING_KEY.knows(version) {
            refuse(what("the clustering key"), "");
        }
    }
    for index in indexes {
        if !knows_index(version, index) {
            let kind = index
                .params
                .get("index_type")
                .map_or("of no type", String::as_str);
            refuse(
                format!("the index {kind} of field {}", index.field),
                "let it choose one with --index-fallback, or leave indexes out with --no-index",
            );
        }
        if index
            .params
            .get("metric_type")
            .is_some_and(|metric| metric == "COSINE")
            && !COSINE.knows(version)
        {
            refuse(
                format!("the metric COSINE of field {}", index.field),
                "leave indexes out with --no-index",
            );
        }
    }
    problems
}

/// Whether a text can name a collection or a database (Milvus: `validateCollectionName`).
fn is_name(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
    text.len() <= 255 && text.chars().all(plain) && text.starts_with(|c: char| !c.is_ascii_digit())
}

/// Whether a server of this version builds an index of this type.
pub fn knows_index(version: &ServerVersion, index: &Index) -> bool {
    let kind = index.params.get("index_type").map_or("", String::as_str);
    index_since(kind).is_some_and(|since| since.knows(version))
}

/// What stands in for an index of `field` that a server of this version does not know: its type, or none
/// where the field is read as well without one.
pub fn substitute(version: &ServerVersion, field: &Field) -> Option<&'static str> {
    let candidate = match field.data_type {
        DataType::BinaryVector => "BIN_FLAT",
        vector if vector.is_vector() => "AUTOINDEX",
        // AUTOINDEX is for vectors alone on milvus-lite and before Milvus 2.4.
        _ => "INVERTED",
    };
    index_since(candidate)
        .is_some_and(|since| since.knows(version))
        .then_some(candidate)
}

/// Parameters that an index must have here and lacks: milvus-lite 3.2.2 does not tell those of its own, and
/// Milvus has defaults for them only from 2.5 on. The values are those of Milvus's documentation.
pub fn missing_params(version: &ServerVersion, index: &Index) -> Vec<(&'static str, &'static str)> {
    if version.product == Product::Lite || version.is_milvus_from(2, 5, 0) {
        return Vec::new();
    }
    let needed: &[_] = match index.params.get("index_type").map_or("", String::as_str) {
        "IVF_FLAT" | "IVF_SQ8" | "BIN_IVF_FLAT" => &[("nlist", "128")],
        "HNSW" => &[("M", "16"), ("efConstruction", "200")],
        _ => &[],
    };
    needed
        .iter()
        .filter(|(name, _)| !index.params.contains_key(*name))
        .copied()
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{CollectionName, Load};

    fn collection(field: Field) -> Collection {
        Collection {
            name: CollectionName::new("default", "docs"),
            description: String::new(),
            fields: vec![
                field,
                Field {
                    name: "vector".into(),
                    data_type: DataType::FloatVector,
                    ..Field::dynamic()
                },
            ],
            dynamic: false,
            functions: Vec::new(),
            properties: Default::default(),
            partitions: vec!["_default".into()],
            shards: 1,
            consistency_level: ConsistencyLevel::Bounded,
            aliases: Vec::new(),
            indexes: Vec::new(),
            load: Load {
                loaded: false,
                replicas: 0,
            },
        }
    }

    fn found(version: &str, field: Field) -> Vec<String> {
        let version = ServerVersion::parse(version).unwrap();
        let collection = collection(field);
        problems(&version, &collection, &collection.fields, &[])
    }

    fn of(data_type: DataType) -> Field {
        Field {
            name: "f".into(),
            data_type,
            ..Field::dynamic()
        }
    }

    #[test]
    fn types_that_would_kill_an_old_server_are_refused() {
        assert_eq!(found("2.3.5", of(DataType::Geometry)).len(), 1);
        assert_eq!(
            found("2.3.5", of(DataType::Float16Vector)).len(),
            1,
            "2.3.14 to 2.3.16 do not have it either"
        );
        assert_eq!(found("2.4.0", of(DataType::Float16Vector)).len(), 0);
        assert_eq!(
            found("milvus_lite-3.2.2", of(DataType::BinaryVector)).len(),
            1
        );
        assert_eq!(found("milvus_lite-2", of(DataType::BinaryVector)).len(), 0);
        assert_eq!(found("99.0.0", of(DataType::Unknown(77))).len(), 1);
        assert_eq!(found("2.5.9", of(DataType::Int8Vector)).len(), 1);
        assert_eq!(found("2.6.0", of(DataType::Int8Vector)).len(), 0);
        assert_eq!(found("2.6.9", of(DataType::Text)).len(), 1);
        assert_eq!(found("3.0.0", of(DataType::Mol)).len(), 0);
    }

    #[test]
    fn struct_arrays_and_null_vectors_are_for_servers_that_have_them() {
        let vectors = Field {
            element_type: Some(DataType::FloatVector),
            ..of(DataType::ArrayOfVector)
        };
        let chunks = |part: Field| Field {
            fields: vec![part],
            ..of(DataType::ArrayOfStruct)
        };
        assert_eq!(found("2.6.3", chunks(vectors.clone())).len(), 1);
        assert_eq!(found("2.6.4", chunks(vectors.clone())).len(), 0);
        let later = Field {
            element_type: Some(DataType::Unknown(77)),
            ..of(DataType::Array)
        };
        assert_eq!(found("99.0.0", chunks(later)).len(), 1);
        let holed = Field {
            element_nullable: true,
            ..vectors.clone()
        };
        assert_eq!(found("99.0.0", chunks(holed)).len(), 1);
        for field in [of(DataType::FloatVector), vectors.clone(), chunks(vectors)] {
            let nullable = Field {
                nullable: true,
                ..field
            };
            assert_eq!(found("2.6.9", nullable.clone()).len(), 1);
            assert_eq!(found("3.0.0", nullable).len(), 0);
        }
    }

    #[test]
    fn what_milvault_does_not_know_is_sent_to_no_server() {
        let newest = ServerVersion::parse("99.0.0").unwrap();
        let mut later = collection(Field {
            default: Some(DefaultValue::Unknown(vec![0x98, 0x06, 1])),
            ..of(DataType::Int64)
        });
        let found = |collection: &Collection| {
            problems(&newest, collection, &collection.fields, &[]).join("; ")
        };
        assert!(found(&later).contains("default value of field f"));
        later.fields[0].default = None;
        assert_eq!(found(&later), "");
        later.consistency_level = ConsistencyLevel::Unknown(9);
        assert!(found(&later).contains("the consistency level 9"));
    }

    #[test]
    fn what_old_servers_drop_without_a_word_is_refused() {
        assert_eq!(
            found(
                "2.3.5",
                Field {
                    nullable: true,
                    ..of(DataType::Int64)
                }
            )
            .len(),
            1
        );
        let default = Some(DefaultValue::Long(1));
        assert_eq!(
            found(
                "milvus_lite-2",
                Field {
                    default,
                    ..of(DataType::Int64)
                }
            )
            .len(),
            1
        );
    }

    #[test]
    fn names_that_no_server_takes_are_refused_beforehand() {
        let version = ServerVersion::parse("2.3.5").unwrap();
        for name in ["docs copy", "1st", "", "ä"] {
            let mut named = collection(of(DataType::Int64));
            named.name.collection = name.into();
            assert_eq!(
                problems(&version, &named, &named.fields, &[]).len(),
                1,
                "{name:?}"
            );
        }
    }
}
