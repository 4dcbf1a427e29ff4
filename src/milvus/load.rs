//! Bringing collections into memory and out again.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use super::Cluster;
use super::cluster::Repeat;
use super::wire::common::LoadState;
use super::wire::milvus::{
    GetLoadStateRequest, GetLoadingProgressRequest, GetReplicasRequest, ListResourceGroupsRequest,
    LoadCollectionRequest, ReleaseCollectionRequest,
};
use crate::error::{Error, Result};
use crate::model::CollectionName;
use crate::progress::Context;

const POLL: Duration = Duration::from_millis(200);

/// How long a collection that is to be loaded may pass for one that is not.
const BEGINNING: Duration = Duration::from_secs(15);

/// Milvus's name for the resource group that always is.
const DEFAULT_RESOURCE_GROUP: &str = "__default_resource_group";

impl Cluster {
    /// Whether the collection is loaded. One that is loaded in part (some partitions) counts as loaded
    /// only when the server says so of the whole.
    pub async fn is_loaded(&self, name: &CollectionName) -> Result<bool> {
        Ok(self.load_state(name).await? == LoadState::Loaded)
    }

    async fn load_state(&self, name: &CollectionName) -> Result<LoadState> {
        let message = GetLoadStateRequest {
            db_name: name.database.clone(),
            collection_name: name.collection.clone(),
            ..Default::default()
        };
        let answer = self
            .call_on(
                name,
                "GetLoadState",
                Repeat::Safe,
                message,
                |mut client, request| async move { client.get_load_state(request).await },
            )
            .await?;
        Ok(answer.state())
    }

    /// How many replicas are loaded, and in which resource groups; 1 where the server does not tell.
    pub(super) async fn replicas(
        &self,
        name: &CollectionName,
        id: i64,
    ) -> Result<(i32, Vec<String>)> {
        let message = GetReplicasRequest {
            collection_id: id,
            collection_name: name.collection.clone(),
            db_name: name.database.clone(),
        };
        let answer = self
            .call_on(
                name,
                "GetReplicas",
                Repeat::Safe,
                message,
                |mut client, request| async move { client.get_replicas(request).await },
            )
            .await;
        match answer {
            Ok(answer) => {
                let number = i32::try_from(answer.replicas.len()).unwrap_or(1).max(1);
                let groups = answer.replicas.into_iter();
                let groups = groups.map(|replica| replica.resource_group_name);
                let groups: BTreeSet<String> = groups
                    .filter(|group| !matches!(group.as_str(), "" | DEFAULT_RESOURCE_GROUP))
                    .collect();
                Ok((number, groups.into_iter().collect()))
            }
            Err(Error::Unsupported { .. } | Error::Call { .. } | Error::Denied { .. }) => {
                Ok((1, Vec::new()))
            }
            Err(error) => Err(error),
        }
    }

    /// The resource groups of the server; none where it does not know any.
    pub async fn resource_groups(&self) -> Result<Vec<String>> {
        let answer = self
            .call(
                "ListResourceGroups",
                "the server",
                Repeat::Safe,
                ListResourceGroupsRequest {},
                |mut client, request| async move { client.list_resource_groups(request).await },
            )
            .await;
        match answer {
            Ok(answer) => Ok(answer.resource_groups),
            Err(Error::Unsupported { .. }) => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }

    /// Loads a collection and waits until it can be queried.
    ///
    /// # Errors
    /// [`Error::Answer`] where it stays unloaded, as when somebody else releases it meanwhile.
    pub async fn load(&self, name: &CollectionName, replicas: i32, ctx: &Context) -> Result<()> {
        self.load_into(name, replicas, &[], ctx).await
    }

    /// The same, with the resource groups that the replicas go into (2.2.3 on); none are the default one.
    pub async fn load_into(
        &self,
        name: &CollectionName,
        replicas: i32,
        resource_groups: &[String],
        ctx: &Context,
    ) -> Result<()> {
        let message = LoadCollectionRequest {
            db_name: name.database.clone(),
            collection_name: name.collection.clone(),
            replica_number: replicas.max(1),
            resource_groups: resource_groups.to_vec(),
        };
        self.call_on(
            name,
            "LoadCollection",
            Repeat::Safe,
            message,
            |mut client, request| async move { client.load_collection(request).await },
        )
        .await?;
        let mut begun = Instant::now();
        loop {
            match self.load_state(name).await? {
                LoadState::Loaded if self.load_is_complete(name).await? => return Ok(()),
                LoadState::Loaded | LoadState::Loading => begun = Instant::now(),
                LoadState::NotExist | LoadState::NotLoad if begun.elapsed() < BEGINNING => {}
                LoadState::NotExist | LoadState::NotLoad => {
                    return Err(Error::Answer {
                        server: self.server().to_owned(),
                        call: "GetLoadState",
                        subject: name.to_string(),
                        reason: "it is to be loaded and is not; if somebody has released it meanwhile, try again"
                            .into(),
                    });
                }
            }
            ctx.pause(POLL, "loading").await?;
        }
    }

    async fn load_is_complete(&self, name: &CollectionName) -> Result<bool> {
        let message = GetLoadingProgressRequest {
            db_name: name.database.clone(),
            collection_name: name.collection.clone(),
        };
        let answer = self
            .call_on(
                name,
                "GetLoadingProgress",
                Repeat::Safe,
                message,
                |mut client, request| async move { client.get_loading_progress(request).await },
            )
            .await;
        match answer {
            Ok(answer) => Ok(answer.progress >= 100),
            Err(Error::Unsupported { .. }) => Ok(true),
            Err(error) => Err(error),
        }
    }

    /// Takes a collection out of memory.
    pub async fn release(&self, name: &CollectionName) -> Result<()> {
        let message = ReleaseCollectionRequest {
            db_name: name.database.clone(),
            collection_name: name.collection.clone(),
        };
        self.call_on(
            name,
            "ReleaseCollection",
            Repeat::Safe,
            message,
            |mut client, request| async move { client.release_collection(request).await },
        )
        .await?;
        Ok(())
    }
}
