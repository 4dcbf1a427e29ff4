//! Audit: what can be said of an archive to those who ask years later: what was archived, when, from where, by which
//! version, with which hashes, locked until when, and when it was last verified.

use futures::{StreamExt, TryStreamExt, stream};
use jiff::Timestamp;
use serde::Serialize;

use crate::archive::{Archive, Consistency, Selection, Source, StoredObject, Totals, Verification};
use crate::error::Result;
use crate::store::{LockMode, Protection};

/// How many objects are asked about at a time.
const AT_ONCE: usize = 32;

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
    /// Its objects, `manifest.json` first.
    pub objects: Vec<AuditedObject>,
    /// How many of them may be removed now. Null where the store does not tell.
    pub unprotected: Option<u64>,
    /// Why the store does not tell what is locked.
    pub locks_unknown: Option<String>,
    /// Until when no object may be removed: the first end of a lock. Null where an object has none.
    pub locked_until: Option<String>,
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
    /// How firmly it is locked.
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
    let stored = archive.stored_objects();
    let asked = stream::iter(&stored)
        .map(|object| protection(archive, &object.path))
        .buffered(AT_ONCE);
    let asked: Result<Vec<Protection>> = asked.try_collect().await;
    // Who may read the archive need not have the right to read its locks.
    let (held, locks_unknown) = match asked {
        Ok(held) => (Some(held), None),
        Err(error) => (None, Some(error.to_string())),
    };
    let open = |held: &Vec<Protection>| held.iter().filter(|one| !one.holds(now)).count() as u64;
    let unprotected = held.as_ref().map(open);
    let lock_ends = |held: &Vec<Protection>| -> Option<Vec<Timestamp>> {
        let ends = held
            .iter()
            .map(|one| one.lock.as_ref().map(|lock| lock.until));
        ends.collect()
    };
    let first_end = held.as_ref().and_then(lock_ends);
    let first_end = first_end.and_then(|ends| ends.into_iter().min());
    let held = held.unwrap_or_else(|| vec![Protection::default(); stored.len()]);
    let objects = stored.into_iter().zip(held).map(object);
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
        unprotected,
        locks_unknown,
        locked_until: first_end.map(|end| end.to_string()),
        verifications: archive.verifications().await?,
    })
}

async fn protection(archive: &Archive, path: &str) -> Result<Protection> {
    let (store, name) = archive.place();
    store.protection(&format!("{name}/{path}")).await
}

fn object((object, held): (StoredObject, Protection)) -> AuditedObject {
    let lock = held.lock.as_ref();
    AuditedObject {
        object,
        lock: lock.map(|lock| lock.mode),
        locked_until: lock.map(|lock| lock.until.to_string()),
        legal_hold: held.legal_hold,
    }
}
