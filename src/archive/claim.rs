//! Who may write under a name: whoever has made the marker there.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream};
use jiff::Timestamp;
use ring::rand::{SecureRandom, SystemRandom};
use serde::Deserialize;

use super::encoder::hex;
use super::layout::{self, FORGOTTEN, MANIFEST, SUMMARY, UNFINISHED};
use super::locks;
use super::remove::held;
use crate::store::{self, Role, Store};
use crate::{Error, Result};

/// How many objects are locked at a time.
const LOCKS_AT_ONCE: usize = 16;

/// A name in a store that is ours as long as the marker there is: has our bytes, or is that of another copy of the same
/// archive.
#[derive(Clone, Debug)]
pub(crate) struct Claim {
    store: Arc<dyn Store>,
    name: String,
    marker: Bytes,
    /// Of a copy, the SHA-256 of the manifest that is copied.
    copy_of: Option<String>,
    /// Whether some of the objects may be locked by now.
    locking: Arc<AtomicBool>,
}

/// What a claim reads in the markers of others.
#[derive(Deserialize)]
struct Marker {
    copy_of: Option<String>,
}

impl Claim {
    fn new(store: Arc<dyn Store>, name: &str, copy_of: Option<&str>) -> Result<Claim> {
        layout::check_name(name)?;
        Ok(Claim {
            store,
            name: name.to_owned(),
            marker: marker(copy_of)?,
            copy_of: copy_of.map(str::to_owned),
            locking: Arc::default(),
        })
    }

    /// Takes a name that nothing in the store has. Of several that want one name, one gets it.
    pub(crate) async fn take(store: Arc<dyn Store>, name: &str) -> Result<Claim> {
        let claim = Claim::new(store, name, None)?;
        claim.check_vacant().await?;
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
        let claim = Claim::new(store, name, Some(manifest_sha256))?;
        match claim.found().await? {
            None => {
                claim.check_vacant().await?;
                claim.mark().await?;
                Ok((claim, false))
            }
            Some(marker) if claim.owns(&marker) => {
                claim.renew().await?;
                Ok((claim, true))
            }
            Some(_) => Err(claim.refusal().await),
        }
    }

    /// Checks, without touching anything, that a name could be taken.
    pub(crate) async fn check(store: Arc<dyn Store>, name: &str) -> Result<()> {
        store.check_keeping().await?;
        Claim::new(store, name, None)?.check_vacant().await
    }

    async fn check_vacant(&self) -> Result<()> {
        if self.store.size(MANIFEST).await.is_ok() {
            return Err(Error::Usage(format!(
                "{} is an archive, and no store for others; name the folder that it is in, and the new one with --name",
                self.store.uri()
            )));
        }
        let held = self.store.list(&self.name).await?;
        let holds = |wanted: &str| held.iter().any(|object| object == wanted);
        if holds(MANIFEST) {
            Err(self.taken())
        } else if holds(FORGOTTEN) {
            Err(forgotten(&*self.store, &self.name))
        } else if held.is_empty() {
            Ok(())
        } else if holds(UNFINISHED) {
            Err(self.unfinished())
        } else if layout::objects_below(&*self.store, &self.name)
            .await?
            .is_empty()
        {
            // Some services name folders for a while that have become empty.
            Ok(())
        } else {
            Err(self.unfinished())
        }
    }

    async fn mark(&self) -> Result<()> {
        let path = self.path(UNFINISHED);
        match store::put(&*self.store, &path, self.marker.clone(), Role::Mark).await {
            Err(Error::Exists { .. }) => return Err(self.refusal().await),
            put => put?,
        }
        // Another may have begun and sealed between our look and our marker.
        if self.holds(MANIFEST).await? {
            self.store.remove(&path).await?;
            return Err(self.taken());
        }
        Ok(())
    }

    /// Says in the marker that the copy is gone on with now, or whoever clears away what is old would take it for given
    /// up.
    async fn renew(&self) -> Result<()> {
        if self.holds(FORGOTTEN).await? {
            return Err(forgotten(&*self.store, &self.name));
        }
        // Where only the end is missing, it is made at once.
        if self.holds(MANIFEST).await? {
            return Ok(());
        }
        let path = self.path(UNFINISHED);
        if let Err(error) = self.store.remove(&path).await {
            // What is locked is not cleared away either.
            let found = self.store.protection(&path).await;
            let locked = found.is_ok_and(|found| found.holds(Timestamp::now()));
            return if locked { Ok(()) } else { Err(error) };
        }
        match store::put(&*self.store, &path, self.marker.clone(), Role::Mark).await {
            // Of another copy that goes on with the same; else it is found out at the end.
            Err(Error::Exists { .. }) => Ok(()),
            put => put,
        }
    }

