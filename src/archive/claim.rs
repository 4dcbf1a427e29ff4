//! Who may write under a name: whoever has made the marker there.

use std::sync::Arc;

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream};
use ring::rand::{SecureRandom, SystemRandom};
use serde::Deserialize;

use super::encoder::hex;
use super::layout::{self, FORGOTTEN, MANIFEST, UNFINISHED};
use crate::store::{self, Role, Store};
use crate::{Error, Result};

/// How many objects are locked at a time.
const LOCKS_AT_ONCE: usize = 16;

/// A name in a store that is ours as long as the marker there has our bytes.
#[derive(Clone, Debug)]
pub(crate) struct Claim {
    store: Arc<dyn Store>,
    name: String,
    marker: Bytes,
}

/// What a claim reads in the markers of others.
#[derive(Deserialize)]
struct Marker {
    copy_of: Option<String>,
}

impl Claim {
    /// Takes a name that nothing in the store has. Of several that want one name, one gets it.
    pub(crate) async fn take(store: Arc<dyn Store>, name: &str) -> Result<Claim> {
        let claim = Claim::vacant(store, name, None).await?;
        claim.mark().await?;
        Ok(claim)
    }

    /// Takes a name for a copy of the archive whose manifest has this SHA-256. An earlier copy of the same archive that
    /// was interrupted there is gone on with: then the other value is true.
    pub(crate) async fn take_for_copy(
        store: Arc<dyn Store>,
        name: &str,
        manifest_sha256: &str,
    ) -> Result<(Claim, bool)> {
        layout::check_name(name)?;
        let path = format!("{name}/{UNFINISHED}");
        match store.read(&path).await {
            Err(Error::Missing { .. }) => {}
            Err(error) => return Err(error),
            Ok(marker) => {
                let found = serde_json::from_slice::<Marker>(&marker).ok();
                let same = found.and_then(|marker| marker.copy_of);
                let claim = Claim {
                    store,
                    name: name.to_owned(),
                    marker,
                };
                return if same.as_deref() == Some(manifest_sha256) {
                    Ok((claim, true))
                } else {
                    Err(claim.unfinished())
                };
            }
        }
        let claim = Claim::vacant(store, name, Some(manifest_sha256)).await?;
        claim.mark().await?;
        Ok((claim, false))
    }

    /// Checks, without touching anything, that a name could be taken.
    pub(crate) async fn check(store: Arc<dyn Store>, name: &str) -> Result<()> {
        Claim::vacant(store, name, None).await.map(|_| ())
    }

    async fn vacant(store: Arc<dyn Store>, name: &str, copy_of: Option<&str>) -> Result<Claim> {
        layout::check_name(name)?;
        if store.size(MANIFEST).await.is_ok() {
            return Err(Error::Usage(format!(
                "{} is an archive, and no store for others; name the folder that it is in, and the new one with --name",
                store.uri()
            )));
        }
        let claim = Claim {
            store,
            name: name.to_owned(),
            marker: marker(copy_of)?,
        };
        let held = claim.store.list(name).await?;
        let holds = |wanted: &str| held.iter().any(|object| object == wanted);
        if holds(MANIFEST) {
            return Err(claim.taken());
        }
        if holds(FORGOTTEN) {
            return Err(Error::Exists {
                what: format!("what is left of a removed archive {}", claim.uri()),
                way_out: format!(
                    "`milvault forget {} {name}` removes it; or choose another --name",
                    claim.store.uri()
                ),
            });
        }
        if !held.is_empty() {
            return Err(claim.unfinished());
        }
        Ok(claim)
    }

    async fn mark(&self) -> Result<()> {
        let path = self.path(UNFINISHED);
        match store::put(&*self.store, &path, self.marker.clone(), Role::Mark).await {
            Err(Error::Exists { .. }) => return Err(self.unfinished()),
            put => put?,
        }
        // Another may have begun and sealed between our look and our marker.
        match self.store.size(&self.path(MANIFEST)).await {
            Err(Error::Missing { .. }) => Ok(()),
            Ok(_) => {
                self.store.remove(&path).await?;
                Err(self.taken())
            }
            Err(error) => Err(error),
        }
    }

    /// The store.
    pub(crate) fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }

    /// The address of what is written.
    pub(crate) fn uri(&self) -> String {
        format!("{}/{}", self.store.uri(), self.name)
    }

    /// Where in the store an object goes.
    pub(crate) fn path(&self, path: &str) -> String {
        format!("{}/{path}", self.name)
    }

    /// Fails where the name is ours no more: somebody has removed our marker, and perhaps what we wrote.
    pub(crate) async fn check_ours(&self) -> Result<()> {
        match self.store.read(&self.path(UNFINISHED)).await {
            Ok(marker) if marker == self.marker => Ok(()),
            Ok(_) | Err(Error::Missing { .. }) => Err(self.unfinished()),
            Err(error) => Err(error),
        }
    }

    /// Locks objects as the store was asked to. Not before all of them are there: what an export that failed leaves
    /// could else not be removed for years.
    pub(crate) async fn lock<'a>(&self, paths: impl IntoIterator<Item = &'a str>) -> Result<()> {
        let paths: Vec<String> = paths.into_iter().map(|path| self.path(path)).collect();
        stream::iter(&paths)
            .map(|path| self.store.lock(path))
            .buffer_unordered(LOCKS_AT_ONCE)
            .try_collect()
            .await
    }

    /// Ends the claim, because the archive is whole: readers go by the manifest, whether or not the marker can be
    /// removed.
    pub(crate) async fn release(&self) {
        let _ = self.store.remove(&self.path(UNFINISHED)).await;
    }

    /// Removes everything that was written.
    ///
    /// # Errors
    /// [`Error::Exists`] where the name is no longer ours, and what is there is left alone.
    pub(crate) async fn discard(&self) -> Result<()> {
        self.check_ours().await?;
        self.store.remove_all(&self.name).await
    }

    /// There is an archive of that name.
    pub(crate) fn taken(&self) -> Error {
        Error::Exists {
            what: format!("archive {}", self.uri()),
            way_out: "choose another --name".to_owned(),
        }
    }

    fn unfinished(&self) -> Error {
        Error::Exists {
            what: format!("an unfinished archive {}", self.uri()),
            way_out: format!(
                "if nothing is writing it, remove {}; or choose another --name",
                self.uri()
            ),
        }
    }
}

fn marker(copy_of: Option<&str>) -> Result<Bytes> {
    let mut id = [0; 16];
    SystemRandom::new()
        .fill(&mut id)
        .map_err(|_| Error::Program {
            doing: "begin an archive".to_owned(),
            reason: "the system gives no random numbers".to_owned(),
        })?;
    let mut marker = serde_json::json!({
        "id": hex(&id),
        "tool": { "name": env!("CARGO_PKG_NAME"), "version": env!("CARGO_PKG_VERSION") },
        "started": jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
    });
    if let Some(sha256) = copy_of {
        marker["copy_of"] = sha256.into();
    }
    Ok(Bytes::from(format!("{marker:#}\n")))
}
