//! Values of rows: a column of the wire cut into rows, and put together again.

use bytes::{Bytes, BytesMut};
use milvault::milvus::wire::schema::field_data::Field as Payload;
use milvault::milvus::wire::schema::scalar_field::Data as Scalar;
use milvault::milvus::wire::schema::vector_field::Data as Vector;
use milvault::milvus::wire::schema::{
    ArrayArray, BoolArray, BytesArray, FieldSchema, FloatArray, IntArray, LongArray, ScalarField,
    SparseFloatArray, ValueField, VectorArray, VectorField, value_field,
};
use milvault::model::Key;
use prost::Message;

use super::refusal::{Outcome, Refusal};

/// What one row has in one field, as a column of one row; `None` is NULL.
pub type Cell = Option<Payload>;

/// The number that a type parameter says.
pub fn param(field: &FieldSchema, name: &str) -> Option<usize> {
    let found = field.type_params.iter().find(|param| param.key == name)?;
    found.value.parse().ok()
}

/// A column of a field, without rows.
pub fn empty(field: &FieldSchema) -> Payload {
    let bytes = BytesArray::default;
    let scalar = |data| of_scalars(data);
    let dim = param(field, "dim").unwrap_or(0) as i64;
    let vector = |data| of_vectors(dim, data);
    match field.data_type {
        1 => scalar(Scalar::BoolData(BoolArray::default())),
        2..=4 => scalar(Scalar::IntData(IntArray::default())),
        5 => scalar(Scalar::LongData(LongArray::default())),
        10 => scalar(Scalar::FloatData(FloatArray::default())),
        11 => scalar(Scalar::DoubleData(FloatArray::default())),
        // Timestamptz travels as ISO text (task_query.go, `timestamptzUTC2IsoStr`).
        21 | 25 | 26 => scalar(Scalar::StringData(bytes())),
        22 => scalar(Scalar::ArrayData(ArrayArray {
            element_type: field.element_type,
            ..ArrayArray::default()
        })),
        23 => scalar(Scalar::JsonData(bytes())),
        24 => scalar(Scalar::GeometryWktData(bytes())),
        27 => scalar(Scalar::MolSmilesData(bytes())),
        100 => vector(Vector::BinaryVector(Bytes::new())),
        101 => vector(Vector::FloatVector(FloatArray::default())),
        102 => vector(Vector::Float16Vector(Bytes::new())),
        103 => vector(Vector::Bfloat16Vector(Bytes::new())),
        104 => vector(Vector::SparseFloatVector(SparseFloatArray::default())),
        105 => vector(Vector::Int8Vector(Bytes::new())),
        106 => vector(Vector::VectorArray(VectorArray {
            dim,
            data: Vec::new(),
            element_type: field.element_type,
        })),
        other => panic!(
            "the simulator has no values of type {other} (field {})",
            field.name
        ),
    }
}

pub fn is_vector(field: &FieldSchema) -> bool {
    (100..200).contains(&field.data_type)
}

/// What stands where a scalar or an array of vectors is NULL in an answer: one row of nothing.
pub fn filler(field: &FieldSchema) -> Payload {
    let mut column = empty(field);
    if let Payload::Scalars(ScalarField {
        data: Some(data), ..
    }) = &mut column
    {
        match data {
            Scalar::BoolData(values) => values.data.push(false),
            Scalar::IntData(values) => values.data.push(0),
            Scalar::LongData(values) => values.data.push(0),
            Scalar::FloatData(values) => values.data.push(Bytes::from_static(&[0; 4])),
            Scalar::DoubleData(values) => values.data.push(Bytes::from_static(&[0; 8])),
            Scalar::ArrayData(values) => values.data.push(ScalarField::default()),
            Scalar::StringData(values)
            | Scalar::BytesData(values)
            | Scalar::JsonData(values)
            | Scalar::GeometryData(values)
            | Scalar::GeometryWktData(values)
            | Scalar::MolData(values)
            | Scalar::MolSmilesData(values) => values.data.push(Bytes::new()),
            Scalar::TimestamptzData(values) => values.data.push(0),
        }
    }
    if let Payload::Vectors(VectorField {
        dim,
        data: Some(Vector::VectorArray(values)),
        ..
    }) = &mut column
    {
        values.data.push(VectorField {
            dim: *dim,
            ..VectorField::default()
        });
    }
    column
}

