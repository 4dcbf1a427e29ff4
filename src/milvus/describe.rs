//! What a collection is, as the server describes it.

use std::collections::BTreeMap;

use prost::Message;

use super::Cluster;
use super::cluster::Repeat;
use super::databases::from_pairs;
use super::wire::milvus::{
    DescribeCollectionRequest, DescribeCollectionResponse, DescribeIndexRequest, IndexDescription,
    ListAliasesRequest, ShowPartitionsRequest,
};
use super::wire::schema::{FieldSchema, StructArrayFieldSchema, ValueField, value_field};
use crate::error::{Error, Result};
use crate::model::{
    Collection, CollectionName, ConsistencyLevel, DEFAULT_PARTITION, DYNAMIC_FIELD, DataType,
    DefaultValue, Field, Function, Index, Load,
};

/// "No index" in Milvus 2.3 on, and the legacy codes of 2.2 and milvus-lite.
const NO_INDEX_CODES: [i32; 3] = [700, 25, 11];

/// What tells a collection from any other.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    id: i64,
    created: u64,
    created_utc: u64,
    /// Where those do not tell, the server and the name.
    server: Option<(String, u16, CollectionName)>,
}

impl Cluster {
    /// Everything about a collection but its rows.
    pub async fn describe(&self, name: &CollectionName) -> Result<Collection> {
        let described = self.describe_collection(name).await?;
        let consistency_level = ConsistencyLevel::from_code(described.consistency_level);
        let aliases = self.aliases(name, &described).await?;
        let partitions = self.partitions(name).await?;
        let indexes = self.indexes(name).await?.into_iter().map(index).collect();
        let load = self.is_loaded(name).await?;
        let (replicas, resource_groups) = if load {
            self.replicas(name, described.collection_id).await?
        } else {
            (0, Vec::new())
        };
        let schema = described.schema.ok_or_else(|| Error::Answer {
            server: self.server().to_owned(),
            call: "DescribeCollection",
            subject: name.to_string(),
            reason: "it has no schema".into(),
        })?;
        Ok(Collection {
            name: name.clone(),
            description: schema.description,
            fields: fields(schema.fields, schema.struct_array_fields),
            dynamic: schema.enable_dynamic_field,
            functions: schema
                .functions
                .into_iter()
                .map(|function| Function {
                    name: function.name,
                    description: function.description,
                    kind: function.r#type,
                    inputs: function.input_field_names,
                    outputs: function.output_field_names,
                    params: from_pairs(function.params),
                })
                .collect(),
            // Where a server tells them in one place alone, they are there.
            properties: from_pairs([schema.properties, described.properties].concat()),
            partitions,
            shards: described.shards_num,
            consistency_level,
            aliases,
            indexes,
            load: Load {
                loaded: load,
                replicas,
                resource_groups,
            },
        })
    }

    /// What tells a collection from any other, on this server and on others.
    pub(crate) async fn identity(&self, name: &CollectionName) -> Result<Identity> {
        let described = self.describe_collection(name).await?;
        let address = self.address();
        let host = match address.host.as_str() {
            "localhost" | "::1" => "127.0.0.1",
            host => host,
        };
        // milvus-lite 3 has no IDs.
        let told = described.collection_id != 0 && described.created_timestamp != 0;
        let server = (!told).then(|| (host.to_owned(), address.port, name.clone()));
        Ok(Identity {
            id: described.collection_id,
            created: described.created_timestamp,
            created_utc: described.created_utc_timestamp,
            server,
        })
    }

    pub(super) async fn describe_collection(
        &self,
        name: &CollectionName,
    ) -> Result<DescribeCollectionResponse> {
        let message = DescribeCollectionRequest {
            db_name: name.database.clone(),
            collection_name: name.collection.clone(),
        };
        let subject = name.to_string();
        let database = &name.database;
        self.call_in(
            database,
            "DescribeCollection",
            &subject,
            Repeat::Safe,
            message,
            |mut client, request| async move { client.describe_collection(request).await },
        )
        .await
    }

