//! Making collections, partitions, indexes and aliases, and removing what was made.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use prost::Message;

use super::Cluster;
use super::cluster::Repeat;
use super::databases::to_pairs;
use super::wire::common::IndexState;
use super::wire::milvus::{
    CreateAliasRequest, CreateCollectionRequest, CreateIndexRequest, CreatePartitionRequest,
    DescribeAliasRequest, DropAliasRequest, DropCollectionRequest, DropIndexRequest,
};
use super::wire::schema::{
    CollectionSchema, FieldSchema, FunctionSchema, StructArrayFieldSchema, ValueField, value_field,
};
use crate::error::{Error, Result};
use crate::model::{Collection, CollectionName, DataType, DefaultValue, Field, Function, Index};
use crate::progress::{Context, Task};

const POLL: Duration = Duration::from_millis(300);

impl Cluster {
    /// Makes an empty collection under `collection.name`: fields, functions, dynamic field, shards,
    /// consistency level, the number of partitions where a partition key wants one, and these properties.
    /// Partitions, indexes and aliases are made by calls of their own.
    pub async fn create_collection(
        &self,
        collection: &Collection,
        properties: &BTreeMap<String, String>,
    ) -> Result<()> {
        let name = &collection.name;
        let schema = collection_schema(collection);
        let num_partitions = if collection.has_partition_key() {
            collection.key_partitions() as i64
        } else {
            0
        };
        let message = CreateCollectionRequest {
            db_name: name.database.clone(),
            collection_name: name.collection.clone(),
            schema: schema.encode_to_vec().into(),
            shards_num: collection.shards,
            consistency_level: collection.consistency_level.code(),
            properties: to_pairs(properties),
            num_partitions,
        };
        let once = Repeat::OnlyWhenRefused;
        self.call_on(
            name,
            "CreateCollection",
            once,
            message,
            |mut client, request| async move { client.create_collection(request).await },
        )
        .await?;
        Ok(())
    }

    /// Removes a collection with all its rows.
    pub async fn drop_collection(&self, name: &CollectionName) -> Result<()> {
        let message = DropCollectionRequest {
            db_name: name.database.clone(),
            collection_name: name.collection.clone(),
        };
        self.call_on(
            name,
            "DropCollection",
            Repeat::Safe,
            message,
            |mut client, request| async move { client.drop_collection(request).await },
        )
        .await?;
        Ok(())
    }

    /// Makes a partition.
    pub async fn create_partition(&self, name: &CollectionName, partition: &str) -> Result<()> {
        let message = CreatePartitionRequest {
            db_name: name.database.clone(),
            collection_name: name.collection.clone(),
            partition_name: partition.to_owned(),
        };
        let subject = format!("{partition} of {name}");
        self.call_in(
            &name.database,
            "CreatePartition",
            &subject,
            Repeat::OnlyWhenRefused,
            message,
            |mut client, request| async move { client.create_partition(request).await },
        )
        .await?;
        Ok(())
    }

    /// Asks for an index; the server builds it in the background.
    ///
    /// Parameters other than `index_type` and `metric_type` travel as JSON text under `params`, as
    /// Milvus's own clients send them, and `mmap.enabled` beside it.
    pub async fn create_index(&self, name: &CollectionName, index: &Index) -> Result<()> {
        let mut top = BTreeMap::new();
        let mut nested = BTreeMap::new();
        for (key, value) in &index.params {
            if matches!(
                key.as_str(),
                "index_type" | "metric_type" | "params" | "mmap.enabled"
            ) {
                top.insert(key.clone(), value.clone());
            } else {
                nested.insert(key.clone(), value.clone());
            }
        }
        if !nested.is_empty() {
            let text = serde_json::to_string(&nested)
                .map_err(|error| Error::column(&index.field, error.to_string()))?;
            top.insert("params".into(), text);
        }
        let message = CreateIndexRequest {
            db_name: name.database.clone(),
            collection_name: name.collection.clone(),
            field_name: index.field.clone(),
            extra_params: to_pairs(&top),
            index_name: index.name.clone(),
        };
        let subject = format!("{} of {name}", index.field);
        self.call_in(
            &name.database,
            "CreateIndex",
            &subject,
            Repeat::Safe,
            message,
            |mut client, request| async move { client.create_index(request).await },
        )
        .await?;
        Ok(())
    }

