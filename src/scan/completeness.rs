//! Whether the rows that were read are all that the server holds.

use std::sync::PoisonError;

use arrow_array::RecordBatch;

use super::{Fetched, Scan};
use crate::archive::Drift;
use crate::columns::KeyColumn;
use crate::columns::digest::{self, Digest};
use crate::error::{Error, Result};
use crate::milvus::expr::{and, key_in};
use crate::model::{Field, Key};
use crate::progress::Monitor;

/// How many keys one count names.
const KEYS_A_COUNT: usize = 2_000;

/// How many keys there are, and which.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KeySet {
    /// How many; a key that two partitions have counts twice.
    pub keys: u64,
    /// The digest of the key field, as [`digest::Digests::fields`] has it.
    pub digest: Digest,
}

impl KeySet {
    fn add(&mut self, field: &Field, keys: &KeyColumn) -> Result<()> {
        self.keys += keys.len() as u64;
        self.digest += digest::key_digest(field, keys)?;
        Ok(())
    }
}

impl std::ops::AddAssign for KeySet {
    fn add_assign(&mut self, other: KeySet) {
        self.keys += other.keys;
        self.digest += other.digest;
    }
}

/// What was read of a collection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RowsRead {
    /// The keys of the rows.
    pub keys: KeySet,
    /// What was seen to change meanwhile.
    pub drift: Drift,
}

impl RowsRead {
    /// Adds what one fetch returned.
    pub(super) fn add(&mut self, scan: &Scan, fetched: &Fetched) -> Result<()> {
        self.drift += fetched.drift;
        for batch in &fetched.batches {
            self.keys += scan.key_set(batch)?;
        }
        Ok(())
    }
}

/// What `count(*)` said of a collection before and after it was read.
///
/// The count sees each of the rows that share a key, a query returns one of them. So fewer rows than counted
/// are a doubt, and no more: it is resolved by walking the keys again and counting the rows under them. Those
/// keys must be the ones that were read; rows that the first walk lost would else be counted under keys that
/// only the second has. A row that no query returns at all (2.3.5 returns none whose key is
/// 9223372036854775807, seen) is counted under none of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoredRows {
    /// Before the first key was walked.
    pub before: u64,
    /// After the last row was read.
    pub after: u64,
    /// Whether counts and reads are all of one moment, so that no writes can explain a difference.
    pub pinned: bool,
}

/// What the counts say of the rows that were read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// All rows were read, as far as counts can tell.
    Complete,
    /// All rows were read, some of which share a key.
    SharedKeys,
    /// The counts prove nothing, because rows were written meanwhile.
    Written,
    /// The server no longer knows the moment to which it pinned the reads.
    MomentLost,
    /// More rows came than are counted.
    TooMany,
    /// The keys are not those that were read.
    OtherKeys,
    /// So many rows are counted under no key that a query returns.
    Missing(u64),
}

impl StoredRows {
    /// The verdict, where it does not need a second walk.
    pub fn first_look(&self, read: &RowsRead) -> Option<Verdict> {
        let rows = read.keys.keys;
        if self.lost_moment(read) && (self.after..=self.before).contains(&rows) {
            Some(Verdict::MomentLost)
        } else if rows < self.before.min(self.after) {
            None
        } else if rows > self.before.max(self.after) && !self.show_writes(read) {
            Some(Verdict::TooMany)
        } else {
            Some(Verdict::Complete)
        }
    }

    /// The verdict after a second walk, which saw the keys `again` and `under_keys` rows under them.
    pub fn second_look(&self, read: &RowsRead, again: KeySet, under_keys: u64) -> Verdict {
        let missing = self.after.saturating_sub(under_keys);
        if self.lost_moment(read) && again == read.keys && missing == 0 {
            Verdict::MomentLost
        } else if again == read.keys && missing == 0 {
            Verdict::SharedKeys
        } else if self.show_writes(read) {
            Verdict::Written
        } else if again != read.keys {
            Verdict::OtherKeys
        } else {
            Verdict::Missing(missing)
        }
    }

