//! Vectors without a single component.

use arrow_array::types::{Float32Type, Int8Type};
use arrow_array::{Array, ArrayRef, BinaryArray, StructArray, cast::AsArray};

/// The first row of a vector column whose value is there and is all zeros, or has no components at all.
pub fn zero_vector(column: &ArrayRef) -> Option<usize> {
    let rows = (0..column.len()).filter(|row| column.is_valid(*row));
    if let Some(lists) = column.as_list_opt::<i32>() {
        let is_zero = |row: &usize| {
            let values = lists.value(*row);
            let floats = values.as_primitive_opt::<Float32Type>();
            let bytes = values.as_primitive_opt::<Int8Type>();
            floats.is_some_and(|floats| floats.values().iter().all(|value| *value == 0.0))
                || bytes.is_some_and(|bytes| bytes.values().iter().all(|value| *value == 0))
        };
        rows.into_iter().find(is_zero)
    } else if let Some(bytes) = column.as_any().downcast_ref::<BinaryArray>() {
        rows.into_iter()
            .find(|row| bytes.value(*row).iter().all(|byte| *byte == 0))
    } else {
        let sparse = column.as_any().downcast_ref::<StructArray>()?;
        let indices = sparse.column_by_name("indices")?.as_list_opt::<i32>()?;
        rows.into_iter().find(|row| indices.value_length(*row) == 0)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::ListArray;

    use super::*;

    #[test]
    fn zeros_are_found_and_nulls_are_not() {
        let rows = [
            Some(vec![Some(1.0), Some(0.0)]),
            None,
            Some(vec![Some(0.0), Some(-0.0)]),
        ];
        let column: ArrayRef = Arc::new(ListArray::from_iter_primitive::<Float32Type, _, _>(rows));
        assert_eq!(zero_vector(&column), Some(2));
        assert_eq!(zero_vector(&column.slice(0, 2)), None);
        let bytes: ArrayRef = Arc::new(BinaryArray::from(vec![&[1u8, 0][..], &[0, 0][..]]));
        assert_eq!(zero_vector(&bytes), Some(1));
    }
}
