//! The schemas of `formats/` and the types that are stored say the same.

use std::collections::BTreeSet;

use serde_json::Value;

use super::*;
use crate::archive::Summary;
use crate::model::{Database, DefaultValue, Function, Index, Key, Rbac};

/// Manifests in which every property that can be written is written.
fn full() -> Vec<Value> {
    let names = |names: &[&str]| {
        names
            .iter()
            .map(|name| (*name).to_owned())
            .collect::<Vec<_>>()
    };
    let mut digests = Digests {
        rows: 2,
        ..Digests::default()
    };
    digests.fields.insert("id".to_owned(), Default::default());
    let file = File {
        path: "collections/default/docs/@_default/0000000000000000.parquet".to_owned(),
        bytes: u64::MAX,
        rows: 2,
        sha256: "0".repeat(64),
        first_key: Key::Int(i64::MIN),
        last_key: Key::Int(i64::MAX),
        digest: Default::default(),
    };
    let mut entry = entry("docs", vec![(file, digests)]);
    entry.server_rows = Some(2);
    let schema = &mut entry.schema;
    schema
        .properties
        .insert("collection.ttl.seconds".to_owned(), "60".to_owned());
    schema.aliases.push("d".to_owned());
    schema.load = Load {
        loaded: true,
        replicas: 1,
        resource_groups: vec!["gpu".to_owned()],
    };
    schema.functions.push(Function {
        name: "bm25".to_owned(),
        description: String::new(),
        kind: 1,
        inputs: names(&["title"]),
        outputs: names(&["sparse"]),
        params: BTreeMap::new(),
    });
    schema.indexes.push(Index {
        name: "v".to_owned(),
        field: "v".to_owned(),
        params: [("index_type".to_owned(), "HNSW".to_owned())].into(),
    });
    for (number, default) in [
        DefaultValue::Bool(true),
        DefaultValue::Int(i32::MIN),
        DefaultValue::Long(i64::MIN),
        DefaultValue::FloatBits(f32::NAN.to_bits()),
        DefaultValue::DoubleBits(u64::MAX),
        DefaultValue::String("text".to_owned()),
        DefaultValue::Bytes(vec![0, 255]),
        DefaultValue::Timestamptz(i64::MAX),
        DefaultValue::Unknown(vec![0x98, 0x06, 1]),
    ]
    .into_iter()
    .enumerate()
    {
        let mut field = field(&format!("f{number}"), DataType::Array);
        field.element_type = Some(match number {
            0 => DataType::Unknown(i32::MAX),
            _ => DataType::Int8,
        });
        field.default = Some(default);
        schema.fields.push(field);
    }
    let mut part = field("text", DataType::Array);
    part.element_type = Some(DataType::VarChar);
    part.element_nullable = true;
    let mut chunks = field("chunks", DataType::ArrayOfStruct);
    chunks.fields.push(part);
    schema.fields.push(chunks);
    let mut first = manifest("prod", vec![entry]);
    first.selection = Selection {
        collections: names(&["docs"]),
        exclude: names(&["tmp_*"]),
        databases: names(&["default"]),
        partitions: names(&["_default"]),
        filter: Some("id > 0".to_owned()),
        fields: names(&["id"]),
        exclude_fields: names(&["v"]),
        sample: Some("1%".parse().unwrap()),
        limit: Some(10),
        masks: vec!["docs.title=hash".parse().unwrap()],
    };
    first.consistency = Consistency {
        mode: Mode::Snapshot,
        timestamp: Some(u64::MAX),
        drift: Drift {
            ranges_rewalked: 1,
            keys_added: 2,
            keys_removed: 3,
        },
    };
    first.databases = vec![Database {
        name: "default".to_owned(),
        properties: [("database.replica.number".to_owned(), "2".to_owned())].into(),
    }];
    first.rbac = Some(RbacFile {
        path: "rbac.json".to_owned(),
        bytes: u64::MAX,
        sha256: "0".repeat(64),
        users: 3,
        roles: 2,
        privilege_groups: 1,
        grants: 4,
        password_hashes: 2,
    });
    let mut second = first.clone();
    second.consistency.mode = Mode::Walk;
    second.collections[0].schema.consistency_level = ConsistencyLevel::Unknown(9);
    let partition = &mut second.collections[0].partitions[0];
    partition.name = None;
    partition.files[0].first_key = Key::Text(String::new());
    [first, second]
        .iter()
        .map(|manifest| serde_json::to_value(manifest).unwrap())
        .collect()
}

fn schema_json() -> Value {
    serde_json::from_str(include_str!("../../../formats/manifest-v1.schema.json")).unwrap()
}

/// Checks a value against the part of JSON Schema that the schema uses; notes which properties were met, as
/// `definition/property`.
struct Checker {
    root: Value,
    met: BTreeSet<String>,
    problems: Vec<String>,
}