    /// Aliases: 2.3 on lists them; before, the description carries them; milvus-lite 2.x has none.
    async fn aliases(
        &self,
        name: &CollectionName,
        described: &DescribeCollectionResponse,
    ) -> Result<Vec<String>> {
        let message = ListAliasesRequest {
            db_name: name.database.clone(),
            collection_name: name.collection.clone(),
        };
        let listed = self
            .call_on(
                name,
                "ListAliases",
                Repeat::Safe,
                message,
                |mut client, request| async move { client.list_aliases(request).await },
            )
            .await;
        let mut aliases = match listed {
            Ok(answer) => answer.aliases,
            Err(Error::Unsupported { .. }) => described.aliases.clone(),
            // The description of 2.3.5 has them as well, and few users have the right to list them. Of later versions
            // nobody has seen that, and an archive must not lack aliases silently.
            Err(Error::Denied { .. })
                if self.version().is_known() && !self.version().is_milvus_from(2, 4, 0) =>
            {
                described.aliases.clone()
            }
            Err(error) => return Err(error),
        };
        aliases.sort();
        aliases.dedup();
        Ok(aliases)
    }

    /// Partition names, sorted; `_default` alone where the server has no partitions (milvus-lite 2.x).
    pub async fn partitions(&self, name: &CollectionName) -> Result<Vec<String>> {
        let message = ShowPartitionsRequest {
            db_name: name.database.clone(),
            collection_name: name.collection.clone(),
        };
        let answer = self
            .call_on(
                name,
                "ShowPartitions",
                Repeat::Safe,
                message,
                |mut client, request| async move { client.show_partitions(request).await },
            )
            .await;
        match answer {
            Ok(answer) => {
                let mut names = answer.partition_names;
                names.sort();
                Ok(names)
            }
            Err(Error::Unsupported { .. }) => Ok(vec![DEFAULT_PARTITION.to_owned()]),
            Err(error) => Err(error),
        }
    }

