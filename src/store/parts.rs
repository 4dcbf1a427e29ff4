//! How large the parts of an upload are, and how many are on their way.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The size of the first parts; every so many parts it doubles, up to the largest. S3 takes 10,000 parts: so an object
/// of unknown size may grow to the 5 TiB that S3 allows, and one of usual size never fills memory.
const FIRST: u64 = 8 << 20;
const STEP: u32 = 800;
const LARGEST: u64 = 1 << 30;

/// The size of a part, whose number begins with 1.
pub(super) fn part_size(number: u32) -> u64 {
    let doublings = ((number - 1) / STEP).min(20);
    (FIRST << doublings).min(LARGEST)
}

/// How many bytes of parts may be on their way at once.
#[derive(Clone, Debug)]
pub(super) struct Budget(Arc<Semaphore>);

/// What a [`Budget`] counts in, and how much of it there is.
const UNIT: u64 = 1 << 20;
const UNITS: u32 = 64;

impl Budget {
    pub(super) fn new() -> Budget {
        Budget(Arc::new(Semaphore::new(UNITS as usize)))
    }

    /// Waits until there is room for so many bytes; a part that is larger than all goes alone.
    pub(super) async fn room(&self, bytes: u64) -> Option<OwnedSemaphorePermit> {
        let units = u32::try_from(bytes.div_ceil(UNIT)).unwrap_or(UNITS);
        // The semaphore is never closed.
        self.0
            .clone()
            .acquire_many_owned(units.min(UNITS))
            .await
            .ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_thousand_parts_hold_five_tebibytes() {
        let all: u64 = (1..=10_000).map(part_size).sum();
        assert!(all >= 5 << 40, "{all}");
        assert_eq!(part_size(1), FIRST);
        assert!((1..10_000).all(|number| part_size(number) <= part_size(number + 1)));
    }
}
