//! Removing an archive, so that what is left of it is never taken for a whole one.

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream};
use jiff::Timestamp;

use super::layout::{self, FORGOTTEN, MANIFEST, SUMMARY};
use crate::store::{self, Protection, Role, Store};
use crate::{Error, Result};

/// How many objects are asked about at a time.
const AT_ONCE: usize = 32;

/// Removes the archive of this name, or what an earlier removal has left of it.
///
/// A marker says from the first moment on what is going on; then the archive ends being one, and is taken apart. Where
/// this is interrupted, doing it again completes it.
pub async fn remove(store: &dyn Store, name: &str) -> Result<()> {
    layout::check_name(name)?;
    let path = |object: &str| format!("{name}/{object}");
    let started = Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ");
    let marker = serde_json::json!({ "started": started.to_string() });
    let marker = Bytes::from(format!("{marker:#}\n"));
    match store::put(store, &path(FORGOTTEN), marker, Role::Mark).await {
        // An earlier removal was interrupted.
        Err(Error::Exists { .. }) => {}
        put => put?,
    }
    for object in [SUMMARY, MANIFEST] {
        store.remove(&path(object)).await?;
    }
    for held in store.list(name).await? {
        match held.strip_suffix('/') {
            Some(folder) => store.remove_all(&path(folder)).await?,
            None if held == FORGOTTEN => {}
            None => store.remove(&path(&held)).await?,
        }
    }
    store.remove_all(name).await
}

/// What keeps an archive from being removed now: of all that protects its objects, what lasts longest. `None`: nothing.
pub async fn held(store: &dyn Store, name: &str, now: Timestamp) -> Result<Option<Protection>> {
    let objects = layout::objects_below(store, name).await?;
    let mut protections = stream::iter(objects)
        .map(|object| async move { store.protection(&format!("{name}/{object}")).await })
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
