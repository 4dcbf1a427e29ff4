//! Columns from rows, in the types that an insert takes.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_array::{
    ArrayRef, Float32Array, ListArray, RecordBatch, StringArray, StructArray, UInt32Array,
};
use arrow_buffer::OffsetBuffer;
use arrow_schema::{ArrowError, DataType, Field};
use milvault::{Error, Result};

use crate::cli::demo::embedding;

pub fn batch(columns: Vec<(&str, ArrayRef)>) -> Result<RecordBatch> {
    RecordBatch::try_from_iter(columns).map_err(|error| failed("the sample", &error))
}

pub fn texts<'a>(texts: impl IntoIterator<Item = &'a str>) -> ArrayRef {
    Arc::new(StringArray::from_iter_values(texts))
}

pub fn text_lists(name: &str, rows: &[Vec<String>]) -> Result<ArrayRef> {
    let values = StringArray::from_iter_values(rows.iter().flatten());
    list(name, rows.iter().map(Vec::len), Arc::new(values))
}

/// The dense vectors of texts.
pub fn dense<'a>(name: &str, texts: impl IntoIterator<Item = &'a str>) -> Result<ArrayRef> {
    let vectors: Vec<_> = texts.into_iter().map(embedding::dense).collect();
    let values = Float32Array::from_iter_values(vectors.iter().flatten().copied());
    list(
        name,
        vectors.iter().map(|vector| vector.len()),
        Arc::new(values),
    )
}

/// The sparse vectors of texts.
pub fn sparse<'a>(name: &str, texts: impl IntoIterator<Item = &'a str>) -> Result<ArrayRef> {
    let vectors: Vec<BTreeMap<u32, f32>> = texts.into_iter().map(embedding::sparse).collect();
    let indices =
        UInt32Array::from_iter_values(vectors.iter().flat_map(|vector| vector.keys().copied()));
    let values =
        Float32Array::from_iter_values(vectors.iter().flat_map(|vector| vector.values().copied()));
    let lengths = || vectors.iter().map(BTreeMap::len);
    let indices = list(name, lengths(), Arc::new(indices))?;
    let values = list(name, lengths(), Arc::new(values))?;
    let part = |part: &str, list: &ArrayRef| Field::new(part, list.data_type().clone(), false);
    let parts = vec![part("indices", &indices), part("values", &values)];
    StructArray::try_new(parts.into(), vec![indices, values], None)
        .map(|array| Arc::new(array) as ArrayRef)
        .map_err(|error| failed(name, &error))
}

fn list(
    name: &str,
    lengths: impl IntoIterator<Item = usize>,
    values: ArrayRef,
) -> Result<ArrayRef> {
    let kind: DataType = values.data_type().clone();
    let element = Arc::new(Field::new("element", kind, false));
    ListArray::try_new(element, OffsetBuffer::from_lengths(lengths), values, None)
        .map(|array| Arc::new(array) as ArrayRef)
        .map_err(|error| failed(name, &error))
}

fn failed(name: &str, error: &ArrowError) -> Error {
    Error::column(name, error.to_string())
}
