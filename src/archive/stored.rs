//! The objects of an archive as they lie in its store.

use std::collections::HashMap;

use serde::Serialize;

use super::Archive;
use super::layout::{CHECKSUM, KEY, MAC, MANIFEST};

/// The size and the hash of bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Content {
    /// How many they are.
    pub bytes: u64,
    /// Their SHA-256, as 64 lower-case hexadecimal digits.
    pub sha256: String,
}

/// An object of an archive as it is stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct StoredObject {
    /// Where it lies in the archive's folder.
    pub path: String,
    /// Its bytes; null where nothing tells them: of what proves the manifest.
    pub stored: Option<Content>,
    /// What is in it, where it is encrypted.
    pub encrypted: Option<EncryptedObject>,
}

/// What is in an encrypted object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct EncryptedObject {
    /// Its path in an archive that is not encrypted.
    pub path: String,
    /// Its bytes before they were encrypted; null of the manifest, which cannot tell its own.
    pub content: Option<Content>,
}

impl Archive {
    /// All objects of the archive but its summary, which follows from the manifest; `manifest.json` first.
    pub fn stored_objects(&self) -> Vec<StoredObject> {
        let own = |path: &str, stored: Option<Content>| StoredObject {
            path: path.to_owned(),
            stored,
            encrypted: None,
        };
        let manifest = Content {
            bytes: self.manifest_bytes(),
            sha256: self.manifest_sha256().to_owned(),
        };
        let mut objects = vec![own(MANIFEST, Some(manifest)), own(CHECKSUM, None)];
        let files = self.contents();
        let Some(envelope) = self.envelope() else {
            objects.extend(files.map(|(path, content)| own(path, Some(content))));
            return objects;
        };
        let told = envelope.objects.iter().map(|object| {
            let (bytes, sha256) = (object.bytes, object.sha256.clone());
            (object.path.as_str(), Content { bytes, sha256 })
        });
        let mut told: HashMap<&str, Content> = told.collect();
        objects.extend([own(MAC, None), own(KEY, told.remove(KEY))]);
        let files = files.map(|(path, content)| (path, Some(content)));
        objects.extend(
            [(MANIFEST, None)]
                .into_iter()
                .chain(files)
                .map(|(path, content)| {
                    let place = self.objects().place(path);
                    StoredObject {
                        stored: told.remove(place.as_str()),
                        path: place,
                        encrypted: Some(EncryptedObject {
                            path: path.to_owned(),
                            content,
                        }),
                    }
                }),
        );
        objects
    }

    /// Where all objects of the archive lie, but its summary, relative to its folder.
    pub(super) fn places(&self) -> Vec<String> {
        let objects = self.stored_objects().into_iter();
        objects.map(|object| object.path).collect()
    }

    /// Paths and bytes of all that the manifest names.
    fn contents(&self) -> impl Iterator<Item = (&str, Content)> {
        let manifest = self.manifest();
        let content = |bytes: u64, sha256: &str| Content {
            bytes,
            sha256: sha256.to_owned(),
        };
        let files = manifest
            .files()
            .map(move |file| (file.path.as_str(), content(file.bytes, &file.sha256)));
        let rbac = manifest
            .rbac
            .iter()
            .map(move |file| (file.path.as_str(), content(file.bytes, &file.sha256)));
        files.chain(rbac)
    }
}
