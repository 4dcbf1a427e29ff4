//! The one sequence of bytes that a value is hashed as.

use std::collections::BTreeMap;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type};
use arrow_array::{Array, BinaryArray, BooleanArray, ListArray, StringArray};
use arrow_schema::DataType as ArrowType;
use jiff::civil::DateTime;

use crate::columns::schema::{mistyped, typed, unsupported};
use crate::columns::sparse::SparseRows;
use crate::columns::text::NO_KEYS;
use crate::columns::{dense, struct_array, vector_array};
use crate::model::{DYNAMIC_FIELD, DataType, Field};
use crate::{Error, Result};

/// A column whose values are taken as canonical bytes. Fixed-width values and vectors are taken where they lie.
pub(super) enum Canonical<'a> {
    Scalar(Scalars<'a>),
    Json {
        texts: &'a StringArray,
        dynamic: bool,
    },
    Instant(&'a StringArray),
    Array {
        field: &'a Field,
        offsets: &'a [i32],
        elements: Elements<'a>,
    },
    /// A struct array, whose members are in order of the bytes of their names.
    Structs {
        field: &'a Field,
        offsets: &'a [i32],
        members: BTreeMap<&'a str, Elements<'a>>,
    },
    Vectors(Vectors<'a>),
    Binary(&'a BinaryArray),
    Sparse(SparseRows<'a>),
}

/// The elements of arrays.
pub(super) enum Elements<'a> {
    Scalars(Scalars<'a>),
    Vectors(Vectors<'a>),
}

/// Dense vectors that are lists, of a column or of an array's elements.
pub(super) struct Vectors<'a> {
    offsets: &'a [i32],
    memory: &'a [u8],
    /// The bytes of each number.
    width: usize,
}

/// Scalars, of a column or of an array's elements.
pub(super) enum Scalars<'a> {
    Bool(&'a BooleanArray),
    Int8(&'a [i8]),
    Int16(&'a [i16]),
    Int32(&'a [i32]),
    /// Already as wide as they are hashed: `i64` and floats.
    Wide {
        memory: &'a [u8],
        width: usize,
    },
    Text(&'a StringArray),
}

impl<'a> Canonical<'a> {
    /// Looks into the column of a field.
    pub(super) fn of(field: &'a Field, column: &'a dyn Array) -> Result<Canonical<'a>> {
        Ok(match field.data_type {
            DataType::Json => Canonical::Json {
                texts: typed(field, column)?,
                dynamic: field.name == DYNAMIC_FIELD,
            },
            DataType::Timestamptz => Canonical::Instant(typed(field, column)?),
            DataType::Array | DataType::ArrayOfVector => {
                let list = typed::<ListArray>(field, column)?;
                Canonical::Array {
                    field,
                    offsets: list.value_offsets(),
                    elements: Elements::of(field, field, list.values())?,
                }
            }
            DataType::ArrayOfStruct => {
                let list = typed::<ListArray>(field, column)?;
                let structs = struct_array::structs(field, list)?;
                let elements = |part: &'a Field| {
                    let member = struct_array::member(field, structs, part)?;
                    Ok((part.name.as_str(), Elements::of(field, part, member)?))
                };
                Canonical::Structs {
                    field,
                    offsets: list.value_offsets(),
                    members: field.fields.iter().map(elements).collect::<Result<_>>()?,
                }
            }
            DataType::FloatVector | DataType::Int8Vector => {
                Canonical::Vectors(Vectors::of(field, column)?)
            }
            DataType::BinaryVector | DataType::Float16Vector | DataType::BFloat16Vector => {
                Canonical::Binary(typed(field, column)?)
            }
            DataType::SparseFloatVector => Canonical::Sparse(SparseRows::of(field, column)?),
            DataType::Text | DataType::Geometry | DataType::Mol => {
                Canonical::Scalar(Scalars::Text(typed(field, column)?))
            }
            kind => Canonical::Scalar(Scalars::of(field, kind, column)?),
        })
    }

    /// The bytes of a row's value, in the column's memory or in `scratch`.
    pub(super) fn bytes<'s>(&'s self, row: usize, scratch: &'s mut Vec<u8>) -> Result<&'s [u8]> {
        scratch.clear();
        match self {
            Canonical::Scalar(scalars) => {
                if let Some(bytes) = scalars.in_place(row) {
                    return Ok(bytes);
                }
                scalars.append(row, scratch);
            }
            Canonical::Json { texts, dynamic } => {
                let text = if *dynamic && (texts.is_null(row) || texts.value(row).is_empty()) {
                    NO_KEYS
                } else {
                    texts.value(row)
                };
                json(text, scratch);
            }
            Canonical::Instant(texts) => match instant(texts.value(row)) {
                Some(microseconds) => scratch.extend_from_slice(&microseconds.to_le_bytes()),
                None => return Ok(texts.value(row).as_bytes()),
            },
            Canonical::Array {
                field,
                offsets,
                elements,
            } => {
                let elements_of_row = offsets[row] as usize..offsets[row + 1] as usize;
                scratch.extend_from_slice(&length(field, elements_of_row.len())?);
                for element in elements_of_row {
                    elements.append(field, element, scratch)?;
                }
            }
            Canonical::Structs {
                field,
                offsets,
                members,
            } => {
                let elements_of_row = offsets[row] as usize..offsets[row + 1] as usize;
                scratch.extend_from_slice(&length(field, elements_of_row.len())?);
                for (name, elements) in members {
                    scratch.extend_from_slice(&length(field, name.len())?);
                    scratch.extend_from_slice(name.as_bytes());
                    for element in elements_of_row.clone() {
                        elements.append(field, element, scratch)?;
                    }
                }
            }
            Canonical::Vectors(vectors) => return Ok(vectors.in_place(row)),
            Canonical::Binary(values) => return Ok(values.value(row)),
            Canonical::Sparse(vectors) => sparse(vectors, row, scratch)?,
        }
        Ok(scratch)
    }
}

impl<'a> Elements<'a> {
    /// Looks into the elements of an array; errors name `field`.
    fn of(field: &Field, array: &Field, values: &'a dyn Array) -> Result<Elements<'a>> {
        let kind = array.element_type.ok_or_else(|| unsupported(field))?;
        Ok(match array.data_type {
            DataType::ArrayOfVector => {
                let vectors = vector_array::elements(array)?;
                Elements::Vectors(Vectors::of(&vectors, values)?)
            }
            _ => Elements::Scalars(Scalars::of(field, kind, values)?),
        })
    }

    fn append(&self, field: &Field, at: usize, bytes: &mut Vec<u8>) -> Result<()> {
        match self {
            Elements::Vectors(vectors) => bytes.extend_from_slice(vectors.in_place(at)),
            Elements::Scalars(scalars) => {
                if let Scalars::Text(texts) = scalars {
                    bytes.extend_from_slice(&length(field, texts.value(at).len())?);
                }
                scalars.append(at, bytes);
            }
        }
        Ok(())
    }
}

impl<'a> Vectors<'a> {
    fn of(field: &Field, column: &'a dyn Array) -> Result<Vectors<'a>> {
        let list = typed::<ListArray>(field, column)?;
        let (memory, width) = dense::numbers(field, list)?;
        Ok(Vectors {
            offsets: list.value_offsets(),
            memory,
            width,
        })
    }

    /// The bytes of a vector, where they lie.
    fn in_place(&self, at: usize) -> &'a [u8] {
        let position = |at: usize| self.offsets[at] as usize * self.width;
        &self.memory[position(at)..position(at + 1)]
    }
}

impl<'a> Scalars<'a> {
    fn of(field: &Field, kind: DataType, values: &'a dyn Array) -> Result<Scalars<'a>> {
        Ok(match (kind, values.data_type()) {
            (DataType::Bool, ArrowType::Boolean) => Scalars::Bool(values.as_boolean()),
            (DataType::Int8, ArrowType::Int8) => {
                Scalars::Int8(values.as_primitive::<Int8Type>().values())
            }
            (DataType::Int16, ArrowType::Int16) => {
                Scalars::Int16(values.as_primitive::<Int16Type>().values())
            }
            (DataType::Int32, ArrowType::Int32) => {
                Scalars::Int32(values.as_primitive::<Int32Type>().values())
            }
            (DataType::Int64, ArrowType::Int64) => Scalars::Wide {
                memory: values.as_primitive::<Int64Type>().values().inner(),
                width: size_of::<i64>(),
            },
            (DataType::Float, ArrowType::Float32) => Scalars::Wide {
                memory: values.as_primitive::<Float32Type>().values().inner(),
                width: size_of::<f32>(),
            },
            (DataType::Double, ArrowType::Float64) => Scalars::Wide {
                memory: values.as_primitive::<Float64Type>().values().inner(),
                width: size_of::<f64>(),
            },
            (DataType::VarChar, ArrowType::Utf8) => Scalars::Text(values.as_string()),
            _ => return Err(mistyped(field, values)),
        })
    }

    /// The bytes of a value that lies in memory as it is hashed.
    fn in_place(&self, at: usize) -> Option<&[u8]> {
        match self {
            Scalars::Wide { memory, width } => Some(&memory[at * width..(at + 1) * width]),
            Scalars::Text(texts) => Some(texts.value(at).as_bytes()),
            _ => None,
        }
    }

    fn append(&self, at: usize, bytes: &mut Vec<u8>) {
        let mut integer = |value: i64| bytes.extend_from_slice(&value.to_le_bytes());
        match self {
            Scalars::Bool(values) => bytes.push(u8::from(values.value(at))),
            Scalars::Int8(values) => integer(values[at].into()),
            Scalars::Int16(values) => integer(values[at].into()),
            Scalars::Int32(values) => integer(values[at].into()),
            Scalars::Wide { memory, width } => {
                bytes.extend_from_slice(&memory[at * width..(at + 1) * width]);
            }
            Scalars::Text(texts) => bytes.extend_from_slice(texts.value(at).as_bytes()),
        }
    }
}

fn length(field: &Field, length: usize) -> Result<[u8; 4]> {
    match u32::try_from(length) {
        Ok(length) => Ok(length.to_le_bytes()),
        Err(_) => Err(Error::column(&field.name, "a value is longer than 4 GiB")),
    }
}

/// Canonical JSON, or the text as it is where it is none.
fn json(text: &str, bytes: &mut Vec<u8>) {
    if super::json::canonical(text, bytes).is_none() {
        bytes.clear();
        bytes.extend_from_slice(text.as_bytes());
    }
}

/// The microseconds since 1970 of `YYYY-MM-DDThh:mm:ss[.f…](Z|±hh:mm)` with up to six digits `f`; none where
/// the text is anything else, or a date or time that does not exist.
fn instant(text: &str) -> Option<i64> {
    let (date_time, rest) = text.split_at_checked("YYYY-MM-DDThh:mm:ss".len())?;
    // A leap second has no number of its own among the microseconds.
    if !has_shape(date_time, "0000-00-00T00:00:00") || date_time.ends_with("60") {
        return None;
    }
    let (fraction, zone) = match rest.strip_prefix('.') {
        None => (0, rest),
        Some(rest) => {
            let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
            let (fraction, zone) = rest.split_at(digits);
            let scale = 10i64.pow(u32::try_from(6usize.checked_sub(digits)?).ok()?);
            (fraction.parse::<i64>().ok()? * scale, zone)
        }
    };
    let offset_minutes = match zone.as_bytes() {
        b"Z" => 0,
        [sign @ (b'+' | b'-'), ..] if has_shape(&zone[1..], "00:00") => {
            let (hours, minutes): (i64, i64) = (zone[1..3].parse().ok()?, zone[4..].parse().ok()?);
            if hours > 23 || minutes > 59 {
                return None;
            }
            (hours * 60 + minutes) * if *sign == b'-' { -1 } else { 1 }
        }
        _ => return None,
    };
    let epoch = DateTime::constant(1970, 1, 1, 0, 0, 0, 0);
    let local = date_time.parse::<DateTime>().ok()?.duration_since(epoch);
    Some((local.as_secs() - offset_minutes * 60) * 1_000_000 + fraction)
}

/// Whether the text has a digit wherever the shape has `0`, and is the same elsewhere.
fn has_shape(text: &str, shape: &str) -> bool {
    text.len() == shape.len()
        && text
            .bytes()
            .zip(shape.bytes())
            .all(|(byte, shape)| match shape {
                b'0' => byte.is_ascii_digit(),
                mark => byte == mark,
            })
}

fn sparse(vectors: &SparseRows<'_>, row: usize, bytes: &mut Vec<u8>) -> Result<()> {
    let mut last = 0;
    let mut sorted = true;
    for (index, value) in vectors.pairs(row)? {
        sorted &= last <= index;
        last = index;
        bytes.extend_from_slice(&index.to_le_bytes());
        bytes.extend_from_slice(&value.to_le_bytes());
    }
    if !sorted {
        let mut pairs: Vec<(u32, f32)> = vectors.pairs(row)?.collect();
        pairs.sort_by_key(|&(index, _)| index);
        bytes.clear();
        for (index, value) in pairs {
            bytes.extend_from_slice(&index.to_le_bytes());
            bytes.extend_from_slice(&value.to_le_bytes());
        }
    }
    Ok(())
}
