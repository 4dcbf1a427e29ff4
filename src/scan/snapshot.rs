//! To which moment reads belong.

use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::OnceCell;

use crate::error::Result;
use crate::milvus::Cluster;

/// The moment that all reads of a run share.
///
/// Servers from 2.5 on tell a timestamp, to which reads can be pinned. Older ones cannot be pinned; but a read that
/// names the time at which the run began sees everything up to then, and does not wait for the present, which costs
/// 200 ms and more a call (seen on 2.3.5).
#[derive(Debug, Default)]
pub struct Snapshot {
    begun: u64,
    may_pin: bool,
    /// Empty until the server was asked; 0 where it pins nothing.
    pinned: OnceCell<u64>,
    lost: AtomicBool,
}

impl Snapshot {
    /// Everything that is written before this call will be seen.
    pub async fn begin(cluster: &Cluster) -> Result<Snapshot> {
        Ok(Snapshot {
            begun: cluster.now().await?.unwrap_or(0),
            may_pin: cluster.version().may_pin_reads(),
            ..Snapshot::default()
        })
    }

    /// Asks the server for its timestamp, once in a run.
    pub(super) async fn pin<F>(&self, ask: impl FnOnce() -> F) -> Result<()>
    where
        F: Future<Output = Result<u64>>,
    {
        if self.may_pin {
            self.pinned.get_or_try_init(ask).await?;
        }
        Ok(())
    }

    /// The timestamp that reads are pinned to; `None` where the server pins none.
    pub fn timestamp(&self) -> Option<u64> {
        self.pinned.get().copied().filter(|pinned| *pinned != 0)
    }

    /// The same, if all that was read is of that moment.
    pub fn held(&self) -> Option<u64> {
        self.timestamp()
            .filter(|_| !self.lost.load(Ordering::Acquire))
    }

    /// Notes that the server could not keep to the moment.
    pub(super) fn lose(&self) {
        self.lost.store(true, Ordering::Release);
    }

    /// The moment that a read names.
    pub fn read_at(&self) -> u64 {
        self.timestamp().unwrap_or(self.begun)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn snapshot(may_pin: bool) -> Snapshot {
        Snapshot {
            begun: 5,
            may_pin,
            ..Snapshot::default()
        }
    }

    #[tokio::test]
    async fn the_first_timestamp_is_kept_until_it_is_lost() {
        let snapshot = snapshot(true);
        snapshot.pin(|| async { Ok(70) }).await.unwrap();
        snapshot.pin(|| async { Ok(71) }).await.unwrap();
        assert_eq!((snapshot.read_at(), snapshot.held()), (70, Some(70)));
        snapshot.lose();
        assert_eq!((snapshot.read_at(), snapshot.held()), (70, None));
    }

    #[tokio::test]
    async fn a_server_that_pins_nothing_is_read_as_of_the_beginning() {
        for (may_pin, told) in [(true, 0), (false, 70)] {
            let snapshot = snapshot(may_pin);
            snapshot.pin(|| async { Ok(told) }).await.unwrap();
            assert_eq!((snapshot.read_at(), snapshot.timestamp()), (5, None));
        }
    }
}
