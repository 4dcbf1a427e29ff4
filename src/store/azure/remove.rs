//! Removing objects.

use azure_storage_blob::models::{BlobClientDeleteOptions, DeleteSnapshotsOptionType};
use futures::{TryStreamExt, stream};

use super::AzureStore;
use super::failure::{self, Deed};
use crate::Result;

/// How many are removed at once.
const AT_ONCE: usize = 16;

impl AzureStore {
    pub(super) async fn remove_object(&self, name: &str, uri: &str) -> Result<()> {
        let options = BlobClientDeleteOptions {
            delete_snapshots: Some(DeleteSnapshotsOptionType::Include),
            ..BlobClientDeleteOptions::default()
        };
        match self.blob(name).delete(Some(options)).await {
            Ok(_) => Ok(()),
            Err(error) if failure::is_missing(&error) => Ok(()),
            Err(error) => {
                let deed = Deed {
                    doing: "remove",
                    uri,
                    right: "the role Storage Blob Data Contributor, or a signature for deleting (d)",
                };
                Err(deed.failed(&error))
            }
        }
    }

    pub(super) async fn remove_below(&self, prefix: &str, uri: &str) -> Result<()> {
        let mut marker = None;
        loop {
            let (names, next) = self.below(prefix, uri, marker).await?;
            stream::iter(names.iter().map(Ok))
                .try_for_each_concurrent(AT_ONCE, |name| async move {
                    let below = name.strip_prefix(prefix).unwrap_or(name);
                    let uri = format!("{}/{below}", uri.trim_end_matches('/'));
                    self.remove_object(name, &uri).await
                })
                .await?;
            match next {
                Some(next) => marker = Some(next),
                None => return Ok(()),
            }
        }
    }
}
