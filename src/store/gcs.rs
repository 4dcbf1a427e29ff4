//! Google Cloud Storage as a store, by its JSON API.

mod connect;
mod copy;
mod failure;
mod keep;
mod list;
mod object;
mod read;
mod remove;
mod request;
mod upload;
mod writer;

use std::any::Any;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use tokio::sync::OnceCell;

use super::address::Address;
use super::parts::Budget;
use super::{
    KeepOptions, ObjectWriter, Place, Protection, Role, Store, StoreOptions, Told, mark, range,
};
use crate::Result;
use connect::Service;
use keep::SentKey;
use writer::GcsWriter;

/// A bucket of Google Cloud Storage, or what is below a prefix in it.
///
/// Objects are created with `ifGenerationMatch=0`, so that of several writers one succeeds, and with a CRC32C that the
/// service checks. Each carries its writer's mark in its metadata: where the answer to a write was lost and the write sent
/// again, the refusal of the second is told by it from that of another's object.
#[derive(Clone)]
pub struct GcsStore {
    service: Arc<Service>,
    address: Arc<Address>,
    keep: Arc<KeepOptions>,
    customer_key: Option<Arc<SentKey>>,
    budget: Budget,
    /// The bucket can do what is asked of it.
    fit: Arc<OnceCell<()>>,
}

/// Neither the service's client, which knows the credentials, nor the customer's key.
impl fmt::Debug for GcsStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GcsStore")
            .field("uri", &self.uri())
            .finish_non_exhaustive()
    }
}

impl GcsStore {
    /// The store at `gs://BUCKET[/PREFIX]`. Nothing is touched yet but files with credentials.
    ///
    /// # Errors
    /// [`crate::Error::Usage`] for an address that is none, credentials that are none, and options that Google does not
    /// have.
    pub fn open(uri: &str, options: &StoreOptions) -> Result<GcsStore> {
        let address = Address::parse("gs", "bucket", uri)?;
        keep::check(options)?;
        let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        Ok(GcsStore {
            service: Arc::new(Service::connect(&options.gcs, variable)?),
            address: Arc::new(address),
            keep: Arc::new(options.keep.clone()),
            customer_key: options
                .customer_key
                .as_ref()
                .map(|key| Arc::new(SentKey::new(key))),
            budget: Budget::new(),
            fit: Arc::default(),
        })
    }
}

#[async_trait]
impl Store for GcsStore {
    fn uri(&self) -> String {
        self.address.uri()
    }

    fn place(&self) -> Result<Place> {
        Ok(Place {
            service: self.service.endpoint.clone(),
            address: self.uri(),
        })
    }

    async fn check_keeping(&self) -> Result<()> {
        self.fit.get_or_try_init(|| self.check_fit()).await?;
        Ok(())
    }

    async fn create(&self, path: &str, role: Role) -> Result<Box<dyn ObjectWriter>> {
        let (name, uri) = self.address.locate(path)?;
        self.check_keeping().await?;
        Ok(Box::new(GcsWriter::new(
            self.clone(),
            name,
            uri,
            role,
            mark()?,
        )))
    }

    async fn read(&self, path: &str) -> Result<Bytes> {
        let (name, uri) = self.address.locate(path)?;
        self.get(&name, &uri, None).await
    }

    async fn read_range(&self, path: &str, range: Range<u64>) -> Result<Bytes> {
        let (name, uri) = self.address.locate(path)?;
        let get = |range| self.get(&name, &uri, Some(range));
        let size = || async { Ok(self.resource(&name, &uri).await?.size) };
        range::read(&uri, range, get, size).await
    }

    async fn size(&self, path: &str) -> Result<u64> {
        let (name, uri) = self.address.locate(path)?;
        Ok(self.resource(&name, &uri).await?.size)
    }

    async fn list(&self, path: &str) -> Result<Vec<String>> {
        let (prefix, uri) = self.address.locate_below(path)?;
        self.names(&prefix, &uri).await
    }

    async fn remove(&self, path: &str) -> Result<()> {
        let (name, uri) = self.address.locate(path)?;
        self.remove_object(&name, &uri).await
    }

    async fn remove_all(&self, path: &str) -> Result<()> {
        let (prefix, uri) = self.address.locate_below(path)?;
        if !path.is_empty() {
            self.remove(path).await?;
        }
        self.remove_below(&prefix, &uri).await
    }

    async fn copy_within(
        &self,
        source: &dyn Store,
        from: &str,
        path: &str,
        role: Role,
    ) -> Result<Option<Told>> {
        let Some(source) = source.as_any().downcast_ref::<GcsStore>() else {
            return Ok(None);
        };
        let (name, uri) = self.address.locate(path)?;
        self.check_keeping().await?;
        self.copy_from(source, from, &name, &uri, role).await
    }

    async fn lock(&self, path: &str) -> Result<()> {
        let (name, uri) = self.address.locate(path)?;
        self.check_keeping().await?;
        self.lock_object(&name, &uri).await
    }

    fn locks(&self) -> bool {
        self.keep.locks()
    }

    async fn protection(&self, path: &str) -> Result<Protection> {
        let (name, uri) = self.address.locate(path)?;
        Ok(self.resource(&name, &uri).await?.protection())
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
