//! The definition of digests: the examples of `formats/digests.md`, and what is the same value.

use std::sync::Arc;

use arrow_array::{ArrayRef, Int64Array, RecordBatch, StringArray};

use super::arrow::batch;
use super::rows::{KEY, Value, array, array_of_vectors, field, nullable, structs};
use crate::columns::digest::{digest, key_digest, row_hashes};
use crate::columns::{Digest, Digests, KeyColumn, arrow_schema};
use crate::model::{DataType, Field};

fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

/// The digests of one row, whose key comes first.
fn of_row(row: Vec<(Field, Value)>) -> Digests {
    let (fields, values): (Vec<Field>, Vec<Vec<Value>>) = row
        .into_iter()
        .map(|(field, value)| (field, vec![value]))
        .unzip();
    digest(&fields, &batch(&fields, &values), KEY).unwrap()
}

/// The digest of one value in the row with key 1.
fn of_value(field: Field, value: Value) -> Digest {
    let name = field.name.clone();
    let key = super::rows::field(KEY, DataType::Int64);
    of_row(vec![(key, Value::Int(1)), (field, value)]).fields[&name]
}

/// Whether two texts are one value.
fn same(field: &Field, one: &str, other: &str) -> bool {
    of_value(field.clone(), text(one)) == of_value(field.clone(), text(other))
}

/// Compares with the table of the specification, all its rows and no others.
fn assert_digests(digests: &Digests, all: &str, fields: &[(&str, &str)]) {
    let found: Vec<_> = digests
        .fields
        .iter()
        .map(|(name, d)| (name.as_str(), d.to_string()))
        .collect();
    let mut expected: Vec<_> = fields
        .iter()
        .map(|(name, d)| (*name, (*d).to_owned()))
        .collect();
    expected.sort_unstable();
    assert_eq!(found, expected);
    assert_eq!(digests.all.to_string(), all);
    let specification = include_str!("../../../formats/digests.md");
    for (name, digest) in fields.iter().chain(&[("all", all)]) {
        assert!(
            specification.contains(digest),
            "{name} is not in formats/digests.md"
        );
    }
}

#[test]
fn first_example_of_the_specification() {
    let fields = [
        field(KEY, DataType::Int64),
        nullable("title", DataType::VarChar),
    ];
    let keys = [1, 2, -3].map(Value::Int).to_vec();
    let rows = batch(
        &fields,
        &[keys, vec![text("Milvus"), Value::Null, text("")]],
    );
    let digests = digest(&fields, &rows, KEY).unwrap();
    assert_eq!(digests.rows, 3);
    assert_digests(
        &digests,
        "13a1f7b1fe6a07be255123631be971e0",
        &[
            ("id", "24455607a736a9949e2ee4acb14afadf"),
            ("title", "99a68db8bd4f84b982528ee8931ffdf8"),
        ],
    );
}

#[test]
fn second_example_of_the_specification() {
    let numbers = [1, -1, 9_007_199_254_740_993].map(Value::Int).to_vec();
    let attributes = r#"{"b": {"y": true, "x": null}, "a": [1.0, 1E3, "\u00e9\n"]}"#;
    let digests = of_row(vec![
        (field("id", DataType::VarChar), text("clé")),
        (field("ok", DataType::Bool), Value::Bool(true)),
        (field("small", DataType::Int8), Value::Int(-128)),
        (field("single", DataType::Float), Value::Single(-0.0)),
        (field("double", DataType::Double), Value::Double(0.1)),
        (
            array("tags", DataType::VarChar),
            Value::Array(vec![text(""), text("ü")]),
        ),
        (array("numbers", DataType::Int64), Value::Array(numbers)),
        (field("attributes", DataType::Json), text(attributes)),
        (
            field("made", DataType::Timestamptz),
            text("2024-02-29T12:00:00.5+01:00"),
        ),
        (field("place", DataType::Geometry), text("POINT (1 2)")),
        (Field::dynamic(), text("")),
    ]);
    assert_digests(
        &digests,
        "b8d595e5b38caba77113c9c764b2baba",
        &[
            ("$meta", "2a2f0dc9ba46426c977152ec6540753c"),
            ("attributes", "cfc657e65ae0b04da1684d68ee0be0df"),
            ("double", "32973235c6396126c2a1b53130e10e96"),
            ("id", "5d3df6dac62c1194e9ac1abeb45a8cc7"),
            ("made", "905f051b25eeeebe643b3d3f3d60bba0"),
            ("numbers", "cc0a4574e131b1b15d2bcff56d8c19a3"),
            ("ok", "6dfaffc73e37043efe50d0f7a8eb6c3d"),
            ("place", "99750689859b0307747896ef2385c18b"),
            ("single", "4e20b5513c568e8539368272fafed5ca"),
            ("small", "2f8b954aeead2aa6e73e1d30f1713669"),
            ("tags", "74f54d9ed3600ad1ee6dbfb709739726"),
        ],
    );
}

