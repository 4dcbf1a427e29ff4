//! What the service tells of an object, and is told.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use crate::store::{Lock, LockMode, Protection};

/// What tells in an object's metadata that it was made by one writer and no other.
pub(super) const WRITER: &str = "milvault-writer";

/// An object's resource, as far as anybody asks.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Resource {
    #[serde(deserialize_with = "number")]
    pub size: u64,
    pub generation: String,
    /// Base64 of the four bytes, the highest first.
    pub crc32c: Option<String>,
    metadata: BTreeMap<String, String>,
    retention: Option<Retention>,
    /// The end of what the bucket's policy says.
    retention_expiration_time: Option<jiff::Timestamp>,
    temporary_hold: bool,
    event_based_hold: bool,
}

/// How long nobody may remove or change an object.
#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Retention {
    pub mode: RetentionMode,
    pub retain_until_time: jiff::Timestamp,
}

#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
pub(super) enum RetentionMode {
    Locked,
    Unlocked,
}

/// A new object's resource.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct NewResource {
    pub name: String,
    pub content_type: &'static str,
    pub metadata: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub storage_class: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub crc32c: Option<String>,
}

impl Resource {
    /// The mark of who wrote it.
    pub(super) fn writer(&self) -> Option<&str> {
        self.metadata.get(WRITER).map(String::as_str)
    }

    /// The lock of the object itself.
    pub(super) fn own_lock(&self) -> Option<Lock> {
        self.retention.as_ref().map(|retention| Lock {
            mode: match retention.mode {
                RetentionMode::Locked => LockMode::Compliance,
                RetentionMode::Unlocked => LockMode::Governance,
            },
            until: retention.retain_until_time,
        })
    }

    pub(super) fn protection(&self) -> Protection {
        // Whether a bucket's policy is locked itself, its objects do not tell.
        let of_bucket = self.retention_expiration_time.map(|until| Lock {
            mode: LockMode::Governance,
            until,
        });
        Protection {
            lock: self.own_lock().or(of_bucket),
            legal_hold: self.temporary_hold || self.event_based_hold,
        }
    }
}

/// A checksum as the service writes it.
pub(super) fn crc_words(crc: u32) -> String {
    STANDARD.encode(crc.to_be_bytes())
}

/// Large numbers are text in Google's JSON.
fn number<'de, D: serde::Deserializer<'de>>(from: D) -> Result<u64, D::Error> {
    let text = String::deserialize(from)?;
    text.parse().map_err(serde::de::Error::custom)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn locks_and_holds_are_told() {
        let read = |json: &str| serde_json::from_str::<Resource>(json).unwrap().protection();
        let until = "2031-01-02T03:04:05Z".parse().unwrap();
        let lock = |mode| Some(Lock { mode, until });
        let own = r#"{"size": "7", "retention": {"mode": "Locked", "retainUntilTime": "2031-01-02T03:04:05.000Z"},
            "retentionExpirationTime": "2030-01-01T00:00:00Z", "temporaryHold": true}"#;
        assert_eq!(
            read(own),
            Protection {
                lock: lock(LockMode::Compliance),
                legal_hold: true
            }
        );
        let of_bucket = r#"{"size": "7", "retentionExpirationTime": "2031-01-02T03:04:05.000Z"}"#;
        assert_eq!(read(of_bucket).lock, lock(LockMode::Governance));
        assert_eq!(
            read(r#"{"size": "0", "eventBasedHold": false}"#),
            Protection::default()
        );
    }

    #[test]
    fn a_checksum_is_written_as_the_service_does() {
        // The check value of CRC-32/ISCSI, of "123456789".
        assert_eq!(crc_words(0xe306_9283), "4waSgw==");
    }
}
