//! Azure Blob Storage as a store.

mod account;
mod checked;
mod connect;
mod copy;
mod failure;
mod identity;
mod keep;
mod list;
mod read;
mod remove;
mod shared_key;
mod transport;
mod writer;

use std::any::Any;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use azure_core::http::Etag;
use azure_storage_blob::BlobClient;
use bytes::Bytes;
use tokio::sync::OnceCell;

use super::address::Address;
use super::parts::Budget;
use super::{
    CustomerKey, KeepOptions, ObjectWriter, Place, Protection, Role, Store, StoreOptions, Told,
    mark, range,
};
use crate::{Error, Result};
use account::Account;
use connect::Container;
use writer::AzureWriter;

/// Gives the options of a request the customer's key, where there is one.
macro_rules! with_customer_key {
    ($store:expr, $options:expr) => {{
        let mut options = $options;
        if let Some(key) = $store.customer_key.as_deref() {
            options.encryption_algorithm =
                Some(azure_storage_blob::models::EncryptionAlgorithmType::Aes256);
            options.encryption_key = Some(key.base64.clone());
            options.encryption_key_sha256 = Some(key.sha256.clone());
        }
        options
    }};
}
use with_customer_key;

/// A container of Azure Blob Storage, or what is below a prefix in it.
///
/// Objects are block blobs, created with `If-None-Match: *`, so that of several writers one succeeds. All that is sent
/// carries its MD5, which the service checks. Each object carries its writer's mark in its metadata: where the answer to
/// a write was lost and the write sent again, the refusal of the second is told by it from that of another's object.
#[derive(Clone)]
pub struct AzureStore {
    container: Arc<Container>,
    /// The account, without what opens it.
    endpoint: Arc<str>,
    address: Arc<Address>,
    keep: Arc<KeepOptions>,
    customer_key: Option<Arc<SentKey>>,
    budget: Budget,
    /// The container can do what is asked of it.
    fit: Arc<OnceCell<()>>,
}

/// A customer's key as it is sent.
struct SentKey {
    base64: String,
    sha256: String,
}

impl SentKey {
    fn new(key: &CustomerKey) -> SentKey {
        use base64::Engine;
        use base64::engine::general_purpose::STANDARD;
        use ring::digest::{SHA256, digest};

        SentKey {
            base64: STANDARD.encode(key.bytes()),
            sha256: STANDARD.encode(digest(&SHA256, key.bytes())),
        }
    }
}

/// Neither the clients, which know the credentials, nor the customer's key.
impl fmt::Debug for AzureStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AzureStore")
            .field("uri", &self.uri())
            .finish_non_exhaustive()
    }
}

impl AzureStore {
    /// The store at `az://CONTAINER[/PREFIX]`. Nothing is touched yet.
    ///
    /// # Errors
    /// [`Error::Usage`] for an address that is none, an account that is not known, and options that Azure does not
    /// have.
    pub fn open(uri: &str, options: &StoreOptions) -> Result<AzureStore> {
        let address = Address::parse("az", "container", uri)?;
        keep::check(options)?;
        let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let account = Account::find(&options.azure, variable)?;
        if options.customer_key.is_some() && account.endpoint.scheme() != "https" {
            return Err(Error::Usage(
                "Azure takes --sse-customer-key-file over https only".to_owned(),
            ));
        }
        let endpoint = account.endpoint.to_string().into();
        Ok(AzureStore {
            container: Arc::new(connect::connect(account, &address.bucket)?),
            endpoint,
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

    /// The name of an object, and the address by which errors call it. Azure makes slashes of backslashes, and so
    /// another object.
    fn locate(&self, path: &str) -> Result<(String, String)> {
        if path.contains('\\') {
            return Err(Error::Usage(format!(
                "{path:?} has a backslash, which Azure does not keep: choose another name or store"
            )));
        }
        self.address.locate(path)
    }

    fn blob(&self, name: &str) -> BlobClient {
        self.container.client.blob_client(name)
    }
}

/// What makes a write fail where the name is taken.
fn none() -> Option<Etag> {
    Some(Etag::from("*"))
}

#[async_trait]
impl Store for AzureStore {
    fn uri(&self) -> String {
        self.address.uri()
    }

    fn place(&self) -> Result<Place> {
        Ok(Place {
            service: self.endpoint.to_string(),
            address: self.uri(),
        })
    }

    async fn check_keeping(&self) -> Result<()> {
        self.fit.get_or_try_init(|| self.check_fit()).await?;
        Ok(())
    }

    async fn create(&self, path: &str, role: Role) -> Result<Box<dyn ObjectWriter>> {
        let (name, uri) = self.locate(path)?;
        self.check_keeping().await?;
        Ok(Box::new(AzureWriter::new(
            self.clone(),
            name,
            uri,
            role,
            mark()?,
        )))
    }

    async fn read(&self, path: &str) -> Result<Bytes> {
        let (name, uri) = self.locate(path)?;
        self.get(&name, &uri, None).await
    }

    async fn read_range(&self, path: &str, range: Range<u64>) -> Result<Bytes> {
        let (name, uri) = self.locate(path)?;
        let get = |range| self.get(&name, &uri, Some(range));
        let size = || async { Ok(self.properties(&name, &uri).await?.size) };
        range::read(&uri, range, get, size).await
    }

    async fn size(&self, path: &str) -> Result<u64> {
        let (name, uri) = self.locate(path)?;
        Ok(self.properties(&name, &uri).await?.size)
    }

    async fn list(&self, path: &str) -> Result<Vec<String>> {
        let (prefix, uri) = self.address.locate_below(path)?;
        self.names(&prefix, &uri).await
    }

    async fn remove(&self, path: &str) -> Result<()> {
        let (name, uri) = self.locate(path)?;
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
        let Some(source) = source.as_any().downcast_ref::<AzureStore>() else {
            return Ok(None);
        };
        let (name, uri) = self.locate(path)?;
        self.check_keeping().await?;
        self.copy_from(source, from, &name, &uri, role).await
    }

    async fn lock(&self, path: &str) -> Result<()> {
        let (name, uri) = self.locate(path)?;
        self.check_keeping().await?;
        self.lock_object(&name, &uri).await
    }

    fn locks(&self) -> bool {
        self.keep.locks()
    }

    async fn protection(&self, path: &str) -> Result<Protection> {
        let (name, uri) = self.locate(path)?;
        Ok(self.properties(&name, &uri).await?.protection)
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
