//! Changing what is there: properties and names of collections, and what aliases stand for.

use std::collections::BTreeMap;

use super::Cluster;
use super::cluster::Repeat;
use super::databases::to_pairs;
use super::wire::milvus::{AlterCollectionRequest, CreateAliasRequest, RenameCollectionRequest};
use crate::error::Result;
use crate::model::CollectionName;

impl Cluster {
    /// Sets properties of a collection, and leaves its others as they are.
    pub async fn set_properties(
        &self,
        name: &CollectionName,
        properties: &BTreeMap<String, String>,
    ) -> Result<()> {
        self.alter(AlterCollectionRequest {
            properties: to_pairs(properties),
            ..alter_of(name)
        })
        .await
    }

    /// Takes properties of a collection away (2.4.18 on).
    pub async fn delete_properties(&self, name: &CollectionName, keys: &[String]) -> Result<()> {
        self.alter(AlterCollectionRequest {
            delete_keys: keys.to_vec(),
            ..alter_of(name)
        })
        .await
    }

    async fn alter(&self, message: AlterCollectionRequest) -> Result<()> {
        let subject = CollectionName::new(message.db_name.clone(), message.collection_name.clone());
        self.call_on(
            &subject,
            "AlterCollection",
            Repeat::Safe,
            message,
            |mut client, request| async move { client.alter_collection(request).await },
        )
        .await?;
        Ok(())
    }

    /// Gives a collection another name in its database (2.2.3 on). Its aliases and its rows stay with it.
    pub async fn rename_collection(&self, name: &CollectionName, to: &str) -> Result<()> {
        let message = RenameCollectionRequest {
            db_name: name.database.clone(),
            old_name: name.collection.clone(),
            new_name: to.to_owned(),
        };
        self.call_in(
            &name.database,
            "RenameCollection",
            &format!("{name} to {to}"),
            Repeat::OnlyWhenRefused,
            message,
            |mut client, request| async move { client.rename_collection(request).await },
        )
        .await?;
        Ok(())
    }

    /// Lets an alias that is there stand for another collection.
    pub async fn move_alias(&self, name: &CollectionName, alias: &str) -> Result<()> {
        let message = CreateAliasRequest {
            db_name: name.database.clone(),
            collection_name: name.collection.clone(),
            alias: alias.to_owned(),
        };
        self.call_in(
            &name.database,
            "AlterAlias",
            &format!("{alias} for {name}"),
            Repeat::Safe,
            message,
            |mut client, request| async move { client.alter_alias(request).await },
        )
        .await?;
        Ok(())
    }
}

fn alter_of(name: &CollectionName) -> AlterCollectionRequest {
    AlterCollectionRequest {
        db_name: name.database.clone(),
        collection_name: name.collection.clone(),
        ..Default::default()
    }
}
