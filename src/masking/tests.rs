use std::sync::Arc;

use arrow_array::types::Float32Type;
use arrow_array::{
    Array, ArrayRef, BinaryArray, Float32Array, Int64Array, ListArray, RecordBatch, StringArray,
    cast::AsArray,
};

use super::*;
use crate::columns::arrow_schema;
use crate::model::{CollectionName, Function};

fn field(name: &str, data_type: DataType, params: &[(&str, &str)]) -> Field {
    let params = params.iter().map(|(k, v)| (k.to_string(), v.to_string()));
    Field {
        name: name.into(),
        data_type,
        params: params.collect(),
        ..Field::dynamic()
    }
}

fn fields() -> Vec<Field> {
    vec![
        Field {
            primary_key: true,
            ..field("id", DataType::Int64, &[])
        },
        field("text", DataType::VarChar, &[("max_length", "20")]),
        field("short", DataType::VarChar, &[("max_length", "8")]),
        Field {
            nullable: true,
            ..field("score", DataType::Float, &[])
        },
        field("vector", DataType::FloatVector, &[("dim", "2")]),
        field("half", DataType::Float16Vector, &[("dim", "2")]),
        field("brain", DataType::BFloat16Vector, &[("dim", "2")]),
        Field::dynamic(),
    ]
}

fn rows() -> RecordBatch {
    let vectors = (0..4).map(|row| Some(vec![Some(row as f32), Some(f32::MAX)]));
    let bytes: Vec<[u8; 4]> = vec![[0, 0x3c, 0xff, 0x7b]; 4];
    let columns: Vec<ArrayRef> = vec![
        Arc::new(Int64Array::from(vec![1, 2, 3, 4])),
        Arc::new(StringArray::from(vec!["a", "b", "a", ""])),
        Arc::new(StringArray::from(vec!["x"; 4])),
        Arc::new(Float32Array::from(vec![
            Some(1.0),
            None,
            Some(3.0),
            Some(4.0),
        ])),
        Arc::new(ListArray::from_iter_primitive::<Float32Type, _, _>(vectors)),
        Arc::new(BinaryArray::from_iter_values(bytes.clone())),
        Arc::new(BinaryArray::from_iter_values(bytes)),
        Arc::new(StringArray::from(vec![
            r#"{"a":1,"b":1.50,"c":"x"}"#,
            "{}",
            r#"{"a":"1"}"#,
            "",
        ])),
    ];
    let schema = arrow_schema(&fields()).unwrap();
    let columns = columns.into_iter().zip(schema.fields());
    // The items of lists have another name here.
    let columns = columns.map(|(column, field)| match field.data_type() {
        arrow_schema::DataType::List(item) => {
            let list = column.as_list::<i32>();
            let (offsets, values) = (list.offsets().clone(), list.values().clone());
            Arc::new(ListArray::new(item.clone(), offsets, values, None)) as ArrayRef
        }
        _ => column,
    });
    RecordBatch::try_new(schema.clone(), columns.collect()).unwrap()
}

fn planned(masks: &[&str], order: KeyOrder) -> Result<Masking> {
    planned_beside(Vec::new(), masks, order)
}

fn planned_beside(functions: Vec<Function>, masks: &[&str], order: KeyOrder) -> Result<Masking> {
    let key = fields().swap_remove(0);
    let collection = Collection {
        name: CollectionName::new("default", "docs"),
        description: String::new(),
        fields: vec![key],
        dynamic: true,
        functions,
        properties: Default::default(),
        partitions: Vec::new(),
        shards: 1,
        consistency_level: crate::model::ConsistencyLevel::Strong,
        aliases: Vec::new(),
        indexes: Vec::new(),
        load: crate::model::Load {
            loaded: true,
            replicas: 1,
            resource_groups: Vec::new(),
        },
    };
    let masks: Vec<Mask> = masks.iter().map(|mask| mask.parse().unwrap()).collect();
    let secret = MaskKey::new(b"0123456789abcdef").unwrap();
    let read: [(&Collection, &[Field]); 1] = [(&collection, &fields())];
    plan(&masks, Some(&secret), &read, order).map(|mut planned| planned.swap_remove(0))
}

fn masked(masks: &[&str]) -> RecordBatch {
    planned(masks, KeyOrder::IsFree)
        .unwrap()
        .apply(&rows())
        .unwrap()
}

fn texts<'a>(batch: &'a RecordBatch, name: &str) -> Vec<&'a str> {
    let column = batch.column_by_name(name).unwrap().as_string::<i32>();
    column.iter().map(Option::unwrap).collect()
}

#[test]
fn what_was_made_of_a_masked_value_does_not_leave_either() {
    let function = |kind| Function {
        name: "made".into(),
        description: String::new(),
        kind,
        inputs: vec!["text".into()],
        outputs: vec!["vector".into()],
        params: Default::default(),
    };
    let found =
        |kind, masks: &[&str]| planned_beside(vec![function(kind)], masks, KeyOrder::IsFree);
    let embedded = Function::TEXT_EMBEDDING;
    let refused = found(embedded, &["text=hash"]).unwrap_err().to_string();
    assert!(refused.contains("--exclude-fields vector"), "{refused}");
    assert!(found(embedded, &["text=hash", "vector=noise:1"]).is_ok());
    assert!(found(Function::BM25, &["text=hash"]).is_ok(), "made anew");
}

#[test]
fn equal_values_have_equal_hashes_and_nothing_else_changes() {
    let batch = masked(&["text=hash"]);
    let hashes = texts(&batch, "text");
    assert_eq!(hashes[0], hashes[2]);
    assert_ne!(hashes[0], hashes[1]);
    assert!(
        hashes.iter().all(|hash| hash.len() == 20),
        "as long as the field takes"
    );
    for (position, field) in rows().schema().fields().iter().enumerate() {
        let same = rows().column(position) == batch.column(position);
        assert_eq!(same, field.name() != "text", "{}", field.name());
    }
}

