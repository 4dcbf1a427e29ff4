//! The objects of one archive by their paths, decrypted where the archive is encrypted.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;

use super::encryption::{ArchiveKey, Decrypting};
use crate::store::Store;
use crate::{Error, Result, compute};

/// The objects of an archive.
#[derive(Clone, Debug)]
pub(super) struct Objects {
    store: Arc<dyn Store>,
    name: String,
    key: Option<Arc<ArchiveKey>>,
}

/// One of them.
#[derive(Clone)]
pub(super) struct ObjectReader {
    store: Arc<dyn Store>,
    path: String,
    size: u64,
    sealed: Option<Arc<Decrypting>>,
}

impl Objects {
    pub(super) fn new(store: Arc<dyn Store>, name: &str, key: Option<ArchiveKey>) -> Objects {
        Objects {
            store,
            name: name.to_owned(),
            key: key.map(Arc::new),
        }
    }

    /// Where the object that a path names lies, relative to the archive's folder.
    pub(super) fn place(&self, path: &str) -> String {
        match &self.key {
            Some(key) => key.place(path),
            None => path.to_owned(),
        }
    }

    /// Opens an object.
    ///
    /// # Errors
    /// [`Error::Damaged`] where it does not decrypt.
    pub(super) async fn open(&self, path: &str) -> Result<ObjectReader> {
        let place = format!("{}/{}", self.name, self.place(path));
        let Some(key) = &self.key else {
            return Ok(ObjectReader {
                store: self.store.clone(),
                size: self.store.size(&place).await?,
                path: place,
                sealed: None,
            });
        };
        let opened = Decrypting::open(key.clone(), &*self.store, &place).await?;
        let sealed = opened.map_err(|reason| undecrypted(&*self.store, &place, reason))?;
        Ok(ObjectReader {
            store: self.store.clone(),
            size: sealed.size(),
            path: place,
            sealed: Some(Arc::new(sealed)),
        })
    }

    /// Reads an object whole.
    pub(super) async fn read(&self, path: &str) -> Result<Bytes> {
        if self.key.is_none() {
            return self.store.read(&format!("{}/{path}", self.name)).await;
        }
        let object = self.open(path).await?;
        object.read_range(0..object.size).await
    }
}

impl ObjectReader {
    /// The size of what is in it.
    pub(super) fn size(&self) -> u64 {
        self.size
    }

    /// Reads a part of what is in it; a range that reaches past the end is an error.
    pub(super) async fn read_range(&self, range: Range<u64>) -> Result<Bytes> {
        let Some(sealed) = &self.sealed else {
            return self.store.read_range(&self.path, range).await;
        };
        let bytes = self
            .store
            .read_range(&self.path, sealed.cover(&range))
            .await?;
        let sealed = sealed.clone();
        let decrypted = compute::run(move || sealed.decrypt(&range, bytes)).await;
        decrypted.map_err(|reason| undecrypted(&*self.store, &self.path, reason))
    }
}

fn undecrypted(store: &dyn Store, path: &str, reason: String) -> Error {
    Error::Damaged {
        uri: format!("{}/{path}", store.uri()),
        reason,
    }
}
