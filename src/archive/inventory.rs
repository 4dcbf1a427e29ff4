//! Which objects an archive consists of, as its manifest tells: for whoever moves or removes it as it is.

use std::sync::Arc;

use bytes::Bytes;
use futures::stream::{self, StreamExt, TryStreamExt};

use super::layout::{self, CHECKSUM, MAC, MANIFEST};
use super::manifest::Manifest;
use super::reader::{Told, read_mac, read_manifest};
use super::summary::Summary;
use crate::store::{Role, Store};
use crate::{Error, Result};

/// How many objects are looked at at a time.
const LOOKS: usize = 32;

/// An archive whose manifest is sound, and which is not looked into.
#[derive(Clone, Debug)]
pub struct Inventory {
    store: Arc<dyn Store>,
    name: String,
    json: Bytes,
    told: Told,
    /// What proves the manifest, where the archive is encrypted.
    mac: Option<Bytes>,
}

/// One object of an archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Object {
    /// Its path, relative to the archive's folder.
    pub path: String,
    /// Its size.
    pub bytes: u64,
    /// SHA-256 of its bytes, as 64 lower-case hexadecimal digits.
    pub sha256: String,
    /// The rows in it.
    pub rows: u64,
    /// How a store is to keep it.
    pub role: Role,
}

impl Inventory {
    /// Reads the manifest of the archive of this name, which must be that of its checksum.
    pub async fn open(store: Arc<dyn Store>, name: &str) -> Result<Inventory> {
        layout::check_name(name)?;
        let (json, told) = read_manifest(&*store, name).await?;
        let mac = match told {
            Told::Plain(_) => None,
            Told::Encrypted(_) => Some(read_mac(&*store, name).await?),
        };
        Ok(Inventory {
            store,
            name: name.to_owned(),
            json,
            told,
            mac,
        })
    }

    /// The archive's address.
    pub fn uri(&self) -> String {
        format!("{}/{}", self.store.uri(), self.name)
    }

    /// The store that the archive is in, and its name there.
    pub fn place(&self) -> (&Arc<dyn Store>, &str) {
        (&self.store, &self.name)
    }

    /// What a list shows of the archive.
    pub fn summary(&self) -> Summary {
        self.told.summary(&layout::sha256(&self.json))
    }

    /// What the archive holds, where that is told without a key.
    pub fn manifest(&self) -> Option<&Manifest> {
        match &self.told {
            Told::Plain(manifest) => Some(manifest),
            Told::Encrypted(_) => None,
        }
    }

    /// All objects but those of [`Inventory::seal`] and the summary.
    pub fn objects(&self) -> Vec<Object> {
        let manifest = match &self.told {
            Told::Plain(manifest) => manifest,
            Told::Encrypted(envelope) => {
                let sealed = envelope.objects.iter().map(|object| Object {
                    path: object.path.clone(),
                    bytes: object.bytes,
                    sha256: object.sha256.clone(),
                    rows: 0,
                    role: Role::Part,
                });
                return sealed.collect();
            }
        };
        let files = manifest.files().map(|file| Object {
            path: file.path.clone(),
            bytes: file.bytes,
            sha256: file.sha256.clone(),
            rows: file.rows,
            role: Role::Part,
        });
        let rbac = manifest.rbac.iter().map(|file| Object {
            path: file.path.clone(),
            bytes: file.bytes,
            sha256: file.sha256.clone(),
            rows: 0,
            role: Role::Secret,
        });
        files.chain(rbac).collect()
    }

    /// What is not there as the manifest says, by the sizes of the objects: the path of the first one, and what is wrong.
    pub(crate) async fn flaw(&self) -> Result<Option<(String, String)>> {
        let flaws = stream::iter(self.objects()).map(|object| async move {
            let flaw = self.flaw_of(&object).await?;
            Ok(flaw.map(|flaw| (object.path, flaw)))
        });
        let mut flaws = std::pin::pin!(flaws.buffered(LOOKS));
        while let Some(flaw) = flaws.try_next().await? {
            if flaw.is_some() {
                return Ok(flaw);
            }
        }
        Ok(None)
    }

    /// How an object is not there as the manifest says, by its size, as a clause.
    pub(crate) async fn flaw_of(&self, object: &Object) -> Result<Option<String>> {
        let place = format!("{}/{}", self.name, object.path);
        match self.store.size(&place).await {
            Ok(size) if size == object.bytes => Ok(None),
            Ok(size) => Ok(Some(format!(
                "has {size} bytes, the manifest says {}",
                object.bytes
            ))),
            Err(Error::Missing { .. }) => Ok(Some("is missing".to_owned())),
            Err(error) => Err(error),
        }
    }

    /// What makes the objects an archive, in the order in which it is written: paths and bytes.
    pub fn seal(&self) -> Vec<(&'static str, Bytes)> {
        let checksum = Bytes::from(layout::checksum(&self.json));
        let mac = self.mac.iter().map(|mac| (MAC, mac.clone()));
        mac.chain([(CHECKSUM, checksum), (MANIFEST, self.json.clone())])
            .collect()
    }

    /// The manifest's bytes.
    pub(crate) fn manifest_bytes(&self) -> &Bytes {
        &self.json
    }
}
