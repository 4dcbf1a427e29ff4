//! Keys that need not be walked, because the server counts as many of them as there can be.
//!
//! Whole numbers in a row, as sequences and autoID give them, are told by one count instead of dozens of pages;
//! a million of them cost Milvus 2.3.5 half as much to walk as to send with 128-d vectors. A count is no proof
//! (rows that share a key are counted each), and need be none: each fetch is held against the very keys.

use super::walk::Walker;
use crate::columns::KeyColumn;
use crate::error::Result;
use crate::milvus::expr::{and, key_range};
use crate::model::Key;

/// How many keys a leap takes at first and at most.
const LEAST: i64 = 1 << 16;
const GREATEST: i64 = 1 << 18;

/// When to leap, and how far.
#[derive(Debug)]
pub(super) struct Stride {
    keys: i64,
    /// Pages without a gap that have to come before the next leap.
    wait: u32,
    /// What to wait after a leap that came to nothing.
    patience: u32,
}

impl Stride {
    pub(super) fn new() -> Stride {
        Stride {
            keys: LEAST,
            wait: 1,
            patience: 1,
        }
    }

    /// Hears of a page that was walked.
    pub(super) fn saw(&mut self, keys: &KeyColumn) {
        if in_a_row(keys) {
            self.wait = self.wait.saturating_sub(1);
        } else {
            self.missed();
        }
    }

    fn landed(&mut self) {
        self.keys = (self.keys * 2).min(GREATEST);
        self.patience = 1;
    }

    /// What is full of gaps is seldom worth a count.
    fn missed(&mut self) {
        self.keys = LEAST;
        self.wait = self.patience;
        self.patience = self.patience.saturating_mul(2);
    }
}

impl Walker<'_> {
    /// Leaps over keys after the last one, if there seem to be all that there can be; gives them.
    pub async fn leap(&mut self) -> Result<Option<KeyColumn>> {
        let Some(first) = self.next_in_a_row() else {
            return Ok(None);
        };
        // The greatest key of all may be one that the server counts and does not return.
        let Some(last) = first
            .checked_add(self.stride.keys - 1)
            .filter(|last| *last < i64::MAX)
        else {
            return Ok(None);
        };
        let scan = self.scan;
        let last_key = Key::Int(last);
        let range = key_range(&scan.key.name, false, self.after.as_ref(), Some(&last_key));
        let expr = and(scan.filter.as_deref(), range);
        let partition = scan.partition.as_deref();
        let counted = scan
            .cluster
            .count_at(&scan.name, partition, &expr, scan.snapshot.read_at())
            .await?;
        if counted != u64::try_from(self.stride.keys).ok() {
            self.stride.missed();
            return Ok(None);
        }
        self.stride.landed();
        self.after = Some(last_key);
        Ok(Some(KeyColumn::Int((first..=last).collect())))
    }

    fn next_in_a_row(&self) -> Option<i64> {
        match &self.after {
            Some(Key::Int(after)) if self.stride.wait == 0 && !self.ended() => after.checked_add(1),
            _ => None,
        }
    }
}

/// Whether a page of ascending keys has no gap.
fn in_a_row(keys: &KeyColumn) -> bool {
    match keys {
        KeyColumn::Int(keys) => match (keys.first(), keys.last()) {
            (Some(first), Some(last)) => {
                last.checked_sub(*first)
                    .and_then(|gap| usize::try_from(gap).ok())
                    == keys.len().checked_sub(1)
            }
            _ => false,
        },
        KeyColumn::Text(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(keys: &[i64]) -> KeyColumn {
        KeyColumn::Int(keys.to_vec())
    }

    #[test]
    fn only_a_page_without_gaps_is_in_a_row() {
        assert!(in_a_row(&page(&[7])));
        assert!(in_a_row(&page(&[-1, 0, 1])));
        assert!(!in_a_row(&page(&[1, 3])));
        assert!(!in_a_row(&page(&[])));
        assert!(!in_a_row(&page(&[i64::MIN, i64::MAX])));
        assert!(!in_a_row(&KeyColumn::empty(true)));
    }

    #[test]
    fn leaps_grow_while_they_land_and_become_rare_where_they_do_not() {
        let mut stride = Stride::new();
        assert_eq!(stride.wait, 1);
        stride.saw(&page(&[1, 2, 3]));
        assert_eq!((stride.wait, stride.keys), (0, LEAST));
        stride.landed();
        stride.landed();
        stride.landed();
        assert_eq!((stride.wait, stride.keys), (0, GREATEST));
        for waited in [1, 2, 4] {
            stride.missed();
            assert_eq!((stride.wait, stride.keys), (waited, LEAST));
            (0..waited).for_each(|_| stride.saw(&page(&[1, 2])));
            assert_eq!(stride.wait, 0);
        }
        stride.saw(&page(&[1, 3]));
        assert_eq!(stride.wait, 8, "a gap");
    }
}