    /// Whether rows were seen to be written meanwhile.
    fn show_writes(&self, read: &RowsRead) -> bool {
        !self.pinned && self.changed(read)
    }

    /// Whether what a moment has did not hold still: compaction takes deleted rows away for good, also for those
    /// who read an earlier moment (milvus issue 30576).
    fn lost_moment(&self, read: &RowsRead) -> bool {
        self.pinned && self.changed(read)
    }

    fn changed(&self, read: &RowsRead) -> bool {
        self.before != self.after || read.drift != Drift::default()
    }
}

/// The proof that scans of a collection read all of its rows.
#[derive(Debug)]
pub struct Completeness {
    scans: Vec<Scan>,
    whole: bool,
    before: Option<u64>,
}

impl Completeness {
    /// Counts before anything is read. `whole` tells that the scans together read all partitions.
    pub async fn begin(scans: &[Scan], whole: bool) -> Result<Completeness> {
        let mut proof = Completeness {
            scans: scans.to_vec(),
            whole,
            before: None,
        };
        if let Some(scan) = scans.first() {
            scan.pin().await?;
            proof.before = proof.count(scan.snapshot.read_at()).await?;
        }
        Ok(proof)
    }

    /// The rows that the server counted beforehand; `None` where it cannot tell.
    pub fn rows(&self) -> Option<u64> {
        self.before
    }

    /// Holds what was read against the count, and counts again where that leaves a doubt; gives the last count.
    ///
    /// Just as many rows as were counted beforehand, under keys that held still, are all that there were: a second
    /// count would add nothing but the wait for the present (200 ms and more on 2.3.5).
    ///
    /// # Errors
    /// [`crate::Error::Incomplete`] where rows are missing, or came that are not counted, and no writes explain it.
    pub async fn finish(&self, read: &RowsRead, monitor: &dyn Monitor) -> Result<Option<u64>> {
        let Some(scan) = self.scans.first() else {
            return Ok(None);
        };
        let read = &self.as_walked(read);
        let pinned = scan.snapshot.timestamp();
        if self.before == Some(read.keys.keys) && read.drift == Drift::default() {
            return Ok(self.before);
        }
        let moment = match pinned {
            Some(pinned) => pinned,
            None => scan.cluster.now().await?.unwrap_or(0),
        };
        let after = self.count(moment).await?;
        let (Some(before), Some(after)) = (self.before, after) else {
            self.doubt(read.keys.keys, monitor).await?;
            return Ok(after);
        };
        let stored = StoredRows {
            before,
            after,
            pinned: pinned.is_some(),
        };
        let (mut again, mut under_keys) = (KeySet::default(), 0);
        let verdict = match stored.first_look(read) {
            Some(verdict) => verdict,
            None => {
                for scan in &self.scans {
                    let mut walker = scan.walk();
                    while let Some(keys) = walker.next_page().await? {
                        again.add(&scan.key, &keys)?;
                        under_keys += scan.count_under(&keys, moment).await?;
                    }
                }
                stored.second_look(read, again, under_keys)
            }
        };
        let (name, server, rows) = (&scan.name, scan.cluster.server(), read.keys.keys);
        match verdict {
            Verdict::Complete => {}
            Verdict::SharedKeys => monitor.note(&format!(
                "{name}: the server holds {after} rows under {rows} keys; of rows that share a key it returns one, \
                 which is the one that was read"
            )),
            Verdict::Written => monitor.warn(&format!(
                "{name}: rows were written while it was read; the walk came upon {rows} rows, the server now counts \
                 {after}"
            )),
            Verdict::MomentLost => {
                scan.snapshot.lose();
                monitor.warn(&format!(
                    "{name}: rows that were deleted while it was read are gone for good ({before} rows, now {after}), \
                     so the rows are not all of one moment; export again for that"
                ));
            }
            Verdict::TooMany => {
                return Err(scan.incomplete(format!(
                    "{server} counts {after} rows but returned {rows}; try again when nobody writes to it"
                )));
            }
            Verdict::OtherKeys => {
                return Err(scan.incomplete(format!(
                    "{server} counts {after} rows and returned {rows}, but when asked for their keys again {} that \
                     are not the same; try again when nobody writes to it",
                    again.keys
                )));
            }
            Verdict::Missing(missing) => {
                return Err(scan.incomplete(format!(
                    "{server} counts {after} rows but returns {rows}; what is missing ({missing}) has keys that no \
                     query returns (on Milvus 2.3 a row whose key is 9223372036854775807); give such rows other \
                     keys, or leave them out with --filter"
                )));
            }
        }
        Ok(Some(after))
    }

