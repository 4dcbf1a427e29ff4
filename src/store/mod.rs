//! Where archives live: one trait, one file a kind of store.

mod address;
mod azure;
mod gcs;
mod local;
mod open;
mod options;
mod parts;
mod range;
mod s3;
mod web;

use std::any::Any;
use std::fmt;
use std::ops::Range;

use async_trait::async_trait;
use bytes::Bytes;
use serde::Serialize;

use crate::{Error, Result};

pub use azure::AzureStore;
pub use gcs::GcsStore;
pub use local::LocalStore;
pub use open::{open, split_archive};
pub use options::{
    AzureOptions, CustomerKey, GcsOptions, KeepOptions, S3Credentials, S3Options, ServerEncryption,
    StoreOptions,
};
pub use s3::S3Store;

/// A place that holds objects under slash-separated paths, such as a folder.
///
/// What callers may rely on:
/// - an object is visible whole or not at all: nothing shows before [`ObjectWriter::finish`] returns, and
///   once it has returned, the object is durable;
/// - an object is created once: `finish` fails with [`crate::Error::Exists`] where the path is taken, and
///   of several writers of one path exactly one succeeds;
/// - a missing object is [`crate::Error::Missing`], everything else [`crate::Error::Store`];
/// - paths are relative, use `/`, and hold no `..` and no empty part, else [`crate::Error::Usage`];
/// - what is below the path of an object is undefined: no object is put there.
#[async_trait]
pub trait Store: Send + Sync + fmt::Debug {
    /// The store's own address, without a trailing slash, as a user would type it.
    fn uri(&self) -> String;

    /// Where the store is, by which it is told from others of the same address.
    fn place(&self) -> Result<Place> {
        let uri = self.uri();
        let address = match uri.contains("://") {
            true => uri,
            false => local::absolute(&uri)?,
        };
        Ok(Place {
            service: String::new(),
            address,
        })
    }

    /// Whether the store can keep objects as it was asked to; found out, too, before the first is written.
    async fn check_keeping(&self) -> Result<()> {
        Ok(())
    }

    /// Begins an object.
    async fn create(&self, path: &str, role: Role) -> Result<Box<dyn ObjectWriter>>;

    /// Reads an object whole.
    async fn read(&self, path: &str) -> Result<Bytes>;

    /// Reads bytes `range` of an object; a range that reaches past the end is an error.
    async fn read_range(&self, path: &str, range: Range<u64>) -> Result<Bytes>;

    /// The object's size in bytes.
    async fn size(&self, path: &str) -> Result<u64>;

    /// The names directly below a path ("" is the store itself), sorted; folders end in `/`.
    /// A path that does not exist has none. A folder that has become empty may be named for a while.
    async fn list(&self, path: &str) -> Result<Vec<String>>;

    /// Removes an object; one that is not there is no error.
    async fn remove(&self, path: &str) -> Result<()>;

    /// Removes all objects below a path, and the path itself; one that is not there is no error.
    async fn remove_all(&self, path: &str) -> Result<()>;

    /// Copies an object of another store without its bytes passing through here, where one service holds both; the
    /// same promises hold as for [`Store::create`]. `None`, and nothing done, where that cannot be.
    async fn copy_within(
        &self,
        _source: &dyn Store,
        _from: &str,
        _path: &str,
        _role: Role,
    ) -> Result<Option<Told>> {
        Ok(None)
    }

    /// Locks an object as [`KeepOptions`] ask for; nothing is done where they ask for nothing. An archive's objects are
    /// locked once it is whole, so that the remains of one that failed can be removed. A lock that is there already is
    /// never weakened: the later end and the stricter mode stay.
    async fn lock(&self, _path: &str) -> Result<()> {
        Ok(())
    }

    /// Whether [`Store::lock`] was asked to do anything.
    fn locks(&self) -> bool {
        false
    }

    /// What keeps an object from being changed or removed.
    async fn protection(&self, _path: &str) -> Result<Protection> {
        Ok(Protection::default())
    }

    /// The store itself, so that one can tell another of its kind in [`Store::copy_within`].
    fn as_any(&self) -> &dyn Any;
}

/// Where a store is, whatever it was called. Two of the same place are one; two of one place may look different, where a
/// service is reached by several names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The service, and the account where addresses are an account's; empty for folders.
    pub service: String,
    /// The address there, or a folder's absolute path without links, without a slash at its end.
    pub address: String,
}

/// What a service that has copied an object tells of the copy's bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Told {
    /// Their SHA-256.
    Sha256([u8; 32]),
    /// A checksum of another kind, of the source's bytes and of the copy's.
    Checksums {
        /// What kind it is.
        kind: &'static str,
        /// The source's.
        source: String,
        /// The copy's.
        copy: String,
    },
    /// Nothing that depends on them but their number.
    Size,
}