/// The default of a field as a row; `None` where it has none.
pub fn default_cell(field: &FieldSchema) -> Option<Payload> {
    if field.default_value.is_empty() {
        return None;
    }
    let value = ValueField::decode(field.default_value.clone()).unwrap();
    let data = match value.data.unwrap() {
        value_field::Data::BoolData(value) => Scalar::BoolData(BoolArray { data: vec![value] }),
        value_field::Data::IntData(value) => Scalar::IntData(IntArray { data: vec![value] }),
        value_field::Data::LongData(value) => Scalar::LongData(LongArray { data: vec![value] }),
        value_field::Data::FloatData(value) => Scalar::FloatData(FloatArray {
            data: vec![Bytes::copy_from_slice(&value.to_le_bytes())],
        }),
        value_field::Data::DoubleData(value) => Scalar::DoubleData(FloatArray {
            data: vec![Bytes::copy_from_slice(&value.to_le_bytes())],
        }),
        value_field::Data::StringData(value) => Scalar::StringData(BytesArray {
            data: vec![value.into()],
        }),
        value_field::Data::BytesData(value) => Scalar::JsonData(BytesArray { data: vec![value] }),
        value_field::Data::TimestamptzData(_) => panic!("no defaults of Timestamptz here"),
    };
    Some(of_scalars(data))
}

/// Whether both are of one kind: numbers, texts, vectors of floats, ….
pub fn alike(a: &Payload, b: &Payload) -> bool {
    use std::mem::discriminant;
    match (a, b) {
        (Payload::Scalars(a), Payload::Scalars(b)) => match (&a.data, &b.data) {
            (Some(a), Some(b)) => discriminant(a) == discriminant(b),
            _ => false,
        },
        (Payload::Vectors(a), Payload::Vectors(b)) => match (&a.data, &b.data) {
            (Some(a), Some(b)) => discriminant(a) == discriminant(b),
            _ => false,
        },
        _ => false,
    }
}

/// Cuts a column into its rows.
pub fn split(payload: Payload) -> Outcome<Vec<Payload>> {
    let rows = match payload {
        Payload::Scalars(ScalarField {
            data: Some(data), ..
        }) => split_scalars(data)?.into_iter().map(of_scalars).collect(),
        Payload::Vectors(VectorField {
            dim,
            data: Some(data),
            ..
        }) => split_vectors(dim, data)?
            .into_iter()
            .map(|data| of_vectors(dim, data))
            .collect(),
        _ => Vec::new(),
    };
    Ok(rows)
}

fn split_scalars(data: Scalar) -> Outcome<Vec<Scalar>> {
    macro_rules! each {
        ($values:ident, $variant:ident, $array:ident) => {
            $values
                .data
                .into_iter()
                .map(|value| Scalar::$variant($array { data: vec![value] }))
                .collect()
        };
    }
    Ok(match data {
        Scalar::BoolData(values) => each!(values, BoolData, BoolArray),
        Scalar::IntData(values) => each!(values, IntData, IntArray),
        Scalar::LongData(values) => each!(values, LongData, LongArray),
        Scalar::TimestamptzData(values) => each!(values, TimestamptzData, LongArray),
        Scalar::StringData(values) => each!(values, StringData, BytesArray),
        Scalar::BytesData(values) => each!(values, BytesData, BytesArray),
        Scalar::JsonData(values) => each!(values, JsonData, BytesArray),
        Scalar::GeometryData(values) => each!(values, GeometryData, BytesArray),
        Scalar::GeometryWktData(values) => each!(values, GeometryWktData, BytesArray),
        Scalar::MolData(values) => each!(values, MolData, BytesArray),
        Scalar::MolSmilesData(values) => each!(values, MolSmilesData, BytesArray),
        Scalar::FloatData(values) => chunks(&join(&values.data), 4)?
            .map(|value| Scalar::FloatData(FloatArray { data: vec![value] }))
            .collect(),
        Scalar::DoubleData(values) => chunks(&join(&values.data), 8)?
            .map(|value| Scalar::DoubleData(FloatArray { data: vec![value] }))
            .collect(),
        Scalar::ArrayData(values) => {
            let element_type = values.element_type;
            let row = |value| ArrayArray {
                data: vec![value],
                element_type,
            };
            values
                .data
                .into_iter()
                .map(|value| Scalar::ArrayData(row(value)))
                .collect()
        }
    })
}

