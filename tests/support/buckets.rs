//! Buckets of a real SeaweedFS.

use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use aws_sdk_s3::Client;
use aws_sdk_s3::config::{BehaviorVersion, Credentials, Region};
use aws_smithy_http_client::Builder;
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use milvault::store::{S3Credentials, S3Options, S3Store, Store, StoreOptions};

use super::servers;

/// As in tests/servers/seaweedfs.py: one may do everything, the other only read.
pub const ADMIN: (&str, &str) = ("milvaultadmin", "milvault-admin-secret-7f3a");
pub const READER: (&str, &str) = ("milvaultreader", "milvault-reader-secret-91bc");

/// A client of the tests' own.
pub fn client() -> Client {
    let (key, secret) = ADMIN;
    let config = aws_sdk_s3::Config::builder()
        .behavior_version(BehaviorVersion::v2026_01_12())
        .endpoint_url(endpoint())
        .region(Region::from_static("us-east-1"))
        .credentials_provider(Credentials::new(key, secret, None, None, "test"))
        .http_client(
            Builder::new()
                .tls_provider(Provider::Rustls(CryptoMode::Ring))
                .build_https(),
        )
        .force_path_style(true)
        .build();
    Client::from_conf(config)
}

pub fn endpoint() -> String {
    format!("http://{}", servers::seaweedfs().address)
}

/// Lets the program use the server.
pub fn at_hand(command: &mut Command) {
    command
        .env("AWS_ACCESS_KEY_ID", ADMIN.0)
        .env("AWS_SECRET_ACCESS_KEY", ADMIN.1)
        .env("MILVAULT_S3_PATH_STYLE", "1")
        .env("MILVAULT_S3_ENDPOINT", endpoint());
}

/// A new bucket, with Object Lock (and so with versions) or without.
pub async fn bucket(lock: bool) -> String {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let number = NUMBER.fetch_add(1, Ordering::SeqCst);
    let name = format!("bucket-{}-{number}", std::process::id());
    client()
        .create_bucket()
        .bucket(&name)
        .object_lock_enabled_for_bucket(lock)
        .send()
        .await
        .unwrap();
    name
}

/// How to reach the server.
pub fn options() -> StoreOptions {
    options_at(&servers::seaweedfs().address)
}

/// How to reach a service at `127.0.0.1:PORT`.
pub fn options_at(address: &str) -> StoreOptions {
    let (key, secret) = ADMIN;
    StoreOptions {
        s3: S3Options {
            endpoint: Some(format!("http://{address}")),
            path_style: true,
            credentials: Some(credentials(key, secret)),
            ..S3Options::default()
        },
        ..StoreOptions::default()
    }
}

pub fn credentials(key: &str, secret: &str) -> S3Credentials {
    S3Credentials {
        access_key: key.into(),
        secret_key: secret.into(),
    }
}

pub async fn open(uri: &str, options: &StoreOptions) -> Arc<dyn Store> {
    Arc::new(S3Store::open(uri, options).await.unwrap())
}

/// A store of its own in a bucket that all tests share, below a prefix with what is awkward in addresses.
pub async fn store() -> ((), Arc<dyn Store>) {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    static BUCKET: tokio::sync::OnceCell<String> = tokio::sync::OnceCell::const_new();
    let number = NUMBER.fetch_add(1, Ordering::SeqCst);
    let bucket = BUCKET.get_or_init(|| bucket(false)).await;
    let uri = format!("s3://{bucket}/a b+c%41/store {number}");
    ((), open(&uri, &options()).await)
}

/// The same in a bucket with versions.
pub async fn store_with_versions() -> ((), Arc<dyn Store>) {
    let uri = format!("s3://{}", bucket(true).await);
    ((), open(&uri, &options()).await)
}
