//! Users and roles in an archive: read as they were written, kept private, and checked.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use super::*;
use crate::archive::{Archive, Damage, RBAC, verify};
use crate::model::{Grant, PasswordHash, PrivilegeGroup, Rbac, Role, User};
use crate::progress::Context;
use crate::{Error, Result};

/// One of everything, with every property.
pub(super) fn some() -> Rbac {
    Rbac {
        users: vec![User {
            name: "alice".into(),
            description: "from accounting".into(),
            password_hash: Some(PasswordHash("$2a$10$hash-Secret".into())),
            roles: vec!["reader".into()],
        }],
        roles: vec![Role {
            name: "reader".into(),
            description: "reads".into(),
        }],
        privilege_groups: vec![PrivilegeGroup {
            name: "reading".into(),
            privileges: vec!["Search".into()],
        }],
        grants: vec![Grant {
            role: "reader".into(),
            object: Grant::COLLECTION.into(),
            database: "default".into(),
            object_name: "docs".into(),
            privilege: "reading".into(),
            grantor: "root".into(),
        }],
    }
}

/// An archive with nothing but users and roles, and the place of their file.
async fn archived(rbac: &Rbac) -> (tempfile::TempDir, Arc<dyn Store>, PathBuf) {
    let (folder, store) = folder();
    let writer = ArchiveWriter::begin(store.clone(), "prod").await.unwrap();
    let mut manifest = manifest("prod", Vec::new());
    manifest.rbac = Some(writer.rbac(rbac).await.unwrap());
    writer.seal(&manifest).await.unwrap();
    let path = folder.path().join("prod").join(RBAC);
    (folder, store, path)
}

/// What verification says is wrong with the file, and what reading it gives.
async fn checked(store: &Arc<dyn Store>) -> (Vec<Damage>, Result<Option<Rbac>>) {
    let archive = Archive::open(store.clone(), "prod").await.unwrap();
    let report = verify(&archive, &Context::silent(), 1).await.unwrap();
    assert!(
        report
            .problems
            .iter()
            .all(|found| found.uri.ends_with(RBAC))
    );
    assert_eq!(report.warnings, []);
    let found = report.problems.iter().map(|found| found.damage).collect();
    (found, archive.rbac().await)
}

#[tokio::test]
async fn users_and_roles_are_read_as_they_were_written() {
    let (_folder, store, path) = archived(&some()).await;
    let (damage, read) = checked(&store).await;
    assert_eq!(damage, []);
    assert_eq!(read.unwrap(), Some(some()));
    let mode = fs::metadata(path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let archive = Archive::open(store, "prod").await.unwrap();
    let manifest = fs::read_to_string(_folder.path().join("prod/manifest.json")).unwrap();
    assert!(!manifest.contains("Secret"), "{manifest}");
    assert_eq!(archive.manifest().rbac.as_ref().unwrap().password_hashes, 1);
}

#[tokio::test]
async fn an_archive_without_users_and_roles_says_so() {
    let (_folder, store) = folder();
    export(&store, "prod").await;
    assert_eq!(checked(&store).await.1.unwrap(), None);
}

/// What is done to the file, and what verification calls it.
type Harm = (fn(&mut Vec<u8>), Damage);

#[tokio::test]
async fn damage_of_users_and_roles_is_found_and_no_hash_is_told() {
    let good = serde_json::to_vec_pretty(&some()).unwrap();
    let harms: [Harm; 2] = [
        (|bytes| bytes[40] ^= 1, Damage::Checksum),
        (|bytes| bytes.truncate(bytes.len() - 1), Damage::Size),
    ];
    for (harm, damage) in harms {
        let (_folder, store, path) = archived(&some()).await;
        let mut bytes = good.clone();
        bytes.push(b'\n');
        harm(&mut bytes);
        fs::write(&path, bytes).unwrap();
        let (found, read) = checked(&store).await;
        assert_eq!(found, [damage]);
        let error = read.unwrap_err();
        assert!(matches!(&error, Error::Damaged { uri, .. } if uri.ends_with(RBAC)));
        assert!(!error.to_string().contains("Secret"), "{error}");
        fs::remove_file(&path).unwrap();
        let (found, read) = checked(&store).await;
        assert_eq!(found, [Damage::Missing]);
        assert!(matches!(read, Err(Error::Missing { .. })));
    }
}

/// A file whose checksum is right and that is none of ours.
#[tokio::test]
async fn a_file_that_makes_no_sense_tells_nothing_of_what_is_in_it() {
    let (folder, store) = folder();
    let writer = ArchiveWriter::begin(store.clone(), "prod").await.unwrap();
    let mut file = writer.rbac(&some()).await.unwrap();
    let bytes = br#"{"users": [{"name": 5, "password_hash": "Secret"}]}"#;
    file.bytes = bytes.len() as u64;
    file.sha256 =
        crate::archive::encoder::hex(ring::digest::digest(&ring::digest::SHA256, bytes).as_ref());
    fs::write(folder.path().join("prod").join(RBAC), bytes).unwrap();
    let mut manifest = manifest("prod", Vec::new());
    manifest.rbac = Some(file);
    writer.seal(&manifest).await.unwrap();
    let (found, read) = checked(&store).await;
    assert_eq!(found, [Damage::Unreadable]);
    assert!(!read.unwrap_err().to_string().contains("Secret"));
}