#[test]
fn fourth_example_of_the_specification() {
    let dim = |dim: &str, mut field: Field| {
        field.params.insert("dim".to_owned(), dim.to_owned());
        field
    };
    let bytes = |values: &[i8]| Value::Bytes(values.iter().map(|v| v.cast_unsigned()).collect());
    let vectors = |name: &str| dim("2", array_of_vectors(name, DataType::FloatVector));
    let pages = |name: &str| structs(name, vec![array("page", DataType::Int64)]);
    let parts = vec![
        array("text", DataType::VarChar),
        array("page", DataType::Int64),
        dim("2", array_of_vectors("vector", DataType::Int8Vector)),
    ];
    let chunk =
        |title: &str, page: i64, vector: &[i8]| vec![text(title), Value::Int(page), bytes(vector)];
    let digests = of_row(vec![
        (field("id", DataType::Int64), Value::Int(7)),
        (
            dim("4", field("bytes", DataType::Int8Vector)),
            bytes(&[-128, -1, 0, 127]),
        ),
        (field("note", DataType::Text), text("Milvus")),
        (field("molecule", DataType::Mol), text("CCO")),
        (
            vectors("vectors"),
            Value::Array(vec![
                Value::Floats(vec![1.0, -2.5]),
                Value::Floats(vec![0.0, 3.0]),
            ]),
        ),
        (vectors("none"), Value::Array(Vec::new())),
        (
            structs("chunks", parts),
            Value::Structs(vec![chunk("", 1, &[1, -1]), chunk("ü", -1, &[2, -2])]),
        ),
        (pages("no_chunks"), Value::Structs(Vec::new())),
        (
            Field {
                nullable: true,
                ..pages("null_chunks")
            },
            Value::Null,
        ),
    ]);
    assert_digests(
        &digests,
        "5c0a9781d28a8bb169a6cf4cb19587b3",
        &[
            ("bytes", "7e1d67232b0e8bf360c90a4b157981e8"),
            ("chunks", "de0487cc20541726e39bec9711f7916f"),
            ("id", "f15b0ff6fde3c10ce4b1d610fdc80397"),
            ("molecule", "1e680513035804aee604ba215f029aa8"),
            ("no_chunks", "0ee8c6da04a6396c2558c3d9fbc3d2f3"),
            ("none", "57450514ede0163e1f8a17d80dd54a64"),
            ("note", "a27508ff61cf01ff03244a863bcadc0b"),
            ("null_chunks", "7955e9c834951c537745e8bee0174c90"),
            ("vectors", "82af27f410dd2257003f270c23a57ef1"),
        ],
    );
}

#[test]
fn third_example_of_the_specification() {
    let digests = of_row(vec![
        (field("id", DataType::Int64), Value::Int(7)),
        (
            field("dense", DataType::FloatVector),
            Value::Floats(vec![1.0, -2.5, 0.0, 3.0]),
        ),
        (
            field("half", DataType::Float16Vector),
            Value::Bytes(vec![0x00, 0x3c, 0x00, 0xc0]),
        ),
        (
            field("bits", DataType::BinaryVector),
            Value::Bytes(vec![0xa5, 0x01]),
        ),
        (
            field("sparse", DataType::SparseFloatVector),
            // Out of order in the column; the digest is that of the sorted vector.
            Value::Sparse(vec![(u32::MAX, 2.0), (3, 0.5)]),
        ),
    ]);
    assert_digests(
        &digests,
        "9d045c5baaabfc311fe0974a4f9875b9",
        &[
            ("bits", "655449e3d745cceb3def8c196f02d64d"),
            ("dense", "223cb77e1694b9aa356a680d5d02cca8"),
            ("half", "4c19ef72df3d2acb4c3ad2bae90d72a1"),
            ("id", "f15b0ff6fde3c10ce4b1d610fdc80397"),
            ("sparse", "63d80c56011d1e7ead25afd612a7f9ae"),
        ],
    );
}

