//! Which objects an archive consists of, as its manifest tells: for whoever moves or removes it as it is.

use std::sync::Arc;

use bytes::Bytes;

use super::layout::{self, CHECKSUM, MANIFEST};
use super::manifest::Manifest;
use super::reader::read_manifest;
use super::summary::Summary;
use crate::Result;
use crate::store::{Role, Store};

/// An archive whose manifest is sound, and which is not looked into.
#[derive(Clone, Debug)]
pub struct Inventory {
    store: Arc<dyn Store>,
    name: String,
    json: Bytes,
    manifest: Manifest,
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
        let (json, manifest) = read_manifest(&*store, name).await?;
        Ok(Inventory {
            store,
            name: name.to_owned(),
            json,
            manifest,
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
        Summary::of(&self.manifest, &layout::sha256(&self.json))
    }

    /// What the archive holds.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// All objects but those of [`Inventory::seal`] and the summary.
    pub fn objects(&self) -> Vec<Object> {
        let files = self.manifest.files().map(|file| Object {
            path: file.path.clone(),
            bytes: file.bytes,
            sha256: file.sha256.clone(),
            rows: file.rows,
            role: Role::Part,
        });
        let rbac = self.manifest.rbac.iter().map(|file| Object {
            path: file.path.clone(),
            bytes: file.bytes,
            sha256: file.sha256.clone(),
            rows: 0,
            role: Role::Secret,
        });
        files.chain(rbac).collect()
    }

    /// What makes the objects an archive, in the order in which it is written: paths and bytes.
    pub fn seal(&self) -> [(&'static str, Bytes); 2] {
        let checksum = Bytes::from(layout::checksum(&self.json));
        [(CHECKSUM, checksum), (MANIFEST, self.json.clone())]
    }
}
