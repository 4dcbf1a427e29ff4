//! Audit: what can be said of an archive to those who ask years later: what was archived, when, from where, by which
//! version, with which hashes, locked until when, and when it was last verified.

use jiff::Timestamp;
use serde::Serialize;

use crate::archive::locks::{has_summary, protections, sizes};
use crate::archive::{
    Archive, Consistency, Locks, SUMMARY, Selection, Source, StoredObject, Totals, Verification,
};
use crate::error::Result;
use crate::store::{LockMode, Protection};

/// The audit document of an archive.
#[derive(Clone, Debug, Serialize)]
pub struct Audit {
    /// The archive's address.
    pub archive: String,
    /// The name under which it was written.
    pub name: String,
    /// When this was asked, in UTC as RFC 3339.
    pub asked: String,
    /// The version of the archive format.
    pub format: u64,
    /// Whether its objects are encrypted.
    pub encrypted: bool,
    /// When the export began, in UTC as RFC 3339.
    pub created: String,
    /// The program that wrote it, and its version.
    pub tool: String,
    /// Where the rows come from.
    pub source: Source,
    /// What was asked for.
    pub selection: Selection,
    /// To which moment the rows belong.
    pub consistency: Consistency,
    /// SHA-256 of `manifest.json`, from which all other hashes of the archive follow.
    pub manifest_sha256: String,
    /// How much it holds.
    pub totals: Totals,
    /// Its collections.
    pub collections: Vec<AuditedCollection>,
    /// Its objects, `manifest.json` first; its summary, which follows from it, last.
    pub objects: Vec<AuditedObject>,
    /// How many of them are not there.
    pub missing: u64,
    /// How many of them may be removed now, or are not there. Null where the store does not tell.
    pub unprotected: Option<u64>,
    /// Why the store does not tell what is locked.
    pub locks_unknown: Option<String>,
    /// Until when no object may be removed: the first end of a lock. Null where an object has none that has not ended.
    pub locked_until: Option<String>,
    /// How firmly those are locked that are locked least. Null where none is.
    pub lock_mode: Option<LockMode>,
    /// The recorded verifications, the last one last.
    pub verifications: Vec<Verification>,
}

/// A collection of the archive.
#[derive(Clone, Debug, Serialize)]
pub struct AuditedCollection {
    /// Its name, with its database.
    pub name: String,
    /// Its rows.
    pub rows: u64,
    /// Its data files.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// The digest of its rows.
    pub digest: String,
}

/// An object of the archive, and what keeps it.
#[derive(Clone, Debug, Serialize)]
pub struct AuditedObject {
    /// The object.
    #[serde(flatten)]
    pub object: StoredObject,
    /// Whether it is not there.
    pub missing: bool,
    /// How firmly it is locked now.
    pub lock: Option<LockMode>,
    /// Until when, in UTC as RFC 3339.
    pub locked_until: Option<String>,
    /// Whether it is kept until somebody lifts the hold.
    pub legal_hold: bool,
}

/// Gathers all that is known of an archive. Reads no rows: that is what a verification does.
pub async fn audit(archive: &Archive) -> Result<Audit> {
    let now = Timestamp::now();
    let manifest = archive.manifest();
    let collections = manifest.collections.iter().map(|entry| AuditedCollection {
        name: entry.schema.name.to_string(),
        rows: entry.rows,
        files: entry.files().count() as u64,
        bytes: entry.files().map(|file| file.bytes).sum(),
        digest: entry.digests.all.to_string(),
    });
    let mut stored = archive.stored_objects();
    if has_summary(archive).await? {
        stored.push(StoredObject {
            path: SUMMARY.to_owned(),
            stored: None,
            encrypted: None,
        });
    }
    let paths: Vec<String> = stored.iter().map(|object| object.path.clone()).collect();
    let there = sizes(archive, &paths).await?;
    let there: Vec<bool> = there.iter().map(Option::is_some).collect();
    // Who may read the archive need not have the right to read its locks.
    let (held, locks_unknown) = match protections(archive, &paths).await {
        Ok(held) => (Some(held), None),
        Err(error) => (None, Some(error.to_string())),
    };
    // A store without locks is not asked for each object.
    let held = held.map(|held| {
        let held = held.into_iter().zip(&there);
        held.map(|(held, there)| held.filter(|_| *there)).collect()
    });
    let locks = held.as_ref().map(|held: &Vec<_>| Locks::of(held, now));
    let locked = locks.as_ref().filter(|locks| locks.locked == locks.objects);
    let held = held.unwrap_or_else(|| vec![None; stored.len()]);
    let objects = stored.into_iter().zip(held).zip(&there);
    let objects = objects.map(|((stored, held), there)| object(stored, held, *there, now));
    Ok(Audit {
        archive: archive.uri(),
        name: manifest.name.clone(),
        asked: now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        format: archive.summary().format,
        encrypted: archive.is_encrypted(),
        created: manifest.created.clone(),
        tool: format!("{} {}", manifest.tool.name, manifest.tool.version),
        source: manifest.source.clone(),
        selection: manifest.selection.clone(),
        consistency: manifest.consistency,
        manifest_sha256: archive.manifest_sha256().to_owned(),
        totals: manifest.totals(),
        collections: collections.collect(),
        objects: objects.collect(),
        missing: there.iter().filter(|there| !**there).count() as u64,
        unprotected: locks.as_ref().map(|locks| locks.unprotected),
        locks_unknown,
        locked_until: locked
            .and_then(|locks| locks.until)
            .map(|end| end.to_string()),
        lock_mode: locks.as_ref().and_then(|locks| locks.mode),
        verifications: archive.verifications().await?,
    })
}

fn object(
    object: StoredObject,
    held: Option<Protection>,
    there: bool,
    now: Timestamp,
) -> AuditedObject {
    let held = held.unwrap_or_default();
    let lock = held.lock.as_ref().filter(|lock| lock.until > now);
    AuditedObject {
        object,
        missing: !there,
        lock: lock.map(|lock| lock.mode),
        locked_until: lock.map(|lock| lock.until.to_string()),
        legal_hold: held.legal_hold,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::archive::tests::hooked::locking;
    use crate::archive::tests::{export, folder};

    #[tokio::test]
    async fn a_missing_object_is_told_and_hides_no_locks() {
        let (_folder, store) = folder();
        let locking = locking(&store, |_, _| Ok(()));
        let written = export(&locking, "prod").await;
        let archive = Archive::open(locking.clone(), "prod").await.unwrap();
        let whole = audit(&archive).await.unwrap();
        // Four files, the manifest, its checksum and its summary.
        assert_eq!((whole.objects.len(), whole.missing), (7, 0));
        assert_eq!(whole.unprotected, Some(0));
        assert_eq!(whole.lock_mode, Some(LockMode::Compliance));
        assert!(whole.locked_until.is_some());

        let lost = written.files().next().unwrap().path.clone();
        store.remove(&format!("prod/{lost}")).await.unwrap();
        let audit = audit(&archive).await.unwrap();
        assert_eq!((audit.missing, audit.unprotected), (1, Some(1)));
        assert_eq!((audit.locks_unknown, audit.locked_until), (None, None));
        for one in &audit.objects {
            assert_eq!(one.missing, one.object.path == lost);
            assert_eq!(one.lock.is_none(), one.missing, "{one:?}");
        }
        let locks = Locks::read(&archive).await.unwrap();
        assert_eq!((locks.objects, locks.locked), (7, 6));
        assert_eq!(locks.unprotected, 1);
    }
}
