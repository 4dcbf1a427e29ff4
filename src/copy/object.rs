//! One object on its way into the copy.

use std::time::Duration;

use bytes::Bytes;
use ring::digest::{Context as Sha, SHA256};

use super::Target;
use crate::archive::{Inventory, Object, hex};
use crate::compute;
use crate::error::{Error, Result};
use crate::progress::Task;
use crate::store::Told;

/// How much of an object is read at once.
const STEP: u64 = 8 << 20;

/// How often an object is sent whose name is taken and where nothing is found, and how long after the first time.
const ROUNDS: u32 = 3;
const PAUSE: Duration = Duration::from_millis(500);

/// What may be in the target before it is copied to.
#[derive(Clone, Copy)]
pub(super) enum Before {
    /// Nothing.
    Nothing,
    /// What an interrupted copy has left: nobody has held it against anything.
    Remains,
    /// The archive.
    Archive,
}

/// How one object came to be where it is.
pub(super) enum Way {
    Sent,
    Within(Check),
    Found,
}

/// What a copy that the service made itself was held against.
#[derive(Clone, Copy)]
pub(super) enum Check {
    Manifest,
    Source,
    Size,
}

/// Brings one object to its place.
pub(super) async fn place(
    source: &Inventory,
    object: &Object,
    target: Target<'_>,
    before: Before,
    task: &dyn Task,
) -> Result<Way> {
    let there = match before {
        Before::Nothing => false,
        Before::Remains => is_there(target, object).await?,
        Before::Archive => is_whole(source, target, object).await?,
    };
    let way = match there {
        true => Way::Found,
        false => bring(source, object, target, task).await?,
    };
    // Bytes that were sent were told as they went.
    let bytes = if matches!(way, Way::Sent) {
        0
    } else {
        object.bytes
    };
    task.advance(object.rows, bytes);
    Ok(way)
}

/// Copies an object that was not there when it was looked for.
async fn bring(
    source: &Inventory,
    object: &Object,
    target: Target<'_>,
    task: &dyn Task,
) -> Result<Way> {
    let mut rounds = 1;
    loop {
        match send(source, object, target, task).await {
            // Another copy of the same archive was faster, or an earlier one came to its end just now.
            Err(Error::Exists { .. }) if is_there(target, object).await? => return Ok(Way::Found),
            // It was removed, or what was there is gone by now.
            Err(Error::Exists { .. }) if rounds < ROUNDS => {
                tokio::time::sleep(PAUSE * rounds).await;
                rounds += 1;
            }
            sent => return sent,
        }
    }
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
pub(super) async fn clear(target: Target<'_>, path: &str, why: &str) -> Result<()> {
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
    match source.flaw_of(object).await? {
        None => Ok(()),
        Some(flaw) => Err(damaged(source, object, format!("it {flaw}"))),
    }
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