    /// Says so where a server that cannot count (Milvus before 2.3) has stored more rows than were read. Those may
    /// have been deleted, or share a key, or be hidden: nothing tells.
    async fn doubt(&self, read: u64, monitor: &dyn Monitor) -> Result<()> {
        let all = self.whole && self.scans.iter().all(|scan| scan.filter.is_none());
        let Some(scan) = self.scans.first().filter(|_| all) else {
            return Ok(());
        };
        let stored = match scan.cluster.stored_rows(&scan.name).await {
            // Users may lack the right to this call.
            Err(Error::Call { .. }) => None,
            stored => stored?,
        };
        if let Some(stored) = stored.filter(|stored| *stored > read) {
            monitor.warn(&format!(
                "{}: {read} rows were read, {} has stored {stored}; {} cannot count without those that were deleted \
                 or share a key, so nothing proves that no others are missing",
                scan.name,
                scan.cluster.server(),
                scan.cluster.version(),
            ));
        }
        Ok(())
    }

    /// Of a sample, what was walked is held against the counts: each fetch has shown to be what was picked of it.
    fn as_walked(&self, read: &RowsRead) -> RowsRead {
        let mut read = *read;
        let walked: Vec<KeySet> = self.scans.iter().filter_map(Scan::walked).collect();
        if !walked.is_empty() {
            read.keys = KeySet::default();
            for keys in walked {
                read.keys += keys;
            }
        }
        read
    }

    /// The rows that the server holds of what is read, at a moment; `None` where it cannot tell.
    async fn count(&self, timestamp: u64) -> Result<Option<u64>> {
        let mut sum = 0;
        for scan in &self.scans {
            let partition = scan.partition.as_deref().filter(|_| !self.whole);
            let filter = scan.filter.as_deref().unwrap_or_default();
            let counted = scan
                .cluster
                .count_at(&scan.name, partition, filter, timestamp)
                .await?;
            match counted {
                Some(rows) if self.whole => return Ok(Some(rows)),
                Some(rows) => sum += rows,
                None => return Ok(None),
            }
        }
        Ok(Some(sum))
    }
}

impl Scan {
    /// The keys of rows.
    pub fn key_set(&self, batch: &RecordBatch) -> Result<KeySet> {
        let mut keys = KeySet::default();
        keys.add(&self.key, &KeyColumn::of_batch(batch, &self.key.name)?)?;
        Ok(keys)
    }

