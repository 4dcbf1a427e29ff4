//! Copies within one account, without the bytes passing through here.

use std::io;
use std::time::Duration;

use azure_storage_blob::models::{BlobClientStartCopyFromUrlOptions, CopyStatus};

use super::failure::{self, Deed};
use super::writer::{metadata, taken};
use super::{AzureStore, none};
use crate::Result;
use crate::store::{Role, Told};

/// How often a copy is asked for that goes on after the answer.
const POLL: Duration = Duration::from_millis(500);

impl AzureStore {
    /// `None` where the service would not copy between the two: accounts are opened one by one, and it copies neither
    /// what a customer's key encrypts nor into an encryption scope.
    pub(super) async fn copy_from(
        &self,
        source: &AzureStore,
        from: &str,
        name: &str,
        uri: &str,
        role: Role,
    ) -> Result<Option<Told>> {
        let kept = self.kept(role);
        let keys = source.customer_key.is_some() || self.customer_key.is_some();
        if source.endpoint != self.endpoint || keys || kept.scope.is_some() {
            return Ok(None);
        }
        let deed = Deed {
            doing: "write",
            uri,
            right: "the role Storage Blob Data Contributor, or a signature for creating and writing (c, w)",
        };
        let (from_name, from_uri) = source.locate(from)?;
        source.properties(&from_name, &from_uri).await?;
        let mark = super::mark()?;
        let options = BlobClientStartCopyFromUrlOptions {
            if_none_match: none(),
            metadata: Some(metadata(&mark)),
            blob_tags_string: kept.tags,
            tier: kept.tier,
            ..BlobClientStartCopyFromUrlOptions::default()
        };
        let url = source.blob(&from_name).url().to_string();
        let started = self
            .blob(name)
            .start_copy_from_url(url, Some(options))
            .await;
        if let Err(error) = started {
            // Of a request that was sent again, the first may have done its work.
            let ours = failure::is_taken(&error)
                && self.made_by(name, uri, &mark).await?.unwrap_or_default();
            if !ours {
                return match failure::answer(&error).map(|answer| answer.status) {
                    _ if failure::is_taken(&error) => Err(taken(uri)),
                    Some(401 | 403) => Ok(None),
                    _ => Err(deed.failed(&error)),
                };
            }
        }
        self.copied(name, uri, &deed).await?;
        // The MD5 of a copy is a property that comes with it, and says nothing of its bytes.
        Ok(Some(Told::Size))
    }

    /// Waits until a copy is whole. Within an account it mostly is at once.
    async fn copied(&self, name: &str, uri: &str, deed: &Deed<'_>) -> Result<()> {
        loop {
            match self.properties(name, uri).await?.copy {
                Some(CopyStatus::Pending) => tokio::time::sleep(POLL).await,
                Some(status @ (CopyStatus::Failed | CopyStatus::Aborted)) => {
                    // What is left of it is empty, and looks like an object.
                    self.remove_object(name, uri).await?;
                    let reason = format!("the service did not copy it ({status})");
                    return Err(deed.because(io::Error::other(reason)));
                }
                Some(_) | None => return Ok(()),
            }
        }
    }
}