fn split_vectors(dim: i64, data: Vector) -> Outcome<Vec<Vector>> {
    let dim = dim as usize;
    Ok(match data {
        Vector::FloatVector(values) => chunks(&join(&values.data), dim * 4)?
            .map(|value| Vector::FloatVector(FloatArray { data: vec![value] }))
            .collect(),
        Vector::BinaryVector(bytes) => chunks(&bytes, dim / 8)?.map(Vector::BinaryVector).collect(),
        Vector::Float16Vector(bytes) => chunks(&bytes, dim * 2)?
            .map(Vector::Float16Vector)
            .collect(),
        Vector::Bfloat16Vector(bytes) => chunks(&bytes, dim * 2)?
            .map(Vector::Bfloat16Vector)
            .collect(),
        Vector::Int8Vector(bytes) => chunks(&bytes, dim)?.map(Vector::Int8Vector).collect(),
        Vector::SparseFloatVector(values) => values
            .contents
            .into_iter()
            .map(|row| {
                Vector::SparseFloatVector(SparseFloatArray {
                    contents: vec![row],
                    dim: values.dim,
                })
            })
            .collect(),
        Vector::VectorArray(values) => {
            let (dim, element_type) = (values.dim, values.element_type);
            let row = |value| VectorArray {
                dim,
                data: vec![value],
                element_type,
            };
            let rows = values.data.into_iter();
            rows.map(|value| Vector::VectorArray(row(value))).collect()
        }
    })
}

fn join(chunks: &[Bytes]) -> Bytes {
    match chunks {
        [one] => one.clone(),
        many => many.concat().into(),
    }
}

fn chunks(bytes: &Bytes, width: usize) -> Outcome<impl Iterator<Item = Bytes>> {
    if width == 0 || !bytes.len().is_multiple_of(width) {
        return Err(Refusal::parameter(format!(
            "the length({}) of float data should divide the dim({width} bytes)",
            bytes.len()
        )));
    }
    let bytes = bytes.clone();
    Ok((0..bytes.len() / width).map(move |row| bytes.slice(row * width..(row + 1) * width)))
}

/// Adds rows to a column without any.
pub fn extend(column: &mut Payload, rows: Vec<Payload>) {
    match column {
        Payload::Scalars(ScalarField {
            data: Some(data), ..
        }) => {
            let rows = rows.into_iter().map(|row| match row {
                Payload::Scalars(ScalarField {
                    data: Some(data), ..
                }) => data,
                other => panic!("{other:?} among scalars"),
            });
            extend_scalars(data, rows);
        }
        Payload::Vectors(VectorField {
            data: Some(data), ..
        }) => {
            let rows = rows.into_iter().map(|row| match row {
                Payload::Vectors(VectorField {
                    data: Some(data), ..
                }) => data,
                other => panic!("{other:?} among vectors"),
            });
            extend_vectors(data, rows);
        }
        _ => panic!("a column of no kind"),
    }
}

