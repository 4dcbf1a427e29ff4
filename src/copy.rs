//! Copy: an archive, as it is, into another store.
//!
//! Take the name there, or go on with an earlier copy that was interrupted; send every object, checking it on its way; the
//! manifest last. Nothing is looked into, so that no key is needed.

use std::sync::Arc;

use ring::digest::{Context as Sha, SHA256};
use serde::Serialize;

use crate::archive::claim::Claim;
use crate::archive::{Inventory, MANIFEST, Object, SUMMARY, hex};
use crate::compute;
use crate::error::{Error, Result};
use crate::progress::{Context, Task};
use crate::store::{self, Role, Store, Told};
use crate::together::each;

/// How much of an object is read at once.
const STEP: u64 = 8 << 20;

/// What a copy has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Copied {
    /// Objects that the archive consists of, but its manifest with its checksum and summary.
    pub objects: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Objects that were sent through this machine.
    pub sent: u64,
    /// Objects that the service copied itself; those of them that are in none of the two next had the SHA-256 that the
    /// manifest says.
    pub within: u64,
    /// Of these, objects whose checksum, as the service tells it, is their source's.
    pub as_source: u64,
    /// Of these, objects of which nothing is known but their size.
    pub size_alone: u64,
    /// Objects that were there already, whole.
    pub found: u64,
    /// Whether the whole archive was there already.
    pub complete: bool,
}

/// How one object came to be where it is.
enum Way {
    Sent,
    Within(Check),
    Found,
}

/// What a copy that the service made itself was held against.
#[derive(Clone, Copy)]
enum Check {
    Manifest,
    Source,
    Size,
}

/// Copies an archive into `store` under `name`, `jobs` objects at a time.
///
/// Where it fails or is stopped, what was copied stays, unfinished, and the same call goes on from there.
///
/// # Errors
/// [`Error::Exists`] where the name is another archive's; [`Error::Damaged`] where an object of the source is not what its
/// manifest says.
pub async fn copy(
    source: &Inventory,
    store: &Arc<dyn Store>,
    name: &str,
    jobs: usize,
    ctx: &Context,
) -> Result<Copied> {
    let (from, own_name) = source.place();
    if from.uri() == store.uri() && own_name == name {
        return Err(Error::Usage(format!(
            "{} would be copied onto itself; name another store, or another --name",
            source.uri()
        )));
    }
    let objects = source.objects();
    let mut copied = Copied {
        objects: objects.len() as u64,
        bytes: objects.iter().map(|object| object.bytes).sum(),
        ..Copied::default()
    };
    let summary = source.summary();
    let taking = Claim::take_for_copy(store.clone(), name, &summary.manifest_sha256);
    if is_complete(source, store, name).await? {
        // A marker is there where only the end was missing.
        if let Ok((claim, true)) = taking.await {
            seal(source, &claim).await?;
        }
        copied.found = copied.objects;
        copied.complete = true;
        return Ok(copied);
    }
    let (claim, resumed) = taking.await?;
    let task = ctx.monitor.begin("copy", &source.uri(), Some(summary.rows));
    let task: Arc<dyn Task> = Arc::from(task);
    let sending = each(&objects, jobs, ctx, |object, ctx| {
        let (claim, task) = (&claim, task.clone());
        async move { place(source, object, claim, resumed, &*task, &ctx).await }
    });
    let sent = async {
        let ways = sending.await?;
        seal(source, &claim).await?;
        Ok(ways)
    };
    let ways = match sent.await {
        Err(error) => {
            ctx.monitor.note(&format!(
                "what was copied to {} stays there, unfinished: the same command goes on with it",
                claim.uri()
            ));
            return Err(error);
        }
        Ok(ways) => ways,
    };
    for way in ways {
        match way {
            Way::Sent => copied.sent += 1,
            Way::Within(check) => {
                copied.within += 1;
                match check {
                    Check::Manifest => {}
                    Check::Source => copied.as_source += 1,
                    Check::Size => copied.size_alone += 1,
                }
            }
            Way::Found => copied.found += 1,
        }
    }
    Ok(copied)
}

