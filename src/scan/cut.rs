//! Cutting a walk into ranges by content, so that an unchanged stretch of keys is cut alike every time.

use xxhash_rust::xxh3::xxh3_64;

use crate::columns::KeyColumn;
use crate::model::{DataType, Field, Key};

/// How many bytes of raw rows a range aims at, by the widths that the schema tells.
const TARGET_BYTES: u64 = 32 << 20;

/// Bounds of the number of rows that a range aims at.
const TARGET_ROWS: std::ops::RangeInclusive<u64> = 256..=65_536;

/// What a value without a fixed width is taken to have, in bytes. It must come from the schema alone:
/// a measured width would make cuts depend on rows far away.
const VARIABLE_WIDTH: u64 = 128;

/// How many vectors an array is taken to have.
const VECTORS: u64 = 8;

/// The keys of one range: those after `after`, up to and including the last of `keys`.
#[derive(Clone, Debug)]
pub struct KeyRange {
    /// The key before the range; `None` at the beginning.
    pub after: Option<Key>,
    /// The keys that were walked, ascending; never empty.
    pub keys: KeyColumn,
    /// Whether some of the keys were counted and not seen.
    pub counted: bool,
}

impl KeyRange {
    /// The first key.
    pub fn first(&self) -> Option<Key> {
        self.keys.key(0)
    }

    /// The last key.
    pub fn last(&self) -> Option<Key> {
        self.keys.key(self.keys.len().checked_sub(1)?)
    }
}

/// Cuts pages of keys into ranges: a range ends at a key whose hash matches a mask, once it has the least
/// number of rows, or at the greatest number.
pub struct Cutter {
    least: usize,
    greatest: usize,
    mask: u64,
    after: Option<Key>,
    pending: Option<KeyColumn>,
    /// Whether some of `pending` were counted and not seen.
    counted: bool,
    /// How many of `pending` have been looked at.
    seen: usize,
}

impl Cutter {
    /// A cutter whose bounds depend on the schema alone.
    pub fn new(fields: &[Field]) -> Cutter {
        let width: u64 = fields.iter().map(width).sum();
        let target = (TARGET_BYTES / width.max(1)).clamp(*TARGET_ROWS.start(), *TARGET_ROWS.end());
        // From `least` on, one key in `mask + 1` ends the range: about `target` rows on average.
        let spread = (target / 2).next_power_of_two();
        Cutter {
            least: (target / 2) as usize,
            greatest: (target * 2) as usize,
            mask: spread - 1,
            after: None,
            pending: None,
            counted: false,
            seen: 0,
        }
    }

    /// Adds keys, and gives the ranges that are complete. `counted` tells that the keys were counted and not seen,
    /// `can_end` at which of them a range may end.
    pub fn push(
        &mut self,
        page: KeyColumn,
        counted: bool,
        can_end: impl Fn(&Key) -> bool,
    ) -> Vec<KeyRange> {
        self.counted |= counted;
        match &mut self.pending {
            Some(pending) => pending.append(page),
            None => self.pending = Some(page),
        }
        let mut ranges = Vec::new();
        while let Some(range) = self.next_range(&can_end) {
            ranges.push(range);
            // No range ended before this page, so all that is left is of it.
            self.counted = counted;
        }
        ranges
    }

    /// The rest.
    pub fn finish(self) -> Option<KeyRange> {
        let keys = self.pending.filter(|keys| !keys.is_empty())?;
        Some(KeyRange {
            after: self.after,
            keys,
            counted: self.counted,
        })
    }

    fn next_range(&mut self, can_end: impl Fn(&Key) -> bool) -> Option<KeyRange> {
        let pending = self.pending.as_ref()?;
        let mut position = self.seen.max(self.least.saturating_sub(1));
        let end = loop {
            if position >= pending.len() {
                self.seen = position.min(pending.len());
                return None;
            }
            let matches = xxh3_64(pending.bytes(position).as_ref()) & self.mask == 0;
            if (matches || position + 1 >= self.greatest)
                && pending.key(position).is_some_and(|key| can_end(&key))
            {
                break position + 1;
            }
            position += 1;
        };
        let keys = pending.slice(0..end);
        let rest = pending.slice(end..pending.len());
        let after = std::mem::replace(&mut self.after, pending.key(end - 1));
        self.pending = Some(rest);
        self.seen = 0;
        Some(KeyRange {
            after,
            keys,
            counted: self.counted,
        })
    }
}

