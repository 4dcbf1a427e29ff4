//! Whether a collection that was made is the one that was meant: old servers drop what they do not know without a
//! word.

use std::collections::BTreeMap;
use std::fmt::Display;

use crate::model::{Collection, Field, Function};

/// Everything in which the collection that was made is another than the one that was meant, one sentence each.
/// `created_with` are the properties that it was made with.
///
/// Partitions of the user's, indexes, aliases and the other properties come later. What a server tells beyond what
/// was meant is its own, and so is the number of shards, on which nothing but speed depends.
pub(super) fn differences(
    meant: &Collection,
    created_with: &BTreeMap<String, String>,
    made: &Collection,
) -> Vec<String> {
    let mut found = Found(Vec::new());
    found.compare("the description", &meant.description, &made.description);
    found.compare("the dynamic field", meant.dynamic, made.dynamic);
    found.compare(
        "the consistency level",
        meant.consistency_level,
        made.consistency_level,
    );
    if meant.has_partition_key() {
        found.compare(
            "the number of partitions of the partition key",
            meant.key_partitions(),
            made.key_partitions(),
        );
    }
    for field in &meant.fields {
        match made.field(&field.name) {
            Some(other) => found.field(&field.name, field, other),
            None => found.0.push(format!("there is no field {}", field.name)),
        }
    }
    for field in &made.fields {
        if meant.field(&field.name).is_none() {
            found.0.push(format!("there is a field {}", field.name));
        }
    }
    found.functions(&meant.functions, &made.functions);
    found.params("property", "the collection", created_with, &made.properties);
    found.0
}

struct Found(Vec<String>);

impl Found {
    fn compare<T: PartialEq + Display>(&mut self, what: &str, meant: T, made: T) {
        if meant != made {
            self.0
                .push(format!("{what} is {made:#}, where {meant:#} was meant"));
        }
    }

    fn field(&mut self, name: &str, meant: &Field, made: &Field) {
        let mut compare = |what: &str, meant: String, made: String| {
            self.compare(&format!("{what} of field {name}"), meant, made);
        };
        let text = |value: &dyn Display| value.to_string();
        compare(
            "the description",
            meant.description.clone(),
            made.description.clone(),
        );
        compare("the type", text(&meant.data_type), text(&made.data_type));
        compare(
            "the element type",
            format!("{:?}", meant.element_type),
            format!("{:?}", made.element_type),
        );
        compare(
            "the default",
            format!("{:?}", meant.default),
            format!("{:?}", made.default),
        );
        for part in &meant.fields {
            let other = made.fields.iter().find(|other| other.name == part.name);
            match other {
                Some(other) => self.field(&meant.part_name(part), part, other),
                None => self
                    .0
                    .push(format!("there is no field {}", meant.part_name(part))),
            }
        }
        if made.fields.len() > meant.fields.len() {
            self.0.push(format!("field {name} has a field more"));
        }
        let mut compare = |what: &str, meant: String, made: String| {
            self.compare(&format!("{what} of field {name}"), meant, made);
        };
        for (what, meant, made) in [
            (
                "null elements",
                meant.element_nullable,
                made.element_nullable,
            ),
            ("primary key", meant.primary_key, made.primary_key),
            ("autoID", meant.auto_id, made.auto_id),
            ("partition key", meant.partition_key, made.partition_key),
            ("clustering key", meant.clustering_key, made.clustering_key),
            ("nullable", meant.nullable, made.nullable),
            (
                "function output",
                meant.function_output,
                made.function_output,
            ),
        ] {
            compare(what, text(&meant), text(&made));
        }
        self.params(
            "parameter",
            &format!("field {name}"),
            &meant.params,
            &made.params,
        );
    }

    fn functions(&mut self, meant: &[Function], made: &[Function]) {
        for function in meant {
            let name = &function.name;
            let Some(other) = made.iter().find(|other| other.name == *name) else {
                self.0.push(format!("there is no function {name}"));
                continue;
            };
            let mut compare = |what: &str, meant: String, made: String| {
                self.compare(&format!("{what} of function {name}"), meant, made);
            };
            compare(
                "the description",
                function.description.clone(),
                other.description.clone(),
            );
            compare("the kind", function.kind_name(), other.kind_name());
            compare(
                "the input",
                function.inputs.join(", "),
                other.inputs.join(", "),
            );
            compare(
                "the output",
                function.outputs.join(", "),
                other.outputs.join(", "),
            );
            let whose = format!("function {name}");
            self.params("parameter", &whose, &function.params, &other.params);
        }
        if made.len() > meant.len() {
            self.0.push("there is a function more".to_owned());
        }
    }

    /// What was meant must be there; servers may add defaults of their own.
    fn params(
        &mut self,
        what: &str,
        whose: &str,
        meant: &BTreeMap<String, String>,
        made: &BTreeMap<String, String>,
    ) {
        for (name, value) in meant {
            match made.get(name) {
                Some(other) if same(value, other) => {}
                Some(other) => self.0.push(format!(
                    "the {what} {name} of {whose} is {other}, where {value} was meant"
                )),
                None => self
                    .0
                    .push(format!("the {what} {name}={value} of {whose} is missing")),
            }
        }
    }
}

