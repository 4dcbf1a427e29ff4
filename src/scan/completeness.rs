//! Whether the rows that were read are all that the server holds.

use std::sync::PoisonError;

use arrow_array::RecordBatch;

use super::verdict::{StoredRows, Verdict};
use super::{Fetched, Scan};
use crate::archive::Drift;
use crate::columns::KeyColumn;
use crate::columns::digest::{self, Digest};
use crate::compat::{self, Feature, Thing};
use crate::error::{Error, Result};
use crate::milvus::expr::{and, key_in};
use crate::model::{Field, Key};
use crate::progress::Monitor;

/// How many keys there are, and which.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KeySet {
    /// How many; a key that two partitions have counts twice.
    pub keys: u64,
    /// The digest of the key field, as [`digest::Digests::fields`] has it.
    pub digest: Digest,
}

impl KeySet {
    pub(super) fn add(&mut self, field: &Field, keys: &KeyColumn) -> Result<()> {
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

/// The proof that scans of a collection read all of its rows.
#[derive(Debug)]
pub struct Completeness {
    scans: Vec<Scan>,
    whole: bool,
    before: Option<u64>,
}

impl Completeness {
    /// Counts before anything is read. `whole` tells that the scans together read all partitions.
    ///
    /// # Errors
    /// [`crate::Error::Incomplete`] where there is a row that the server never returns.
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
        if proof.before.is_some_and(|rows| rows > 0) {
            for scan in scans {
                scan.refuse_hidden_row().await?;
            }
        }
        Ok(proof)
    }

    /// The rows that the server counted beforehand; `None` where it cannot tell.
    pub fn rows(&self) -> Option<u64> {
        self.before
    }

    /// Holds what was read against the count, and counts again where that leaves a doubt; gives the last count.
    ///
    /// Just as many rows as were counted beforehand, and are counted still, under keys that held still, are all that
    /// there were. That second count does not wait for the present (200 ms and more on 2.3.5): what the walk came upon,
    /// it sees as well.
    ///
    /// # Errors
    /// [`crate::Error::Incomplete`] where rows are missing, or came that are not counted, and no writes explain it.
    pub async fn finish(&self, read: &RowsRead, monitor: &dyn Monitor) -> Result<Option<u64>> {
        let Some(scan) = self.scans.first() else {
            return Ok(None);
        };
        let read = &self.as_walked(read);
        let pinned = scan.snapshot.timestamp();
        if self.before == Some(read.keys.keys)
            && read.drift == Drift::default()
            && (pinned.is_some() || self.count(scan.snapshot.read_at()).await? == self.before)
        {
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
        if verdict == Verdict::Written {
            for scan in &self.scans {
                scan.find_all_counted().await?;
            }
        }
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
                     query returns; give such rows other keys, or leave them out with --filter"
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
            Err(Error::Call { .. } | Error::Denied { .. }) => None,
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

    /// Refuses a row with the greatest integer as its key, which Milvus 2.3 counts and never returns (seen). Asked
    /// for by itself, because the sum of all rows need not show it: somebody may add one meanwhile.
    async fn refuse_hidden_row(&self) -> Result<()> {
        let version = self.cluster.version();
        if self.has_text_keys() || compat::knows(version, Thing::Feature(Feature::GreatestKey)) {
            return Ok(());
        }
        let greatest = key_in(&self.key.name, &[Key::Int(i64::MAX)]);
        let expr = and(self.filter.as_deref(), greatest);
        let (partition, moment) = (self.partition.as_deref(), self.snapshot.read_at());
        let counted = self
            .cluster
            .count_at(&self.name, partition, &expr, moment)
            .await?;
        match counted {
            None | Some(0) => Ok(()),
            Some(_) => Err(self.incomplete(format!(
                "{} holds a row whose key is {}, and returns it to no query (no Milvus 2.3 does); give it another \
                 key, or leave it out with --filter '{} < {}'",
                self.cluster.server(),
                i64::MAX,
                self.key.name,
                i64::MAX,
            ))),
        }
    }
}
