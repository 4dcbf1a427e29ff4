//! What a copy has done.

use serde::Serialize;

use super::object::{Check, Way};

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

impl Copied {
    pub(super) fn count(&mut self, ways: &[Way]) {
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
