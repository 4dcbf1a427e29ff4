//! FloatVector, BinaryVector, Float16Vector and BFloat16Vector: `dim` numbers a row.

use std::sync::Arc;

use arrow_array::{Array, ArrayRef, BinaryArray, Float32Array, ListArray};
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
    match (field.data_type, data.data) {
        (DataType::FloatVector, Some(Data::FloatVector(floats))) => {
            float_lists(field, shape, answered, &floats.data, valid)
        }
        (DataType::FloatVector, None) => float_lists(field, shape, answered, &[], valid),
        (DataType::BinaryVector, Some(Data::BinaryVector(bytes)))
        | (DataType::Float16Vector, Some(Data::Float16Vector(bytes)))
        | (DataType::BFloat16Vector, Some(Data::Bfloat16Vector(bytes))) => {
            binary(field, shape, answered, bytes, valid)
        }
        (_, None) => binary(field, shape, answered, Bytes::new(), valid),
        (_, Some(_)) => Err(unexpected(field)),
    }
}

fn float_lists(
    field: &Field,
    shape: Shape,
    answered: i64,
    chunks: &[Bytes],
    valid: Vec<bool>,
) -> Result<ArrayRef> {
    let floats = join::<f32>(field, chunks)?;
    let vectors = shape.count(field, answered, floats.len() * size_of::<f32>())?;
    let validity = Validity::new(field, valid, vectors)?;
    let offsets = validity.strides(field, shape.dim)?;
    let values = Float32Array::new(floats, None);
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
    let shape = Shape::of(field)?;
    let data = if field.data_type == DataType::FloatVector {
        let column = typed::<ListArray>(field, column)?;
        let floats = typed::<Float32Array>(field, column.values())?;
        let memory = floats.values().inner();
        let width = size_of::<f32>();
        let packed = shape.pack(field, column, column.value_offsets(), memory, width)?;
        Data::FloatVector(chunk(packed))
    } else {
        let column = typed::<BinaryArray>(field, column)?;
        let packed = shape.pack(field, column, column.value_offsets(), column.values(), 1)?;
        let packed = Bytes::from(packed);
        match field.data_type {
            DataType::BinaryVector => Data::BinaryVector(packed),
            DataType::Float16Vector => Data::Float16Vector(packed),
            DataType::BFloat16Vector => Data::Bfloat16Vector(packed),
            _ => return Err(unsupported(field)),
        }
    };
    Ok(VectorField {
        dim: shape.dim as i64,
        data: Some(data),
    })
}

/// How large each vector of a field is.
#[derive(Clone, Copy)]
struct Shape {
    dim: usize,
    bytes: usize,
}

impl Shape {
    fn of(field: &Field) -> Result<Shape> {
        let bits = match field.data_type {
            DataType::BinaryVector => 1,
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
    fn count(self, field: &Field, answered: i64, bytes: usize) -> Result<usize> {
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
