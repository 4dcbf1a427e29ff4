//! What keeps an archive from being removed.

use futures::{StreamExt, TryStreamExt, stream};
use jiff::Timestamp;
use serde::{Serialize, Serializer};

use super::Archive;
use crate::Result;
use crate::store::{Lock, LockMode, Protection};

/// How many objects are asked about at a time.
const AT_ONCE: usize = 16;

/// What keeps an archive's objects from being removed, taken together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Locks {
    /// All objects of the archive.
    pub objects: u64,
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
        let (store, name) = archive.place();
        let paths: Vec<String> = archive
            .places()
            .into_iter()
            .map(|path| format!("{name}/{path}"))
            .collect();
        let found: Vec<Protection> = stream::iter(&paths)
            .map(|path| store.protection(path))
            .buffer_unordered(AT_ONCE)
            .try_collect()
            .await?;
        Ok(Locks::of(&found, Timestamp::now()))
    }

    fn of(found: &[Protection], now: Timestamp) -> Locks {
        let locks = found.iter().filter_map(|one| one.lock.as_ref());
        let locks: Vec<_> = locks.filter(|lock| lock.until > now).collect();
        let lax = locks.iter().any(|lock| lock.mode == LockMode::Governance);
        Locks {
            objects: found.len() as u64,
            locked: locks.len() as u64,
            on_hold: found.iter().filter(|one| one.legal_hold).count() as u64,
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
        let locks = Locks::of(&[long.clone(), long.clone(), over], now);
        assert_eq!((locks.objects, locks.locked, locks.on_hold), (3, 2, 0));
        assert_eq!(locks.mode, Some(LockMode::Compliance));
        let locks = Locks::of(&[long, short, held.clone()], now);
        assert_eq!((locks.locked, locks.on_hold), (2, 1));
        assert_eq!(locks.mode, Some(LockMode::Governance));
        assert_eq!(locks.until.unwrap().to_string(), "2027-01-01T00:00:00Z");
        assert!(Locks::of(&[held], now).is_any());
        assert!(!Locks::of(&[Protection::default()], now).is_any());
    }
}
