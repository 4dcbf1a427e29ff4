//! Rows of two places side by side, in order of key.

use arrow_array::RecordBatch;
use futures::stream::{BoxStream, StreamExt, try_unfold};

use super::{RowChange, RowDifference};
use crate::columns::{KeyColumn, digest};
use crate::compute;
use crate::error::Result;
use crate::model::{Field, Key};

/// An ordered stream of rows with a hash of each, of which the next row is at hand.
struct Cursor<'a> {
    batches: BoxStream<'a, Result<RecordBatch>>,
    fields: &'a [Field],
    key_field: &'a str,
    held: Option<Held>,
    ended: bool,
    /// Rows that were passed.
    rows: u64,
}

struct Held {
    batch: RecordBatch,
    keys: KeyColumn,
    hashes: Vec<u128>,
    row: usize,
}

impl Cursor<'_> {
    /// Makes sure that the next row is at hand, if there is one.
    async fn fill(&mut self) -> Result<()> {
        while self.needs_filling() {
            let Some(batch) = self.batches.next().await.transpose()? else {
                self.ended = true;
                return Ok(());
            };
            if batch.num_rows() == 0 {
                continue;
            }
            let (fields, key_field) = (self.fields.to_vec(), self.key_field.to_owned());
            self.held = Some(
                compute::run(move || -> Result<Held> {
                    let keys = KeyColumn::of_batch(&batch, &key_field)?;
                    let hashes = digest::row_hashes(&fields, &batch, &key_field)?;
                    Ok(Held {
                        batch,
                        keys,
                        hashes,
                        row: 0,
                    })
                })
                .await?,
            );
        }
        Ok(())
    }

    fn needs_filling(&self) -> bool {
        self.held.is_none() && !self.ended
    }

    fn key(&self) -> Option<Key> {
        self.held.as_ref().and_then(|held| held.keys.key(held.row))
    }

    fn hash(&self) -> Option<u128> {
        self.held
            .as_ref()
            .and_then(|held| held.hashes.get(held.row).copied())
    }

    fn row(&self) -> Option<RecordBatch> {
        self.held.as_ref().map(|held| held.batch.slice(held.row, 1))
    }

    fn pass(&mut self) {
        self.rows += 1;
        if let Some(held) = &mut self.held {
            held.row += 1;
            if held.row >= held.hashes.len() {
                self.held = None;
            }
        }
    }
}

/// What the rows of two streams come to.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub rows_a: u64,
    pub rows_b: u64,
    pub only_in_a: u64,
    pub only_in_b: u64,
    pub changed: u64,
    pub first: Vec<RowDifference>,
}

/// Compares two ordered streams row by row in `fields`, which both have. The first `show` differences are named.
pub(super) async fn compare_rows(
    a: BoxStream<'_, Result<RecordBatch>>,
    b: BoxStream<'_, Result<RecordBatch>>,
    fields: &[Field],
    key_field: &str,
    partition: Option<&str>,
    show: usize,
    advance: &(dyn Fn(u64) + Sync),
) -> Result<Tally> {
    let cursor = |batches| Cursor {
        batches,
        fields,
        key_field,
        held: None,
        ended: false,
        rows: 0,
    };
    let (mut a, mut b) = (cursor(a), cursor(b));
    let mut tally = Tally::default();
    let mut told = 0;
    loop {
        let (filled_a, filled_b) = futures::join!(a.fill(), b.fill());
        filled_a?;
        filled_b?;
        // As long as both have rows at hand, nothing is waited for.
        while a.hash().is_some() && a.hash() == b.hash() {
            a.pass();
            b.pass();
        }
        advance(a.rows - told);
        told = a.rows;
        if a.needs_filling() || b.needs_filling() {
            continue;
        }
        let (key, what) = match (a.key(), b.key()) {
            (None, None) => break,
            (Some(key_a), Some(key_b)) if key_a == key_b => {
                let fields = changed_fields(&a, &b)?;
                a.pass();
                b.pass();
                tally.changed += 1;
                (key_a, RowChange::Fields(fields))
            }
            (Some(key_a), key_b) if key_b.as_ref().is_none_or(|key_b| key_a < *key_b) => {
                a.pass();
                tally.only_in_a += 1;
                (key_a, RowChange::OnlyInA)
            }
            (_, Some(key_b)) => {
                b.pass();
                tally.only_in_b += 1;
                (key_b, RowChange::OnlyInB)
            }
            (Some(_), None) => continue,
        };
        if tally.first.len() < show {
            tally.first.push(RowDifference {
                partition: partition.map(str::to_owned),
                key,
                what,
            });
        }
    }
    (tally.rows_a, tally.rows_b) = (a.rows, b.rows);
    Ok(tally)
}

