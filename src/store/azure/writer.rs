//! An object on its way: one request where it is small, else blocks, and a list of them that makes the object.

use std::collections::HashMap;
use std::io;
use std::num::NonZero;

use async_trait::async_trait;
use azure_storage_blob::models::{
    BlockBlobClientCommitBlockListOptions, BlockBlobClientStageBlockOptions,
    BlockBlobClientUploadOptions, BlockLookupList,
};
use bytes::{Bytes, BytesMut};
use tokio::task::JoinSet;

use super::failure::{self, Deed};
use super::{AzureStore, none, with_customer_key};
use crate::store::parts::part_size;
use crate::store::{ObjectWriter, Role};
use crate::{Error, Result};

/// What tells in an object's metadata that it was made by one writer and no other. Azure wants names as C# has them.
pub(super) const WRITER: &str = "milvault_writer";

/// An object on its way. Blocks that were sent and never listed are nowhere seen; the service drops them after a week.
pub(super) struct AzureWriter {
    store: AzureStore,
    name: String,
    uri: String,
    role: Role,
    /// The value of [`WRITER`].
    mark: String,
    /// What has been written and not been sent.
    pending: BytesMut,
    /// The blocks that were sent.
    sent: u32,
    blocks: JoinSet<Result<()>>,
    failed: bool,
}

impl AzureWriter {
    pub(super) fn new(
        store: AzureStore,
        name: String,
        uri: String,
        role: Role,
        mark: String,
    ) -> Self {
        AzureWriter {
            store,
            name,
            uri,
            role,
            mark,
            pending: BytesMut::new(),
            sent: 0,
            blocks: JoinSet::new(),
            failed: false,
        }
    }

