//! Folders that a Milvus with local storage imports from, and what goes wrong in them.

use std::any::Any;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use milvault::Result;
use milvault::restore::{ImportOptions, ImportStore, Mode, RestoreOptions};
use milvault::store::{LocalStore, ObjectWriter, Role, Store};

use crate::support::vault::Vault;

/// What goes wrong with files that are put into a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// Nothing.
    None,
    /// The first so many are not what was written.
    Spoilt(u64),
    /// The first so many are gone as soon as they are there.
    Vanished(u64),
    /// None may be put there.
    Full,
}

/// A folder with trouble.
#[derive(Debug)]
pub struct TroubledStore {
    inner: LocalStore,
    trouble: Trouble,
    /// How many files were put there.
    pub created: AtomicU64,
}

impl TroubledStore {
    pub fn new(vault: &Vault, trouble: Trouble) -> Arc<TroubledStore> {
        Arc::new(TroubledStore {
            inner: LocalStore::new(vault.path().to_str().unwrap()),
            trouble,
            created: AtomicU64::new(0),
        })
    }
}

/// A restore by import through a store.
pub fn importing(options: RestoreOptions, store: Arc<dyn Store>) -> RestoreOptions {
    RestoreOptions {
        mode: Mode::Import,
        import: Some(ImportOptions {
            store: ImportStore::new(store, None).unwrap(),
            timeout: Duration::from_secs(300),
        }),
        ..options
    }
}

struct Writer {
    inner: Box<dyn ObjectWriter>,
    store: LocalStore,
    path: String,
    spoilt: bool,
    vanishes: bool,
}

#[async_trait]
impl ObjectWriter for Writer {
    async fn write(&mut self, bytes: Bytes) -> Result<()> {
        let bytes = match self.spoilt {
            true => Bytes::from(vec![7; bytes.len()]),
            false => bytes,
        };
        self.inner.write(bytes).await
    }

    async fn finish(self: Box<Self>) -> Result<()> {
        self.inner.finish().await?;
        match self.vanishes {
            true => self.store.remove(&self.path).await,
            false => Ok(()),
        }
    }
}

#[async_trait]
impl Store for TroubledStore {
    fn uri(&self) -> String {
        self.inner.uri()
    }

    async fn create(&self, path: &str, role: Role) -> Result<Box<dyn ObjectWriter>> {
        let number = self.created.fetch_add(1, Ordering::SeqCst);
        let (spoilt, vanishes) = match self.trouble {
            Trouble::None => (false, false),
            Trouble::Spoilt(some) => (number < some, false),
            Trouble::Vanished(some) => (false, number < some),
            Trouble::Full => panic!("{path} was to be put into the store"),
        };
        Ok(Box::new(Writer {
            inner: self.inner.create(path, role).await?,
            store: self.inner.clone(),
            path: path.to_owned(),
            spoilt,
            vanishes,
        }))
    }

    async fn read(&self, path: &str) -> Result<Bytes> {
        self.inner.read(path).await
    }

    async fn read_range(&self, path: &str, range: Range<u64>) -> Result<Bytes> {
        self.inner.read_range(path, range).await
    }

    async fn size(&self, path: &str) -> Result<u64> {
        self.inner.size(path).await
    }

    async fn list(&self, path: &str) -> Result<Vec<String>> {
        self.inner.list(path).await
    }

    async fn remove(&self, path: &str) -> Result<()> {
        self.inner.remove(path).await
    }

    async fn remove_all(&self, path: &str) -> Result<()> {
        self.inner.remove_all(path).await
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