/// The fields in which two rows of one key differ.
fn changed_fields(a: &Cursor<'_>, b: &Cursor<'_>) -> Result<Vec<String>> {
    let (Some(row_a), Some(row_b)) = (a.row(), b.row()) else {
        return Ok(Vec::new());
    };
    let of_a = digest::digest(a.fields, &row_a, a.key_field)?;
    let of_b = digest::digest(b.fields, &row_b, b.key_field)?;
    let changed = of_a
        .fields
        .into_iter()
        .filter(|(field, digest)| of_b.fields.get(field) != Some(digest));
    Ok(changed.map(|(field, _)| field).collect())
}

/// Several ordered streams as one.
pub(super) fn merge<'a>(
    mut streams: Vec<BoxStream<'a, Result<RecordBatch>>>,
    key_field: &'a str,
) -> BoxStream<'a, Result<RecordBatch>> {
    if streams.len() == 1
        && let Some(only) = streams.pop()
    {
        return only;
    }
    let heads: Vec<Head> = streams
        .into_iter()
        .map(|rest| Head {
            rest,
            batch: None,
            ended: false,
        })
        .collect();
    try_unfold(heads, move |mut heads| async move {
        for head in &mut heads {
            head.fill(key_field).await?;
        }
        heads.retain(|head| !head.ended);
        // Rows of the stream whose next key is the least, up to the next key of any other.
        let Some(least) = (0..heads.len()).min_by_key(|position| heads[*position].key(0)) else {
            return Ok(None);
        };
        let bound = (0..heads.len())
            .filter(|other| *other != least)
            .filter_map(|other| heads[other].key(0))
            .min();
        Ok(heads[least]
            .take_up_to(bound.as_ref())
            .map(|batch| (batch, heads)))
    })
    .boxed()
}

struct Head<'a> {
    rest: BoxStream<'a, Result<RecordBatch>>,
    batch: Option<(RecordBatch, KeyColumn)>,
    ended: bool,
}

