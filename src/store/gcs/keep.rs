//! How objects are kept: class, metadata, encryption, locks.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use reqwest::{Method, RequestBuilder};
use ring::digest::{SHA256, digest};
use serde::{Deserialize, Serialize};

use super::GcsStore;
use super::failure::Deed;
use super::object::{NewResource, Retention, RetentionMode, WRITER};
use crate::store::{CustomerKey, LockMode, Role, ServerEncryption, StoreOptions};
use crate::{Error, Result};

const CLASSES: [&str; 4] = ["STANDARD", "NEARLINE", "COLDLINE", "ARCHIVE"];

/// A customer's key as it is sent.
pub(super) struct SentKey {
    base64: String,
    sha256: String,
}

impl SentKey {
    pub(super) fn new(key: &CustomerKey) -> SentKey {
        SentKey {
            base64: STANDARD.encode(key.bytes()),
            sha256: STANDARD.encode(digest(&SHA256, key.bytes())),
        }
    }

    /// Adds the key to a request, by headers of this beginning.
    pub(super) fn add(&self, request: RequestBuilder, beginning: &str) -> RequestBuilder {
        request
            .header(format!("{beginning}-algorithm"), "AES256")
            .header(format!("{beginning}-key"), &self.base64)
            .header(format!("{beginning}-key-sha256"), &self.sha256)
    }
}

/// Refuses options that Google does not have, or that make no sense.
pub(super) fn check(options: &StoreOptions) -> Result<()> {
    let keep = &options.keep;
    let known = |class: &str| {
        CLASSES
            .iter()
            .any(|known| known.eq_ignore_ascii_case(class))
    };
    let refusal = if let Some(contradiction) = options.contradiction() {
        contradiction.to_owned()
    } else if let Some(class) = keep.class.as_deref().filter(|class| !known(class)) {
        format!(
            "Google has no storage class {class:?}: give --storage-class {}",
            CLASSES.join(", ")
        )
    } else if keep.tags.contains_key(WRITER) {
        format!("the tag {WRITER} is milvault's own: leave it out")
    } else {
        return Ok(());
    };
    Err(Error::Usage(refusal))
}

/// What is changed of an object when it is locked.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Locked {
    #[serde(skip_serializing_if = "Option::is_none")]
    retention: Option<Retention>,
    #[serde(skip_serializing_if = "Option::is_none")]
    temporary_hold: Option<bool>,
}

/// A bucket's resource, as far as anybody asks.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Bucket {
    object_retention: Option<ObjectRetention>,
}

#[derive(Deserialize)]
struct ObjectRetention {
    mode: String,
}

impl GcsStore {
    /// The resource of a new object of a role. The service has no tags for objects; they become metadata.
    pub(super) fn new_resource(&self, name: &str, role: Role, mark: &str) -> NewResource {
        // Cheap classes charge for months, whenever an object is removed.
        let lasting = role != Role::Mark;
        let mut metadata = BTreeMap::from([(WRITER.to_owned(), mark.to_owned())]);
        if lasting {
            metadata.extend(self.keep.tags.clone());
        }
        NewResource {
            name: name.to_owned(),
            content_type: "application/octet-stream",
            metadata,
            storage_class: self
                .keep
                .class
                .as_ref()
                .filter(|_| lasting)
                .map(|class| class.to_ascii_uppercase()),
            crc32c: None,
        }
    }

    /// The key of Google's key management that encrypts new objects; the bucket's by default.
    pub(super) fn kms_key(&self) -> Option<&str> {
        match &self.keep.encryption {
            Some(ServerEncryption::Kms(Some(key))) => Some(key),
            Some(ServerEncryption::Kms(None) | ServerEncryption::Service) | None => None,
        }
    }

    /// Whether the bucket can do what is asked of it: found out before anything is written.
    pub(super) async fn check_fit(&self) -> Result<()> {
        if self.keep.lock.is_none() {
            return Ok(());
        }
        let bucket = &self.address.bucket;
        let path = format!("/storage/v1/b/{bucket}");
        let query = [("fields", "objectRetention")];
        let request = self.service.request(Method::GET, &path, &query);
        let answer = self.service.send(request).await;
        let found: Bucket = answer
            .and_then(|answer| answer.parse())
            .map_err(|failure| {
                let deed = Deed {
                    doing: "lock objects in",
                    uri: &format!("gs://{bucket}"),
                    right: "storage.buckets.get",
                };
                deed.failed(failure)
            })?;
        if found
            .object_retention
            .is_some_and(|retention| retention.mode == "Enabled")
        {
            return Ok(());
        }
        Err(Error::Usage(format!(
            "the bucket {bucket} has no object retention, which --object-lock needs: turn it on with `gcloud storage \
             buckets update gs://{bucket} --enable-per-object-retention`, or name another bucket"
        )))
    }

    /// Locks an object as it was asked for.
    pub(super) async fn lock_object(&self, name: &str, uri: &str) -> Result<()> {
        let lock = match &self.keep.lock {
            // What the bucket keeps by itself, it keeps besides.
            Some(asked) => asked.beside(self.resource(name, uri).await?.own_lock().as_ref()),
            None => None,
        };
        let locked = Locked {
            retention: lock.map(|lock| Retention {
                mode: match lock.mode {
                    LockMode::Compliance => RetentionMode::Locked,
                    LockMode::Governance => RetentionMode::Unlocked,
                },
                retain_until_time: lock.until,
            }),
            temporary_hold: self.keep.legal_hold.then_some(true),
        };
        if locked.retention.is_none() && locked.temporary_hold.is_none() {
            return Ok(());
        }
        let deed = Deed {
            doing: "lock",
            uri,
            right: "storage.objects.update and storage.objects.setRetention",
        };
        let body = serde_json::to_vec(&locked).map_err(|error| deed.because(error.into()))?;
        let request = self
            .service
            .request(Method::PATCH, &self.path(Some(name)), &[]);
        let request = request
            .header("content-type", "application/json")
            .body(body);
        let sent = self.service.send(request).await;
        sent.map(drop).map_err(|failure| deed.failed(failure))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::store::{KeepOptions, Lock};

    #[test]
    fn what_google_does_not_have_is_refused_by_name() {
        let refusal = |keep: KeepOptions| {
            let options = StoreOptions {
                keep,
                ..StoreOptions::default()
            };
            check(&options).err().map(|error| error.to_string())
        };
        let class = |name: &str| KeepOptions {
            class: Some(name.to_owned()),
            ..KeepOptions::default()
        };
        assert_eq!(refusal(class("nearline")), None);
        assert!(
            refusal(class("GLACIER_IR"))
                .unwrap()
                .contains("STANDARD, NEARLINE")
        );
        let past = KeepOptions {
            lock: Some(Lock {
                mode: LockMode::Compliance,
                until: jiff::Timestamp::now(),
            }),
            ..KeepOptions::default()
        };
        assert!(refusal(past).unwrap().contains("in the past"));
    }
}