/// What an object is to its archive; it tells a store how to keep it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// A part of the archive: kept as long as it is.
    Part,
    /// The same of one that holds secrets: where the store has rights of its own for each object, as a folder has,
    /// nobody but its owner may read it.
    Secret,
    /// A mark that is removed again when the work is done: kept plainly, and never locked.
    Mark,
}

/// What keeps an object from being changed or removed, beyond the rights of users.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Protection {
    /// Until when, and how firmly.
    pub lock: Option<Lock>,
    /// Whether it is kept until somebody lifts the hold.
    pub legal_hold: bool,
}

/// A lock that ends by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lock {
    /// How firmly.
    pub mode: LockMode,
    /// Its end.
    pub until: jiff::Timestamp,
}

/// How firmly an object is locked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LockMode {
    /// Nobody can remove it before its end, nor shorten the lock.
    Compliance,
    /// Those who have a right of their own for that can.
    Governance,
}

impl Lock {
    /// What a lock becomes that is asked for beside one that is there: the later end and the stricter mode, because no
    /// service weakens a lock. `None` where what is there is as much already.
    fn beside(&self, held: Option<&Lock>) -> Option<Lock> {
        let Some(held) = held else {
            return Some(self.clone());
        };
        let strict = |lock: &Lock| lock.mode == LockMode::Compliance;
        // Services keep ends in seconds, and may drop what is beyond.
        let later = self.until.as_second() > held.until.as_second();
        if !later && (strict(held) || !strict(self)) {
            return None;
        }
        Some(Lock {
            mode: if strict(held) { held.mode } else { self.mode },
            until: if later { self.until } else { held.until },
        })
    }
}

impl Protection {
    /// Whether the object may not be removed now.
    pub fn holds(&self, now: jiff::Timestamp) -> bool {
        self.legal_hold || self.lock.as_ref().is_some_and(|lock| lock.until > now)
    }
}

/// An object that is being written. Dropped without [`ObjectWriter::finish`], it leaves nothing.
#[async_trait]
pub trait ObjectWriter: Send {
    /// Appends bytes.
    async fn write(&mut self, bytes: Bytes) -> Result<()>;

    /// Makes the object durable and visible under its path, if no other has taken it.
    async fn finish(self: Box<Self>) -> Result<()>;
}

/// Creates a small object.
pub(crate) async fn put(store: &dyn Store, path: &str, bytes: Bytes, role: Role) -> Result<()> {
    let mut object = store.create(path, role).await?;
    object.write(bytes).await?;
    object.finish().await
}

/// Refuses paths that are not plain relative ones; "" is refused, too.
fn check_path(path: &str) -> Result<()> {
    let plain = path
        .split('/')
        .all(|part| !part.is_empty() && part != "." && part != ".." && !part.contains('\0'));
    if plain {
        Ok(())
    } else {
        Err(Error::Usage(format!(
            "{path:?} is no path in a store: give a relative path without `..`"
        )))
    }
}

/// A name that no other writer has.
fn mark() -> Result<String> {
    use ring::rand::{SecureRandom, SystemRandom};

    let mut id = [0; 16];
    SystemRandom::new()
        .fill(&mut id)
        .map_err(|_| Error::Program {
            doing: "begin an object".to_owned(),
            reason: "the system gives no random numbers".to_owned(),
        })?;
    Ok(format!("{:032x}", u128::from_be_bytes(id)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_two_locks_the_later_end_and_the_stricter_mode_stay() {
        use LockMode::{Compliance, Governance};
        let lock = |mode, day: i64| Lock {
            mode,
            until: jiff::Timestamp::UNIX_EPOCH + jiff::SignedDuration::from_hours(24 * day),
        };
        let asked = |mode, day, held| lock(mode, day).beside(Some(&held));
        assert_eq!(lock(Governance, 1).beside(None), Some(lock(Governance, 1)));
        for covered in [
            (Compliance, 7, lock(Compliance, 7)),
            (Compliance, 5, lock(Compliance, 7)),
            (Governance, 5, lock(Compliance, 7)),
            (Governance, 7, lock(Governance, 7)),
        ] {
            let (mode, day, held) = covered;
            assert_eq!(asked(mode, day, held), None);
        }
        for (mode, day, held, becomes) in [
            (Compliance, 8, lock(Compliance, 7), lock(Compliance, 8)),
            (Governance, 8, lock(Governance, 7), lock(Governance, 8)),
            (Compliance, 5, lock(Governance, 7), lock(Compliance, 7)),
            (Governance, 8, lock(Compliance, 7), lock(Compliance, 8)),
        ] {
            assert_eq!(asked(mode, day, held), Some(becomes));
        }
    }
}