/// Whether two texts say the same: servers write JSON anew, and booleans in capitals or not.
fn same(meant: &str, made: &str) -> bool {
    if meant.eq_ignore_ascii_case(made) {
        return true;
    }
    let parse = |text: &str| serde_json::from_str::<serde_json::Value>(text).ok();
    parse(meant).is_some_and(|meant| Some(meant) == parse(made))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{CollectionName, ConsistencyLevel, DataType, DefaultValue, Load};

    fn pairs(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        let owned = pairs
            .iter()
            .map(|(name, value)| (name.to_string(), value.to_string()));
        owned.collect()
    }

    /// A collection with something of everything that is compared.
    fn rich() -> Collection {
        let part = Field {
            name: "part".into(),
            element_type: Some(DataType::Int8),
            data_type: DataType::Array,
            ..Field::dynamic()
        };
        Collection {
            name: CollectionName::new("default", "docs"),
            description: "about".into(),
            fields: vec![
                Field {
                    name: "id".into(),
                    data_type: DataType::Int64,
                    primary_key: true,
                    auto_id: true,
                    ..Field::dynamic()
                },
                Field {
                    name: "text".into(),
                    description: "what it says".into(),
                    data_type: DataType::VarChar,
                    params: pairs(&[("max_length", "9"), ("analyzer_params", "{\"a\": 1}")]),
                    partition_key: true,
                    nullable: true,
                    default: Some(DefaultValue::String(String::new())),
                    ..Field::dynamic()
                },
                Field {
                    name: "parts".into(),
                    data_type: DataType::ArrayOfStruct,
                    fields: vec![part],
                    ..Field::dynamic()
                },
            ],
            dynamic: true,
            functions: vec![Function {
                name: "bm25".into(),
                description: String::new(),
                kind: Function::BM25,
                inputs: vec!["text".into()],
                outputs: vec!["sparse".into()],
                params: pairs(&[("k", "1")]),
            }],
            properties: BTreeMap::new(),
            partitions: vec!["_default_0".into(), "_default_1".into()],
            shards: 1,
            consistency_level: ConsistencyLevel::Bounded,
            aliases: Vec::new(),
            indexes: Vec::new(),
            load: Load::default(),
        }
    }

    #[test]
    fn whatever_a_server_drops_or_changes_is_found() {
        type Change = fn(&mut Collection);
        let changes: [(&str, Change); 19] = [
            ("description", |made| made.description.clear()),
            ("dynamic", |made| made.dynamic = false),
            ("consistency", |made| {
                made.consistency_level = ConsistencyLevel::Strong
            }),
            ("partitions", |made| made.partitions.truncate(1)),
            ("no function", |made| made.functions.clear()),
            ("input", |made| made.functions[0].inputs.clear()),
            ("kind", |made| made.functions[0].kind = 2),
            ("parameter k", |made| made.functions[0].params.clear()),
            ("no field parts", |made| made.fields.truncate(2)),
            ("a field id2", |made| {
                let mut more = made.fields[0].clone();
                more.name = "id2".into();
                made.fields.push(more);
            }),
            ("autoID", |made| made.fields[0].auto_id = false),
            ("type", |made| made.fields[0].data_type = DataType::VarChar),
            ("description of field text", |made| {
                made.fields[1].description.clear()
            }),
            ("nullable", |made| made.fields[1].nullable = false),
            ("default", |made| made.fields[1].default = None),
            ("max_length", |made| {
                made.fields[1]
                    .params
                    .insert("max_length".into(), "10".into());
            }),
            ("analyzer_params", |made| {
                made.fields[1].params.remove("analyzer_params");
            }),
            ("parts[part]", |made| made.fields[2].fields.clear()),
            ("element type of field parts[part]", |made| {
                made.fields[2].fields[0].element_type = Some(DataType::Int16);
            }),
        ];
        for (what, change) in changes {
            let mut made = rich();
            change(&mut made);
            let found = differences(&rich(), &BTreeMap::new(), &made);
            assert!(
                found.iter().any(|one| one.contains(what)),
                "{what}: {found:?}"
            );
        }
        let found = differences(&rich(), &pairs(&[("timezone", "UTC")]), &rich());
        assert!(found[0].contains("timezone"), "{found:?}");
    }

    #[test]
    fn what_a_server_adds_or_writes_in_another_way_is_no_difference() {
        let mut made = rich();
        made.properties = pairs(&[("timezone", "UTC"), ("mmap.enabled", "True")]);
        made.shards = 2;
        let params = &mut made.fields[1].params;
        params.insert("analyzer_params".into(), "{\"a\":1}".into());
        params.insert("more".into(), "1".into());
        let with = pairs(&[("mmap.enabled", "true")]);
        assert_eq!(differences(&rich(), &with, &made), Vec::<String>::new());
    }
}
