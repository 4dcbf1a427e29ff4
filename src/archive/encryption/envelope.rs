//! What is told of an encrypted archive to those who have no key, in the types that are stored.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};

use crate::archive::json;
use crate::archive::layout::KEY;
use crate::archive::manifest::{ENCRYPTED_FORMAT, Manifest, Tool, check_path};
use crate::{Error, Result};

/// How objects are encrypted: the only way there is.
const SCHEME: &str = "age";

/// `manifest.json` of an encrypted archive. The manifest itself is one of the objects.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::archive) struct Envelope {
    /// The version of the archive format: [`ENCRYPTED_FORMAT`].
    pub(in crate::archive) format: u64,
    /// What wrote the archive.
    pub(in crate::archive) tool: Tool,
    /// The name under which the archive was written.
    pub(in crate::archive) name: String,
    /// When the export began, in UTC as RFC 3339.
    pub(in crate::archive) created: String,
    /// How objects are encrypted.
    pub(in crate::archive) encryption: Encryption,
    /// The number of its collections.
    pub(in crate::archive) collections: u64,
    /// Its rows.
    pub(in crate::archive) rows: u64,
    /// Its data files.
    pub(in crate::archive) files: u64,
    /// The bytes of its data files, before they were encrypted.
    pub(in crate::archive) bytes: u64,
    /// All objects but this one, its checksum and its MAC, as they are stored.
    pub(in crate::archive) objects: Vec<SealedObject>,
}

/// How objects are encrypted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::archive) struct Encryption {
    pub(in crate::archive) scheme: String,
    /// The object that holds the archive's key, encrypted to the recipients.
    pub(in crate::archive) key: String,
}

/// An object as it is stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::archive) struct SealedObject {
    pub(in crate::archive) path: String,
    pub(in crate::archive) bytes: u64,
    pub(in crate::archive) sha256: String,
}

impl Envelope {
    /// What is told of a manifest, whose objects these are.
    pub(in crate::archive) fn of(manifest: &Manifest, mut objects: Vec<SealedObject>) -> Envelope {
        // Their order must not tell what they are.
        objects.sort_unstable_by(|a, b| a.path.cmp(&b.path));
        let totals = manifest.totals();
        Envelope {
            format: ENCRYPTED_FORMAT,
            tool: manifest.tool.clone(),
            name: manifest.name.clone(),
            created: manifest.created.clone(),
            encryption: Encryption {
                scheme: SCHEME.to_owned(),
                key: KEY.to_owned(),
            },
            collections: manifest.collections.len() as u64,
            rows: totals.rows,
            files: totals.files,
            bytes: totals.bytes,
            objects,
        }
    }

    /// Reads an envelope; `uri` is where it came from.
    pub(in crate::archive) fn parse(uri: &str, json: &[u8]) -> Result<Envelope> {
        let damaged = |reason: String| Error::Damaged {
            uri: uri.to_owned(),
            reason,
        };
        let envelope: Envelope =
            serde_json::from_slice(json).map_err(|error| damaged(json::unreadable(&error)))?;
        envelope.check().map_err(damaged)?;
        Ok(envelope)
    }

    /// The envelope as it is stored.
    pub(in crate::archive) fn to_json(&self) -> Result<Vec<u8>> {
        json::written(self)
    }

    fn check(&self) -> Result<(), String> {
        if self.created.parse::<jiff::Timestamp>().is_err() {
            return Err(format!("created is {:?}, which is no time", self.created));
        }
        if self.encryption.scheme != SCHEME {
            return Err(format!(
                "it is encrypted by {:?}, which this milvault does not know; use a newer one",
                self.encryption.scheme
            ));
        }
        check_path(&self.encryption.key)?;
        let mut paths = HashSet::new();
        for object in &self.objects {
            check_path(&object.path)?;
            if !paths.insert(&object.path) {
                return Err(format!("{} is named twice", object.path));
            }
        }
        Ok(())
    }

    /// In what it differs from what would be told of a manifest; empty in a good one.
    pub(in crate::archive) fn contradictions(&self, manifest: &Manifest) -> Vec<String> {
        let told = Envelope::of(manifest, self.objects.clone());
        let same = told == *self;
        let reason = "what it tells without a key is not what the encrypted manifest says";
        (!same).then(|| reason.to_owned()).into_iter().collect()
    }
}
