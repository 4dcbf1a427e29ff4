//! What keeps an archive from being removed.

use futures::{StreamExt, TryStreamExt, stream};
use jiff::Timestamp;
use serde::{Serialize, Serializer};

use super::Archive;
use super::layout::SUMMARY;
use crate::store::{Lock, LockMode, Protection};
use crate::{Error, Result};

/// How many objects are asked about at a time.
const AT_ONCE: usize = 32;

/// What keeps an archive's objects from being removed, taken together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Locks {
    /// All objects of the archive, its summary too, where it has one; those that are missing are not locked.
    pub objects: u64,
    /// Those that may be removed now.
    pub unprotected: u64,
    /// Those with a lock that has not ended.
    pub locked: u64,
    /// Those on legal hold.
    pub on_hold: u64,
    /// How firmly those are locked that are locked least.
    pub mode: Option<LockMode>,
    /// When the first of the locks ends, in UTC as RFC 3339.
    #[serde(serialize_with = "text")]
    pub until: Option<Timestamp>,
}

/// Whether the archive has a summary: those of the first versions have none.
pub(crate) async fn has_summary(archive: &Archive) -> Result<bool> {
    let sizes = sizes(archive, &[SUMMARY.to_owned()]).await?;
    Ok(sizes.iter().any(Option::is_some))
}

/// The sizes of objects of an archive; `None` of those that are not there.
pub(crate) async fn sizes(archive: &Archive, paths: &[String]) -> Result<Vec<Option<u64>>> {
    let (store, name) = archive.place();
    let ask = async |path: &String| known(store.size(&format!("{name}/{path}")).await);
    let ask = &ask;
    let asked = stream::iter(paths).map(|path| async move { ask(path).await });
    asked.buffered(AT_ONCE).try_collect().await
}

/// What keeps objects of an archive; `None` of those that are not there, where the store has locks: else nobody asks it.
pub(crate) async fn protections(
    archive: &Archive,
    paths: &[String],
) -> Result<Vec<Option<Protection>>> {
    let (store, name) = archive.place();
    let ask = async |path: &String| known(store.protection(&format!("{name}/{path}")).await);
    let ask = &ask;
    let asked = stream::iter(paths).map(|path| async move { ask(path).await });
    asked.buffered(AT_ONCE).try_collect().await
}

fn known<T>(found: Result<T>) -> Result<Option<T>> {
    match found {
        Ok(found) => Ok(Some(found)),
        Err(Error::Missing { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// What keeps something, in words.
pub(crate) fn told(protection: &Protection) -> String {
    let lock = protection.lock.as_ref().map(|Lock { mode, until }| {
        let mode = match mode {
            LockMode::Compliance => "compliance",
            LockMode::Governance => "governance",
        };
        format!("locked until {until} ({mode})")
    });
    let hold = protection.legal_hold.then(|| "legal hold".to_owned());
    let parts: Vec<String> = lock.into_iter().chain(hold).collect();
    parts.join(", ")
}

fn text<S: Serializer>(moment: &Option<Timestamp>, serializer: S) -> Result<S::Ok, S::Error> {
    match moment {
        Some(moment) => serializer.collect_str(moment),
        None => serializer.serialize_none(),
    }
}

impl Locks {
    /// Asks the store about each object of an archive.
    ///
    /// # Errors
    /// Those of the store, where it does not tell.
    pub async fn read(archive: &Archive) -> Result<Locks> {
        let mut paths = archive.places();
        if has_summary(archive).await? {
            paths.push(SUMMARY.to_owned());
        }
        let found = protections(archive, &paths).await?;
        Ok(Locks::of(&found, Timestamp::now()))
    }

    /// Takes together what keeps each object; `None`: it is not there.
    pub(crate) fn of(found: &[Option<Protection>], now: Timestamp) -> Locks {
        let there = || found.iter().flatten();
        let locks = there().filter_map(|one| one.lock.as_ref());
        let locks: Vec<_> = locks.filter(|lock| lock.until > now).collect();
        let lax = locks.iter().any(|lock| lock.mode == LockMode::Governance);
        let held = there().filter(|one| one.holds(now)).count();
        Locks {
            objects: found.len() as u64,
            unprotected: (found.len() - held) as u64,
            locked: locks.len() as u64,
            on_hold: there().filter(|one| one.legal_hold).count() as u64,
            mode: (!locks.is_empty()).then_some(if lax {
                LockMode::Governance
            } else {
                LockMode::Compliance
            }),
            until: locks.iter().map(|lock| lock.until).min(),
        }
    }

    /// Whether anything is kept from being removed.
    pub fn is_any(&self) -> bool {
        self.locked > 0 || self.on_hold > 0
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn an_archive_is_locked_as_its_least_locked_object_is() {
        let now: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        let object = |mode, until: &str| Protection {
            lock: Some(Lock {
                mode,
                until: until.parse().unwrap(),
            }),
            legal_hold: false,
        };
        let long = object(LockMode::Compliance, "2033-01-01T00:00:00Z");
        let short = object(LockMode::Governance, "2027-01-01T00:00:00Z");
        let over = object(LockMode::Governance, "2025-01-01T00:00:00Z");
        let held = Protection {
            lock: None,
            legal_hold: true,
        };
        let of = |found: &[&Protection]| {
            let found: Vec<_> = found.iter().map(|one| Some((*one).clone())).collect();
            Locks::of(&found, now)
        };
        let locks = of(&[&long, &long, &over]);
        assert_eq!((locks.objects, locks.locked, locks.on_hold), (3, 2, 0));
        assert_eq!(locks.unprotected, 1);
        assert_eq!(locks.mode, Some(LockMode::Compliance));
        assert_eq!(locks.until.unwrap().to_string(), "2033-01-01T00:00:00Z");
        let locks = of(&[&long, &short, &held]);
        assert_eq!((locks.locked, locks.on_hold), (2, 1));
        assert_eq!(locks.unprotected, 0);
        assert_eq!(locks.mode, Some(LockMode::Governance));
        assert_eq!(locks.until.unwrap().to_string(), "2027-01-01T00:00:00Z");
        assert!(of(&[&held]).is_any());
        assert!(!of(&[&Protection::default()]).is_any());
        let locks = Locks::of(&[Some(long), None], now);
        assert_eq!((locks.objects, locks.locked, locks.unprotected), (2, 1, 1));
    }
}