impl Head<'_> {
    async fn fill(&mut self, key_field: &str) -> Result<()> {
        while self.batch.is_none() && !self.ended {
            match self.rest.next().await.transpose()? {
                Some(batch) if batch.num_rows() > 0 => {
                    let keys = KeyColumn::of_batch(&batch, key_field)?;
                    self.batch = Some((batch, keys));
                }
                Some(_) => {}
                None => self.ended = true,
            }
        }
        Ok(())
    }

    fn key(&self, row: usize) -> Option<Key> {
        self.batch.as_ref().and_then(|(_, keys)| keys.key(row))
    }

    /// Takes the rows up to and including `bound`, at least one.
    fn take_up_to(&mut self, bound: Option<&Key>) -> Option<RecordBatch> {
        let (batch, keys) = self.batch.take()?;
        let mut taken = keys.clone();
        if let Some(bound) = bound {
            taken.truncate_after(bound);
        }
        let rows = taken.len().clamp(1, batch.num_rows());
        if rows < batch.num_rows() {
            let left = batch.num_rows() - rows;
            self.batch = Some((batch.slice(rows, left), keys.slice(rows..keys.len())));
        }
        Some(batch.slice(0, rows))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use arrow_array::{Int64Array, StringArray};
    use futures::stream::{self, TryStreamExt};

    use super::*;
    use crate::columns::arrow_schema;
    use crate::model::DataType;
    use crate::scan::Budget;

    fn fields() -> Vec<Field> {
        let of = |name: &str, data_type| Field {
            name: name.into(),
            data_type,
            ..Field::dynamic()
        };
        vec![
            Field {
                primary_key: true,
                ..of("id", DataType::Int64)
            },
            of("text", DataType::VarChar),
        ]
    }

    fn batches<'a>(batches: &[&[(i64, &str)]]) -> BoxStream<'a, Result<RecordBatch>> {
        let schema = arrow_schema(&fields()).unwrap();
        let made: Vec<_> = batches
            .iter()
            .map(|rows| {
                let keys = Int64Array::from_iter_values(rows.iter().map(|row| row.0));
                let texts = StringArray::from_iter_values(rows.iter().map(|row| row.1));
                Ok(
                    RecordBatch::try_new(schema.clone(), vec![Arc::new(keys), Arc::new(texts)])
                        .unwrap(),
                )
            })
            .collect();
        stream::iter(made).boxed()
    }

    async fn tally(a: &[&[(i64, &str)]], b: &[&[(i64, &str)]]) -> Tally {
        compare_rows(batches(a), batches(b), &fields(), "id", None, 9, &|_| {})
            .await
            .unwrap()
    }

    #[tokio::test]
    async fn the_same_rows_are_equal_however_they_are_cut() {
        let found = tally(
            &[&[(1, "a"), (2, "b")], &[], &[(3, "c")]],
            &[&[(1, "a")], &[(2, "b"), (3, "c")]],
        )
        .await;
        assert_eq!((found.rows_a, found.rows_b, found.first.len()), (3, 3, 0));
    }

    #[tokio::test]
    async fn missing_and_changed_rows_are_named() {
        let found = tally(
            &[&[(1, "a"), (2, "b")], &[(4, "d"), (5, "e")]],
            &[&[(2, "x"), (3, "c")], &[(4, "d")]],
        )
        .await;
        assert_eq!((found.only_in_a, found.only_in_b, found.changed), (2, 1, 1));
        let named: Vec<_> = found
            .first
            .into_iter()
            .map(|row| (row.key, row.what))
            .collect();
        let expected = [
            (Key::Int(1), RowChange::OnlyInA),
            (Key::Int(2), RowChange::Fields(vec!["text".into()])),
            (Key::Int(3), RowChange::OnlyInB),
            (Key::Int(5), RowChange::OnlyInA),
        ];
        assert_eq!(named, expected);
    }

    #[tokio::test]
    async fn an_empty_side_has_none_of_the_rows() {
        let found = tally(&[], &[&[(1, "a")], &[(2, "b")]]).await;
        assert_eq!((found.rows_a, found.rows_b, found.only_in_b), (0, 2, 2));
    }

    /// One row after the other, of which some are read ahead and held against a budget, as a scan does.
    fn scanned<'a>(rows: &[(i64, &str)], budget: Budget) -> BoxStream<'a, Result<RecordBatch>> {
        let pieces: Vec<_> = rows.iter().map(|row| batches(&[&[*row]])).collect();
        stream::iter(pieces)
            .map(move |mut piece| {
                let budget = budget.clone();
                async move {
                    let _held = budget.take(u64::MAX).await?;
                    let batch = piece.next().await.transpose()?;
                    Ok((batch, _held))
                }
            })
            .buffered(2)
            .try_filter_map(|(batch, _held)| async move { Ok(batch) })
            .boxed()
    }

    #[tokio::test]
    async fn what_one_partition_reads_ahead_does_not_stop_the_others() {
        // The second partition's rows come last: what it has read ahead is held for long.
        let (first, second) = (
            [(1, "a"), (2, "b"), (3, "c"), (4, "d")],
            [(8, "h"), (9, "i")],
        );
        let mut budgets = Budget::split(1, 2, 1).into_iter();
        let parts = [&first[..], &second[..]]
            .map(|rows| scanned(rows, budgets.next().unwrap()))
            .into();
        let whole = batches(&[&first[..], &second[..]]);
        let fields = fields();
        let compared = compare_rows(merge(parts, "id"), whole, &fields, "id", None, 9, &|_| {});
        let found = tokio::time::timeout(Duration::from_secs(10), compared).await;
        assert_eq!(found.unwrap().unwrap().rows_a, 6);
    }

    #[tokio::test]
    async fn merged_partitions_are_in_order() {
        let parts = vec![
            batches(&[&[(1, "a"), (4, "d")], &[(9, "i")]]),
            batches(&[]),
            batches(&[&[(2, "b"), (3, "c")]]),
        ];
        let merged = merge(parts, "id");
        let whole = batches(&[&[(1, "a"), (2, "b"), (3, "c"), (4, "d"), (9, "i")]]);
        let found = compare_rows(merged, whole, &fields(), "id", None, 9, &|_| {})
            .await
            .unwrap();
        assert_eq!((found.rows_a, found.first.len()), (5, 0));
    }
}