    async fn holds(&self, path: &str) -> Result<bool> {
        match self.store.size(&self.path(path)).await {
            Ok(_) => Ok(true),
            Err(Error::Missing { .. }) => Ok(false),
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

    /// The marker that is there.
    async fn found(&self) -> Result<Option<Bytes>> {
        match self.store.read(&self.path(UNFINISHED)).await {
            Ok(marker) => Ok(Some(marker)),
            Err(Error::Missing { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Whether a marker is ours, or that of another copy of the same archive.
    fn owns(&self, marker: &Bytes) -> bool {
        let same = || serde_json::from_slice::<Marker>(marker).ok()?.copy_of;
        *marker == self.marker || (self.copy_of.is_some() && same() == self.copy_of)
    }

    async fn is_ours(&self) -> Result<bool> {
        let marker = self.found().await?;
        Ok(marker.is_some_and(|marker| self.owns(&marker)))
    }

    /// Fails where the name is ours no more: somebody has removed our marker, and perhaps what we wrote.
    pub(crate) async fn check_ours(&self) -> Result<()> {
        if self.is_ours().await? {
            Ok(())
        } else {
            Err(self.refusal().await)
        }
    }

    /// Puts the manifest of an export, which makes an archive of what was written. Once this has returned it is whole,
    /// whatever fails later.
    ///
    /// # Errors
    /// Where the name is ours no more, and then no manifest of ours is there.
    pub(crate) async fn complete(&self, manifest: &Bytes) -> Result<()> {
        self.check_ours().await?;
        let path = self.path(MANIFEST);
        let is_there = async || {
            let found = self.store.read(&path).await;
            found.is_ok_and(|found| found == *manifest)
        };
        match store::put(&*self.store, &path, manifest.clone(), Role::Part).await {
            Ok(()) => {}
            Err(Error::Exists { .. }) => return Err(self.taken()),
            // The answer may have been lost on its way.
            Err(error) => {
                if !is_there().await {
                    return Err(error);
                }
            }
        }
        // Who clears away what is unfinished removes the marker first, and looks for a manifest after that: one of us
        // sees the other.
        if let Ok(false) = self.is_ours().await {
            if is_there().await {
                self.store.remove(&path).await?;
            }
            return Err(Error::Missing {
                uri: format!("{}/{UNFINISHED}", self.uri()),
                hint: "somebody has given this archive up while it was being written".to_owned(),
            });
        }
        Ok(())
    }

    /// Locks objects as the store was asked to. Not before all of them are there: what an export that failed leaves
    /// could else not be removed for years.
    pub(crate) async fn lock<'a>(&self, paths: impl IntoIterator<Item = &'a str>) -> Result<()> {
        self.locking.store(true, Ordering::Relaxed);
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

    /// Removes everything that was written, unless some of it was locked: then all stays as it is, and can be seen to be
    /// unfinished.
    ///
    /// # Errors
    /// [`Error::Exists`] where the name is no longer ours, and what is there is left alone.
    pub(crate) async fn discard(&self) -> Result<()> {
        self.check_ours().await?;
        for path in [SUMMARY, MANIFEST] {
            self.store.remove(&self.path(path)).await?;
        }
        if self.locking.load(Ordering::Relaxed)
            && let Some(found) = held(&*self.store, &self.name, Timestamp::now()).await?
        {
            let reason = format!(
                "objects of it are locked already ({}), so all of it stays, unfinished; {} once that has ended",
                locks::told(&found),
                self.way_out()
            );
            return Err(Error::Store {
                doing: "remove",
                uri: self.uri(),
                source: io::Error::other(reason),
            });
        }
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
                "if nothing is writing it, {} an hour after it was begun; or choose another --name",
                self.way_out()
            ),
        }
    }

    /// What removes an unfinished archive.
    fn way_out(&self) -> String {
        format!(
            "`milvault forget {} {} --unfinished=1h` removes it",
            self.store.uri(),
            self.name
        )
    }

    /// Why the name is not ours: somebody is writing there, or has come to the end.
    async fn refusal(&self) -> Error {
        match self.holds(MANIFEST).await {
            Ok(true) => self.taken(),
            Ok(false) => self.unfinished(),
            Err(error) => error,
        }
    }
}

/// The name is that of an archive that is being removed.
pub(crate) fn forgotten(store: &dyn Store, name: &str) -> Error {
    let store = store.uri();
    Error::Exists {
        what: format!("what is left of a removed archive {store}/{name}"),
        way_out: format!("`milvault forget {store} {name}` removes it; or choose another --name"),
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