/// The raw bytes of a value, as far as the schema tells.
pub(super) fn width(field: &Field) -> u64 {
    width_of(field.data_type, field)
}

/// The bytes of a value of this type, which `field` or its elements have.
fn width_of(data_type: DataType, field: &Field) -> u64 {
    let dim = field.dim().unwrap_or(0) as u64;
    match data_type {
        DataType::Bool | DataType::Int8 => 1,
        DataType::Int16 => 2,
        DataType::Int32 | DataType::Float => 4,
        DataType::Int64 | DataType::Double => 8,
        DataType::BinaryVector => dim.div_ceil(8),
        DataType::FloatVector => dim.saturating_mul(4),
        DataType::Float16Vector | DataType::BFloat16Vector => dim.saturating_mul(2),
        DataType::Int8Vector => dim,
        DataType::ArrayOfVector => field.element_type.map_or(VARIABLE_WIDTH, |element| {
            width_of(element, field).saturating_mul(VECTORS)
        }),
        DataType::ArrayOfStruct => field.fields.iter().map(width).sum(),
        _ => VARIABLE_WIDTH,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cutter() -> Cutter {
        let mut cutter = Cutter::new(&[Field {
            data_type: DataType::Int64,
            ..Field::dynamic()
        }]);
        (cutter.least, cutter.greatest, cutter.mask) = (50, 200, 63);
        cutter
    }

    fn cut(keys: &[i64], page: usize) -> Vec<Vec<i64>> {
        let mut cutter = cutter();
        let mut ranges = Vec::new();
        for page in keys.chunks(page) {
            ranges.extend(cutter.push(KeyColumn::Int(page.to_vec()), false, |_| true));
        }
        ranges.extend(cutter.finish());
        for pair in ranges.windows(2) {
            assert_eq!(pair[1].after, pair[0].last());
        }
        let ints = |range: KeyRange| match range.keys {
            KeyColumn::Int(keys) => keys,
            KeyColumn::Text(_) => unreachable!(),
        };
        ranges.into_iter().map(ints).collect()
    }

    #[test]
    fn cuts_do_not_depend_on_how_pages_came() {
        let keys: Vec<i64> = (0..5_000).map(|i| i * 3).collect();
        let whole = cut(&keys, keys.len());
        assert!(whole.len() > 20);
        for page in [1, 7, 100, 333] {
            assert_eq!(cut(&keys, page), whole);
        }
        assert_eq!(whole.concat(), keys);
        for range in &whole[..whole.len() - 1] {
            assert!((50..=200).contains(&range.len()), "{}", range.len());
        }
    }

    #[test]
    fn only_ranges_with_counted_keys_are_told_as_counted() {
        let mut cutter = cutter();
        let mut ranges = Vec::new();
        for (page, counted) in [
            (0..1_000, false),
            (1_000..2_000, true),
            (2_000..3_000, false),
        ] {
            let keys = KeyColumn::Int(page.collect());
            ranges.extend(cutter.push(keys, counted, |_| true));
        }
        ranges.extend(cutter.finish());
        for range in &ranges {
            let (Some(Key::Int(first)), Some(Key::Int(last))) = (range.first(), range.last())
            else {
                unreachable!()
            };
            assert_eq!(
                range.counted,
                last >= 1_000 && first < 2_000,
                "{first}..={last}"
            );
        }
    }

    #[test]
    fn a_new_key_changes_only_the_ranges_around_it() {
        let keys: Vec<i64> = (0..5_000).map(|i| i * 3).collect();
        let mut more = keys.clone();
        more.insert(2_500, keys[2_499] + 1);
        let (before, after) = (cut(&keys, 1000), cut(&more, 1000));
        let changed = after.iter().filter(|range| !before.contains(range)).count();
        assert!(changed <= 4, "{changed} of {} ranges changed", after.len());
    }
}
