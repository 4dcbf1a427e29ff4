//! What counts say of the rows that were read.

use super::completeness::{KeySet, RowsRead};
use crate::archive::Drift;

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
    /// The counts of all rows prove nothing, because rows were written meanwhile: those of its ranges must.
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
        if self.show_writes(read) {
            // Rows that came could make up for others that are never returned.
            Some(Verdict::Written)
        } else if self.lost_moment(read) && (self.after..=self.before).contains(&rows) {
            Some(Verdict::MomentLost)
        } else if rows < self.before.min(self.after) {
            None
        } else if rows > self.before.max(self.after) {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::columns::KeyColumn;
    use crate::model::{DataType, Field};

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
        assert_eq!(counted(2, 1).first_look(&read), Some(Verdict::Written));
        read.drift.ranges_rewalked = 1;
        assert_eq!(counted(2, 2).first_look(&read), Some(Verdict::Written));
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
        for (before, after) in [(3, 4), (1, 3), (2, 3), (3, 2)] {
            let verdict = counted(before, after).first_look(&read);
            assert_eq!(verdict, Some(Verdict::Written));
        }
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
