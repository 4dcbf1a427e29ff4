//! Masking rows.

use std::sync::Arc;

use arrow_array::types::{
    ArrowPrimitiveType, Float16Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type,
    Int64Type,
};
use arrow_array::{
    Array, ArrayRef, BinaryArray, ListArray, PrimitiveArray, RecordBatch, StringArray, UInt32Array,
    cast::AsArray, new_null_array,
};
use arrow_buffer::OffsetBuffer;
use arrow_schema::DataType as ArrowType;
use arrow_select::take::take;
use serde_json::Value;

use super::noise::Noise;
use super::{Becomes, Column, HASH, KeyBecomes, MaskKey, Masking};
use crate::columns::KeyColumn;
use crate::error::{Error, Result};
use crate::model::DataType;

type F16 = <Float16Type as ArrowPrimitiveType>::Native;

impl Masking {
    /// The rows with their values masked, in the order in which they came.
    ///
    /// # Errors
    /// [`Error::Column`] where a value cannot be masked.
    pub fn apply(&self, batch: &RecordBatch) -> Result<RecordBatch> {
        if self.is_empty() {
            return Ok(batch.clone());
        }
        let keys = KeyColumn::of_batch(batch, &self.key_field)?;
        let schema = batch.schema();
        let mut columns = batch.columns().to_vec();
        for column in &self.columns {
            let name = &column.field.name;
            let position = schema
                .index_of(name)
                .map_err(|_| Error::column(name, "the rows have no such column"))?;
            columns[position] = self.masked(column, &columns[position], &keys)?;
        }
        RecordBatch::try_new(schema, columns)
            .map_err(|error| Error::column(&self.key_field, format!("cannot be masked: {error}")))
    }

    fn masked(&self, column: &Column, values: &ArrayRef, keys: &KeyColumn) -> Result<ArrayRef> {
        let field = &column.field;
        match &column.becomes {
            Becomes::Null => Ok(new_null_array(values.data_type(), values.len())),
            Becomes::Constant(one) => take(one, &UInt32Array::from_value(0, values.len()), None)
                .map_err(|error| Error::column(&field.name, error.to_string())),
            Becomes::Hash(digits) => {
                let secret = self.secret(&field.name)?;
                let texts = typed::<StringArray>(column, values)?.iter();
                let hashed = texts.map(|text| Some(hash_text(secret, text?, *digits)));
                Ok(Arc::new(hashed.collect::<StringArray>()))
            }
            Becomes::HashNumber => {
                let secret = self.secret(&field.name)?;
                match values.data_type() {
                    ArrowType::Int8 => Ok(numbers::<Int8Type>(values, |value| {
                        hash_number(secret, value.into(), i8::MAX.into()) as i8
                    })),
                    ArrowType::Int16 => Ok(numbers::<Int16Type>(values, |value| {
                        hash_number(secret, value.into(), i16::MAX.into()) as i16
                    })),
                    ArrowType::Int32 => Ok(numbers::<Int32Type>(values, |value| {
                        hash_number(secret, value.into(), i32::MAX.into()) as i32
                    })),
                    ArrowType::Int64 => Ok(numbers::<Int64Type>(values, |value| {
                        hash_number(secret, value, i64::MAX)
                    })),
                    _ => Err(mistyped(column)),
                }
            }
            Becomes::Noise(sigma) => {
                let secret = self.secret(&field.name)?;
                let noise = |row: usize| Noise::of(secret, &field.name, &keys.bytes(row), *sigma);
                noisy(column, values, noise)
            }
            Becomes::Keys(rules) => {
                let texts = typed::<StringArray>(column, values)?.iter();
                let masked = texts.map(|text| {
                    text.map(|text| self.mask_keys(&field.name, text, rules))
                        .transpose()
                });
                Ok(Arc::new(masked.collect::<Result<StringArray>>()?))
            }
        }
    }

    fn secret(&self, field: &str) -> Result<&MaskKey> {
        // The plan has seen to it.
        self.secret
            .as_ref()
            .ok_or_else(|| Error::column(field, "there is no secret to mask it with"))
    }

    /// A row's undeclared keys with some of them masked.
    fn mask_keys(&self, field: &str, text: &str, rules: &[(String, KeyBecomes)]) -> Result<String> {
        // A row without any: see the servers' oddities.
        if matches!(text, "" | "null") {
            return Ok(text.to_owned());
        }
        let Ok(Value::Object(mut object)) = serde_json::from_str(text) else {
            return Err(Error::column(
                field,
                "a row's value is no object of JSON, so none of its keys can be masked; mask all of it with \
                 $meta=null",
            ));
        };
        for (key, becomes) in rules {
            let Some(value) = object.get_mut(key) else {
                continue;
            };
            match becomes {
                KeyBecomes::Gone => {
                    object.remove(key);
                }
                KeyBecomes::Constant(constant) => value.clone_from(constant),
                KeyBecomes::Hash => *value = hash_json(self.secret(field)?, value),
            }
        }
        Ok(Value::Object(object).to_string())
    }
}

