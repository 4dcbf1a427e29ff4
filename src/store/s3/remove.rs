//! Removing. In a bucket with versions every version goes: a mere delete marker would keep what was to be removed,
//! and would hide what is locked.

use std::io;

use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::types::{BucketVersioningStatus, Delete, EncodingType, ObjectIdentifier};

use super::S3Store;
use super::failure::{self, Deed};
use super::read::{decoded, listing};
use super::writer::MARK;
use crate::Result;

/// How many objects one request can remove.
const BATCH: usize = 1000;

/// A page of versions.
struct Versions {
    versions: Vec<ObjectIdentifier>,
    /// Where the next page begins, if there is one.
    next: Option<Marker>,
}

/// The last version of a page.
#[derive(Default)]
struct Marker {
    key: Option<String>,
    version: Option<String>,
}

impl S3Store {
    pub(super) async fn remove_object(&self, key: &str, uri: &str) -> Result<()> {
        if !self.has_versions(uri).await? {
            return self.delete(key, uri, None).await;
        }
        let mut versions = Vec::new();
        let mut next = Marker::default();
        loop {
            let page = self.versions(key, uri, next).await?;
            let ours = page.versions.into_iter();
            versions.extend(ours.filter(|version| version.key() == key));
            match page.next {
                // Keys are sorted: the first that begin so are all the very key's.
                Some(marker) if marker.key.as_deref() == Some(key) => next = marker,
                _ => break,
            }
        }
        for version in versions {
            match self.delete(key, uri, version.version_id()).await {
                Ok(()) => {}
                // Buckets can lock all that is put into them, marks as well: those are hidden instead.
                Err(_) if self.is_mark(key, uri).await => {
                    return self.delete(key, uri, None).await;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Removes all below a prefix, and gives up the uploads there.
    pub(super) async fn remove_below(&self, prefix: &str, uri: &str) -> Result<()> {
        if self.has_versions(uri).await? {
            let mut page = Some(self.versions(prefix, uri, Marker::default()).await?);
            while let Some(Versions { versions, next }) = page {
                // Listed before it is removed where the next page begins.
                page = match next {
                    Some(next) => Some(self.versions(prefix, uri, next).await?),
                    None => None,
                };
                for batch in versions.chunks(BATCH) {
                    self.delete_batch(batch.to_vec(), uri).await?;
                }
            }
        } else {
            let mut pages = self
                .client
                .list_objects_v2()
                .bucket(self.bucket())
                .prefix(prefix)
                .encoding_type(EncodingType::Url)
                .into_paginator()
                .send();
            while let Some(page) = pages.next().await {
                let page = page.map_err(|error| listing(uri).failed(&error))?;
                let encoded = page.encoding_type.is_some();
                let keys = page.contents.unwrap_or_default().into_iter();
                let batch: Vec<_> = keys
                    .filter_map(|object| object.key)
                    .filter_map(|key| identifier(&key, encoded, None))
                    .collect();
                self.delete_batch(batch, uri).await?;
            }
        }
        self.abort_below(prefix).await;
        Ok(())
    }

    async fn delete(&self, key: &str, uri: &str, version: Option<&str>) -> Result<()> {
        let deed = Deed {
            doing: "remove",
            uri,
            right: match version {
                None => "s3:DeleteObject",
                Some(_) => "s3:DeleteObjectVersion, and the object must not be locked",
            },
        };
        let request = self.client.delete_object().bucket(self.bucket()).key(key);
        match request
            .set_version_id(version.map(str::to_owned))
            .send()
            .await
        {
            Ok(_) => Ok(()),
            Err(error) if failure::is_missing(&error) => Ok(()),
            Err(error) => Err(deed.failed(&error)),
        }
    }

    async fn delete_batch(&self, batch: Vec<ObjectIdentifier>, uri: &str) -> Result<()> {
        if batch.is_empty() {
            return Ok(());
        }
        let deed = Deed {
            doing: "remove",
            uri,
            right: "s3:DeleteObject, and s3:DeleteObjectVersion in a bucket with versions",
        };
        let wanted = Delete::builder()
            .set_objects(Some(batch))
            .quiet(true)
            .build()
            .map_err(|error| deed.because(io::Error::other(error)))?;
        let request = self.client.delete_objects().bucket(self.bucket());
        let answer = request.delete(wanted).send().await;
        let answer = answer.map_err(|error| deed.failed(&error))?;
        match answer.errors().first() {
            None => Ok(()),
            Some(refused) => {
                let uri = format!(
                    "s3://{}/{}",
                    self.bucket(),
                    refused.key().unwrap_or_default()
                );
                let code = refused.code().unwrap_or_default();
                let way_out = match code {
                    "AccessDenied" => {
                        "; it is locked, or the right s3:DeleteObject or s3:DeleteObjectVersion is missing"
                    }
                    _ => "",
                };
                let reason = format!(
                    "{} ({code}){way_out}",
                    refused.message().unwrap_or("the service refuses")
                );
                Err(Deed { uri: &uri, ..deed }.because(io::Error::other(reason)))
            }
        }
    }

    /// Whether the bucket keeps versions. A service that does not know the question has none; what else is refused says
    /// nothing of them, and is asked again.
    async fn has_versions(&self, uri: &str) -> Result<bool> {
        let ask = || async {
            let deed = Deed {
                doing: "remove",
                uri,
                right: "s3:GetBucketVersioning on the bucket",
            };
            let request = self.client.get_bucket_versioning();
            match request.bucket(self.bucket()).send().await {
                Ok(answer) => {
                    let status = answer.status();
                    Ok(status == Some(&BucketVersioningStatus::Enabled)
                        || status == Some(&BucketVersioningStatus::Suspended))
                }
                Err(error) if is_not_for_it(&error) => Ok(false),
                Err(error) => Err(deed.failed(&error)),
            }
        };
        self.known.versions.get_or_try_init(ask).await.copied()
    }

    /// A page of the versions of objects whose keys begin so, and of their delete markers.
    async fn versions(&self, prefix: &str, uri: &str, from: Marker) -> Result<Versions> {
        let deed = Deed {
            right: "s3:ListBucketVersions",
            ..listing(uri)
        };
        let page = self
            .client
            .list_object_versions()
            .bucket(self.bucket())
            .prefix(prefix)
            .encoding_type(EncodingType::Url)
            .set_key_marker(from.key)
            .set_version_id_marker(from.version)
            .send()
            .await
            .map_err(|error| deed.failed(&error))?;
        let encoded = page.encoding_type.is_some();
        let versions = page
            .versions()
            .iter()
            .map(|one| (one.key(), one.version_id()));
        let markers = page.delete_markers().iter();
        let markers = markers.map(|one| (one.key(), one.version_id()));
        let versions = versions
            .chain(markers)
            .filter_map(|(key, version)| identifier(key?, encoded, version))
            .collect();
        let next = (page.is_truncated == Some(true)).then(|| Marker {
            key: page
                .next_key_marker
                .map(|key| if encoded { decoded(&key) } else { key }),
            version: page.next_version_id_marker,
        });
        Ok(Versions { versions, next })
    }

    async fn is_mark(&self, key: &str, uri: &str) -> bool {
        match self.head(key, uri).await {
            Ok(head) => head.metadata.is_some_and(|held| held.contains_key(MARK)),
            Err(_) => false,
        }
    }

    /// Gives up all uploads below a prefix. They are invisible, and not every service and user may list them.
    async fn abort_below(&self, prefix: &str) {
        let (mut next_key, mut next_upload) = (None, None);
        loop {
            let request = self.client.list_multipart_uploads();
            let request = request.bucket(self.bucket()).prefix(prefix);
            let request = request
                .set_key_marker(next_key)
                .set_upload_id_marker(next_upload);
            let Ok(page) = request.send().await else {
                return;
            };
            for upload in page.uploads() {
                if let (Some(key), Some(id)) = (upload.key(), upload.upload_id()) {
                    self.abort(key, id).await;
                }
            }
            if page.is_truncated != Some(true) {
                return;
            }
            next_key = page.next_key_marker;
            next_upload = page.next_upload_id_marker;
        }
    }
}

/// Whether the service has no such question.
fn is_not_for_it<E: ProvideErrorMetadata>(error: &SdkError<E, HttpResponse>) -> bool {
    failure::is_unknown(error) || failure::answer(error).is_some_and(|answer| answer.status == 405)
}

fn identifier(key: &str, encoded: bool, version: Option<&str>) -> Option<ObjectIdentifier> {
    let key = if encoded {
        decoded(key)
    } else {
        key.to_owned()
    };
    ObjectIdentifier::builder()
        .key(key)
        .set_version_id(version.map(str::to_owned))
        .build()
        .ok()
}