    fn deed(&self) -> Deed<'_> {
        deed(&self.uri)
    }

    async fn append(&mut self, bytes: Bytes) -> Result<()> {
        self.pending.extend_from_slice(&bytes);
        loop {
            let size = usize::try_from(part_size(self.sent + 1)).unwrap_or(usize::MAX);
            // The last block is sent at the end, so that an object of one block is one request.
            if self.pending.len() <= size {
                return Ok(());
            }
            let block = self.pending.split_to(size).freeze();
            self.send(block).await?;
        }
    }

    /// Sends a block, as soon as there is room for it; reports those that have failed meanwhile.
    async fn send(&mut self, bytes: Bytes) -> Result<()> {
        let room = self.store.budget.room(bytes.len() as u64).await;
        while let Some(arrived) = self.blocks.try_join_next() {
            joined(arrived)?;
        }
        self.sent += 1;
        let (store, name, uri) = (self.store.clone(), self.name.clone(), self.uri.clone());
        let id = block_id(&self.mark, self.sent);
        self.blocks.spawn(async move {
            let sent = store.send_block(&name, &uri, &id, bytes).await;
            drop(room);
            sent
        });
        Ok(())
    }

    async fn end(&mut self) -> Result<()> {
        let rest = std::mem::take(&mut self.pending).freeze();
        if self.sent == 0 {
            let sent = self.put(rest.clone()).await;
            if self.settle(sent, false).await? {
                return Ok(());
            }
        }
        // Blocks that another writer left behind count as an object for one request (Azurite 3.37), and for a list of
        // blocks they do not.
        if !rest.is_empty() {
            self.send(rest).await?;
        }
        while let Some(arrived) = self.blocks.join_next().await {
            joined(arrived)?;
        }
        for last in [false, true] {
            let sent = self.commit().await;
            if self.settle(sent, last).await? {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Makes the object of the blocks.
    async fn commit(&self) -> azure_core::Result<()> {
        let store = &self.store;
        let kept = store.kept(self.role);
        let options = with_customer_key!(
            store,
            BlockBlobClientCommitBlockListOptions {
                if_none_match: none(),
                metadata: Some(metadata(&self.mark)),
                blob_tags_string: kept.tags,
                tier: kept.tier,
                encryption_scope: kept.scope,
                ..BlockBlobClientCommitBlockListOptions::default()
            }
        );
        let list = BlockLookupList {
            latest: Some(
                (1..=self.sent)
                    .map(|number| block_id(&self.mark, number))
                    .collect(),
            ),
            ..BlockLookupList::default()
        };
        let list = list.try_into()?;
        let blob = store.blob(&self.name).block_blob_client();
        blob.commit_block_list(list, Some(options)).await.map(drop)
    }

    /// Makes the object by one request.
    async fn put(&self, bytes: Bytes) -> azure_core::Result<()> {
        let store = &self.store;
        let kept = store.kept(self.role);
        let options = with_customer_key!(
            store,
            BlockBlobClientUploadOptions {
                if_none_match: none(),
                metadata: Some(metadata(&self.mark)),
                blob_tags_string: kept.tags,
                tier: kept.tier,
                encryption_scope: kept.scope,
                // Never more than one request.
                partition_size: NonZero::new(u64::MAX),
                ..BlockBlobClientUploadOptions::default()
            }
        );
        let blob = store.blob(&self.name).block_blob_client();
        blob.upload(bytes.into(), Some(options)).await.map(drop)
    }

    /// What an answer means: of a request that was sent again, the first may have done its work. `false` where another
    /// try makes sense: the name was taken, and is not any more.
    async fn settle(&self, sent: azure_core::Result<()>, last: bool) -> Result<bool> {
        let Err(error) = sent else {
            return Ok(true);
        };
        // Whoever makes the object first takes the blocks of all others from under them.
        let robbed =
            failure::answer(&error).is_some_and(|answer| answer.code == "InvalidBlockList");
        if !robbed && !failure::is_taken(&error) {
            return Err(self.deed().failed(&error));
        }
        let store = &self.store;
        match store.made_by(&self.name, &self.uri, &self.mark).await? {
            Some(true) => Ok(true),
            Some(false) => Err(taken(&self.uri)),
            None if !last && !robbed => Ok(false),
            None => Err(self.deed().failed(&error)),
        }
    }
}

#[async_trait]
impl ObjectWriter for AzureWriter {
    async fn write(&mut self, bytes: Bytes) -> Result<()> {
        if std::mem::replace(&mut self.failed, true) {
            return Err(self.deed().because(after_failure()));
        }
        self.append(bytes).await?;
        self.failed = false;
        Ok(())
    }

    async fn finish(mut self: Box<Self>) -> Result<()> {
        if self.failed {
            return Err(self.deed().because(after_failure()));
        }
        self.end().await
    }
}

impl AzureStore {
    async fn send_block(&self, name: &str, uri: &str, id: &[u8], bytes: Bytes) -> Result<()> {
        let options = with_customer_key!(
            self,
            BlockBlobClientStageBlockOptions {
                // A block is encrypted as the object will be.
                encryption_scope: self.kept(Role::Part).scope,
                ..BlockBlobClientStageBlockOptions::default()
            }
        );
        let blob = self.blob(name).block_blob_client();
        let size = bytes.len() as u64;
        let sent = blob
            .stage_block(id, size, bytes.into(), Some(options))
            .await;
        sent.map(drop).map_err(|error| deed(uri).failed(&error))
    }

    /// Whether the object was made by the writer of this mark; `None` where there is none.
    pub(super) async fn made_by(&self, name: &str, uri: &str, mark: &str) -> Result<Option<bool>> {
        match self.properties(name, uri).await {
            Ok(found) => Ok(Some(found.writer.as_deref() == Some(mark))),
            Err(Error::Missing { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// The blocks of all who write one object share one space of names, so each bears its writer's mark; all have one length.
fn block_id(mark: &str, number: u32) -> Vec<u8> {
    format!("{mark}{number:08}").into_bytes()
}

pub(super) fn metadata(mark: &str) -> HashMap<String, String> {
    HashMap::from([(WRITER.to_owned(), mark.to_owned())])
}

pub(super) fn taken(uri: &str) -> Error {
    Error::Exists {
        what: uri.to_owned(),
        way_out: String::new(),
    }
}

fn deed(uri: &str) -> Deed<'_> {
    Deed {
        doing: "write",
        uri,
        right: "the role Storage Blob Data Contributor, or a signature for creating and writing (c, w)",
    }
}

fn joined(arrived: Result<Result<()>, tokio::task::JoinError>) -> Result<()> {
    arrived.unwrap_or_else(|lost| {
        Err(Error::Program {
            doing: "upload a block".to_owned(),
            reason: lost.to_string(),
        })
    })
}

fn after_failure() -> io::Error {
    io::Error::other("an earlier write of the same object failed")
}