    /// The indexes of all fields, as the server describes them; none is an empty list.
    pub(super) async fn indexes(&self, name: &CollectionName) -> Result<Vec<IndexDescription>> {
        let message = DescribeIndexRequest {
            db_name: name.database.clone(),
            collection_name: name.collection.clone(),
            ..Default::default()
        };
        let answer = self
            .call_on(
                name,
                "DescribeIndex",
                Repeat::Safe,
                message,
                |mut client, request| async move { client.describe_index(request).await },
            )
            .await;
        match answer {
            Ok(answer) => {
                let mut indexes = answer.index_descriptions;
                indexes.sort_by(|a, b| {
                    (&a.field_name, &a.index_name).cmp(&(&b.field_name, &b.index_name))
                });
                Ok(indexes)
            }
            Err(Error::Call { code, .. }) if NO_INDEX_CODES.contains(&code) => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }
}

/// The fields as declared, struct arrays after the others; without the dynamic field, which some servers describe.
fn fields(plain: Vec<FieldSchema>, struct_arrays: Vec<StructArrayFieldSchema>) -> Vec<Field> {
    plain
        .into_iter()
        .filter(|field| !field.is_dynamic && field.name != DYNAMIC_FIELD)
        .map(field)
        .chain(struct_arrays.into_iter().map(struct_array))
        .collect()
}

fn field(field: FieldSchema) -> Field {
    let data_type = DataType::from_code(field.data_type);
    Field {
        name: field.name,
        description: field.description,
        data_type,
        element_type: matches!(data_type, DataType::Array | DataType::ArrayOfVector)
            .then(|| DataType::from_code(field.element_type)),
        fields: Vec::new(),
        params: from_pairs(field.type_params),
        primary_key: field.is_primary_key,
        auto_id: field.auto_id,
        partition_key: field.is_partition_key,
        clustering_key: field.is_clustering_key,
        nullable: field.nullable,
        element_nullable: field.element_nullable,
        default: default_value(&field.default_value),
        function_output: field.is_function_output,
    }
}

/// A struct array (2.6 on). Servers may call its fields by their short names or as `struct[field]`, as they keep them.
fn struct_array(described: StructArrayFieldSchema) -> Field {
    let name = described.name;
    let short = |part: FieldSchema| {
        let inner = part
            .name
            .strip_prefix(&name)
            .and_then(|rest| rest.strip_prefix('['))
            .and_then(|rest| rest.strip_suffix(']'))
            .map(str::to_owned);
        Field {
            name: inner.unwrap_or_else(|| part.name.clone()),
            ..field(part)
        }
    };
    let fields = described.fields.into_iter().map(short).collect();
    Field {
        fields,
        ..field(FieldSchema {
            name,
            description: described.description,
            data_type: DataType::ArrayOfStruct.code(),
            type_params: described.type_params,
            nullable: described.nullable,
            ..Default::default()
        })
    }
}

/// The default that a server's `ValueField` says; no bytes are none.
fn default_value(encoded: &[u8]) -> Option<DefaultValue> {
    if encoded.is_empty() {
        return None;
    }
    let known = ValueField::decode(encoded)
        .ok()
        .and_then(|value| value.data);
    let Some(known) = known else {
        return Some(DefaultValue::Unknown(encoded.to_vec()));
    };
    Some(match known {
        value_field::Data::BoolData(value) => DefaultValue::Bool(value),
        value_field::Data::IntData(value) => DefaultValue::Int(value),
        value_field::Data::LongData(value) => DefaultValue::Long(value),
        value_field::Data::FloatData(value) => DefaultValue::FloatBits(value.to_bits()),
        value_field::Data::DoubleData(value) => DefaultValue::DoubleBits(value.to_bits()),
        value_field::Data::StringData(value) => DefaultValue::String(value),
        value_field::Data::BytesData(value) => DefaultValue::Bytes(value.to_vec()),
        value_field::Data::TimestamptzData(value) => DefaultValue::Timestamptz(value),
    })
}

/// An index with the parameters that servers nest in a JSON text under `params` brought up one level.
fn index(described: IndexDescription) -> Index {
    let mut params = from_pairs(described.params);
    if let Some(nested) = params.remove("params") {
        match serde_json::from_str::<BTreeMap<String, serde_json::Value>>(&nested) {
            Ok(nested) => {
                for (key, value) in nested {
                    let text = match value {
                        serde_json::Value::String(text) => text,
                        other => other.to_string(),
                    };
                    params.entry(key).or_insert(text);
                }
            }
            Err(_) => {
                params.insert("params".into(), nested);
            }
        }
    }
    Index {
        name: described.index_name,
        field: described.field_name,
        params,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::milvus::databases::to_pairs;
    use crate::milvus::define::collection_schema;
    use crate::milvus::wire::schema::CollectionSchema;

    fn described(params: &[(&str, &str)]) -> IndexDescription {
        let params = params
            .iter()
            .map(|(k, v)| (k.to_string(), v.to_string()))
            .collect();
        IndexDescription {
            index_name: "i".into(),
            field_name: "f".into(),
            params: to_pairs(&params),
            ..Default::default()
        }
    }

    #[test]
    fn nested_index_parameters_are_flattened() {
        let nested = described(&[
            ("index_type", "HNSW"),
            ("metric_type", "L2"),
            ("params", r#"{"M":16,"efConstruction":"200"}"#),
        ]);
        let flat = described(&[
            ("index_type", "HNSW"),
            ("metric_type", "L2"),
            ("M", "16"),
            ("efConstruction", "200"),
        ]);
        assert_eq!(index(nested), index(flat));
    }

    /// A collection with a field of each shape, and the parameters that Milvus may one day have.
    fn defined() -> Collection {
        let of = |name: &str, data_type, element_type, params: &[(&str, &str)]| Field {
            name: name.into(),
            description: format!("the {name}"),
            data_type,
            element_type,
            params: params
                .iter()
                .map(|(k, v)| (k.to_string(), v.to_string()))
                .collect(),
            ..Field::dynamic()
        };
        let text = Some(DataType::VarChar);
        let chunks = Field {
            nullable: true,
            fields: [
                of(
                    "text",
                    DataType::Array,
                    text,
                    &[("max_capacity", "9"), ("max_length", "7"), ("later", "x")],
                ),
                of(
                    "vector",
                    DataType::ArrayOfVector,
                    Some(DataType::Float16Vector),
                    &[("max_capacity", "9"), ("dim", "4")],
                ),
            ]
            .map(|part| Field {
                nullable: true,
                ..part
            })
            .to_vec(),
            ..of(
                "chunks",
                DataType::ArrayOfStruct,
                None,
                &[("mmap.enabled", "true")],
            )
        };
        Collection {
            name: CollectionName::new("default", "docs"),
            description: "of all kinds".into(),
            fields: vec![
                Field {
                    primary_key: true,
                    ..of("id", DataType::Int64, None, &[])
                },
                of("bytes", DataType::Int8Vector, None, &[("dim", "8")]),
                of("text", DataType::Text, None, &[]),
                of("mol", DataType::Mol, None, &[]),
                of(
                    "vectors",
                    DataType::ArrayOfVector,
                    Some(DataType::FloatVector),
                    &[("dim", "2")],
                ),
                chunks,
            ],
            dynamic: true,
            functions: Vec::new(),
            properties: BTreeMap::new(),
            partitions: Vec::new(),
            shards: 1,
            consistency_level: ConsistencyLevel::Strong,
            aliases: Vec::new(),
            indexes: Vec::new(),
            load: Load::default(),
        }
    }

    #[test]
    fn what_is_defined_is_what_is_described() {
        let meant = defined();
        let sent = collection_schema(&meant);
        assert_eq!(sent.fields.len(), 5, "struct arrays are not among them");
        let chunks = &sent.struct_array_fields[0];
        assert_eq!(
            chunks.fields[0].name, "text",
            "Milvus makes chunks[text] of it"
        );
        // As bytes, as it goes over the wire.
        let encoded = sent.encode_to_vec();
        let described = CollectionSchema::decode(encoded.as_slice()).unwrap();
        assert_eq!(
            fields(described.fields, described.struct_array_fields),
            meant.fields
        );
    }

    #[test]
    fn fields_of_struct_arrays_have_short_names_whichever_the_server_tells() {
        let meant = defined();
        let mut told = collection_schema(&meant);
        let chunks = &mut told.struct_array_fields[0];
        for part in &mut chunks.fields {
            part.name = format!("chunks[{}]", part.name);
        }
        assert_eq!(fields(told.fields, told.struct_array_fields), meant.fields);
        let odd = StructArrayFieldSchema {
            name: "chunks".into(),
            fields: ["chunks", "chunks[", "other[x]", "chunks[a]b"]
                .map(|name| FieldSchema {
                    name: name.into(),
                    ..Default::default()
                })
                .to_vec(),
            ..Default::default()
        };
        let names: Vec<String> = struct_array(odd)
            .fields
            .into_iter()
            .map(|part| part.name)
            .collect();
        assert_eq!(names, ["chunks", "chunks[", "other[x]", "chunks[a]b"]);
    }

    #[test]
    fn indexes_call_fields_of_struct_arrays_by_both_names() {
        let names: Vec<String> = defined().indexable().map(|(name, _)| name).collect();
        assert_eq!(
            names,
            [
                "id",
                "bytes",
                "text",
                "mol",
                "vectors",
                "chunks[text]",
                "chunks[vector]"
            ]
        );
    }

    #[test]
    fn a_default_of_an_unknown_kind_is_kept() {
        // Field 99, a varint.
        let later = [0x98, 0x06, 1];
        assert_eq!(
            default_value(&later),
            Some(DefaultValue::Unknown(later.to_vec()))
        );
        assert_eq!(default_value(&[]), None);
        let zero = ValueField {
            data: Some(value_field::Data::LongData(0)),
        };
        assert_eq!(
            default_value(&zero.encode_to_vec()),
            Some(DefaultValue::Long(0))
        );
    }
}
