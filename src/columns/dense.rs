//! FloatVector, BinaryVector, Float16Vector, BFloat16Vector and Int8Vector: `dim` numbers a row.

use std::sync::Arc;

use arrow_array::types::{ArrowPrimitiveType, Float32Type, Int8Type, UInt8Type};
use arrow_array::{Array, ArrayRef, BinaryArray, ListArray, PrimitiveArray};
use arrow_buffer::{Buffer, MutableBuffer};
use bytes::Bytes;

use super::number::{chunk, join};
use super::schema::{element, type_name, typed, unsupported};
use super::validity::{Validity, valid_rows};
use crate::milvus::wire::schema::VectorField;
use crate::milvus::wire::schema::vector_field::Data;
use crate::model::{DataType, Field};
use crate::{Error, Result};

/// The column of an answer's vectors. It shares the answer's memory, but for floats that came unaligned or in
/// several chunks.
pub(super) fn decode(field: &Field, data: VectorField, valid: Vec<bool>) -> Result<ArrayRef> {
    let shape = Shape::of(field)?;
    let answered = data.dim;
    let chunks = chunks(field, data.data)?;
    match field.data_type {
        DataType::FloatVector => lists::<Float32Type>(field, shape, answered, &chunks, valid),
        DataType::Int8Vector => lists::<Int8Type>(field, shape, answered, &chunks, valid),
        _ => {
            let bytes = chunks.into_iter().next().unwrap_or_default();
            binary(field, shape, answered, bytes, valid)
        }
    }
}

/// The bytes of a payload of the field's kind, as they came; an answer without rows may come without a payload.
pub(super) fn chunks(field: &Field, data: Option<Data>) -> Result<Vec<Bytes>> {
    match (field.data_type, data) {
        (_, None) => Ok(Vec::new()),
        (DataType::FloatVector, Some(Data::FloatVector(floats))) => Ok(floats.data),
        (DataType::BinaryVector, Some(Data::BinaryVector(bytes)))
        | (DataType::Float16Vector, Some(Data::Float16Vector(bytes)))
        | (DataType::BFloat16Vector, Some(Data::Bfloat16Vector(bytes)))
        | (DataType::Int8Vector, Some(Data::Int8Vector(bytes))) => Ok(vec![bytes]),
        (_, Some(_)) => Err(unexpected(field)),
    }
}

/// Vectors as they are in arrays: all as lists, those of bytes, too.
pub(super) fn in_array(field: &Field, shape: Shape, chunks: &[Bytes]) -> Result<ArrayRef> {
    let valid = Vec::new();
    match field.data_type {
        DataType::FloatVector => lists::<Float32Type>(field, shape, 0, chunks, valid),
        DataType::Int8Vector => lists::<Int8Type>(field, shape, 0, chunks, valid),
        _ => lists::<UInt8Type>(field, shape, 0, chunks, valid),
    }
}

fn lists<T: ArrowPrimitiveType>(
    field: &Field,
    shape: Shape,
    answered: i64,
    chunks: &[Bytes],
    valid: Vec<bool>,
) -> Result<ArrayRef> {
    let numbers = join::<T::Native>(field, chunks)?;
    let width = size_of::<T::Native>();
    let vectors = shape.count(field, answered, numbers.len() * width)?;
    let validity = Validity::new(field, valid, vectors)?;
    let offsets = validity.strides(field, shape.bytes / width)?;
    let values = PrimitiveArray::<T>::new(numbers, None);
    let item = element(values.data_type().clone());
    ListArray::try_new(item, offsets, Arc::new(values), validity.nulls())
        .map(|list| Arc::new(list) as ArrayRef)
        .map_err(|error| Error::column(&field.name, error.to_string()))
}

fn binary(
    field: &Field,
    shape: Shape,
    answered: i64,
    bytes: Bytes,
    valid: Vec<bool>,
) -> Result<ArrayRef> {
    let vectors = shape.count(field, answered, bytes.len())?;
    let validity = Validity::new(field, valid, vectors)?;
    let offsets = validity.strides(field, shape.bytes)?;
    BinaryArray::try_new(offsets, Buffer::from(bytes), validity.nulls())
        .map(|array| Arc::new(array) as ArrayRef)
        .map_err(|error| Error::column(&field.name, error.to_string()))
}

/// The vectors of a column as they are sent: those that are not null, sharing the column's memory where null
/// rows take no place in it either.
pub(super) fn encode(field: &Field, column: &dyn Array) -> Result<VectorField> {
    match field.data_type {
        DataType::FloatVector | DataType::Int8Vector => encode_lists(field, column),
        _ => {
            let column = typed::<BinaryArray>(field, column)?;
            packed(field, column, column.value_offsets(), column.values(), 1)
        }
    }
}

