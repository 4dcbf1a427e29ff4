//! One value for all rows, in the type of its field.

use std::sync::Arc;

use arrow_array::{
    ArrayRef, BooleanArray, Float32Array, Float64Array, Int8Array, Int16Array, Int32Array,
    Int64Array, StringArray,
};
use serde_json::Value;

use super::Becomes;
use crate::model::{DYNAMIC_FIELD, DataType, Field};

/// The column of one row that `text` means.
pub(super) fn column(field: &Field, text: &str) -> Result<Becomes, String> {
    let (name, kind) = (&field.name, field.data_type);
    let value: Option<ArrayRef> = match kind {
        DataType::Bool => parsed(text).map(|value: bool| array(BooleanArray::from(vec![value]))),
        DataType::Int8 => parsed(text).map(|value| array(Int8Array::from_value(value, 1))),
        DataType::Int16 => parsed(text).map(|value| array(Int16Array::from_value(value, 1))),
        DataType::Int32 => parsed(text).map(|value| array(Int32Array::from_value(value, 1))),
        DataType::Int64 => parsed(text).map(|value| array(Int64Array::from_value(value, 1))),
        DataType::Float => parsed(text)
            .filter(|value: &f32| value.is_finite())
            .map(|value| array(Float32Array::from_value(value, 1))),
        DataType::Double => parsed(text)
            .filter(|value: &f64| value.is_finite())
            .map(|value| array(Float64Array::from_value(value, 1))),
        DataType::VarChar | DataType::Text => {
            let most = field.params.get("max_length");
            let most = most.and_then(|most| most.parse().ok());
            Some(text)
                .filter(|text| most.is_none_or(|most: usize| text.len() <= most))
                .map(|text| array(StringArray::from(vec![text])))
        }
        DataType::Json => {
            let json = serde_json::from_str::<Value>(text).ok();
            json.filter(|json| name != DYNAMIC_FIELD || json.is_object())
                .map(|_| array(StringArray::from(vec![text])))
        }
        _ => {
            return Err(format!(
                "{name} is {kind}, of which no constant can be given; leave it out with --exclude-fields {name}"
            ));
        }
    };
    value.map(Becomes::Constant).ok_or_else(|| {
        format!(
            "{text:?} is no value of {name}, which is {}",
            described(field)
        )
    })
}

fn parsed<T: std::str::FromStr>(text: &str) -> Option<T> {
    text.parse().ok()
}

fn array(array: impl arrow_array::Array + 'static) -> ArrayRef {
    Arc::new(array)
}

/// The type as an error names it.
fn described(field: &Field) -> String {
    match (field.data_type, field.params.get("max_length")) {
        (DataType::VarChar, Some(most)) => format!("VarChar({most})"),
        (DataType::Json, _) if field.name == DYNAMIC_FIELD => "an object of JSON".to_owned(),
        (kind, _) => kind.to_string(),
    }
}
