//! Removing an archive, so that what is left of it is never taken for a whole one.

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream};
use jiff::Timestamp;

use super::layout::{self, FORGOTTEN, MANIFEST, SUMMARY, UNFINISHED};
use super::list::Unfinished;
use crate::store::{self, Protection, Role, Store};
use crate::{Error, Result};

/// How many objects are asked about at a time.
const AT_ONCE: usize = 32;

/// Removes the archive of this name, or what an earlier removal has left of it.
///
/// The summary goes first: an archive does without it, and one that cannot be removed, because something locks it that the
/// store does not tell of, shows so before it is marked. Then a marker says what is going on, the archive ends being one, and is
/// taken apart. Where this is interrupted, doing it again completes it.
pub async fn remove(store: &dyn Store, name: &str) -> Result<()> {
    layout::check_name(name)?;
    let path = |object: &str| format!("{name}/{object}");
    let started = Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ");
    let marker = serde_json::json!({ "started": started.to_string() });
    let marker = Bytes::from(format!("{marker:#}\n"));
    store.remove(&path(SUMMARY)).await?;
    match store::put(store, &path(FORGOTTEN), marker, Role::Mark).await {
        // An earlier removal was interrupted.
        Err(Error::Exists { .. }) => {}
        put => put?,
    }
    store.remove(&path(MANIFEST)).await?;
    for held in store.list(name).await? {
        match held.strip_suffix('/') {
            Some(folder) => store.remove_all(&path(folder)).await?,
            None if held == FORGOTTEN => {}
            None => store.remove(&path(&held)).await?,
        }
    }
    let removed = store.remove_all(name).await;
    if let Err(error) = removed {
        // A bucket that locks all that is put into it has locked the marker, too; that can be hidden.
        let left = layout::objects_below(store, name).await?;
        if left.iter().any(|object| object != FORGOTTEN) {
            return Err(error);
        }
        store.remove(&path(FORGOTTEN)).await?;
    }
    Ok(())
}

/// Removes an archive that was given up before it was whole, if it still is as it was found. Otherwise says why it stays.
pub async fn remove_unfinished(
    store: &dyn Store,
    found: &Unfinished,
) -> Result<Option<&'static str>> {
    layout::check_name(&found.name)?;
    let path = |object: &str| format!("{}/{object}", found.name);
    let is_whole = async || match store.size(&path(MANIFEST)).await {
        Ok(_) => Ok(true),
        Err(Error::Missing { .. }) => Ok(false),
        Err(error) => Err(error),
    };
    const WHOLE: &str = "it is whole by now";
    if is_whole().await? {
        return Ok(Some(WHOLE));
    }
    match store.read(&path(UNFINISHED)).await {
        Ok(marker) if marker == found.marker => {}
        Ok(_) => return Ok(Some("it was begun anew, or is gone on with")),
        Err(Error::Missing { .. }) if is_whole().await? => return Ok(Some(WHOLE)),
        // By another removal, which completes it.
        Err(Error::Missing { .. }) => return Ok(Some("it was changed meanwhile")),
        Err(error) => return Err(error),
    }
    // Who still writes looks for the marker when the manifest is there: one of us sees the other.
    store.remove(&path(UNFINISHED)).await?;
    if is_whole().await? {
        return Ok(Some(WHOLE));
    }
    remove(store, &found.name).await?;
    Ok(None)
}

/// What keeps an archive from being removed now: of all that protects its objects, what lasts longest. `None`: nothing.
/// The marker of its removal counts only where nothing else is left: buckets can lock what is put into them.
pub async fn held(store: &dyn Store, name: &str, now: Timestamp) -> Result<Option<Protection>> {
    let mut objects = layout::objects_below(store, name).await?;
    if objects.len() > 1 {
        objects.retain(|object| object != FORGOTTEN);
    }
    let mut protections = stream::iter(objects)
        .map(|object| async move {
            match store.protection(&format!("{name}/{object}")).await {
                // Somebody else has removed it.
                Err(Error::Missing { .. }) => Ok(Protection::default()),
                found => found,
            }
        })
        .buffer_unordered(AT_ONCE);
    let mut longest: Option<Protection> = None;
    while let Some(found) = protections.try_next().await? {
        if !found.holds(now) {
            continue;
        }
        let longest = longest.get_or_insert_with(Protection::default);
        longest.legal_hold |= found.legal_hold;
        let until = |protection: &Protection| protection.lock.as_ref().map(|lock| lock.until);
        if until(&found) > until(longest) {
            longest.lock = found.lock;
        }
    }
    Ok(longest)
}