/// The vectors of a column of lists as they are sent: those that are not null.
pub(super) fn encode_lists(field: &Field, column: &dyn Array) -> Result<VectorField> {
    let column = typed::<ListArray>(field, column)?;
    let (memory, width) = numbers(field, column)?;
    packed(field, column, column.value_offsets(), memory, width)
}

/// The numbers of vectors that are lists, and the bytes of each.
pub(super) fn numbers<'a>(field: &Field, column: &'a ListArray) -> Result<(&'a Buffer, usize)> {
    fn memory<'a, T: ArrowPrimitiveType>(
        field: &Field,
        column: &'a ListArray,
    ) -> Result<(&'a Buffer, usize)> {
        let numbers = typed::<PrimitiveArray<T>>(field, column.values())?;
        Ok((numbers.values().inner(), size_of::<T::Native>()))
    }
    match field.data_type {
        DataType::FloatVector => memory::<Float32Type>(field, column),
        DataType::Int8Vector => memory::<Int8Type>(field, column),
        _ => memory::<UInt8Type>(field, column),
    }
}

fn packed(
    field: &Field,
    column: &dyn Array,
    offsets: &[i32],
    memory: &Buffer,
    width: usize,
) -> Result<VectorField> {
    let shape = Shape::of(field)?;
    let packed = shape.pack(field, column, offsets, memory, width)?;
    let data = match field.data_type {
        DataType::FloatVector => Data::FloatVector(chunk(packed)),
        DataType::BinaryVector => Data::BinaryVector(packed.into()),
        DataType::Float16Vector => Data::Float16Vector(packed.into()),
        DataType::BFloat16Vector => Data::Bfloat16Vector(packed.into()),
        DataType::Int8Vector => Data::Int8Vector(packed.into()),
        _ => return Err(unsupported(field)),
    };
    Ok(VectorField {
        dim: shape.dim(),
        data: Some(data),
        valid_data: Vec::new(),
    })
}

/// How large each vector of a field is.
#[derive(Clone, Copy)]
pub(super) struct Shape {
    dim: usize,
    bytes: usize,
}

impl Shape {
    /// The number of dimensions.
    pub(super) fn dim(self) -> i64 {
        self.dim as i64
    }

    pub(super) fn of(field: &Field) -> Result<Shape> {
        let bits = match field.data_type {
            DataType::BinaryVector => 1,
            DataType::Int8Vector => 8,
            DataType::Float16Vector | DataType::BFloat16Vector => 16,
            DataType::FloatVector => 32,
            _ => return Err(unsupported(field)),
        };
        match field.dim() {
            Some(dim) if dim > 0 => Ok(Shape {
                dim,
                bytes: dim.saturating_mul(bits).div_ceil(8),
            }),
            _ => Err(Error::column(&field.name, "the schema gives no dim")),
        }
    }

    /// How many vectors these bytes are. Only an answer that has any says its own `dim`.
    pub(super) fn count(self, field: &Field, answered: i64, bytes: usize) -> Result<usize> {
        if bytes > 0 && answered != 0 && answered != self.dim as i64 {
            return Err(Error::column(
                &field.name,
                format!(
                    "vectors of {answered} dimensions came, the schema says {}",
                    self.dim
                ),
            ));
        }
        if !bytes.is_multiple_of(self.bytes) {
            return Err(Error::column(
                &field.name,
                format!(
                    "{bytes} bytes came, which are no whole vectors of {} bytes",
                    self.bytes
                ),
            ));
        }
        Ok(bytes / self.bytes)
    }

    /// The memory of the rows that are not null, whose items of `width` bytes lie between the offsets.
    fn pack(
        self,
        field: &Field,
        column: &dyn Array,
        offsets: &[i32],
        memory: &Buffer,
        width: usize,
    ) -> Result<Buffer> {
        let range = |row: usize| offsets[row] as usize * width..offsets[row + 1] as usize * width;
        for row in valid_rows(column) {
            if range(row).len() != self.bytes {
                return Err(Error::column(
                    &field.name,
                    format!(
                        "row {row} has a vector of {} bytes, but {} dimensions take {}",
                        range(row).len(),
                        self.dim,
                        self.bytes
                    ),
                ));
            }
        }
        let all = offsets[0] as usize * width..offsets[column.len()] as usize * width;
        let size = (column.len() - column.null_count()) * self.bytes;
        if all.len() == size {
            return Ok(memory.slice_with_length(all.start, size));
        }
        let mut packed = MutableBuffer::with_capacity(size);
        for row in valid_rows(column) {
            packed.extend_from_slice(&memory[range(row)]);
        }
        Ok(packed.into())
    }
}

/// The error of a payload that is not of its field's kind.
pub(super) fn unexpected(field: &Field) -> Error {
    Error::column(
        &field.name,
        format!(
            "vectors of another type came where {} was expected",
            type_name(field)
        ),
    )
}
