//! Making collections.

use milvault::milvus::wire::common::Status;
use milvault::milvus::wire::milvus::CreateCollectionRequest;
use milvault::milvus::wire::schema::{CollectionSchema, FieldSchema};
use prost::Message;

use super::cells::is_vector;
use super::collections::Stored;
use super::knows;
use super::refusal::{Outcome, Refusal};
use super::world::{Provider, World, value_of};

/// What a partition key makes of its own where the request names no number (`common.DefaultPartitionsWithPartitionKey`).
const KEY_PARTITIONS: i64 = 16;

impl World {
    pub fn create_collection(&mut self, request: CreateCollectionRequest) -> Outcome<Status> {
        let mut schema = CollectionSchema::decode(request.schema.clone()).unwrap();
        let mut unknown = knows::unknown(self.version, &schema);
        unknown.extend(knows::unknown_properties(self.version, &request));
        if !unknown.is_empty() {
            let lethal =
                |what: &String| what.starts_with("type ") || what.starts_with("the default");
            self.dead = unknown.iter().any(lethal);
            let name = &request.collection_name;
            self.poison
                .extend(unknown.into_iter().map(|what| format!("{what} in {name}")));
        }
        let database = self.database_name(&request.db_name);
        let named_meta = schema.fields.iter().any(|field| field.name == "$meta");
        if named_meta || schema.fields.iter().any(|field| field.is_dynamic) {
            // `createCollectionTask`: the server makes `$meta` itself.
            return Err(Refusal::parameter(
                "cannot explicitly set a field as a dynamic field",
            ));
        }
        self.check_functions(&schema, &request)?;
        // One until 2.3; `proxy.maxVectorFieldNum` from 2.4 on, 4 by default (milvus.yaml).
        let most = if self.version < (2, 4, 0) { 1 } else { 4 };
        let vectors = schema
            .fields
            .iter()
            .filter(|field| is_vector(field))
            .count();
        if vectors > most {
            let words = format!("maximum vector field's number should be limited to {most}");
            return Err(Refusal::parameter(words));
        }
        for (number, field) in schema.fields.iter_mut().enumerate() {
            knows::forget(self.version, field);
            field.field_id = 100 + number as i64;
        }
        if self.version < (2, 5, 0) {
            schema.functions.clear();
        }
        let mut columns = schema.fields.clone();
        for nested in &schema.struct_array_fields {
            columns.extend(nested.fields.iter().map(|field| FieldSchema {
                name: format!("{}[{}]", nested.name, field.name),
                nullable: nested.nullable,
                ..field.clone()
            }));
        }
        if schema.enable_dynamic_field {
            columns.push(FieldSchema {
                field_id: 100 + schema.fields.len() as i64,
                name: "$meta".into(),
                data_type: 23,
                is_dynamic: true,
                ..FieldSchema::default()
            });
        }
        let keyed = schema.fields.iter().any(|field| field.is_partition_key);
        let num_partitions = match (keyed, request.num_partitions) {
            (true, 0) => KEY_PARTITIONS,
            (true, number) => number,
            (false, 0) => 1,
            (false, _) => {
                // `createCollectionTask.validatePartitionKey`.
                let words =
                    "num_partitions should only be specified with partition key field enabled";
                return Err(Refusal::unexpected(words));
            }
        };
        let partitions = if keyed {
            (0..num_partitions)
                .map(|number| format!("_default_{number}"))
                .collect()
        } else {
            vec!["_default".to_owned()]
        };
        let made = Stored {
            id: self.next_id(),
            schema,
            columns,
            properties: request.properties.clone(),
            shards: request.shards_num.max(1),
            consistency: request.consistency_level(),
            num_partitions,
            partitions,
            indexes: Vec::new(),
            replicas: 0,
            rows: Vec::new(),
            segments: 3,
        };
        let Some(collections) = self.databases.get_mut(&database) else {
            return Err(Refusal::no_database(&database));
        };
        match collections.get(&request.collection_name) {
            // A collection that is there and defined alike is a success (docs/servers-seen.md).
            Some(there) if there.schema == made.schema => {}
            Some(_) => {
                let words = "create duplicate collection with different parameters";
                return Err(Refusal::unexpected(words));
            }
            None => {
                collections.insert(request.collection_name, made);
            }
        }
        Ok(Status::default())
    }

    /// From 2.6.8 on the provider of an embedding is asked when the collection is made, unless a property says no
    /// (milvus-backup, `coll_ddl_task.go`). What a function fills must be said to be filled.
    fn check_functions(
        &self,
        schema: &CollectionSchema,
        request: &CreateCollectionRequest,
    ) -> Outcome<()> {
        for function in &schema.functions {
            for output in &function.output_field_names {
                if !schema.fields.iter().any(|field| field.name == *output) {
                    let words = format!("function output field not found: {output}");
                    return Err(Refusal::parameter(words));
                }
            }
        }
        let unchecked = value_of(&request.properties, "disable_func_runtime_check") == Some("true");
        let embeds = schema.functions.iter().any(|function| function.r#type == 2);
        if embeds && self.version >= (2, 6, 8) && !unchecked && self.provider == Provider::Gone {
            return Err(Refusal::unexpected(
                "check function failed: the embedding service does not answer",
            ));
        }
        Ok(())
    }
}
