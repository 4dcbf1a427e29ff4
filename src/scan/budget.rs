//! How much may be in flight.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::error::{Error, Result};

/// The unit in which memory is lent.
const UNIT: u64 = 64 << 10;

/// Bytes that the pieces in flight share.
#[derive(Clone, Debug)]
pub struct Budget {
    units: Arc<Semaphore>,
    all: u32,
}

impl Budget {
    /// A budget of so many bytes.
    pub fn new(bytes: u64) -> Budget {
        let all = u32::try_from(bytes / UNIT).unwrap_or(u32::MAX).max(1);
        Budget {
            units: Arc::new(Semaphore::new(all as usize)),
            all,
        }
    }

    /// As many budgets as there are readers, which share so many bytes, each with at least `least`.
    ///
    /// Readers whose rows are merged must not take from one budget: what one has read ahead would be held until
    /// its turn comes, which comes only after others could take.
    pub fn split(bytes: u64, readers: usize, least: u64) -> Vec<Budget> {
        let share = (bytes / readers.max(1) as u64).max(least);
        (0..readers).map(|_| Budget::new(share)).collect()
    }

    /// Waits until so many bytes are free; more than there are waits for all.
    pub async fn take(&self, bytes: u64) -> Result<OwnedSemaphorePermit> {
        let units = u32::try_from(bytes.div_ceil(UNIT))
            .unwrap_or(u32::MAX)
            .clamp(1, self.all);
        let taken = self.units.clone().acquire_many_owned(units).await;
        taken.map_err(|_| Error::Stopped("reading rows".into()))
    }
}
