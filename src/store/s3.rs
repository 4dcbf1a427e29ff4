//! S3 and its like as a store.

mod connect;
mod copy;
mod failure;
mod keep;
mod read;
mod remove;
mod signing;
mod writer;

use std::any::Any;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use aws_sdk_s3::Client;
use bytes::Bytes;
use tokio::sync::OnceCell;

use super::address::Address;
use super::parts::Budget;
use super::{
    CustomerKey, KeepOptions, ObjectWriter, Place, Protection, Role, S3Options, Store,
    StoreOptions, Told, mark, range,
};
use crate::Result;
use writer::S3Writer;

/// Gives a request the customer's key, where there is one.
macro_rules! with_customer_key {
    ($store:expr, $request:expr) => {{
        let key = $store.customer_key.as_deref();
        $request
            .set_sse_customer_algorithm(key.map(|_| "AES256".to_owned()))
            .set_sse_customer_key(key.map(|key| key.base64.clone()))
            .set_sse_customer_key_md5(key.map(|key| key.md5.clone()))
    }};
}
use with_customer_key;

/// A bucket, or what is below a prefix in it.
///
/// Objects are created with `If-None-Match: *`, so that of several writers one succeeds, and with a SHA-256 that the
/// service checks. Each carries its writer's mark in its metadata: where the answer to a write was lost and the write
/// sent again, the refusal of the second is told by it from that of another's object.
#[derive(Clone)]
pub struct S3Store {
    client: Client,
    /// The service's address; bucket names are each service's own.
    service: Arc<str>,
    address: Arc<Address>,
    options: Arc<S3Options>,
    keep: Arc<KeepOptions>,
    customer_key: Option<Arc<SentKey>>,
    budget: Budget,
    known: Arc<Known>,
}

/// What has been found out about the service, once.
#[derive(Default)]
struct Known {
    /// The bucket can do what is asked of it.
    fit: OnceCell<()>,
    /// Names are given once only.
    conditional: OnceCell<()>,
    /// Set where the bucket has no locks.
    no_locks: OnceCell<()>,
    /// Whether the bucket keeps versions.
    versions: OnceCell<bool>,
}

/// A customer's key as it is sent.
struct SentKey {
    base64: String,
    md5: String,
}

impl SentKey {
    fn new(key: &CustomerKey) -> SentKey {
        use base64::Engine;
        use base64::engine::general_purpose::STANDARD;
        use md5::{Digest, Md5};

        SentKey {
            base64: STANDARD.encode(key.bytes()),
            md5: STANDARD.encode(Md5::digest(key.bytes())),
        }
    }
}

/// Neither the client, which knows the credentials, nor the customer's key.
impl fmt::Debug for S3Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("S3Store")
            .field("uri", &self.uri())
            .finish_non_exhaustive()
    }
}

impl S3Store {
    /// The store at `s3://BUCKET[/PREFIX]`. The bucket is not touched yet.
    ///
    /// # Errors
    /// [`Error::Usage`] for an address that is none, and for options that S3 does not have.
    pub async fn open(uri: &str, options: &StoreOptions) -> Result<S3Store> {
        let address = Address::parse("s3", "bucket", uri)?;
        keep::check(options)?;
        let (client, service) = connect::connect(&options.s3).await?;
        Ok(S3Store {
            client,
            service: service.into(),
            address: Arc::new(address),
            options: Arc::new(options.s3.clone()),
            keep: Arc::new(options.keep.clone()),
            customer_key: options
                .customer_key
                .as_ref()
                .map(|key| Arc::new(SentKey::new(key))),
            budget: Budget::new(),
            known: Arc::default(),
        })
    }

    fn bucket(&self) -> &str {
        &self.address.bucket
    }

    /// What makes a write fail where the name is taken.
    fn if_none(&self) -> Option<String> {
        (!self.options.no_conditional_writes).then(|| "*".to_owned())
    }
}

#[async_trait]
impl Store for S3Store {
    fn uri(&self) -> String {
        self.address.uri()
    }

    fn place(&self) -> Result<Place> {
        Ok(Place {
            service: self.service.to_string(),
            address: self.uri(),
        })
    }

    async fn check_keeping(&self) -> Result<()> {
        self.known.fit.get_or_try_init(|| self.check_fit()).await?;
        Ok(())
    }

    async fn create(&self, path: &str, role: Role) -> Result<Box<dyn ObjectWriter>> {
        let (key, uri) = self.address.locate(path)?;
        self.check_keeping().await?;
        Ok(Box::new(S3Writer::new(
            self.clone(),
            key,
            uri,
            role,
            mark()?,
        )))
    }

    async fn read(&self, path: &str) -> Result<Bytes> {
        let (key, uri) = self.address.locate(path)?;
        self.get(&key, &uri, None).await
    }

    async fn read_range(&self, path: &str, range: Range<u64>) -> Result<Bytes> {
        let (key, uri) = self.address.locate(path)?;
        let get = |range| self.get(&key, &uri, Some(range));
        range::read(&uri, range, get, || self.size_of(&key, &uri)).await
    }

    async fn size(&self, path: &str) -> Result<u64> {
        let (key, uri) = self.address.locate(path)?;
        self.size_of(&key, &uri).await
    }

    async fn list(&self, path: &str) -> Result<Vec<String>> {
        let (prefix, uri) = self.address.locate_below(path)?;
        self.names(&prefix, &uri).await
    }

    async fn remove(&self, path: &str) -> Result<()> {
        let (key, uri) = self.address.locate(path)?;
        self.remove_object(&key, &uri).await
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
        let Some(source) = source.as_any().downcast_ref::<S3Store>() else {
            return Ok(None);
        };
        let (key, uri) = self.address.locate(path)?;
        self.check_keeping().await?;
        self.copy_from(source, from, &key, &uri, role).await
    }

    async fn lock(&self, path: &str) -> Result<()> {
        let (key, uri) = self.address.locate(path)?;
        self.check_keeping().await?;
        self.lock_object(&key, &uri).await
    }

    fn locks(&self) -> bool {
        self.keep.locks()
    }

    async fn protection(&self, path: &str) -> Result<Protection> {
        let (key, uri) = self.address.locate(path)?;
        self.protection_of(&key, &uri).await
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
