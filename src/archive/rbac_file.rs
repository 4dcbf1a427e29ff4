//! The users and roles of an archive: one object of JSON beside the data.

use bytes::Bytes;

use super::data_file::Flaw;
use super::json;
use super::layout::{RBAC, sha256};
use super::manifest::RbacFile;
use super::{Archive, ArchiveWriter, Damage};
use crate::model::Rbac;
use crate::store::Role;
use crate::{Error, Result};

impl ArchiveWriter {
    /// Writes the users and roles. In a folder, nobody but its owner may read the file: it may hold password hashes.
    pub async fn rbac(&self, rbac: &Rbac) -> Result<RbacFile> {
        let json = json::written(rbac)?;
        let file = RbacFile {
            path: RBAC.to_owned(),
            bytes: json.len() as u64,
            sha256: sha256(&json),
            users: rbac.users.len() as u64,
            roles: rbac.roles.len() as u64,
            privilege_groups: rbac.privilege_groups.len() as u64,
            grants: rbac.grants.len() as u64,
            password_hashes: rbac.password_hashes() as u64,
        };
        self.put(RBAC, Bytes::from(json), Role::Secret).await?;
        Ok(file)
    }
}

impl Archive {
    /// The users and roles, if the archive has them; they are those that the manifest says.
    pub async fn rbac(&self) -> Result<Option<Rbac>> {
        let Some(file) = &self.manifest().rbac else {
            return Ok(None);
        };
        let bytes = self.objects().read(&file.path).await?;
        match parse(file, &bytes) {
            Ok(rbac) => Ok(Some(rbac)),
            Err(flaw) => Err(Error::Damaged {
                uri: self.uri_of(&file.path),
                reason: flaw.reason,
            }),
        }
    }

    /// What is wrong with the users and roles.
    pub(super) async fn rbac_flaw(&self, file: &RbacFile) -> Result<Option<Flaw>> {
        match self.objects().read(&file.path).await {
            Ok(bytes) => Ok(parse(file, &bytes).err()),
            Err(Error::Missing { .. }) => Ok(Some(Flaw::new(Damage::Missing, "it is missing"))),
            Err(Error::Damaged { uri, reason }) => Ok(Some(Flaw::new(
                Damage::Decryption,
                format!("{uri}: {reason}"),
            ))),
            Err(Error::Store { source, .. }) => {
                let reason = format!("it cannot be read: {source}");
                Ok(Some(Flaw::new(Damage::Unreadable, reason)))
            }
            Err(error) => Err(error),
        }
    }
}

fn parse(file: &RbacFile, bytes: &[u8]) -> Result<Rbac, Flaw> {
    if bytes.len() as u64 != file.bytes {
        return Err(Flaw::new(
            Damage::Size,
            format!("it has {} bytes, not {}", bytes.len(), file.bytes),
        ));
    }
    if sha256(bytes) != file.sha256 {
        return Err(Flaw::new(
            Damage::Checksum,
            "its SHA-256 is not that of the manifest",
        ));
    }
    let rbac: Rbac = serde_json::from_slice(bytes)
        // The parser's own words may quote what is there: a hash.
        .map_err(|error| {
            let place = format!("line {}, column {}", error.line(), error.column());
            Flaw::new(Damage::Unreadable, format!("it makes no sense at {place}"))
        })?;
    let numbers = [
        ("users", rbac.users.len(), file.users),
        ("roles", rbac.roles.len(), file.roles),
        (
            "privilege groups",
            rbac.privilege_groups.len(),
            file.privilege_groups,
        ),
        ("grants", rbac.grants.len(), file.grants),
        (
            "password hashes",
            rbac.password_hashes(),
            file.password_hashes,
        ),
    ];
    for (what, found, told) in numbers {
        if found as u64 != told {
            return Err(Flaw::new(
                Damage::Manifest,
                format!("it has {found} {what}, the manifest says {told}"),
            ));
        }
    }
    Ok(rbac)
}
