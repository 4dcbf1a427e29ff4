//! What a list shows of an archive, in one small object beside the manifest: a store of a thousand archives is listed
//! without a thousand manifests.

use serde::{Deserialize, Serialize};

use super::encryption::Envelope;
use super::json;
use super::layout::SUMMARY;
use super::manifest::{ENCRYPTED_FORMAT, Manifest, Source, Tool};
use crate::store::Store;
use crate::{Error, Result};

/// What a list shows of an archive. It follows from the manifest, and is written after it: where it is, the archive was
/// whole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    /// The version of the archive format.
    pub format: u64,
    /// What wrote the archive.
    pub tool: Tool,
    /// The name under which the archive was written.
    pub name: String,
    /// When the export began, in UTC as RFC 3339.
    pub created: String,
    /// Where the rows come from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<Source>,
    /// Whether its objects are encrypted. Then nothing tells where the rows come from.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub encrypted: bool,
    /// The number of its collections.
    pub collections: u64,
    /// Its rows.
    pub rows: u64,
    /// Its data files.
    pub files: u64,
    /// The bytes of its data files.
    pub bytes: u64,
    /// SHA-256 of the manifest's bytes, as 64 lower-case hexadecimal digits.
    pub manifest_sha256: String,
}

impl Summary {
    /// The summary of a manifest, whose bytes have this SHA-256.
    pub(super) fn of(manifest: &Manifest, manifest_sha256: &str) -> Summary {
        let totals = manifest.totals();
        Summary {
            format: manifest.format,
            tool: manifest.tool.clone(),
            name: manifest.name.clone(),
            created: manifest.created.clone(),
            source: Some(manifest.source.clone()),
            encrypted: false,
            collections: manifest.collections.len() as u64,
            rows: totals.rows,
            files: totals.files,
            bytes: totals.bytes,
            manifest_sha256: manifest_sha256.to_owned(),
        }
    }

    /// The summary of an encrypted archive.
    pub(super) fn of_encrypted(envelope: &Envelope, manifest_sha256: &str) -> Summary {
        Summary {
            format: envelope.format,
            tool: envelope.tool.clone(),
            name: envelope.name.clone(),
            created: envelope.created.clone(),
            source: None,
            encrypted: true,
            collections: envelope.collections,
            rows: envelope.rows,
            files: envelope.files,
            bytes: envelope.bytes,
            manifest_sha256: manifest_sha256.to_owned(),
        }
    }

    /// Reads the summary of the archive of this name; `None` where it has none, as those of the first versions, or where
    /// there is no archive.
    pub(super) async fn read(store: &dyn Store, name: &str) -> Result<Option<Summary>> {
        let path = format!("{name}/{SUMMARY}");
        match store.read(&path).await {
            Ok(json) => Summary::parse(&format!("{}/{path}", store.uri()), &json).map(Some),
            Err(Error::Missing { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Reads a summary; `uri` is where it came from.
    fn parse(uri: &str, json: &[u8]) -> Result<Summary> {
        #[derive(Deserialize)]
        struct Format {
            format: u64,
        }
        let damaged = |reason: String| Error::Damaged {
            uri: uri.to_owned(),
            reason,
        };
        let unreadable = |error: serde_json::Error| damaged(format!("it is no summary ({error})"));
        let Format { format } = serde_json::from_slice(json).map_err(unreadable)?;
        if format > ENCRYPTED_FORMAT {
            return Err(Error::FutureFormat {
                uri: uri.to_owned(),
                found: format,
                known: ENCRYPTED_FORMAT,
            });
        }
        let summary: Summary = serde_json::from_slice(json).map_err(unreadable)?;
        if summary.created.parse::<jiff::Timestamp>().is_err() {
            let reason = format!("created is {:?}, which is no time", summary.created);
            return Err(damaged(reason));
        }
        Ok(summary)
    }

    /// The summary as it is stored.
    pub(super) fn to_json(&self) -> Result<Vec<u8>> {
        json::written(self)
    }

    /// When the export began.
    pub fn time(&self) -> jiff::Timestamp {
        // Reading has shown that it is a time.
        self.created.parse().unwrap_or_default()
    }
}
