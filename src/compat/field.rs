//! Fields: their types, their flags, their type parameters.

use super::fit::{Droppable, Fitting};
use super::table::{Feature, Thing};
use crate::milvus::Product;
use crate::model::{Collection, DataType, DefaultValue, Field};

/// The type parameter of texts, and the most that Milvus takes.
const MAX_LENGTH: &str = "max_length";
const LONGEST_TEXT: &str = "65535";

/// Type parameters that have been there ever since their types.
const OLD_PARAMS: [&str; 3] = ["dim", MAX_LENGTH, "max_capacity"];
const ANALYZER_PARAMS: [&str; 4] = [
    "enable_analyzer",
    "enable_match",
    "analyzer_params",
    "multi_analyzer_params",
];
/// Type parameters that change how fast something is, and nothing else.
const TUNING_PARAMS: [&str; 3] = ["mmap.enabled", "warmup", "field.skipLoad"];

impl Fitting<'_> {
    /// Fields, and the columns that bring their values.
    pub(super) fn fields(&mut self, meant: &mut Collection, columns: &mut [Field]) {
        let vectors = meant
            .fields
            .iter()
            .filter(|field| field.data_type.is_vector());
        let vectors: Vec<String> = vectors.map(|field| field.name.clone()).collect();
        if vectors.is_empty() && !self.has(Feature::NoVector) && !self.as_new {
            self.refuse(
                "collections without a vector field",
                "leave it out with --exclude",
            );
        }
        if vectors.len() > 1 && !self.has(Feature::SeveralVectors) {
            self.refuse(
                format!("more than one vector field: {}", vectors.join(", ")),
                "leave all but one out with --exclude-fields",
            );
        }
        for field in &mut meant.fields {
            self.field(field);
        }
        for column in columns {
            if let Some(field) = meant.fields.iter().find(|field| field.name == column.name) {
                column.nullable = field.nullable;
                column.default.clone_from(&field.default);
            }
        }
    }

    fn field(&mut self, field: &mut Field) {
        let name = field.name.clone();
        let of = |what: &str| format!("{what} of field {name}");
        let types = field
            .and_parts()
            .flat_map(|part| [Some(part.data_type), part.element_type]);
        let unknown = types.flatten().find(|kind| !self.knows(Thing::Type(*kind)));
        if let Some(data_type) = unknown {
            self.refuse(
                of(&format!("the type {data_type}")),
                &format!("leave it out with --exclude-fields {name}"),
            );
        }
        if field.and_parts().any(|part| part.element_nullable) {
            self.refuse(
                of("null elements"),
                "nor does this milvault: use a newer one",
            );
        }
        let structs = field.data_type == DataType::ArrayOfStruct;
        let vectors = field.and_parts().any(|part| part.data_type.is_vector());
        let nullable = match structs || vectors {
            true => Feature::NullableVector,
            false => Feature::Nullable,
        };
        let no_nulls = "a row that is NULL there stops the restore";
        if field.nullable
            && !self.has(nullable)
            && self.gives_up(Droppable::Nullable, &of("null values"), no_nulls)
        {
            field.nullable = false;
        }
        if let Some(DefaultValue::Unknown(_)) = field.default {
            self.refuse(
                of("the kind of the default value"),
                "nor does this milvault: use a newer one",
            );
        } else if field.default.is_some()
            && !self.has(Feature::DefaultValue)
            && self.gives_up(
                Droppable::Defaults,
                &of("the default value"),
                "new rows have to bring a value",
            )
        {
            field.default = None;
        }
        if field.partition_key
            && !self.has(Feature::PartitionKey)
            && self.gives_up(
                Droppable::PartitionKey,
                &of("the partition key"),
                "all rows go into one partition",
            )
        {
            field.partition_key = false;
        }
        if field.clustering_key
            && !self.has(Feature::ClusteringKey)
            && self.gives_up(
                Droppable::ClusteringKey,
                &of("the clustering key"),
                "segments are not clustered",
            )
        {
            field.clustering_key = false;
        }
        self.params(field, &name);
        for part in &mut field.fields {
            self.params(part, &format!("{name}[{}]", part.name));
        }
    }

    fn params(&mut self, field: &mut Field, name: &str) {
        self.param_rules(field, name);
        if !self.has(Feature::UnlimitedText) {
            self.limit_text(field, name);
        } else if field.element_type.is_some()
            && let Some(length) = field.params.remove(MAX_LENGTH)
        {
            self.forget(format!("{MAX_LENGTH}={length} of field {name}"));
        }
    }

    fn param_rules(&mut self, field: &mut Field, name: &str) {
        let mut analyzed = false;
        field.params.retain(|param, value| {
            if OLD_PARAMS.contains(&param.as_str()) {
                return true;
            }
            let what = format!("{param}={value} of field {name}");
            if ANALYZER_PARAMS.contains(&param.as_str()) {
                analyzed |= !self.has(Feature::Analyzer);
                return !analyzed || !self.adaptation.drop.contains(&Droppable::Analyzers);
            }
            let mapped = param == "mmap.enabled" && self.has(Feature::Mmap);
            if mapped || self.as_new {
                return true;
            }
            if self.target.product == Product::Lite || TUNING_PARAMS.contains(&param.as_str()) {
                self.forget(what);
                return false;
            }
            !self.gives_up(
                Droppable::Properties,
                &what,
                "nobody else knows what it does",
            )
        });
        if analyzed {
            let what = format!("the analyzer of field {name}");
            self.gives_up(
                Droppable::Analyzers,
                &what,
                "text_match does not work there",
            );
        }
    }

    /// Gives texts the greatest limit where nothing tells one, which all servers but milvus-lite 3 want to know;
    /// milvus-lite 3.2.2 does not tell that of texts in arrays.
    fn limit_text(&mut self, field: &mut Field, name: &str) {
        let text = Some(DataType::VarChar);
        let is_text = Some(field.data_type) == text || field.element_type == text;
        if !is_text || field.params.contains_key(MAX_LENGTH) {
            return;
        }
        field
            .params
            .insert(MAX_LENGTH.to_owned(), LONGEST_TEXT.to_owned());
        self.fit.translated.push(format!(
            "texts of {name} may have {LONGEST_TEXT} bytes, as nothing tells a limit"
        ));
    }
}
