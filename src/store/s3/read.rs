//! Reading and listing.

use std::io;
use std::ops::Range;
use std::time::Duration;

use aws_sdk_s3::operation::head_object::HeadObjectOutput;
use aws_sdk_s3::types::EncodingType;
use backon::{ExponentialBuilder, Retryable};
use bytes::Bytes;
use percent_encoding::percent_decode_str;

use super::failure::Deed;
use super::{S3Store, with_customer_key};
use crate::{Error, Result};

/// How often an object is read again whose bytes stopped coming half-way; the SDK repeats only what comes before them.
const AGAIN: usize = 4;
const FIRST_WAIT: Duration = Duration::from_millis(200);

/// Why an object could not be read.
enum Stop {
    /// Its bytes stopped coming.
    Broken(io::Error),
    Failed(Error),
}

impl S3Store {
    /// Reads an object, or a part of it that is not empty.
    pub(super) async fn get(
        &self,
        key: &str,
        uri: &str,
        range: Option<Range<u64>>,
    ) -> Result<Bytes> {
        let again = ExponentialBuilder::default()
            .with_min_delay(FIRST_WAIT)
            .with_max_times(AGAIN)
            .with_jitter();
        let got = (|| self.get_once(key, uri, range.clone()))
            .retry(again)
            .when(|stop| matches!(stop, Stop::Broken(_)))
            .await;
        got.map_err(|stop| match stop {
            Stop::Broken(error) => reading(uri).because(error),
            Stop::Failed(error) => error,
        })
    }

    async fn get_once(
        &self,
        key: &str,
        uri: &str,
        range: Option<Range<u64>>,
    ) -> Result<Bytes, Stop> {
        let range = range.map(|range| format!("bytes={}-{}", range.start, range.end - 1));
        let request = self.client.get_object().bucket(self.bucket()).key(key);
        let request = with_customer_key!(self, request).set_range(range);
        let got = request.send().await;
        let got = got.map_err(|error| Stop::Failed(reading(uri).failed(&error)))?;
        match got.body.collect().await {
            Ok(bytes) => Ok(bytes.into_bytes()),
            Err(error) => Err(Stop::Broken(error.into())),
        }
    }

    /// What the service says of an object.
    pub(super) async fn head(&self, key: &str, uri: &str) -> Result<HeadObjectOutput> {
        let request = self.client.head_object().bucket(self.bucket()).key(key);
        let request = with_customer_key!(self, request);
        request
            .send()
            .await
            .map_err(|error| reading(uri).failed(&error))
    }

    pub(super) async fn size_of(&self, key: &str, uri: &str) -> Result<u64> {
        let head = self.head(key, uri).await?;
        let size = head.content_length.and_then(|size| size.try_into().ok());
        let untold = || io::Error::other("the service does not tell its size");
        size.ok_or_else(|| reading(uri).because(untold()))
    }

    /// The names directly below a prefix, sorted.
    pub(super) async fn names(&self, prefix: &str, uri: &str) -> Result<Vec<String>> {
        let mut pages = self
            .client
            .list_objects_v2()
            .bucket(self.bucket())
            .prefix(prefix)
            .delimiter("/")
            // XML cannot carry every character.
            .encoding_type(EncodingType::Url)
            .into_paginator()
            .send();
        let mut names = Vec::new();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| listing(uri).failed(&error))?;
            let encoded = page.encoding_type.is_some();
            let folders = page.common_prefixes.unwrap_or_default();
            let folders = folders.into_iter().filter_map(|folder| folder.prefix);
            let objects = page.contents.unwrap_or_default();
            let objects = objects.into_iter().filter_map(|object| object.key);
            for key in folders.chain(objects) {
                let key = if encoded { decoded(&key) } else { key };
                // An object of the folder's own name is how other tools make empty folders.
                if let Some(name) = key.strip_prefix(prefix).filter(|name| !name.is_empty()) {
                    names.push(name.to_owned());
                }
            }
        }
        names.sort_unstable();
        names.dedup();
        Ok(names)
    }
}

/// AWS writes a space as `+`, others as `%20`; all write `+` as `%2B`.
pub(super) fn decoded(key: &str) -> String {
    let key = key.replace('+', " ");
    percent_decode_str(&key).decode_utf8_lossy().into_owned()
}

fn reading(uri: &str) -> Deed<'_> {
    Deed {
        doing: "read",
        uri,
        right: "s3:GetObject (and s3:ListBucket, without which a missing object looks forbidden)",
    }
}

pub(super) fn listing(uri: &str) -> Deed<'_> {
    Deed {
        doing: "list",
        uri,
        right: "s3:ListBucket",
    }
}