    /// Waits until all indexes of a collection are built, and tells `task` how many rows are.
    pub async fn wait_for_indexes(
        &self,
        name: &CollectionName,
        task: &dyn Task,
        ctx: &Context,
    ) -> Result<()> {
        let mut told = 0;
        loop {
            let indexes = self.indexes(name).await?;
            if let Some(failed) = indexes
                .iter()
                .find(|index| index.state() == IndexState::Failed)
            {
                return Err(Error::Call {
                    server: self.server().to_owned(),
                    call: "CreateIndex",
                    subject: format!("{} of {name}", failed.field_name),
                    reason: failed.index_state_fail_reason.clone(),
                    code: 0,
                    retriable: false,
                });
            }
            let total: i64 = indexes.iter().map(|index| index.total_rows).sum();
            let done: i64 = indexes.iter().map(|index| index.indexed_rows).sum();
            task.total(u64::try_from(total).unwrap_or(0));
            let done = u64::try_from(done).unwrap_or(0);
            task.advance(done.saturating_sub(told), 0);
            told = told.max(done);
            // milvus-lite gives no state: an index is there as soon as it is described.
            if indexes
                .iter()
                .all(|index| matches!(index.state(), IndexState::Finished | IndexState::None))
            {
                return Ok(());
            }
            ctx.pause(POLL, "building indexes").await?;
        }
    }

    /// The indexes that a collection has.
    pub async fn index_names(&self, name: &CollectionName) -> Result<Vec<Index>> {
        let described = self.indexes(name).await?.into_iter();
        Ok(described
            .map(|index| Index {
                name: index.index_name,
                field: index.field_name,
                params: BTreeMap::new(),
            })
            .collect())
    }

    /// Removes an index; the collection must not be loaded.
    pub async fn drop_index(&self, name: &CollectionName, field: &str, index: &str) -> Result<()> {
        let message = DropIndexRequest {
            db_name: name.database.clone(),
            collection_name: name.collection.clone(),
            field_name: field.to_owned(),
            index_name: index.to_owned(),
        };
        let subject = format!("{field} of {name}");
        self.call_in(
            &name.database,
            "DropIndex",
            &subject,
            Repeat::Safe,
            message,
            |mut client, request| async move { client.drop_index(request).await },
        )
        .await?;
        Ok(())
    }

    /// Gives a collection another name.
    pub async fn create_alias(&self, name: &CollectionName, alias: &str) -> Result<()> {
        let message = CreateAliasRequest {
            db_name: name.database.clone(),
            collection_name: name.collection.clone(),
            alias: alias.to_owned(),
        };
        let subject = format!("{alias} for {name}");
        self.call_in(
            &name.database,
            "CreateAlias",
            &subject,
            Repeat::OnlyWhenRefused,
            message,
            |mut client, request| async move { client.create_alias(request).await },
        )
        .await?;
        Ok(())
    }

    /// Takes an alias away.
    pub async fn drop_alias(&self, database: &str, alias: &str) -> Result<()> {
        let message = DropAliasRequest {
            db_name: database.to_owned(),
            alias: alias.to_owned(),
        };
        self.call_in(
            database,
            "DropAlias",
            alias,
            Repeat::Safe,
            message,
            |mut client, request| async move { client.drop_alias(request).await },
        )
        .await?;
        Ok(())
    }

