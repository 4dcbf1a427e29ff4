//! The types that a field may have.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A Milvus `DataType`, named as Milvus names it. The numbers are those of milvus-proto's `schema.proto`.
///
/// Stored as its name, or as its number where it has none here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
#[allow(
    missing_docs,
    reason = "the names are Milvus's, whose documentation says what they are"
)]
pub enum DataType {
    Bool,
    Int8,
    Int16,
    Int32,
    Int64,
    Float,
    Double,
    VarChar,
    Array,
    Json,
    Geometry,
    Text,
    Timestamptz,
    Mol,
    BinaryVector,
    FloatVector,
    Float16Vector,
    BFloat16Vector,
    SparseFloatVector,
    Int8Vector,
    /// Vectors of one kind, which [`super::Field::element_type`] has.
    ArrayOfVector,
    /// A struct array: rows of [`super::Field::fields`].
    ArrayOfStruct,
    /// A type whose values this version of milvault cannot carry, by its number.
    Unknown(i32),
}

/// Every type that milvault carries, with its number on the wire.
const KNOWN: [(DataType, i32, &str); 22] = [
    (DataType::Bool, 1, "Bool"),
    (DataType::Int8, 2, "Int8"),
    (DataType::Int16, 3, "Int16"),
    (DataType::Int32, 4, "Int32"),
    (DataType::Int64, 5, "Int64"),
    (DataType::Float, 10, "Float"),
    (DataType::Double, 11, "Double"),
    (DataType::VarChar, 21, "VarChar"),
    (DataType::Array, 22, "Array"),
    (DataType::Json, 23, "JSON"),
    (DataType::Geometry, 24, "Geometry"),
    (DataType::Text, 25, "Text"),
    (DataType::Timestamptz, 26, "Timestamptz"),
    (DataType::Mol, 27, "Mol"),
    (DataType::BinaryVector, 100, "BinaryVector"),
    (DataType::FloatVector, 101, "FloatVector"),
    (DataType::Float16Vector, 102, "Float16Vector"),
    (DataType::BFloat16Vector, 103, "BFloat16Vector"),
    (DataType::SparseFloatVector, 104, "SparseFloatVector"),
    (DataType::Int8Vector, 105, "Int8Vector"),
    (DataType::ArrayOfVector, 106, "ArrayOfVector"),
    (DataType::ArrayOfStruct, 200, "ArrayOfStruct"),
];

/// Types that milvault does not carry, whose names make errors plain (milvus-proto's head).
const NAMED: [(i32, &str); 6] = [
    (20, "String"),
    (28, "Date"),
    (29, "Time"),
    (30, "Decimal"),
    (31, "UUID"),
    (201, "Struct"),
];

impl DataType {
    /// The type with this number on the wire.
    pub fn from_code(code: i32) -> DataType {
        KNOWN
            .iter()
            .find(|(_, number, _)| *number == code)
            .map_or(DataType::Unknown(code), |(known, _, _)| *known)
    }

    /// The type's number on the wire.
    pub fn code(self) -> i32 {
        match self {
            DataType::Unknown(code) => code,
            known => KNOWN
                .iter()
                .find(|(candidate, _, _)| *candidate == known)
                .map_or(0, |(_, number, _)| *number),
        }
    }

    /// Whether values of the type are vectors or arrays of vectors, which take a vector index.
    pub fn is_vector(self) -> bool {
        self.code() >= 100 && self.code() < 200
    }
}

impl fmt::Display for DataType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match KNOWN.iter().find(|(known, _, _)| known == self) {
            Some((_, _, name)) => f.write_str(name),
            None => {
                write!(f, "type {}", self.code())?;
                match NAMED.iter().find(|(code, _)| *code == self.code()) {
                    Some((_, name)) => write!(f, " ({name})"),
                    None => Ok(()),
                }
            }
        }
    }
}

impl Serialize for DataType {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            DataType::Unknown(code) => serializer.serialize_i32(*code),
            known => serializer.collect_str(known),
        }
    }
}

impl<'de> Deserialize<'de> for DataType {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<DataType, D::Error> {
        match NameOrNumber::deserialize(deserializer)? {
            NameOrNumber::Number(code) => Ok(DataType::from_code(code)),
            NameOrNumber::Name(name) => KNOWN
                .iter()
                .find(|(_, _, known)| *known == name)
                .map(|(known, _, _)| *known)
                .ok_or_else(|| de::Error::custom(format!("{name:?} is no type of fields"))),
        }
    }
}

/// How a value of one of Milvus's enumerations is stored.
pub(super) enum NameOrNumber {
    Name(String),
    /// Of a value that had no name in the milvault that wrote it.
    Number(i32),
}

impl<'de> Deserialize<'de> for NameOrNumber {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<NameOrNumber, D::Error> {
        match serde_json::Value::deserialize(deserializer)? {
            serde_json::Value::String(name) => Ok(NameOrNumber::Name(name)),
            other => other
                .as_i64()
                .and_then(|number| i32::try_from(number).ok())
                .map(NameOrNumber::Number)
                .ok_or_else(|| {
                    de::Error::custom(format!("{other} is neither a name nor a number"))
                }),
        }
    }
}