#[test]
fn noise_leaves_nulls_and_never_makes_what_is_infinite() {
    let batch = masked(&[
        "score=noise:1",
        "vector=noise:1e38",
        "half=noise:1e5",
        "brain=noise:1e39",
    ]);
    let scores = batch.column_by_name("score").unwrap();
    assert!(scores.is_null(1) && scores.null_count() == 1);
    let vectors = batch.column_by_name("vector").unwrap().as_list::<i32>();
    let cells = vectors.values().as_primitive::<Float32Type>();
    assert_eq!(cells.len(), 8);
    assert!(cells.values().iter().all(|cell| cell.is_finite()));
    for name in ["half", "brain"] {
        let column = batch.column_by_name(name).unwrap().as_binary::<i32>();
        for cell in column
            .iter()
            .flatten()
            .flat_map(|vector| vector.chunks_exact(2))
        {
            // All ones in the exponent are infinity or no number.
            let exponent = if name == "half" { 0x7c } else { 0x7f };
            let infinite =
                cell[1] & exponent == exponent && (name == "half" || cell[0] & 0x80 != 0);
            assert!(!infinite, "{name}: {cell:?}");
        }
        assert_ne!(
            column.value(0),
            column.value(1),
            "each row has noise of its own"
        );
    }
}

#[test]
fn masked_rows_do_not_depend_on_how_they_were_cut() {
    let masks = [
        "text=hash",
        "score=noise:1",
        "vector=noise:1",
        "half=noise:1",
        "$meta.a=hash",
        "id=hash",
    ];
    let masking = planned(&masks, KeyOrder::IsFree).unwrap();
    let whole = masking.apply(&rows()).unwrap();
    for row in 0..4 {
        let one = masking.apply(&rows().slice(row, 1)).unwrap();
        assert_eq!(one, whole.slice(row, 1), "row {row}");
    }
}

#[test]
fn keys_of_the_dynamic_field_are_masked_where_a_row_has_them() {
    let batch = masked(&["$meta.a=hash", "$meta.c=null"]);
    let rows = texts(&batch, "$meta");
    let number: serde_json::Value = serde_json::from_str(rows[0]).unwrap();
    assert!(number["a"].is_i64() && number["a"] != 1);
    assert!(
        rows[0].contains("1.50"),
        "numbers that are not masked keep their digits: {}",
        rows[0]
    );
    assert!(!rows[0].contains('c'));
    assert_eq!((rows[1], rows[3]), ("{}", ""));
    let text: serde_json::Value = serde_json::from_str(rows[2]).unwrap();
    assert_eq!(text["a"].as_str().unwrap().len(), 32);
    assert_eq!(texts(&masked(&["$meta=null"]), "$meta"), ["{}"; 4]);
    let constant = masked(&["$meta.a=constant:x", "$meta.b=constant:[1]"]);
    assert_eq!(texts(&constant, "$meta")[0], r#"{"a":"x","b":[1],"c":"x"}"#);
}

#[test]
fn what_is_no_object_is_not_let_through() {
    let batch = rows();
    let broken: ArrayRef = Arc::new(StringArray::from(vec!["{}", "[1]", "{}", "{}"]));
    let mut columns = batch.columns().to_vec();
    *columns.last_mut().unwrap() = broken;
    let batch = RecordBatch::try_new(batch.schema(), columns).unwrap();
    let masking = planned(&["$meta.a=null"], KeyOrder::IsFree).unwrap();
    assert!(matches!(masking.apply(&batch), Err(Error::Column { .. })));
}

#[test]
fn what_cannot_be_masked_so_is_refused() {
    for mask in [
        "id=null",
        "id=constant:1",
        "text=null",
        "text=noise:1",
        "text=constant:longer than twenty bytes",
        "short=hash",
        "score=hash",
        "vector=hash",
        "vector=constant:1",
        "vector=null",
        "half=null",
        "$meta=hash",
        "$meta=noise:1",
        "$meta=constant:1",
        "$meta.a=noise:1",
        "nothing=null",
        "other.text=hash",
    ] {
        let refused = planned(&[mask], KeyOrder::IsFree);
        assert!(
            matches!(&refused, Err(Error::Usage(words)) if words.contains(mask)),
            "{mask}: {refused:?}"
        );
    }
    for masks in [
        ["text=hash", "text=hash"],
        ["$meta=null", "$meta.a=hash"],
        ["$meta.a=null", "$meta.a=hash"],
    ] {
        assert!(planned(&masks, KeyOrder::IsFree).is_err(), "{masks:?}");
    }
    assert!(planned(&["id=hash"], KeyOrder::Matters).is_err());
    assert!(
        planned(&["id=hash"], KeyOrder::IsFree)
            .unwrap()
            .masks_keys()
    );
    assert!(planned(&["docs.text=hash"], KeyOrder::Matters).is_ok());
    assert!(planned(&["score=null"], KeyOrder::Matters).is_ok());
}

#[test]
fn a_secret_is_needed_and_is_not_told() {
    let masks: Vec<Mask> = ["text=hash", "score=noise:1"]
        .map(|mask| mask.parse().unwrap())
        .to_vec();
    for mask in &masks {
        assert!(
            check_secret(std::slice::from_ref(mask), None).is_err(),
            "{mask}"
        );
    }
    assert!(check_secret(&["text=constant:x".parse().unwrap()], None).is_ok());
    assert!(MaskKey::new(b"too short").is_err());
    let secret = MaskKey::new(b"0123456789abcdef").unwrap();
    assert_eq!(format!("{secret:?}"), "MaskKey(…)");
}
