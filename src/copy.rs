//! Copy: an archive, as it is, into another store.
//!
//! Take the name there, or go on with an earlier copy that was interrupted; send every object, checking it on its way; the
//! manifest last. An archive that is there already is looked through, and completed. Nothing is looked into, so that no key is needed.

mod copied;
mod object;
mod seal;

use std::sync::Arc;

use crate::archive::claim::{self, Claim};
use crate::archive::{CHECKSUM, FORGOTTEN, Inventory, MANIFEST, UNFINISHED};
use crate::error::{Error, Result};
use crate::progress::{Context, Task};
use crate::store::Store;
use crate::together::each;

pub use copied::Copied;
use object::{Before, place};

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
    let doing = format!("copying {}", source.uri());
    let task = || -> Arc<dyn Task> {
        // An encrypted manifest tells of no object how many rows it has.
        let told = objects.iter().any(|object| object.rows > 0);
        let rows = told.then_some(summary.rows);
        Arc::from(ctx.monitor.begin("copy", &source.uri(), rows))
    };
    let send_all = async |before, task: Arc<dyn Task>| {
        each(&objects, jobs, ctx, &doing, |object, ctx| {
            let (task, doing) = (task.clone(), &doing);
            async move {
                let placing = place(source, object, target, before, &*task);
                ctx.until_stopped(doing, placing).await
            }
        })
        .await
    };
    let taking = Claim::take_for_copy(store.clone(), name, &summary.manifest_sha256);
    if is_complete(source, target).await? || lacks_its_manifest(source, target).await? {
        let ways = send_all(Before::Archive, task()).await?;
        copied.complete = true;
        copied.count(&ways);
        copied.repaired = copied.objects - copied.found;
        copied.repaired += seal::complete(source, target).await?;
        seal::lock(source, target, jobs, ctx).await?;
        if !is_complete(source, target).await? {
            return Err(Error::Missing {
                uri: target.uri(),
                hint: "it was removed while it was looked through".to_owned(),
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
        let last = seal::seal(source, target, &claim, jobs, ctx).await?;
        Ok((ways, last))
    };
    let (ways, last) = match sent.await {
        Err(error) => {
            let unfinished = !matches!(is_complete(source, target).await, Ok(true));
            if unfinished && claim.check_ours().await.is_ok() {
                let way_on = match error {
                    Error::Damaged { .. } => "goes on with it once the source is whole again",
                    _ => "goes on with it",
                };
                ctx.monitor.note(&format!(
                    "what was copied to {} stays there, unfinished: the same command {way_on}",
                    claim.uri()
                ));
            }
            return Err(error);
        }
        Ok(sent) => sent,
    };
    copied.count(&ways);
    let locked = claim.lock(last).await;
    claim.release().await;
    locked.inspect_err(|_| {
        ctx.monitor.note(&format!(
            "{} is whole, and its manifest is not locked: the same command locks it",
            claim.uri()
        ));
    })?;
    Ok(copied)
}

/// Whether the very archive is there already.
///
/// # Errors
/// [`Error::Exists`] where another archive is, or this one is being removed.
async fn is_complete(source: &Inventory, target: Target<'_>) -> Result<bool> {
    match target.store.size(&target.path(FORGOTTEN)).await {
        Ok(_) => return Err(claim::forgotten(&**target.store, target.name)),
        Err(Error::Missing { .. }) => {}
        Err(error) => return Err(error),
    }
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

/// Whether this very archive was in its place, whole, and has lost its manifest since: its checksum is there, and nobody
/// writes it.
async fn lacks_its_manifest(source: &Inventory, target: Target<'_>) -> Result<bool> {
    let seal = source.seal();
    let checksum = seal.iter().find(|(path, _)| *path == CHECKSUM);
    let found = match target.store.read(&target.path(CHECKSUM)).await {
        Err(Error::Missing { .. }) => return Ok(false),
        found => found?,
    };
    if checksum.is_none_or(|(_, bytes)| *bytes != found) {
        return Ok(false);
    }
    match target.store.size(&target.path(UNFINISHED)).await {
        Err(Error::Missing { .. }) => Ok(true),
        marker => marker.map(|_| false),
    }
}

#[cfg(test)]
#[path = "copy/copy_tests.rs"]
mod tests;