    /// Hears of keys that were walked, of which a sample may be picked.
    pub(super) fn note_walked(&self, keys: &KeyColumn) -> Result<()> {
        match &self.sampled {
            Some(sampled) => {
                let mut walked = sampled
                    .walked
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner);
                walked.add(&self.key, keys)
            }
            None => Ok(()),
        }
    }

    /// All keys that were walked; none where all of them are fetched.
    fn walked(&self) -> Option<KeySet> {
        let sampled = self.sampled.as_ref()?;
        Some(
            *sampled
                .walked
                .lock()
                .unwrap_or_else(PoisonError::into_inner),
        )
    }

    /// The number of rows that the server holds under just these keys: more than there are keys where rows
    /// share one.
    async fn count_under(&self, keys: &KeyColumn, timestamp: u64) -> Result<u64> {
        let mut sum = 0;
        let nameable: Vec<_> = (0..keys.len())
            .filter_map(|position| keys.key(position))
            .filter(|key| self.can_name(key) && !matches!(key, Key::Int(i64::MIN)))
            .collect();
        // Keys that no expression can name were read once each.
        sum += (keys.len() - nameable.len()) as u64;
        for some in nameable.chunks(KEYS_A_COUNT) {
            let expr = and(self.filter.as_deref(), key_in(&self.key.name, some));
            let count = self
                .cluster
                .count_at(&self.name, self.partition.as_deref(), &expr, timestamp)
                .await?;
            sum += count.unwrap_or(some.len() as u64);
        }
        Ok(sum)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::DataType;

    fn key_set(keys: &[i64]) -> KeySet {
        let field = Field {
            name: "id".into(),
            data_type: DataType::Int64,
            primary_key: true,
            ..Field::dynamic()
        };
        let mut set = KeySet::default();
        for page in keys.chunks(2) {
            set.add(&field, &KeyColumn::Int(page.to_vec())).unwrap();
        }
        set
    }

    fn read(keys: &[i64]) -> RowsRead {
        RowsRead {
            keys: key_set(keys),
            drift: Drift::default(),
        }
    }

    fn counted(before: u64, after: u64) -> StoredRows {
        StoredRows {
            before,
            after,
            pinned: false,
        }
    }

    #[test]
    fn rows_that_the_first_walk_lost_are_no_shared_keys() {
        let (stored, read) = (counted(4, 4), read(&[1, 2, 3]));
        assert_eq!(stored.first_look(&read), None);
        // The second walk finds all four, and all that are counted are under its keys.
        let again = key_set(&[1, 2, 3, 4]);
        assert_eq!(stored.second_look(&read, again, 4), Verdict::OtherKeys);
        // As many keys, but not the same ones.
        let again = key_set(&[1, 2, 4]);
        assert_eq!(stored.second_look(&read, again, 4), Verdict::OtherKeys);
    }

    #[test]
    fn rows_under_the_very_keys_that_were_read_share_them() {
        let (stored, read) = (counted(5, 5), read(&[1, 2, 3]));
        assert_eq!(stored.second_look(&read, read.keys, 5), Verdict::SharedKeys);
        assert_eq!(
            stored.second_look(&read, read.keys, 4),
            Verdict::Missing(1),
            "a row that no query returns"
        );
    }

    #[test]
    fn more_rows_than_counted_need_writes_to_explain_them() {
        let mut read = read(&[1, 2, 3]);
        assert_eq!(counted(3, 3).first_look(&read), Some(Verdict::Complete));
        assert_eq!(counted(2, 2).first_look(&read), Some(Verdict::TooMany));
        assert_eq!(counted(2, 1).first_look(&read), Some(Verdict::Complete));
        read.drift.ranges_rewalked = 1;
        assert_eq!(counted(2, 2).first_look(&read), Some(Verdict::Complete));
        let pinned = StoredRows {
            pinned: true,
            ..counted(2, 2)
        };
        assert_eq!(pinned.first_look(&read), Some(Verdict::TooMany));
    }

    #[test]
    fn a_pinned_moment_that_has_fewer_rows_than_before_is_lost() {
        let read = read(&[1, 2, 3]);
        let pinned = |before, after| StoredRows {
            pinned: true,
            ..counted(before, after)
        };
        assert_eq!(pinned(3, 3).first_look(&read), Some(Verdict::Complete));
        assert_eq!(pinned(4, 3).first_look(&read), Some(Verdict::MomentLost));
        assert_eq!(pinned(5, 4).first_look(&read), None, "rows may be missing");
        assert_eq!(
            pinned(5, 4).second_look(&read, read.keys, 4),
            Verdict::MomentLost
        );
        assert_eq!(
            pinned(5, 4).second_look(&read, read.keys, 3),
            Verdict::Missing(1)
        );
    }

    #[test]
    fn writes_excuse_a_difference_only_where_reads_are_of_no_one_moment() {
        let read = read(&[1, 2]);
        let again = key_set(&[1, 2, 3]);
        assert_eq!(counted(3, 4).second_look(&read, again, 4), Verdict::Written);
        let pinned = StoredRows {
            pinned: true,
            ..counted(3, 3)
        };
        let drifted = RowsRead {
            drift: Drift {
                ranges_rewalked: 1,
                ..Drift::default()
            },
            ..read
        };
        assert_eq!(pinned.second_look(&drifted, again, 3), Verdict::OtherKeys);
    }
}
