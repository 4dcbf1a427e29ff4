//! Collections, partitions, loading and aliases.

use milvault::milvus::wire::common::{ConsistencyLevel, KeyValuePair, LoadState, Status};
use milvault::milvus::wire::milvus::*;
use milvault::milvus::wire::schema::{CollectionSchema, FieldSchema};

use super::cells::is_vector;
use super::data::{Content, Row, content};
use super::refusal::{Outcome, Refusal};
use super::world::{World, pair, value_of};

/// A collection.
#[derive(Clone)]
pub struct Stored {
    pub id: i64,
    pub schema: CollectionSchema,
    /// The fields that rows have: `$meta` among them where the collection is dynamic, and those of struct arrays
    /// as `struct[field]` (`storedStructSubFieldName`).
    pub columns: Vec<FieldSchema>,
    pub properties: Vec<KeyValuePair>,
    pub shards: i32,
    pub consistency: ConsistencyLevel,
    pub num_partitions: i64,
    pub partitions: Vec<String>,
    pub indexes: Vec<IndexDescription>,
    /// Replicas in memory; 0 where it is not loaded.
    pub replicas: i32,
    pub rows: Vec<Row>,
    /// How many segments rows are spread over.
    pub segments: usize,
}

impl Stored {
    pub fn key(&self) -> &FieldSchema {
        let mut columns = self.columns.iter();
        columns.find(|field| field.is_primary_key).unwrap()
    }

    pub fn field(&self, name: &str) -> Option<&FieldSchema> {
        self.columns.iter().find(|field| field.name == name)
    }

    pub fn partition_key(&self) -> Option<&FieldSchema> {
        self.columns.iter().find(|field| field.is_partition_key)
    }

    pub fn has_property(&self, name: &str) -> bool {
        value_of(&self.properties, name) == Some("true")
    }

