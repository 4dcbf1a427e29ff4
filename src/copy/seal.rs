//! What makes a copy an archive, and the locks of it.

use std::time::Duration;

use bytes::Bytes;

use super::object::clear;
use super::{Target, is_complete};
use crate::archive::claim::Claim;
use crate::archive::{Inventory, SUMMARY};
use crate::error::{Error, Result};
use crate::progress::Context;
use crate::store::{self, Role};
use crate::together::each;

/// How long after our manifest somebody who has begun to clear the copy away has removed something of it.
const PAUSE: Duration = Duration::from_secs(3);

/// Makes the copy an archive: what it consists of is locked, as the store was asked to, and the manifest put, if all of
/// it is there. Gives the paths of what was put last, which is not locked yet.
pub(super) async fn seal(
    source: &Inventory,
    target: Target<'_>,
    claim: &Claim,
    jobs: usize,
    ctx: &Context,
) -> Result<Vec<&'static str>> {
    // Without a marker, another copy of the same archive may have come to the end before us.
    if let Err(lost) = claim.check_ours().await
        && !is_complete(source, target).await?
    {
        return Err(lost);
    }
    let objects = source.objects();
    claim
        .lock(objects.iter().map(|object| object.path.as_str()))
        .await?;
    let last = last(source).await?;
    all_there(source, target, jobs, ctx).await?;
    let mut put = Vec::with_capacity(last.len());
    for (path, bytes) in last {
        match put_same(target, path, bytes).await {
            // The manifest is there: lists do without the summary.
            Err(_) if path == SUMMARY => continue,
            Err(Error::Exists { .. }) => return Err(claim.taken()),
            written => written?,
        }
        put.push(path);
    }
    // Somebody who clears away what is unfinished may have seen no manifest yet.
    if claim.check_ours().await.is_err() {
        tokio::time::sleep(PAUSE).await;
        if !is_complete(source, target).await? {
            return Err(removed(target));
        }
        all_there(source, target, jobs, ctx).await?;
    }
    Ok(put)
}

/// Puts an object that may be there already, of an earlier try or of another copy of the same archive.
async fn put_same(target: Target<'_>, path: &str, bytes: Bytes) -> Result<()> {
    let place = target.path(path);
    match store::put(&**target.store, &place, bytes.clone(), Role::Part).await {
        Err(Error::Exists { .. }) if target.store.read(&place).await? == bytes => Ok(()),
        put => put,
    }
}

/// Makes sure that all objects of the archive are in their places, by their sizes.
async fn all_there(
    source: &Inventory,
    target: Target<'_>,
    jobs: usize,
    ctx: &Context,
) -> Result<()> {
    let doing = format!("copying {}", source.uri());
    each(
        source.objects(),
        jobs,
        ctx,
        &doing,
        |object, _| async move {
            match target.store.size(&target.path(&object.path)).await {
                Ok(size) if size == object.bytes => Ok(()),
                Ok(_) | Err(Error::Missing { .. }) => Err(removed(target)),
                Err(error) => Err(error),
            }
        },
    )
    .await?;
    Ok(())
}

fn removed(target: Target<'_>) -> Error {
    Error::Missing {
        uri: target.uri(),
        hint: "somebody removed it while it was copied".to_owned(),
    }
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
pub(super) async fn complete(source: &Inventory, target: Target<'_>) -> Result<u64> {
    let mut written = 0;
    for (path, bytes) in last(source).await? {
        match target.store.read(&target.path(path)).await {
            Ok(found) if found == bytes => continue,
            Ok(_) => clear(target, path, "is another than the source's").await?,
            Err(Error::Missing { .. }) => {}
            Err(error) => return Err(error),
        }
        put_same(target, path, bytes).await?;
        written += 1;
    }
    Ok(written)
}

/// Locks all objects of an archive that is there already, where the store was asked to.
pub(super) async fn lock(
    source: &Inventory,
    target: Target<'_>,
    jobs: usize,
    ctx: &Context,
) -> Result<()> {
    if !target.store.locks() {
        return Ok(());
    }
    let last = last(source)
        .await?
        .into_iter()
        .map(|(path, _)| path.to_owned());
    let objects = source.objects().into_iter().map(|object| object.path);
    let doing = format!("locking {}", target.uri());
    each(objects.chain(last), jobs, ctx, &doing, |path, ctx| {
        let doing = &doing;
        async move {
            let path = target.path(&path);
            ctx.until_stopped(doing, target.store.lock(&path)).await
        }
    })
    .await?;
    Ok(())
}