    /// The collection that an alias stands for; `None` where there is no such alias, or no telling.
    pub async fn alias_owner(&self, database: &str, alias: &str) -> Result<Option<String>> {
        let message = DescribeAliasRequest {
            db_name: database.to_owned(),
            alias: alias.to_owned(),
        };
        let answer = self
            .call_in(
                database,
                "DescribeAlias",
                alias,
                Repeat::Safe,
                message,
                |mut client, request| async move { client.describe_alias(request).await },
            )
            .await;
        match answer {
            Ok(answer) => Ok(Some(answer.collection).filter(|owner| !owner.is_empty())),
            Err(Error::Unsupported { .. }) => self.described_by_alias(database, alias).await,
            Err(Error::Call { .. } | Error::Denied { .. } | Error::NoCollection { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Before 2.3 no call tells of an alias, but a collection can be described by one, and its schema has its own
    /// name (seen on 2.2.16).
    async fn described_by_alias(&self, database: &str, alias: &str) -> Result<Option<String>> {
        let name = CollectionName::new(database, alias);
        match self.describe_collection(&name).await {
            Ok(answer) => {
                let owner = answer.schema.map(|schema| schema.name);
                Ok(owner.filter(|owner| !owner.is_empty() && owner != alias))
            }
            Err(
                Error::NoCollection { .. }
                | Error::NoDatabase { .. }
                | Error::Call { .. }
                | Error::Denied { .. },
            ) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// A collection as it is asked for.
pub(super) fn collection_schema(collection: &Collection) -> CollectionSchema {
    let (struct_arrays, fields): (Vec<&Field>, Vec<&Field>) = collection
        .fields
        .iter()
        .partition(|field| field.data_type == DataType::ArrayOfStruct);
    CollectionSchema {
        name: collection.name.collection.clone(),
        description: collection.description.clone(),
        auto_id: collection.primary_key().is_some_and(|key| key.auto_id),
        fields: fields.into_iter().map(field_schema).collect(),
        enable_dynamic_field: collection.dynamic,
        functions: collection.functions.iter().map(function_schema).collect(),
        struct_array_fields: struct_arrays.into_iter().map(struct_array_schema).collect(),
        ..Default::default()
    }
}

/// A struct array, with its fields under their short names, as Milvus wants them.
fn struct_array_schema(field: &Field) -> StructArrayFieldSchema {
    StructArrayFieldSchema {
        field_id: 0,
        name: field.name.clone(),
        description: field.description.clone(),
        fields: field.fields.iter().map(field_schema).collect(),
        type_params: to_pairs(&field.params),
        nullable: field.nullable,
    }
}

fn function_schema(function: &Function) -> FunctionSchema {
    FunctionSchema {
        name: function.name.clone(),
        description: function.description.clone(),
        r#type: function.kind,
        input_field_names: function.inputs.clone(),
        output_field_names: function.outputs.clone(),
        params: to_pairs(&function.params),
        ..Default::default()
    }
}

fn field_schema(field: &Field) -> FieldSchema {
    FieldSchema {
        name: field.name.clone(),
        is_primary_key: field.primary_key,
        description: field.description.clone(),
        data_type: field.data_type.code(),
        type_params: to_pairs(&field.params),
        auto_id: field.auto_id,
        element_type: field.element_type.map_or(0, DataType::code),
        default_value: field.default.as_ref().map(value_field).unwrap_or_default(),
        is_partition_key: field.partition_key,
        is_clustering_key: field.clustering_key,
        nullable: field.nullable,
        element_nullable: field.element_nullable,
        is_function_output: field.function_output,
        ..Default::default()
    }
}

/// The bytes of a default's `ValueField`.
fn value_field(value: &DefaultValue) -> Bytes {
    use value_field::Data;
    let data = match value {
        DefaultValue::Bool(value) => Data::BoolData(*value),
        DefaultValue::Int(value) => Data::IntData(*value),
        DefaultValue::Long(value) => Data::LongData(*value),
        DefaultValue::FloatBits(bits) => Data::FloatData(f32::from_bits(*bits)),
        DefaultValue::DoubleBits(bits) => Data::DoubleData(f64::from_bits(*bits)),
        DefaultValue::String(value) => Data::StringData(value.clone()),
        DefaultValue::Bytes(value) => Data::BytesData(value.clone().into()),
        DefaultValue::Timestamptz(value) => Data::TimestamptzData(*value),
        DefaultValue::Unknown(encoded) => return encoded.clone().into(),
    };
    ValueField { data: Some(data) }.encode_to_vec().into()
}
