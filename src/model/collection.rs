//! A collection as Milvus describes it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{CollectionName, ConsistencyLevel, DataType};

/// Everything that Milvus knows of a collection but its rows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Collection {
    /// Database and name.
    #[serde(flatten)]
    pub name: CollectionName,
    /// Free text.
    #[serde(default)]
    pub description: String,
    /// The fields as declared; the dynamic field is not among them.
    pub fields: Vec<Field>,
    /// Whether rows may carry undeclared keys, kept in `$meta`.
    #[serde(default)]
    pub dynamic: bool,
    /// Functions such as BM25 (Milvus 2.5 on).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub functions: Vec<Function>,
    /// Collection properties, verbatim.
    #[serde(default)]
    pub properties: BTreeMap<String, String>,
    /// Partition names, `_default` among them. With a partition key they are Milvus's own.
    pub partitions: Vec<String>,
    /// Number of shards (virtual channels).
    pub shards: i32,
    /// The consistency level that reads have by default.
    pub consistency_level: ConsistencyLevel,
    /// Other names of the collection.
    #[serde(default)]
    pub aliases: Vec<String>,
    /// Indexes of all fields.
    #[serde(default)]
    pub indexes: Vec<Index>,
    /// Whether it was loaded for search and query, and with how many replicas.
    pub load: Load,
}

/// A database that collections are in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Database {
    /// Its name.
    pub name: String,
    /// Its properties, verbatim.
    #[serde(default)]
    pub properties: BTreeMap<String, String>,
}

/// One field of a collection.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Field {
    /// The field's name, unique in its collection.
    pub name: String,
    /// Free text.
    #[serde(default)]
    pub description: String,
    /// The type of its values.
    #[serde(rename = "type")]
    pub data_type: DataType,
    /// For arrays, also of vectors, the type of their elements.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub element_type: Option<DataType>,
    /// For struct arrays, the fields of their elements under their short names, each as Milvus keeps it: an `Array`
    /// or an `ArrayOfVector` with an element for each element of the struct array.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<Field>,
    /// Type parameters (`dim`, `max_length`, `max_capacity`, …), verbatim.
    #[serde(default)]
    pub params: BTreeMap<String, String>,
    /// Whether this is the primary key.
    #[serde(default)]
    pub primary_key: bool,
    /// Whether the server makes the keys.
    #[serde(default)]
    pub auto_id: bool,
    /// Whether the field decides a row's partition.
    #[serde(default)]
    pub partition_key: bool,
    /// Whether the field clusters segments (Milvus 2.4 on).
    #[serde(default)]
    pub clustering_key: bool,
    /// Whether values may be null (scalars from Milvus 2.5, vectors and struct arrays from 3.0).
    #[serde(default)]
    pub nullable: bool,
    /// Whether elements of arrays may be null, which milvault does not carry and no release of Milvus has yet.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub element_nullable: bool,
    /// What a row without a value gets (Milvus 2.5 on).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<DefaultValue>,
    /// Whether a function fills the field.
    #[serde(default)]
    pub function_output: bool,
}

/// The default of a field, in the type that Milvus keeps it in.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs, reason = "the names say what they hold")]
pub enum DefaultValue {
    Bool(bool),
    Int(i32),
    Long(i64),
    /// The bits of an IEEE 754 single, so that every value survives JSON.
    FloatBits(u32),
    /// The bits of an IEEE 754 double.
    DoubleBits(u64),
    String(String),
    /// JSON text.
    Bytes(Vec<u8>),
    /// Microseconds since the epoch.
    Timestamptz(i64),
    /// A kind that this version of milvault does not know: the bytes of the server's `ValueField`.
    Unknown(Vec<u8>),
}

/// A function that computes fields from fields (BM25, TextEmbedding, …).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Function {
    /// The function's name.
    pub name: String,
    /// Free text.
    #[serde(default)]
    pub description: String,
    /// Its number in milvus-proto's `FunctionType` (1: BM25, 2: TextEmbedding, …).
    pub kind: i32,
    /// The fields that it reads.
    pub inputs: Vec<String>,
    /// The fields that it fills.
    pub outputs: Vec<String>,
    /// Its parameters, verbatim.
    #[serde(default)]
    pub params: BTreeMap<String, String>,
}

/// An index over a field.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Index {
    /// The index's name.
    pub name: String,
    /// The field it is over.
    pub field: String,
    /// `index_type`, `metric_type` and the rest of its parameters, flattened to one level.
    pub params: BTreeMap<String, String>,
}

