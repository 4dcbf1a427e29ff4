//! To which moment reads belong.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::error::Result;
use crate::milvus::Cluster;

/// The moment that all reads of a run share.
///
/// Servers from 2.5 on tell a timestamp with the first page, to which all later reads are pinned. Older ones
/// cannot be pinned; but a read that names the time at which the run began sees everything up to then, and does
/// not wait for the present, which costs 200 ms and more a call (seen on 2.3.5).
#[derive(Debug, Default)]
pub struct Snapshot {
    pinned: AtomicU64,
    begun: u64,
    /// Whether no answer has yet told if the server pins reads.
    open: AtomicBool,
}

impl Snapshot {
    /// Everything that is written before this call will be seen.
    pub async fn begin(cluster: &Cluster) -> Result<Snapshot> {
        Ok(Snapshot {
            pinned: AtomicU64::new(0),
            begun: cluster.now().await?.unwrap_or(0),
            // Only a read of the present is told a timestamp, so one is spent where that may be.
            open: AtomicBool::new(cluster.version().may_pin_reads()),
        })
    }

    /// The timestamp that reads are pinned to; `None` where the server pins none.
    pub fn timestamp(&self) -> Option<u64> {
        Some(self.pinned.load(Ordering::Acquire)).filter(|timestamp| *timestamp != 0)
    }

    /// Hears the timestamp that came with an answer, and keeps the first one. False if the answer was read at
    /// another moment than the one that is kept, and must be asked for again.
    pub(super) fn offer(&self, asked: u64, told: u64) -> bool {
        if asked != 0 || told == 0 {
            self.open.store(false, Ordering::Release);
            return true;
        }
        match self
            .pinned
            .compare_exchange(0, told, Ordering::AcqRel, Ordering::Acquire)
        {
            Ok(_) => true,
            Err(kept) => kept == told,
        }
    }

    /// The moment that a read names; 0 is the present.
    pub fn read_at(&self) -> u64 {
        match self.timestamp() {
            Some(pinned) => pinned,
            None if self.open.load(Ordering::Acquire) => 0,
            None => self.begun,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn snapshot(open: bool) -> Snapshot {
        Snapshot {
            begun: 5,
            open: AtomicBool::new(open),
            ..Snapshot::default()
        }
    }

    #[test]
    fn the_first_timestamp_is_kept_and_pages_of_other_moments_are_read_again() {
        let snapshot = snapshot(true);
        assert_eq!(snapshot.read_at(), 0);
        assert!(snapshot.offer(0, 70));
        assert!(
            !snapshot.offer(0, 71),
            "a page that was read at the same time as the first"
        );
        assert_eq!((snapshot.read_at(), snapshot.timestamp()), (70, Some(70)));
        assert!(snapshot.offer(70, 70));
    }

    #[test]
    fn a_server_that_pins_nothing_is_read_as_of_the_beginning() {
        let snapshot = snapshot(true);
        assert!(snapshot.offer(0, 0));
        assert_eq!((snapshot.read_at(), snapshot.timestamp()), (5, None));
    }
}
