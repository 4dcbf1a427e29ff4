//! Changing what is there: properties and names.

use std::collections::BTreeMap;

use milvault::milvus::wire::common::{KeyValuePair, Status};
use milvault::milvus::wire::milvus::*;

use super::refusal::{Outcome, Refusal};
use super::world::World;

/// Sets some properties and leaves the others.
fn set(there: &mut Vec<KeyValuePair>, new: Vec<KeyValuePair>) {
    for pair in new {
        there.retain(|old| old.key != pair.key);
        there.push(pair);
    }
}

impl World {
    pub fn alter_collection(&mut self, request: AlterCollectionRequest) -> Outcome<Status> {
        let version = self.version;
        let stored = self.find(&request.db_name, &request.collection_name)?;
        // `alterCollectionTask`; the keys came with 2.4.18 (milvus-proto).
        if !request.delete_keys.is_empty() && version >= (2, 4, 18) {
            if !request.properties.is_empty() {
                let words = "cannot provide both DeleteKeys and ExtraParams";
                return Err(Refusal::parameter(words));
            }
            let gone = |pair: &KeyValuePair| request.delete_keys.contains(&pair.key);
            stored.properties.retain(|pair| !gone(pair));
        }
        set(&mut stored.properties, request.properties);
        Ok(Status::default())
    }

    pub fn rename_collection(&mut self, request: RenameCollectionRequest) -> Outcome<Status> {
        let database = self.database_name(&request.db_name);
        let alias = (database.clone(), request.new_name.clone());
        let taken = self.aliases.contains_key(&alias);
        let Some(collections) = self.databases.get_mut(&database) else {
            return Err(Refusal::no_database(&database));
        };
        if taken || collections.contains_key(&request.new_name) {
            let words = format!("duplicated new collection name {}", request.new_name);
            return Err(Refusal::unexpected(words));
        }
        let Some(stored) = collections.remove(&request.old_name) else {
            return Err(Refusal::no_collection(&database, &request.old_name));
        };
        collections.insert(request.new_name.clone(), stored);
        for ((within, _), owner) in &mut self.aliases {
            if *within == database && *owner == request.old_name {
                owner.clone_from(&request.new_name);
            }
        }
        Ok(Status::default())
    }

    pub fn alter_alias(&mut self, request: CreateAliasRequest) -> Outcome<Status> {
        let database = self.database_name(&request.db_name);
        self.find(&database, &request.collection_name)?;
        match self.aliases.get_mut(&(database, request.alias.clone())) {
            Some(owner) => *owner = request.collection_name,
            None => {
                let words = format!("alias not found[alias={}]", request.alias);
                return Err(Refusal::Milvus(1600, 1, words));
            }
        }
        Ok(Status::default())
    }

    pub fn create_database(&mut self, request: CreateDatabaseRequest) -> Outcome<Status> {
        let name = request.db_name;
        if self.databases.contains_key(&name) {
            let words = format!("database already exist: {name}");
            return Err(Refusal::unexpected(words));
        }
        self.databases.insert(name.clone(), BTreeMap::new());
        // Older servers do not know the field (milvus-proto 2.4.6).
        if self.version >= (2, 4, 6) {
            self.database_properties.insert(name, request.properties);
        }
        Ok(Status::default())
    }

    pub fn drop_database(&mut self, request: DropDatabaseRequest) -> Outcome<Status> {
        match self.databases.get(&request.db_name) {
            Some(collections) if !collections.is_empty() => {
                let words = format!(
                    "database {} not empty, must drop all collections",
                    request.db_name
                );
                Err(Refusal::unexpected(words))
            }
            _ => {
                self.databases.remove(&request.db_name);
                self.database_properties.remove(&request.db_name);
                Ok(Status::default())
            }
        }
    }

    pub fn describe_database(
        &mut self,
        request: DescribeDatabaseRequest,
    ) -> Outcome<DescribeDatabaseResponse> {
        if !self.databases.contains_key(&request.db_name) {
            return Err(Refusal::no_database(&request.db_name));
        }
        let properties = self.database_properties.get(&request.db_name);
        Ok(DescribeDatabaseResponse {
            db_name: request.db_name,
            properties: properties.cloned().unwrap_or_default(),
            ..DescribeDatabaseResponse::default()
        })
    }

    pub fn alter_database(&mut self, request: AlterDatabaseRequest) -> Outcome<Status> {
        if !self.databases.contains_key(&request.db_name) {
            return Err(Refusal::no_database(&request.db_name));
        }
        set(
            self.database_properties.entry(request.db_name).or_default(),
            request.properties,
        );
        Ok(Status::default())
    }

    pub fn list_resource_groups(
        &mut self,
        _: ListResourceGroupsRequest,
    ) -> Outcome<ListResourceGroupsResponse> {
        Ok(ListResourceGroupsResponse {
            resource_groups: vec!["__default_resource_group".into()],
            ..ListResourceGroupsResponse::default()
        })
    }
}