#[test]
fn json_is_the_same_value_however_it_is_written() {
    let json = field("j", DataType::Json);
    assert!(same(
        &json,
        " { \"b\" : [ 1 , 2 ] , \"a\" : { \"d\":0, \"c\":0 } } ",
        r#"{"a":{"c":0,"d":0},"b":[1,2]}"#
    ));
    assert!(same(&json, r#""\u0041\/\u00e9""#, r#""A/é""#));
    assert!(same(&json, r#"{"a":1,"a":2}"#, r#"{"a":2}"#));
    assert!(same(&json, "[1E5,1e5]", "[1e+5,1E+5]"));
}

#[test]
fn json_is_hashed_as_it_is_where_it_nests_too_deep() {
    let json = field("j", DataType::Json);
    let nested =
        |depth: usize, gap: &str| format!("{}{gap}{}", "[".repeat(depth), "]".repeat(depth));
    assert!(same(&json, &nested(127, ""), &nested(127, " ")));
    assert!(!same(&json, &nested(128, ""), &nested(128, " ")));
}

#[test]
fn json_numbers_are_not_rounded_and_arrays_keep_their_order() {
    let json = field("j", DataType::Json);
    for (one, other) in [
        ("9007199254740993", "9007199254740992"),
        (
            "123456789012345678901234567890",
            "123456789012345678901234567891",
        ),
        ("1", "1.0"),
        ("0", "-0"),
        ("[1,2]", "[2,1]"),
        ("{}", ""),
        ("null", "\"null\""),
        (r#"{"$serde_json::private::Number":"1"}"#, "1"),
        // No JSON, so that white space counts.
        ("{a: 1}", "{a:1}"),
        ("[\"\\ud800\"]", "[ \"\\ud800\"]"),
    ] {
        assert!(!same(&json, one, other), "{one} and {other}");
    }
}

#[test]
fn rows_without_undeclared_keys_are_the_same_whether_meta_is_empty_or_null() {
    let meta = Field {
        nullable: true,
        ..Field::dynamic()
    };
    let none = of_value(meta.clone(), text("{}"));
    assert_eq!(of_value(meta.clone(), text("")), none);
    assert_eq!(of_value(meta.clone(), Value::Null), none);
    assert_ne!(of_value(meta, text("{\"a\":null}")), none);
}

#[test]
fn null_is_no_empty_value() {
    for kind in [
        DataType::VarChar,
        DataType::Json,
        DataType::Timestamptz,
        DataType::Geometry,
    ] {
        assert_ne!(
            of_value(nullable("x", kind), text("")),
            of_value(nullable("x", kind), Value::Null)
        );
    }
    let list = Field {
        nullable: true,
        ..array("x", DataType::VarChar)
    };
    assert_ne!(
        of_value(list.clone(), Value::Array(vec![])),
        of_value(list, Value::Null)
    );
}

#[test]
fn arrays_of_texts_do_not_run_together() {
    let list = || array("x", DataType::VarChar);
    let of = |items: &[&str]| {
        of_value(
            list(),
            Value::Array(items.iter().copied().map(text).collect()),
        )
    };
    assert_ne!(of(&["ab", "c"]), of(&["a", "bc"]));
    assert_ne!(of(&[]), of(&[""]));
}

#[test]
fn instants_are_the_same_in_every_zone() {
    let made = field("t", DataType::Timestamptz);
    let moment = "2024-02-29T23:30:00Z";
    for other in [
        "2024-03-01T00:30:00+01:00",
        "2024-02-29T23:30:00.000000-00:00",
        "2024-02-29T23:30:00.0Z",
    ] {
        assert!(same(&made, moment, other), "{other}");
    }
    assert!(same(
        &made,
        "9999-12-31T23:59:59.999999Z",
        "9999-12-31T18:59:59.999999-05:00"
    ));
    assert!(same(
        &made,
        "1969-12-31T23:59:59.5Z",
        "1970-01-01T00:59:59.500+01:00"
    ));
    assert!(same(
        &made,
        "0000-01-01T00:00:00Z",
        "0000-01-01T00:00:00+00:00"
    ));
    for other in [
        "2024-02-29T23:30:00.000001Z",
        "2024-02-29T23:30:00+00:01",
        "2023-02-28T23:30:00Z",
    ] {
        assert!(!same(&made, moment, other), "{other}");
    }
}

#[test]
fn what_is_no_instant_is_hashed_as_text() {
    let made = field("t", DataType::Timestamptz);
    for odd in [
        "2024-02-29T23:30:00",
        "2024-02-29 23:30:00Z",
        "2023-02-29T23:30:00Z",
        "2024-02-29T24:00:00Z",
        "2024-02-29T23:59:60Z",
        "2024-02-29T23:30:00.Z",
        "2024-02-29T23:30:00.0000000Z",
        "2024-02-29T23:30:00+24:00",
        "2024-02-29T23:30:00+0é",
        "2024-02-29T23:30:00Zé",
        "é",
        "",
    ] {
        // The digest of a VarChar is that of the text.
        let as_text = of_value(field("t", DataType::VarChar), text(odd));
        assert_eq!(of_value(made.clone(), text(odd)), as_text, "{odd}");
    }
}

#[test]
fn the_sign_of_zero_and_the_bits_of_nan_count() {
    let single = |value| of_value(field("x", DataType::Float), Value::Single(value));
    assert_ne!(single(0.0), single(-0.0));
    assert_ne!(
        single(f32::NAN),
        single(f32::from_bits(f32::NAN.to_bits() + 1))
    );
    let vector = |value| {
        of_value(
            field("x", DataType::FloatVector),
            Value::Floats(vec![value]),
        )
    };
    assert_ne!(vector(0.0), vector(-0.0));
}

#[test]
fn swapped_values_of_two_rows_do_not_cancel_out() {
    let fields = [field(KEY, DataType::Int64), field("t", DataType::VarChar)];
    let of = |texts: [&str; 2]| {
        let columns = [[1, 2].map(Value::Int).to_vec(), texts.map(text).to_vec()];
        digest(&fields, &batch(&fields, &columns), KEY).unwrap()
    };
    let (one, other) = (of(["a", "b"]), of(["b", "a"]));
    assert_ne!(one.fields["t"], other.fields["t"]);
    assert_eq!(one.fields["id"], other.fields["id"]);
}

#[test]
fn no_rows_have_the_digest_zero_and_change_no_sum() {
    let fields = [field(KEY, DataType::Int64)];
    let none = RecordBatch::new_empty(crate::columns::arrow_schema(&fields).unwrap());
    let none = digest(&fields, &none, KEY).unwrap();
    assert_eq!(none.all, Digest::default());
    let one = of_row(vec![(field(KEY, DataType::Int64), Value::Int(1))]);
    let mut sum = none;
    sum.merge(&one);
    assert_eq!(sum, one);
}

#[test]
fn a_null_key_is_refused() {
    let fields = [nullable(KEY, DataType::Int64)];
    let rows = batch(&fields, &[vec![Value::Null]]);
    assert!(row_hashes(&fields, &rows, KEY).is_err());
}

#[test]
fn digests_are_written_as_hexadecimal_digits() {
    let mut sum = Digest(u128::MAX);
    sum += Digest(0xab + 1);
    assert_eq!(sum, Digest(0xab));
    let digests = Digests {
        rows: 1,
        all: sum,
        fields: [("id".to_owned(), sum)].into(),
    };
    let json = serde_json::to_string(&digests).unwrap();
    let digits = "000000000000000000000000000000ab";
    assert_eq!(
        json,
        format!(r#"{{"rows":1,"all":"{digits}","fields":{{"id":"{digits}"}}}}"#)
    );
    assert_eq!(serde_json::from_str::<Digests>(&json).unwrap(), digests);
    for odd in [
        "ab",
        "000000000000000000000000000000AB",
        "+00000000000000000000000000000ab",
    ] {
        assert!(odd.parse::<Digest>().is_err(), "{odd}");
    }
}

#[test]
fn keys_alone_have_the_digest_of_the_key_field_of_their_rows() {
    let of = |data_type, column: ArrayRef| {
        let key = Field {
            name: "pk".into(),
            data_type,
            primary_key: true,
            ..Field::dynamic()
        };
        let fields = [key];
        let schema = arrow_schema(&fields).unwrap();
        let batch = RecordBatch::try_new(schema, vec![column]).unwrap();
        let of_rows = digest(&fields, &batch, "pk").unwrap();
        let keys = KeyColumn::of_batch(&batch, "pk").unwrap();
        let of_keys = key_digest(&fields[0], &keys).unwrap();
        assert_eq!(Some(&of_keys), of_rows.fields.get("pk"));
        assert_ne!(of_keys, key_digest(&fields[0], &keys.slice(1..3)).unwrap());
    };
    of(DataType::Int64, Arc::new(Int64Array::from(vec![3, -1, 7])));
    of(
        DataType::VarChar,
        Arc::new(StringArray::from(vec!["", "a\nb", "ü"])),
    );
}
