//! How large rows are.

use std::ops::Range;

use arrow_array::cast::AsArray;
use arrow_array::{Array, RecordBatch};
use arrow_schema::DataType as ArrowType;

/// The bytes of each row's values: the width of numbers, the length of texts and vectors, a byte a boolean,
/// none for null. It depends on the row's values alone, so that files can be cut by it.
pub fn row_bytes(batch: &RecordBatch) -> Vec<u32> {
    (0..batch.num_rows())
        .map(|row| {
            let columns = batch.columns().iter().filter(|column| column.is_valid(row));
            let bytes: usize = columns.map(|column| bytes(column, row..row + 1)).sum();
            u32::try_from(bytes).unwrap_or(u32::MAX)
        })
        .collect()
}

/// The bytes of a range of values, from offsets alone.
fn bytes(array: &dyn Array, range: Range<usize>) -> usize {
    let within = |offsets: &[i32]| offsets[range.start] as usize..offsets[range.end] as usize;
    match array.data_type() {
        ArrowType::Boolean => range.len(),
        ArrowType::Utf8 => within(array.as_string::<i32>().value_offsets()).len(),
        ArrowType::Binary => within(array.as_binary::<i32>().value_offsets()).len(),
        ArrowType::List(_) => {
            let list = array.as_list::<i32>();
            bytes(list.values(), within(list.value_offsets()))
        }
        ArrowType::Struct(_) => {
            let parts = array.as_struct().columns().iter();
            parts.map(|part| bytes(part, range.clone())).sum()
        }
        number => number.primitive_width().unwrap_or(0) * range.len(),
    }
}
