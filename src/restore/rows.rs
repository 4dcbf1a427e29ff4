//! The rows of one collection, into the target.

use std::ops::Range;

use arrow_array::RecordBatch;
use futures::stream::{self, BoxStream, TryStreamExt};

use super::feed::{Feed, Piece};
use super::plan::{self, Target};
use super::{Limits, Outcome};
use crate::columns::{self, KeyColumn};
use crate::compat::KeysKept;
use crate::compute;
use crate::error::{Error, Result};
use crate::milvus::Cluster;
use crate::progress::{Context, Task};
use crate::reading::Rows;

/// What one insert carries at most. Milvus 2.3 takes requests up to 64 MiB and is fastest at a few MiB.
const INSERT_BYTES: usize = 4 << 20;
const INSERT_ROWS: usize = 8_192;

/// What an insert in flight costs in memory, in units of its rows: the columns and the request.
const COPIES: u64 = 2;

/// Writes all rows of the feed, several inserts at a time, and counts them. True if some had to be sent again as
/// upserts, so that the target also stores rows that were replaced.
pub(super) async fn insert_rows(
    feed: &Feed<'_>,
    cluster: &Cluster,
    target: &mut Target<'_>,
    limits: &Limits,
    task: &dyn Task,
    ctx: &Context,
) -> Result<bool> {
    let written = write(feed.pieces(ctx), cluster, target, limits, task).await?;
    all_came(target, written.rows)?;
    target.rows = written.rows;
    Ok(written.upserted)
}

/// Writes rows, several inserts at a time.
pub(super) async fn write(
    pieces: BoxStream<'_, Result<Piece>>,
    cluster: &Cluster,
    target: &Target<'_>,
    limits: &Limits,
    task: &dyn Task,
) -> Result<Written> {
    let slices = pieces
        .map_ok(|piece| stream::iter(cut(piece).into_iter().map(Ok::<_, Error>)))
        .try_flatten();
    let inserts = slices
        .map_ok(|slice| insert(cluster, target, slice, limits))
        .try_buffer_unordered(limits.jobs);
    let mut inserts = std::pin::pin!(inserts);
    let mut all = Written::default();
    while let Some(written) = inserts.try_next().await? {
        all.rows += written.rows;
        all.bytes += written.bytes;
        all.upserted |= written.upserted;
        task.advance(written.rows, written.bytes);
    }
    Ok(all)
}

/// So many rows must have come as there are where they come from.
pub(super) fn all_came(target: &Target<'_>, rows: u64) -> Result<()> {
    match target.origin.rows().filter(|meant| *meant != rows) {
        None => Ok(()),
        Some(meant) => Err(Error::Incomplete {
            collection: target.meant.name.clone(),
            reason: format!("{rows} rows came, {} has {meant}", target.origin.word()),
        }),
    }
}

/// What was written.
#[derive(Default)]
pub(super) struct Written {
    pub rows: u64,
    bytes: u64,
    /// Whether some rows had to be sent again as upserts.
    pub upserted: bool,
}

async fn insert(
    cluster: &Cluster,
    target: &Target<'_>,
    piece: Piece,
    limits: &Limits,
) -> Result<Written> {
    let name = &target.meant.name;
    let (partition, slice) = (piece.partition.as_deref(), piece.rows.batch);
    let partition = partition.filter(|_| !target.fit.one_partition);
    refuse_hidden_key(cluster, target, &slice)?;
    let rows = u32::try_from(slice.num_rows()).map_err(|_| Error::Incomplete {
        collection: name.clone(),
        reason: "an insert would have more than 2^32 rows".into(),
    })?;
    let bytes = columns::row_bytes(&slice)
        .into_iter()
        .map(u64::from)
        .sum::<u64>();
    let _held = limits.budget.take(bytes.saturating_mul(COPIES)).await?;
    let fields = target.fields.clone();
    let encoded = compute::run(move || columns::encode(&fields, &slice)).await?;
    let upserted = if target.outcome == Outcome::Appended {
        cluster.upsert(name, partition, encoded, rows).await?;
        true
    } else if target.fit.keys == Some(KeysKept::Regenerated) {
        cluster.insert_once(name, partition, encoded, rows).await?;
        false
    } else {
        let key = target.meant.primary_key();
        let key = key.ok_or_else(|| Error::column("", "there is no primary key"))?;
        cluster.insert(name, partition, key, encoded, rows).await?
    };
    Ok(Written {
        rows: u64::from(rows),
        bytes,
        upserted,
    })
}

/// Where only reading the rows tells whether one of them has a key that the target hides.
fn refuse_hidden_key(cluster: &Cluster, target: &Target<'_>, slice: &RecordBatch) -> Result<()> {
    let key = target.meant.primary_key().map(|key| key.name.as_str());
    if let Some(key) = key.filter(|_| target.hides_greatest_key)
        && let KeyColumn::Int(keys) = KeyColumn::of_batch(slice, key)?
        && keys.contains(&i64::MAX)
    {
        let problems = vec![plan::hidden_key(cluster, target)];
        return Err(Error::Incompatible { problems });
    }
    Ok(())
}

/// Cuts rows into slices that each fit an insert.
fn cut(piece: Piece) -> Vec<Piece> {
    let Piece { partition, rows } = piece;
    let mut ranges: Vec<Range<usize>> = Vec::new();
    let (mut begin, mut bytes) = (0, 0);
    for (row, row_bytes) in columns::row_bytes(&rows.batch).into_iter().enumerate() {
        bytes += row_bytes as usize;
        if row > begin && (bytes > INSERT_BYTES || row - begin >= INSERT_ROWS) {
            ranges.push(begin..row);
            begin = row;
            bytes = row_bytes as usize;
        }
    }
    ranges.push(begin..rows.batch.num_rows());
    ranges
        .into_iter()
        .filter(|range| !range.is_empty())
        .map(|range| Piece {
            partition: partition.clone(),
            rows: Rows {
                batch: rows.batch.slice(range.start, range.len()),
                held: rows.held.clone(),
            },
        })
        .collect()
}