fn extend_scalars(column: &mut Scalar, rows: impl Iterator<Item = Scalar>) {
    let mut packed = BytesMut::new();
    for row in rows {
        match (&mut *column, row) {
            (Scalar::BoolData(all), Scalar::BoolData(row)) => all.data.extend(row.data),
            (Scalar::IntData(all), Scalar::IntData(row)) => all.data.extend(row.data),
            (Scalar::LongData(all), Scalar::LongData(row))
            | (Scalar::TimestamptzData(all), Scalar::TimestamptzData(row)) => {
                all.data.extend(row.data);
            }
            (Scalar::FloatData(_), Scalar::FloatData(row))
            | (Scalar::DoubleData(_), Scalar::DoubleData(row)) => {
                packed.extend_from_slice(&row.data[0]);
            }
            (Scalar::ArrayData(all), Scalar::ArrayData(row)) => all.data.extend(row.data),
            (Scalar::StringData(all), Scalar::StringData(row))
            | (Scalar::BytesData(all), Scalar::BytesData(row))
            | (Scalar::JsonData(all), Scalar::JsonData(row))
            | (Scalar::GeometryData(all), Scalar::GeometryData(row))
            | (Scalar::MolData(all), Scalar::MolData(row))
            | (Scalar::MolSmilesData(all), Scalar::MolSmilesData(row))
            | (Scalar::GeometryWktData(all), Scalar::GeometryWktData(row)) => {
                all.data.extend(row.data);
            }
            (_, other) => panic!("{other:?} in another column"),
        }
    }
    if let Scalar::FloatData(all) | Scalar::DoubleData(all) = column {
        all.data = vec![packed.freeze()];
    }
}

fn extend_vectors(column: &mut Vector, rows: impl Iterator<Item = Vector>) {
    let mut packed = BytesMut::new();
    for row in rows {
        match (&mut *column, row) {
            (Vector::FloatVector(_), Vector::FloatVector(row)) => {
                packed.extend_from_slice(&row.data[0]);
            }
            (Vector::BinaryVector(_), Vector::BinaryVector(row))
            | (Vector::Float16Vector(_), Vector::Float16Vector(row))
            | (Vector::Bfloat16Vector(_), Vector::Bfloat16Vector(row))
            | (Vector::Int8Vector(_), Vector::Int8Vector(row)) => packed.extend_from_slice(&row),
            (Vector::SparseFloatVector(all), Vector::SparseFloatVector(row)) => {
                all.dim = all.dim.max(row.dim);
                all.contents.extend(row.contents);
            }
            (Vector::VectorArray(all), Vector::VectorArray(row)) => all.data.extend(row.data),
            (_, other) => panic!("{other:?} in another column"),
        }
    }
    match column {
        Vector::FloatVector(all) => all.data = vec![packed.freeze()],
        Vector::BinaryVector(all)
        | Vector::Float16Vector(all)
        | Vector::Bfloat16Vector(all)
        | Vector::Int8Vector(all) => *all = packed.freeze(),
        Vector::SparseFloatVector(_) | Vector::VectorArray(_) => {}
    }
}

/// The number or text of a row, where it is one.
pub fn as_key(cell: &Payload) -> Option<Key> {
    let Payload::Scalars(ScalarField {
        data: Some(data), ..
    }) = cell
    else {
        return None;
    };
    match data {
        Scalar::IntData(values) => Some(Key::Int(i64::from(values.data[0]))),
        Scalar::LongData(values) => Some(Key::Int(values.data[0])),
        Scalar::StringData(values) => {
            Some(Key::Text(String::from_utf8(values.data[0].to_vec()).ok()?))
        }
        _ => None,
    }
}

/// A key as a row of its field.
pub fn of_key(key: Key) -> Payload {
    let data = match key {
        Key::Int(number) => Scalar::LongData(LongArray { data: vec![number] }),
        Key::Text(text) => Scalar::StringData(BytesArray {
            data: vec![text.into()],
        }),
    };
    of_scalars(data)
}

pub fn of_json(text: &str) -> Payload {
    let data = vec![Bytes::copy_from_slice(text.as_bytes())];
    of_scalars(Scalar::JsonData(BytesArray { data }))
}

pub fn of_scalars(data: Scalar) -> Payload {
    Payload::Scalars(ScalarField {
        data: Some(data),
        ..ScalarField::default()
    })
}

pub fn of_vectors(dim: i64, data: Vector) -> Payload {
    Payload::Vectors(VectorField {
        dim,
        data: Some(data),
        ..VectorField::default()
    })
}
