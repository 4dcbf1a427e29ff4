//! A store that fails, or is locked, where a test wants it.

use std::collections::BTreeSet;
use std::sync::Mutex;

use async_trait::async_trait;
use bytes::Bytes;

use super::*;
use crate::Result;
use crate::store::{Lock, LockMode, ObjectWriter, Protection, Role};

/// What is about to be done to which object.
type Hook = dyn Fn(&str, &str) -> Result<()> + Send + Sync;

/// A store whose calls a test hears, and can make fail.
pub(crate) struct Hooked {
    pub(crate) store: Arc<dyn Store>,
    /// Hears `create`, `finish`, `read`, `remove` and `remove_all` with their paths.
    pub(crate) hook: Arc<Hook>,
    pub(crate) protection: fn(&str) -> Protection,
    /// What was locked, where objects can be: each `lock` is heard, and what is locked cannot be removed.
    pub(crate) locked: Option<Mutex<BTreeSet<String>>>,
}

/// A store whose calls are heard.
pub(crate) fn hooked(
    store: &Arc<dyn Store>,
    hook: impl Fn(&str, &str) -> Result<()> + Send + Sync + 'static,
) -> Arc<dyn Store> {
    Arc::new(Hooked::new(store, hook))
}

/// The same of a store that locks objects.
pub(crate) fn locking(
    store: &Arc<dyn Store>,
    hook: impl Fn(&str, &str) -> Result<()> + Send + Sync + 'static,
) -> Arc<dyn Store> {
    Arc::new(Hooked {
        locked: Some(Mutex::default()),
        ..Hooked::new(store, hook)
    })
}

impl Hooked {
    fn new(
        store: &Arc<dyn Store>,
        hook: impl Fn(&str, &str) -> Result<()> + Send + Sync + 'static,
    ) -> Hooked {
        Hooked {
            store: store.clone(),
            hook: Arc::new(hook),
            protection: |_| Protection::default(),
            locked: None,
        }
    }

    fn is_locked(&self, path: &str, below: bool) -> bool {
        let Some(locked) = &self.locked else {
            return false;
        };
        let folder = format!("{path}/");
        let locked = locked.lock().unwrap();
        locked.contains(path) || (below && locked.iter().any(|one| one.starts_with(&folder)))
    }
}

impl std::fmt::Debug for Hooked {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.store.fmt(f)
    }
}

/// The failure of a store at a path.
pub(crate) fn broken(path: &str) -> crate::Error {
    crate::Error::Store {
        doing: "reach",
        uri: path.to_owned(),
        source: std::io::Error::other("the cable is out"),
    }
}

struct HookedWriter {
    writer: Box<dyn ObjectWriter>,
    path: String,
    hook: Arc<Hook>,
}

#[async_trait]
impl ObjectWriter for HookedWriter {
    async fn write(&mut self, bytes: Bytes) -> Result<()> {
        (self.hook)("write", &self.path)?;
        self.writer.write(bytes).await
    }
    async fn finish(self: Box<Self>) -> Result<()> {
        (self.hook)("finish", &self.path)?;
        self.writer.finish().await
    }
}

#[async_trait]
impl Store for Hooked {
    fn uri(&self) -> String {
        self.store.uri()
    }
    async fn create(&self, path: &str, role: Role) -> Result<Box<dyn ObjectWriter>> {
        (self.hook)("create", path)?;
        Ok(Box::new(HookedWriter {
            writer: self.store.create(path, role).await?,
            path: path.to_owned(),
            hook: self.hook.clone(),
        }))
    }
    async fn read(&self, path: &str) -> Result<Bytes> {
        (self.hook)("read", path)?;
        self.store.read(path).await
    }
    async fn read_range(&self, path: &str, range: Range<u64>) -> Result<Bytes> {
        (self.hook)("read", path)?;
        self.store.read_range(path, range).await
    }
    async fn size(&self, path: &str) -> Result<u64> {
        self.store.size(path).await
    }
    async fn list(&self, path: &str) -> Result<Vec<String>> {
        self.store.list(path).await
    }
    async fn remove(&self, path: &str) -> Result<()> {
        (self.hook)("remove", path)?;
        if self.is_locked(path, false) {
            return Err(broken(path));
        }
        self.store.remove(path).await
    }
    async fn remove_all(&self, path: &str) -> Result<()> {
        (self.hook)("remove_all", path)?;
        if self.is_locked(path, true) {
            return Err(broken(path));
        }
        self.store.remove_all(path).await
    }
    fn locks(&self) -> bool {
        self.locked.is_some()
    }
    async fn lock(&self, path: &str) -> Result<()> {
        if let Some(locked) = &self.locked {
            (self.hook)("lock", path)?;
            locked.lock().unwrap().insert(path.to_owned());
        }
        Ok(())
    }
    async fn protection(&self, path: &str) -> Result<Protection> {
        if self.is_locked(path, false) {
            self.store.size(path).await?;
            return Ok(Protection {
                lock: Some(Lock {
                    mode: LockMode::Compliance,
                    until: "2999-01-01T00:00:00Z".parse().unwrap(),
                }),
                legal_hold: false,
            });
        }
        Ok((self.protection)(path))
    }
    fn as_any(&self) -> &dyn std::any::Any {
        self
    }
}