    /// The outputs of functions of these kinds.
    pub fn outputs(&self, kinds: &[i32]) -> Vec<&str> {
        let functions = self.schema.functions.iter();
        functions
            .filter(|function| kinds.contains(&function.r#type))
            .flat_map(|function| function.output_field_names.iter().map(String::as_str))
            .collect()
    }
}

impl World {
    /// The collection of a name or an alias.
    pub fn find(&mut self, database: &str, name: &str) -> Outcome<&mut Stored> {
        let database = self.database_name(database);
        let alias = self
            .aliases
            .get(&(database.clone(), name.to_owned()))
            .cloned();
        let Some(collections) = self.databases.get_mut(&database) else {
            return Err(Refusal::no_database(&database));
        };
        let owner = alias.as_deref().unwrap_or(name);
        collections
            .get_mut(owner)
            .ok_or_else(|| Refusal::no_collection(&database, name))
    }

    /// The collection `name` of the default database, for tests to look at.
    pub fn collection(&mut self, name: &str) -> &mut Stored {
        let collections = self.databases.get_mut("default").unwrap();
        collections
            .get_mut(name)
            .unwrap_or_else(|| panic!("no collection {name}"))
    }

    /// What queries would find of it now.
    pub fn content(&mut self, name: &str) -> Content {
        let moment = self.clock;
        content(&self.collection(name).rows, moment)
    }

    pub fn show_collections(
        &mut self,
        request: ShowCollectionsRequest,
    ) -> Outcome<ShowCollectionsResponse> {
        let database = self.database_name(&request.db_name);
        let collections = self.databases.get(&database);
        Ok(ShowCollectionsResponse {
            collection_names: collections
                .into_iter()
                .flat_map(|all| all.keys().cloned())
                .collect(),
            ..ShowCollectionsResponse::default()
        })
    }

    pub fn describe_collection(
        &mut self,
        request: DescribeCollectionRequest,
    ) -> Outcome<DescribeCollectionResponse> {
        let database = self.database_name(&request.db_name);
        let aliases = self.aliases_of(&database, &request.collection_name);
        let stored = self.find(&request.db_name, &request.collection_name)?;
        // `$meta` is not described (docs/servers-seen.md: seen on 2.2.16 and 2.3.5).
        let schema = stored.schema.clone();
        Ok(DescribeCollectionResponse {
            schema: Some(schema),
            collection_id: stored.id,
            shards_num: stored.shards,
            aliases,
            consistency_level: stored.consistency.into(),
            collection_name: request.collection_name,
            properties: stored.properties.clone(),
            db_name: database,
            num_partitions: stored.num_partitions,
            ..DescribeCollectionResponse::default()
        })
    }

    pub fn drop_collection(&mut self, request: DropCollectionRequest) -> Outcome<Status> {
        let database = self.database_name(&request.db_name);
        if self
            .databases
            .get_mut(&database)
            .and_then(|all| all.remove(&request.collection_name))
            .is_none()
        {
            return Err(Refusal::no_collection(&database, &request.collection_name));
        }
        Ok(Status::default())
    }

    /// Rows that were ever written: those that share a key each, and deleted ones (docs/servers-seen.md).
    pub fn get_collection_statistics(
        &mut self,
        request: GetCollectionStatisticsRequest,
    ) -> Outcome<GetCollectionStatisticsResponse> {
        let stored = self.find(&request.db_name, &request.collection_name)?;
        let rows = stored.rows.len().to_string();
        Ok(GetCollectionStatisticsResponse {
            stats: vec![pair("row_count", &rows)],
            ..GetCollectionStatisticsResponse::default()
        })
    }

    pub fn show_partitions(
        &mut self,
        request: ShowPartitionsRequest,
    ) -> Outcome<ShowPartitionsResponse> {
        let stored = self.find(&request.db_name, &request.collection_name)?;
        Ok(ShowPartitionsResponse {
            partition_names: stored.partitions.clone(),
            ..ShowPartitionsResponse::default()
        })
    }

    pub fn create_partition(&mut self, request: CreatePartitionRequest) -> Outcome<Status> {
        let stored = self.find(&request.db_name, &request.collection_name)?;
        if stored.partition_key().is_some() {
            return Err(Refusal::unexpected(
                "disable create partition if partition key mode is used",
            ));
        }
        // A partition that is there is no error (rootcoord, `create_partition_task.go`).
        if !stored.partitions.contains(&request.partition_name) {
            stored.partitions.push(request.partition_name);
        }
        Ok(Status::default())
    }

    /// Each vector field must have an index (docs/servers-seen.md: code 700, legacy 25 on 2.3.5).
    pub fn load_collection(&mut self, request: LoadCollectionRequest) -> Outcome<Status> {
        let stored = self.find(&request.db_name, &request.collection_name)?;
        let vectors = stored.columns.iter().filter(|field| is_vector(field));
        let indexed = |field: &&FieldSchema| {
            stored
                .indexes
                .iter()
                .any(|index| index.field_name == field.name)
        };
        let mut unindexed = vectors.filter(|field| !indexed(field));
        if unindexed.next().is_some() || stored.indexes.is_empty() {
            return Err(Refusal::no_index(&request.collection_name));
        }
        stored.replicas = request.replica_number.max(1);
        Ok(Status::default())
    }

    pub fn release_collection(&mut self, request: ReleaseCollectionRequest) -> Outcome<Status> {
        self.find(&request.db_name, &request.collection_name)?
            .replicas = 0;
        Ok(Status::default())
    }

    pub fn get_load_state(
        &mut self,
        request: GetLoadStateRequest,
    ) -> Outcome<GetLoadStateResponse> {
        let stored = self.find(&request.db_name, &request.collection_name)?;
        let state = if stored.replicas > 0 {
            LoadState::Loaded
        } else {
            LoadState::NotLoad
        };
        Ok(GetLoadStateResponse {
            state: state.into(),
            ..GetLoadStateResponse::default()
        })
    }

    pub fn get_loading_progress(
        &mut self,
        request: GetLoadingProgressRequest,
    ) -> Outcome<GetLoadingProgressResponse> {
        let stored = self.find(&request.db_name, &request.collection_name)?;
        Ok(GetLoadingProgressResponse {
            progress: if stored.replicas > 0 { 100 } else { 0 },
            ..GetLoadingProgressResponse::default()
        })
    }

    pub fn get_replicas(&mut self, request: GetReplicasRequest) -> Outcome<GetReplicasResponse> {
        let stored = self.find(&request.db_name, &request.collection_name)?;
        let replica = |number| ReplicaInfo {
            replica_id: i64::from(number),
            resource_group_name: "__default_resource_group".into(),
        };
        Ok(GetReplicasResponse {
            replicas: (0..stored.replicas).map(replica).collect(),
            ..GetReplicasResponse::default()
        })
    }

    pub fn create_alias(&mut self, request: CreateAliasRequest) -> Outcome<Status> {
        let database = self.database_name(&request.db_name);
        self.find(&database, &request.collection_name)?;
        let alias = (database.clone(), request.alias.clone());
        let taken = self.databases[&database].contains_key(&request.alias);
        match self.aliases.get(&alias) {
            Some(owner) if *owner != request.collection_name => {
                let words = format!("{} is alias to another collection: {owner}", request.alias);
                Err(Refusal::Milvus(1602, 1, words))
            }
            _ if taken => Err(Refusal::Milvus(
                1601,
                1,
                "alias and collection name conflict".into(),
            )),
            _ => {
                self.aliases.insert(alias, request.collection_name);
                Ok(Status::default())
            }
        }
    }

    pub fn drop_alias(&mut self, request: DropAliasRequest) -> Outcome<Status> {
        let database = self.database_name(&request.db_name);
        self.aliases.remove(&(database, request.alias));
        Ok(Status::default())
    }

    pub fn describe_alias(
        &mut self,
        request: DescribeAliasRequest,
    ) -> Outcome<DescribeAliasResponse> {
        let database = self.database_name(&request.db_name);
        match self.aliases.get(&(database, request.alias.clone())) {
            Some(owner) => Ok(DescribeAliasResponse {
                alias: request.alias,
                collection: owner.clone(),
                ..DescribeAliasResponse::default()
            }),
            None => {
                let words = format!("alias not found[alias={}]", request.alias);
                Err(Refusal::Milvus(1600, 1, words))
            }
        }
    }

    pub fn list_aliases(&mut self, request: ListAliasesRequest) -> Outcome<ListAliasesResponse> {
        let database = self.database_name(&request.db_name);
        Ok(ListAliasesResponse {
            aliases: self.aliases_of(&database, &request.collection_name),
            ..ListAliasesResponse::default()
        })
    }

    fn aliases_of(&self, database: &str, collection: &str) -> Vec<String> {
        let all = self.aliases.iter();
        all.filter(|((within, _), owner)| within == database && *owner == collection)
            .map(|((_, alias), _)| alias.clone())
            .collect()
    }
}