impl Checker {
    fn new() -> Checker {
        Checker::of(schema_json())
    }

    fn of(root: Value) -> Checker {
        Checker {
            root,
            met: BTreeSet::new(),
            problems: Vec::new(),
        }
    }

    fn check(&mut self, at: &str, schema: &Value, value: &Value) {
        if let Some(reference) = schema["$ref"].as_str() {
            let pointer = reference.strip_prefix('#').unwrap();
            let target = self.root.pointer(pointer).expect(reference).clone();
            return self.check(pointer, &target, value);
        }
        if let Some(alternatives) = schema["anyOf"].as_array() {
            let fits = alternatives.iter().any(|alternative| {
                let mut trial = Checker::of(self.root.clone());
                trial.check(at, alternative, value);
                trial.problems.is_empty()
            });
            if !fits {
                self.problems
                    .push(format!("{at}: {value} fits no alternative"));
            }
        }
        let kind = match value {
            Value::Null => "null",
            Value::Bool(_) => "boolean",
            Value::Number(_) => "integer",
            Value::String(_) => "string",
            Value::Array(_) => "array",
            Value::Object(_) => "object",
        };
        let fits = match &schema["type"] {
            Value::Null => true,
            Value::Array(kinds) => kinds.iter().any(|other| other == kind),
            other => other == kind,
        };
        let listed = schema["enum"]
            .as_array()
            .is_none_or(|values| values.contains(value));
        let equal = schema.get("const").is_none_or(|other| other == value);
        if !fits || !listed || !equal {
            self.problems
                .push(format!("{at}: {value} does not fit {schema}"));
        }
        for item in value.as_array().into_iter().flatten() {
            self.check(&format!("{at}/items"), &schema["items"], item);
        }
        let Some(object) = value.as_object() else {
            return;
        };
        for (name, value) in object {
            let place = format!("{at}/{name}");
            match (&schema["properties"][name], &schema["additionalProperties"]) {
                (Value::Null, Value::Null) => {
                    self.problems.push(format!("{place} is not in the schema"))
                }
                (Value::Null, any) => self.check(&place, &any.clone(), value),
                (property, _) => {
                    self.met.insert(place.clone());
                    self.check(&place, &property.clone(), value);
                }
            }
        }
        for name in schema["required"].as_array().into_iter().flatten() {
            if !object.contains_key(name.as_str().unwrap()) {
                self.problems.push(format!("{at} lacks {name}"));
            }
        }
    }
}

/// All properties of a schema, as the checker notes them.
fn properties(at: &str, schema: &Value, found: &mut BTreeSet<String>) {
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        let place = format!("{at}/{name}");
        found.insert(place.clone());
        properties(&place, property, found);
    }
    for (name, definition) in schema["$defs"].as_object().into_iter().flatten() {
        properties(&format!("/$defs/{name}"), definition, found);
    }
}

/// What is written fits its schema, which has nothing else.
fn fits(schema: &Value, written: &Value) {
    let mut checker = Checker::of(schema.clone());
    checker.check("", schema, written);
    assert_eq!(checker.problems, Vec::<String>::new());
    let mut all = BTreeSet::new();
    properties("", schema, &mut all);
    assert_eq!(checker.met, all);
}

#[test]
fn what_is_written_fits_the_schema_and_the_schema_has_nothing_else() {
    let mut checker = Checker::new();
    let root = checker.root.clone();
    for manifest in full() {
        checker.check("", &root, &manifest);
    }
    assert_eq!(checker.problems, Vec::<String>::new());
    let mut all = BTreeSet::new();
    properties("", &root, &mut all);
    assert_eq!(checker.met, all);
}

#[test]
fn users_and_roles_fit_their_schema_and_it_has_nothing_else() {
    let schema = include_str!("../../../formats/rbac-v1.schema.json");
    let schema: Value = serde_json::from_str(schema).unwrap();
    let full = serde_json::to_value(rbac::some()).unwrap();
    fits(&schema, &full);
    let lists = [
        "",
        "/users/0",
        "/roles/0",
        "/privilege_groups/0",
        "/grants/0",
    ];
    for path in lists {
        for name in full.pointer(path).unwrap().as_object().unwrap().keys() {
            let mut cut = full.clone();
            let object = cut.pointer_mut(path).unwrap().as_object_mut().unwrap();
            object.remove(name);
            let read: Result<Rbac, _> = serde_json::from_value(cut.clone());
            let mut checker = Checker::of(schema.clone());
            checker.check("", &schema, &cut);
            let fits = checker.problems.is_empty();
            assert_eq!(read.is_ok(), fits, "{path}/{name}: {read:?}");
        }
    }
}