/// Whether the very archive is there already.
async fn is_complete(source: &Inventory, store: &Arc<dyn Store>, name: &str) -> Result<bool> {
    match store.read(&format!("{name}/{MANIFEST}")).await {
        Ok(found) if found == source.manifest_bytes() => Ok(true),
        Ok(_) => Err(Error::Exists {
            what: format!("another archive {}/{name}", store.uri()),
            way_out: "choose another --name".to_owned(),
        }),
        Err(Error::Missing { .. }) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Brings one object to its place.
async fn place(
    source: &Inventory,
    object: &Object,
    claim: &Claim,
    resumed: bool,
    task: &dyn Task,
    ctx: &Context,
) -> Result<Way> {
    let doing = format!("copying {}", source.uri());
    let placing = async {
        if resumed && is_there(claim, object).await? {
            return Ok(Way::Found);
        }
        loop {
            match send(source, object, claim, task).await {
                // Another copy of the same archive was faster, or an earlier one came to its end just now.
                Err(Error::Exists { .. }) if is_there(claim, object).await? => {
                    return Ok(Way::Found);
                }
                Err(Error::Exists { .. }) => ctx.check(&doing)?,
                sent => return sent,
            }
        }
    };
    let way = ctx.until_stopped(&doing, placing).await?;
    // Bytes that were sent were told as they went.
    let bytes = if matches!(way, Way::Sent) {
        0
    } else {
        object.bytes
    };
    task.advance(object.rows, bytes);
    Ok(way)
}

/// Whether an object is in its place, with the bytes that it must have. One with others is removed: it is a part of
/// nothing yet.
async fn is_there(claim: &Claim, object: &Object) -> Result<bool> {
    let (store, path) = (claim.store(), claim.path(&object.path));
    let size = match store.size(&path).await {
        Err(Error::Missing { .. }) => return Ok(false),
        size => size?,
    };
    if size == object.bytes {
        let mut sha = Sha::new(&SHA256);
        let mut start = 0;
        while start < size {
            let end = size.min(start + STEP);
            let bytes = store.read_range(&path, start..end).await?;
            sha = hashed(sha, bytes).await;
            start = end;
        }
        if hex(sha.finish().as_ref()) == object.sha256 {
            return Ok(true);
        }
    }
    store.remove(&path).await?;
    Ok(false)
}

/// Copies one object that is not there. Where the service does it itself, what it made is known by what it tells; else by
/// every byte, before it can be seen.
async fn send(source: &Inventory, object: &Object, claim: &Claim, task: &dyn Task) -> Result<Way> {
    let (from, name) = source.place();
    let (path, target) = (format!("{name}/{}", object.path), claim.path(&object.path));
    let damaged = |reason: String| Error::Damaged {
        uri: format!("{}/{}", source.uri(), object.path),
        reason,
    };
    let size = from.size(&path).await?;
    if size != object.bytes {
        let reason = format!("it has {size} bytes, the manifest says {}", object.bytes);
        return Err(damaged(reason));
    }
    let copying = claim
        .store()
        .copy_within(&**from, &path, &target, object.role);
    if let Some(told) = copying.await? {
        return match check(object, claim.store().size(&target).await?, told) {
            Ok(check) => Ok(Way::Within(check)),
            Err(reason) => {
                claim.store().remove(&target).await?;
                Err(damaged(reason))
            }
        };
    }
    let mut writer = claim.store().create(&target, object.role).await?;
    let mut sha = Sha::new(&SHA256);
    let mut start = 0;
    while start < size {
        let end = size.min(start + STEP);
        let bytes = from.read_range(&path, start..end).await?;
        sha = hashed(sha, bytes.clone()).await;
        writer.write(bytes).await?;
        task.advance(0, end - start);
        start = end;
    }
    let sha256 = hex(sha.finish().as_ref());
    if sha256 != object.sha256 {
        let reason = format!(
            "its SHA-256 is {sha256}, the manifest says {}",
            object.sha256
        );
        return Err(damaged(reason));
    }
    writer.finish().await?;
    Ok(Way::Sent)
}

/// Holds a copy against all that is known of it; what does not fit is the reason why it is none.
fn check(object: &Object, made: u64, told: Told) -> Result<Check, String> {
    if made != object.bytes {
        return Err(format!(
            "its copy has {made} bytes, the manifest says {}",
            object.bytes
        ));
    }
    match told {
        Told::Sha256(sha) => match hex(&sha) {
            sha if sha == object.sha256 => Ok(Check::Manifest),
            sha => Err(format!(
                "the SHA-256 of its copy, which the service made, is {sha}, the manifest says {}",
                object.sha256
            )),
        },
        Told::Checksums { source, copy, .. } if source == copy => Ok(Check::Source),
        Told::Checksums { kind, source, copy } => Err(format!(
            "the {kind} of its copy, which the service made, is {copy}, and its own is {source}"
        )),
        Told::Size => Ok(Check::Size),
    }
}

async fn hashed(mut sha: Sha, bytes: bytes::Bytes) -> Sha {
    compute::run(move || {
        sha.update(&bytes);
        sha
    })
    .await
}

/// Makes the copy an archive. The summary of an archive that has none is not made up: a copy has the same objects.
async fn seal(source: &Inventory, claim: &Claim) -> Result<()> {
    claim.check_ours().await?;
    let (from, name) = source.place();
    let summary = match from.read(&format!("{name}/{SUMMARY}")).await {
        Ok(bytes) => Some((SUMMARY, bytes)),
        Err(Error::Missing { .. }) => None,
        Err(error) => return Err(error),
    };
    let objects = source.objects();
    claim
        .lock(objects.iter().map(|object| object.path.as_str()))
        .await?;
    let last: Vec<_> = source.seal().into_iter().chain(summary).collect();
    for (path, bytes) in &last {
        let target = claim.path(path);
        match store::put(&**claim.store(), &target, bytes.clone(), Role::Part).await {
            // Of an earlier try, or of another copy of the same archive.
            Err(Error::Exists { .. }) if claim.store().read(&target).await? == *bytes => {}
            Err(Error::Exists { .. }) => return Err(claim.taken()),
            put => put?,
        }
    }
    claim.lock(last.iter().map(|(path, _)| *path)).await?;
    claim.release().await;
    Ok(())
}

#[cfg(test)]
#[path = "copy_tests.rs"]
mod tests;