/// So many hexadecimal digits.
fn hash_text(secret: &MaskKey, text: &str, digits: usize) -> String {
    let hash = secret.hash("text", &[text.as_bytes()]);
    let mut hex: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
    hex.truncate(digits);
    hex
}

/// From 0 up to, but not including, `end`: the greatest integer is one that some servers hide.
fn hash_number(secret: &MaskKey, value: i64, end: i64) -> i64 {
    let hash = secret.number("number", &[&value.to_le_bytes()]);
    (hash % end as u64) as i64
}

/// Whole numbers stay numbers; everything else becomes a text.
fn hash_json(secret: &MaskKey, value: &Value) -> Value {
    match value {
        Value::Null => Value::Null,
        Value::String(text) => hash_text(secret, text, HASH).into(),
        Value::Number(number) if number.is_i64() => {
            hash_number(secret, number.as_i64().unwrap_or_default(), i64::MAX).into()
        }
        other => hash_text(secret, &other.to_string(), HASH).into(),
    }
}

fn numbers<T: ArrowPrimitiveType>(
    values: &ArrayRef,
    masked: impl Fn(T::Native) -> T::Native,
) -> ArrayRef {
    Arc::new(values.as_primitive::<T>().unary::<_, T>(masked))
}

fn noisy(column: &Column, values: &ArrayRef, noise: impl Fn(usize) -> Noise) -> Result<ArrayRef> {
    let single = |value: f32, noise: &mut Noise| noise.on(value.into(), f32::MAX.into()) as f32;
    match column.field.data_type {
        DataType::Float => {
            let values = typed::<PrimitiveArray<Float32Type>>(column, values)?;
            let rows = values.iter().enumerate();
            let noisy = rows.map(|(row, value)| Some(single(value?, &mut noise(row))));
            Ok(Arc::new(noisy.collect::<PrimitiveArray<Float32Type>>()))
        }
        DataType::Double => {
            let values = typed::<PrimitiveArray<Float64Type>>(column, values)?;
            let rows = values.iter().enumerate();
            let noisy = rows.map(|(row, value)| Some(noise(row).on(value?, f64::MAX)));
            Ok(Arc::new(noisy.collect::<PrimitiveArray<Float64Type>>()))
        }
        DataType::FloatVector => {
            let lists = typed::<ListArray>(column, values)?;
            let ArrowType::List(element) = lists.data_type() else {
                return Err(mistyped(column));
            };
            let mut cells = Vec::new();
            for row in 0..lists.len() {
                let vector = lists.value(row);
                let mut noise = noise(row);
                let vector = typed::<PrimitiveArray<Float32Type>>(column, &vector)?
                    .values()
                    .to_vec();
                if lists.is_valid(row) {
                    cells.extend(vector.into_iter().map(|cell| single(cell, &mut noise)));
                } else {
                    cells.extend(vector);
                }
            }
            let lengths = lists.offsets().lengths();
            ListArray::try_new(
                element.clone(),
                OffsetBuffer::from_lengths(lengths),
                Arc::new(PrimitiveArray::<Float32Type>::from(cells)),
                lists.nulls().cloned(),
            )
            .map(|lists| Arc::new(lists) as ArrayRef)
            .map_err(|error| Error::column(&column.field.name, error.to_string()))
        }
        DataType::Float16Vector => halves(column, values, noise, |half, noise| {
            let value = F16::from_le_bytes(half).to_f64();
            F16::from_f64(noise.on(value, F16::MAX.to_f64())).to_le_bytes()
        }),
        DataType::BFloat16Vector => halves(column, values, noise, |half, noise| {
            let value = f32::from_bits(u32::from(u16::from_le_bytes(half)) << 16);
            // The greatest bfloat16: more would round to infinity.
            let greatest = f32::from_bits(0x7f7f_0000);
            let value = noise.on(value.into(), greatest.into()) as f32;
            // To the nearest, ties to even.
            let bits = value.to_bits();
            let rounded = bits.wrapping_add(0x7fff + ((bits >> 16) & 1));
            ((rounded >> 16) as u16).to_le_bytes()
        }),
        _ => Err(mistyped(column)),
    }
}

/// Vectors of two bytes a component.
fn halves(
    column: &Column,
    values: &ArrayRef,
    noise: impl Fn(usize) -> Noise,
    on: impl Fn([u8; 2], &mut Noise) -> [u8; 2],
) -> Result<ArrayRef> {
    let vectors = typed::<BinaryArray>(column, values)?.iter().enumerate();
    let noisy = vectors.map(|(row, vector)| {
        let mut noise = noise(row);
        let cells = vector?.chunks_exact(2);
        let cells = cells.flat_map(|cell| on([cell[0], cell[1]], &mut noise));
        Some(cells.collect::<Vec<u8>>())
    });
    Ok(Arc::new(noisy.collect::<BinaryArray>()))
}

fn typed<'a, A: Array + 'static>(column: &Column, values: &'a ArrayRef) -> Result<&'a A> {
    values
        .as_any()
        .downcast_ref()
        .ok_or_else(|| mistyped(column))
}

fn mistyped(column: &Column) -> Error {
    let field = &column.field;
    Error::column(
        &field.name,
        format!("a column of {} was expected, to be masked", field.data_type),
    )
}
