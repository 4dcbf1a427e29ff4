//! What a scalar column's data come as: which payload belongs to which kind of column.

use bytes::Bytes;

use super::schema::type_name;
use crate::milvus::wire::schema::ScalarField;
use crate::milvus::wire::schema::scalar_field::Data;
use crate::model::Field;
use crate::{Error, Result};

/// Makes a reader of one kind of payload; an answer without rows may come without a payload.
macro_rules! payload {
    ($name:ident, $variant:ident, $item:ty, $doc:literal) => {
        #[doc = $doc]
        pub(super) fn $name(field: &Field, data: ScalarField) -> Result<Vec<$item>> {
            match data.data {
                Some(Data::$variant(array)) => Ok(array.data),
                None => Ok(Vec::new()),
                Some(other) => Err(unexpected(field, &other)),
            }
        }
    };
}

payload!(bools, BoolData, bool, "The booleans of a payload.");
payload!(
    ints,
    IntData,
    i32,
    "The integers of a payload, up to 32 bits."
);
payload!(longs, LongData, i64, "The 64-bit integers of a payload.");
payload!(
    floats,
    FloatData,
    Bytes,
    "The chunks of a payload's single floats."
);
payload!(
    doubles,
    DoubleData,
    Bytes,
    "The chunks of a payload's double floats."
);
payload!(strings, StringData, Bytes, "The strings of a payload.");
payload!(jsons, JsonData, Bytes, "The JSON texts of a payload.");
payload!(
    smiles,
    MolSmilesData,
    Bytes,
    "The molecules of a payload, as SMILES."
);
payload!(
    arrays,
    ArrayData,
    ScalarField,
    "The arrays of a payload, one a row."
);

/// The error of a payload that is not of its field's kind.
pub(super) fn unexpected(field: &Field, data: &Data) -> Error {
    let kind = match data {
        Data::BoolData(_) => "booleans",
        Data::IntData(_) => "32-bit integers",
        Data::LongData(_) => "64-bit integers",
        Data::FloatData(_) => "single floats",
        Data::DoubleData(_) => "double floats",
        Data::StringData(_) => "strings",
        Data::BytesData(_) => "bytes",
        Data::ArrayData(_) => "arrays",
        Data::JsonData(_) => "JSON",
        Data::GeometryData(_) => "geometries in WKB",
        Data::TimestamptzData(_) => "timestamps as numbers",
        Data::GeometryWktData(_) => "geometries in WKT",
        Data::MolData(_) => "molecules in binary",
        Data::MolSmilesData(_) => "molecules in SMILES",
    };
    Error::column(
        &field.name,
        format!("{kind} came where {} was expected", type_name(field)),
    )
}
