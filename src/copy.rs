//! Copy: an archive, as it is, into another store.
//!
//! Take the name there, or go on with an earlier copy that was interrupted; send every object, checking it on its way; the
//! manifest last. An archive that is there already is looked through, and completed. Nothing is looked into, so that no key is needed.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
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

/// How often an object is sent whose name is taken and where nothing is found, and how long after the first time.
const ROUNDS: u32 = 3;
const PAUSE: Duration = Duration::from_millis(500);

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
    /// Whether the archive was there already: the same manifest, and its objects by their sizes.
    pub complete: bool,
    /// Objects of an archive that was there already which were missing or had another size, and were sent anew; those
    /// that make it an archive are among them.
    pub repaired: u64,
    /// Whether all objects were locked, because the store was asked to.
    pub locked: bool,
}

/// Where a copy goes.
#[derive(Clone, Copy)]
struct Target<'a> {
    store: &'a Arc<dyn Store>,
    name: &'a str,
}

impl Target<'_> {
    fn path(&self, path: &str) -> String {
        format!("{}/{path}", self.name)
    }

    fn uri(&self) -> String {
        format!("{}/{}", self.store.uri(), self.name)
    }
}

/// What may be in the target before it is copied to.
#[derive(Clone, Copy)]
enum Before {
    /// Nothing.
    Nothing,
    /// What an interrupted copy has left: nobody has held it against anything.
    Remains,
    /// The archive.
    Archive,
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

/// Copies an archive into `store` under `name`, `jobs` objects at a time. Where it is there already, what is missing of it
/// is sent again, and all of it is locked as the store was asked to.
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
    if own_name == name && from.place()? == store.place()? {
        return Err(Error::Usage(format!(
            "{} would be copied onto itself; name another store, or another --name",
            source.uri()
        )));
    }
    let objects = source.objects();
    let mut copied = Copied {
        objects: objects.len() as u64,
        bytes: objects.iter().map(|object| object.bytes).sum(),
        locked: store.locks(),
        ..Copied::default()
    };
    let summary = source.summary();
    let target = Target { store, name };
    let task = || -> Arc<dyn Task> {
        let task = ctx.monitor.begin("copy", &source.uri(), Some(summary.rows));
        Arc::from(task)
    };
    let send_all = async |before, task: Arc<dyn Task>| {
        each(&objects, jobs, ctx, |object, ctx| {
            let task = task.clone();
            async move { place(source, object, target, before, &*task, &ctx).await }
        })
        .await
    };
    let taking = Claim::take_for_copy(store.clone(), name, &summary.manifest_sha256);
    if is_complete(source, target).await? {
        let ways = send_all(Before::Archive, task()).await?;
        copied.complete = true;
        copied.count(&ways);
        copied.repaired = copied.objects - copied.found;
        copied.repaired += complete_seal(source, target).await?;
        lock(source, target, jobs, ctx).await?;
        if !is_complete(source, target).await? {
            return Err(Error::Missing {
                uri: target.uri(),
                hint: "; it was removed while it was looked through".to_owned(),
            });
        }
        // A marker is there where only the end was missing.
        if let Ok((claim, true)) = taking.await {
            claim.release().await;
        }
        return Ok(copied);
    }
    let (claim, resumed) = taking.await?;
    let before = match resumed {
        true => Before::Remains,
        false => Before::Nothing,
    };
    let sent = async {
        let ways = send_all(before, task()).await?;
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
    copied.count(&ways);
    Ok(copied)
}

impl Copied {
    fn count(&mut self, ways: &[Way]) {
        for way in ways {
            match way {
                Way::Sent => self.sent += 1,
                Way::Within(check) => {
                    self.within += 1;
                    match check {
                        Check::Manifest => {}
                        Check::Source => self.as_source += 1,
                        Check::Size => self.size_alone += 1,
                    }
                }
                Way::Found => self.found += 1,
            }
        }
    }
}

/// Whether the very archive is there already.
async fn is_complete(source: &Inventory, target: Target<'_>) -> Result<bool> {
    match target.store.read(&target.path(MANIFEST)).await {
        Ok(found) if found == source.manifest_bytes() => Ok(true),
        Ok(_) => Err(Error::Exists {
            what: format!("another archive {}", target.uri()),
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
    target: Target<'_>,
    before: Before,
    task: &dyn Task,
    ctx: &Context,
) -> Result<Way> {
    let doing = format!("copying {}", source.uri());
    let placing = async {
        let there = match before {
            Before::Nothing => false,
            Before::Remains => is_there(target, object).await?,
            Before::Archive => is_whole(source, target, object).await?,
        };
        if there {
            return Ok(Way::Found);
        }
        let mut rounds = 1;
        loop {
            match send(source, object, target, task).await {
                // Another copy of the same archive was faster, or an earlier one came to its end just now.
                Err(Error::Exists { .. }) if is_there(target, object).await? => {
                    return Ok(Way::Found);
                }
                // It was removed, or what was there is gone by now.
                Err(Error::Exists { .. }) if rounds < ROUNDS => {
                    tokio::time::sleep(PAUSE * rounds).await;
                    rounds += 1;
                }
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
async fn is_there(target: Target<'_>, object: &Object) -> Result<bool> {
    let (store, path) = (target.store, target.path(&object.path));
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

/// Whether an object of an archive is in its place, by its size. One of another size is removed, if that can be: the
/// manifest says that it is damaged.
async fn is_whole(source: &Inventory, target: Target<'_>, object: &Object) -> Result<bool> {
    let path = target.path(&object.path);
    let size = match target.store.size(&path).await {
        Err(Error::Missing { .. }) => return Ok(false),
        size => size?,
    };
    if size == object.bytes {
        return Ok(true);
    }
    check_source(source, object).await?;
    let why = format!("has {size} bytes, the manifest says {}", object.bytes);
    clear(target, &object.path, &why).await?;
    Ok(false)
}

/// Makes room for an object that is damaged.
async fn clear(target: Target<'_>, path: &str, why: &str) -> Result<()> {
    let removed = target.store.remove(&target.path(path)).await;
    removed.map_err(|error| Error::Damaged {
        uri: format!("{}/{path}", target.uri()),
        reason: format!(
            "it {why}, and cannot be replaced ({error}); copy the archive under another --name"
        ),
    })
}

/// Copies one object that is not there. Where the service does it itself, what it made is known by what it tells; else by
/// every byte, before it can be seen.
async fn send(
    source: &Inventory,
    object: &Object,
    target: Target<'_>,
    task: &dyn Task,
) -> Result<Way> {
    let (from, name) = source.place();
    let (path, to) = (format!("{name}/{}", object.path), target.path(&object.path));
    let damaged = |reason| damaged(source, object, reason);
    check_source(source, object).await?;
    let size = object.bytes;
    let copying = target.store.copy_within(&**from, &path, &to, object.role);
    if let Some(told) = copying.await? {
        return match check(object, target.store.size(&to).await?, told) {
            Ok(check) => Ok(Way::Within(check)),
            Err(reason) => {
                target.store.remove(&to).await?;
                Err(damaged(reason))
            }
        };
    }
    let mut writer = target.store.create(&to, object.role).await?;
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

/// Makes sure that an object of the source has the size that it must have.
async fn check_source(source: &Inventory, object: &Object) -> Result<()> {
    let (from, name) = source.place();
    let size = from.size(&format!("{name}/{}", object.path)).await?;
    if size == object.bytes {
        return Ok(());
    }
    let reason = format!("it has {size} bytes, the manifest says {}", object.bytes);
    Err(damaged(source, object, reason))
}

fn damaged(source: &Inventory, object: &Object, reason: String) -> Error {
    Error::Damaged {
        uri: format!("{}/{}", source.uri(), object.path),
        reason,
    }
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

async fn hashed(mut sha: Sha, bytes: Bytes) -> Sha {
    compute::run(move || {
        sha.update(&bytes);
        sha
    })
    .await
}

/// Makes the copy an archive.
async fn seal(source: &Inventory, claim: &Claim) -> Result<()> {
    claim.check_ours().await?;
    let last = last(source).await?;
    let objects = source.objects();
    claim
        .lock(objects.iter().map(|object| object.path.as_str()))
        .await?;
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

/// What is written last, in its order. The summary of an archive that has none is not made up: a copy has the same
/// objects.
async fn last(source: &Inventory) -> Result<Vec<(&'static str, Bytes)>> {
    let (from, name) = source.place();
    let summary = match from.read(&format!("{name}/{SUMMARY}")).await {
        Ok(bytes) => Some((SUMMARY, bytes)),
        Err(Error::Missing { .. }) => None,
        Err(error) => return Err(error),
    };
    Ok(source.seal().into_iter().chain(summary).collect())
}

/// Writes what is missing or damaged of what makes an archive that is there already; returns how many objects that were.
async fn complete_seal(source: &Inventory, target: Target<'_>) -> Result<u64> {
    let mut written = 0;
    for (path, bytes) in last(source).await? {
        let place = target.path(path);
        match target.store.read(&place).await {
            Ok(found) if found == bytes => continue,
            Ok(_) => clear(target, path, "is another than the source's").await?,
            Err(Error::Missing { .. }) => {}
            Err(error) => return Err(error),
        }
        match store::put(&**target.store, &place, bytes.clone(), Role::Part).await {
            // Of another copy of the same archive.
            Err(Error::Exists { .. }) if target.store.read(&place).await? == bytes => {}
            put => put?,
        }
        written += 1;
    }
    Ok(written)
}

/// Locks all objects of an archive that is there already, where the store was asked to.
async fn lock(source: &Inventory, target: Target<'_>, jobs: usize, ctx: &Context) -> Result<()> {
    if !target.store.locks() {
        return Ok(());
    }
    let last = last(source)
        .await?
        .into_iter()
        .map(|(path, _)| path.to_owned());
    let objects = source.objects().into_iter().map(|object| object.path);
    let doing = format!("locking {}", target.uri());
    each(objects.chain(last), jobs, ctx, |path, ctx| {
        let doing = &doing;
        async move {
            let path = target.path(&path);
            ctx.until_stopped(doing, target.store.lock(&path)).await
        }
    })
    .await?;
    Ok(())
}

#[cfg(test)]
#[path = "copy_tests.rs"]
mod tests;