/// Whether a collection is in memory.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Load {
    /// Whether the collection can be searched.
    pub loaded: bool,
    /// How many replicas are loaded; 0 when it is not loaded.
    #[serde(default)]
    pub replicas: i32,
    /// The resource groups that hold the replicas, sorted; none where that is the default one alone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub resource_groups: Vec<String>,
}

impl Collection {
    /// The primary key. Milvus collections have exactly one.
    pub fn primary_key(&self) -> Option<&Field> {
        self.fields.iter().find(|field| field.primary_key)
    }

    /// Whether rows find their partition by a key, so that partitions cannot be named in reads and writes.
    pub fn has_partition_key(&self) -> bool {
        self.fields.iter().any(|field| field.partition_key)
    }

    /// Over how many partitions a partition key spreads the rows. milvus-lite lists `_default` besides them.
    pub fn key_partitions(&self) -> usize {
        let named = |name: &&String| *name != super::DEFAULT_PARTITION;
        self.partitions.iter().filter(named).count()
    }

    /// The field of this name.
    pub fn field(&self, name: &str) -> Option<&Field> {
        self.fields.iter().find(|field| field.name == name)
    }

    /// Every field that can have an index, under the name that indexes call it by: fields of struct arrays are
    /// `struct[field]`, struct arrays themselves are not among them.
    pub fn indexable(&self) -> impl Iterator<Item = (String, &Field)> {
        self.fields.iter().flat_map(|field| {
            let own = field.fields.is_empty().then(|| (field.name.clone(), field));
            let parts = field
                .fields
                .iter()
                .map(|part| (field.part_name(part), part));
            own.into_iter().chain(parts)
        })
    }
}

impl Function {
    /// The number of BM25 functions, whose outputs cannot be read and are computed anew.
    pub const BM25: i32 = 1;
    /// The number of functions that ask a provider for a text's vector, which is kept as it is.
    pub const TEXT_EMBEDDING: i32 = 2;
    /// The number of functions that reorder what a search finds; they fill no field.
    pub const RERANK: i32 = 3;
    /// The number of MinHash functions, whose outputs are computed anew, and are the same then.
    pub const MIN_HASH: i32 = 4;

    /// Whether the server computes the outputs whatever rows bring, so that they are neither read nor written.
    pub fn computes(&self) -> bool {
        matches!(self.kind, Function::BM25 | Function::MIN_HASH)
    }

    /// Its kind, as Milvus names it.
    pub fn kind_name(&self) -> String {
        match self.kind {
            Function::BM25 => "BM25".to_owned(),
            Function::TEXT_EMBEDDING => "TextEmbedding".to_owned(),
            Function::RERANK => "Rerank".to_owned(),
            Function::MIN_HASH => "MinHash".to_owned(),
            kind => format!("kind {kind}"),
        }
    }
}

impl Field {
    /// The number of dimensions of a dense vector.
    pub fn dim(&self) -> Option<usize> {
        self.params.get("dim").and_then(|dim| dim.parse().ok())
    }

    /// What Milvus calls a field of a struct array outside of it: `struct[field]`.
    pub fn part_name(&self, part: &Field) -> String {
        format!("{}[{}]", self.name, part.name)
    }

    /// The field, and the fields of its elements where it is a struct array.
    pub fn and_parts(&self) -> impl Iterator<Item = &Field> {
        std::iter::once(self).chain(&self.fields)
    }

    /// Whether both hold the same kind of values: their types are the same, and those of elements and, in whatever
    /// order, of the fields of struct arrays.
    pub fn is_like(&self, other: &Field) -> bool {
        let part_of_other = |part: &Field| {
            let mut parts = other.fields.iter();
            parts.any(|of_other| of_other.name == part.name && of_other.is_like(part))
        };
        (self.data_type, self.element_type) == (other.data_type, other.element_type)
            && self.fields.len() == other.fields.len()
            && self.fields.iter().all(part_of_other)
    }

    /// The dynamic field as a column: JSON text of each row's undeclared keys.
    pub fn dynamic() -> Field {
        Field {
            name: super::DYNAMIC_FIELD.to_owned(),
            description: String::new(),
            data_type: DataType::Json,
            element_type: None,
            fields: Vec::new(),
            params: BTreeMap::new(),
            primary_key: false,
            auto_id: false,
            partition_key: false,
            clustering_key: false,
            nullable: false,
            element_nullable: false,
            default: None,
            function_output: false,
        }
    }
}