#[test]
fn summaries_fit_their_schema_and_it_has_nothing_else() {
    let schema = include_str!("../../../formats/summary-v1.schema.json");
    let schema: Value = serde_json::from_str(schema).unwrap();
    let mut summary = Summary::of(&manifest("prod", Vec::new()), &"0".repeat(64));
    // An archive has one of them: where its rows come from, or that it is encrypted.
    summary.encrypted = true;
    let full = serde_json::to_value(&summary).unwrap();
    fits(&schema, &full);
    for name in full.as_object().unwrap().keys() {
        let mut cut = full.clone();
        cut.as_object_mut().unwrap().remove(name);
        let read: Result<Summary, _> = serde_json::from_value(cut.clone());
        let mut checker = Checker::of(schema.clone());
        checker.check("", &schema, &cut);
        assert_eq!(read.is_ok(), checker.problems.is_empty(), "{name}");
    }
}

#[test]
fn envelopes_fit_their_schema_and_it_has_nothing_else() {
    use crate::archive::encryption::{Envelope, SealedObject};
    let schema = include_str!("../../../formats/envelope-v2.schema.json");
    let schema: Value = serde_json::from_str(schema).unwrap();
    let object = SealedObject {
        path: "key.age".to_owned(),
        bytes: u64::MAX,
        sha256: "0".repeat(64),
    };
    let envelope = Envelope::of(&manifest("prod", Vec::new()), vec![object]);
    let full = serde_json::to_value(&envelope).unwrap();
    fits(&schema, &full);
}

/// What the schema requires is what reading requires.
#[test]
fn a_required_property_is_one_that_cannot_be_left_out() {
    for manifest in full() {
        let paths = [
            "",
            "/source",
            "/tool",
            "/selection",
            "/consistency",
            "/consistency/drift",
            "/rbac",
        ];
        let entry = [
            "",
            "/schema",
            "/digests",
            "/partitions/0",
            "/partitions/0/files/0",
        ];
        let inner = ["/fields/3", "/functions/0", "/indexes/0", "/load"];
        let paths = paths
            .iter()
            .map(|path| (*path).to_owned())
            .chain(entry.iter().map(|path| format!("/collections/0{path}")))
            .chain(
                inner
                    .iter()
                    .map(|path| format!("/collections/0/schema{path}")),
            );
        for path in paths {
            let object = manifest.pointer(&path).unwrap().as_object().unwrap();
            for name in object.keys() {
                let mut cut = manifest.clone();
                cut.pointer_mut(&path)
                    .unwrap()
                    .as_object_mut()
                    .unwrap()
                    .remove(name);
                let read: Result<Manifest, _> = serde_json::from_value(cut.clone());
                let mut checker = Checker::new();
                checker.check("", &schema_json(), &cut);
                assert_eq!(
                    read.is_ok(),
                    checker.problems.is_empty(),
                    "{path}/{name}: {read:?}"
                );
            }
        }
    }
}

#[test]
fn manifests_survive_json() {
    for json in full() {
        let manifest: Manifest = serde_json::from_value(json.clone()).unwrap();
        let text = manifest.to_json().unwrap();
        let read: Manifest = serde_json::from_slice(&text).unwrap();
        assert_eq!(read, manifest);
        assert_eq!(serde_json::to_value(&read).unwrap(), json);
    }
}

/// A collection may have what this version cannot export, as long as it does not export it.
#[test]
fn a_field_of_an_unknown_type_is_kept_in_the_schema_and_out_of_the_columns() {
    let mut later = manifest("prod", vec![entry("docs", Vec::new())]);
    let fields = &mut later.collections[0].schema.fields;
    fields.push(field("later", DataType::Unknown(205)));
    let json = later.to_json().unwrap();
    let read = Manifest::parse("manifest.json", &json).unwrap();
    assert_eq!(read, later);

    later.collections[0]
        .exported_fields
        .push("later".to_owned());
    let refused = Manifest::parse("manifest.json", &later.to_json().unwrap());
    assert!(
        matches!(&refused, Err(crate::Error::Damaged { reason, .. }) if reason.contains("later is type 205")),
        "{refused:?}"
    );
}

#[test]
fn a_number_that_has_a_name_is_that_name() {
    let read: DataType = serde_json::from_str("101").unwrap();
    assert_eq!(read, DataType::FloatVector);
    let read: ConsistencyLevel = serde_json::from_str("1").unwrap();
    assert_eq!(read, ConsistencyLevel::Session);
    for nonsense in ["1.5", "4294967296", "\"type 205\"", "null", "{}"] {
        assert!(
            serde_json::from_str::<DataType>(nonsense).is_err(),
            "{nonsense}"
        );
        assert!(
            serde_json::from_str::<ConsistencyLevel>(nonsense).is_err(),
            "{nonsense}"
        );
    }
}
