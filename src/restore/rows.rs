//! The rows of one collection, out of data files and into the target.

use std::ops::Range;

use arrow_array::RecordBatch;
use futures::stream::{self, StreamExt, TryStreamExt};

use super::plan::Target;
use super::{Limits, Outcome};
use crate::archive::Archive;
use crate::columns;
use crate::compute;
use crate::error::{Error, Result};
use crate::milvus::Cluster;
use crate::progress::Task;

/// What one insert carries at most. Milvus 2.3 takes requests up to 64 MiB and is fastest at a few MiB.
const INSERT_BYTES: usize = 4 << 20;
const INSERT_ROWS: usize = 8_192;

/// What an insert in flight costs in memory, in units of its rows: the columns and the request.
const COPIES: u64 = 2;

/// Writes all rows of the target's partitions, several inserts at a time. True if some had to be sent again as
/// upserts, so that the target also stores rows that were replaced.
pub(super) async fn insert_rows(
    archive: &Archive,
    cluster: &Cluster,
    target: &Target<'_>,
    limits: &Limits,
    task: &dyn Task,
) -> Result<bool> {
    let mut upserted = false;
    for partition in &target.partitions {
        let batches = stream::iter(&partition.files)
            .map(|file| archive.batches(target.entry, file))
            .map_ok(|batches| batches.boxed())
            .try_flatten();
        let slices = batches
            .map_ok(|batch| stream::iter(cut(&batch).into_iter().map(Ok::<_, Error>)))
            .try_flatten();
        let inserts = slices
            .map_ok(|slice| insert(cluster, target, partition.name.as_deref(), slice, limits))
            .try_buffer_unordered(limits.jobs);
        let mut inserts = std::pin::pin!(inserts);
        while let Some(written) = inserts.try_next().await? {
            upserted |= written.upserted;
            task.advance(written.rows, written.bytes);
        }
    }
    Ok(upserted)
}

/// What one insert has written.
struct Written {
    rows: u64,
    bytes: u64,
    upserted: bool,
}

async fn insert(
    cluster: &Cluster,
    target: &Target<'_>,
    partition: Option<&str>,
    slice: RecordBatch,
    limits: &Limits,
) -> Result<Written> {
    let name = &target.meant.name;
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
    } else {
        cluster.insert(name, partition, encoded, rows).await?
    };
    Ok(Written {
        rows: u64::from(rows),
        bytes,
        upserted,
    })
}

/// Cuts a batch into slices that each fit an insert.
fn cut(batch: &RecordBatch) -> Vec<RecordBatch> {
    let mut ranges: Vec<Range<usize>> = Vec::new();
    let (mut begin, mut bytes) = (0, 0);
    for (row, row_bytes) in columns::row_bytes(batch).into_iter().enumerate() {
        bytes += row_bytes as usize;
        if row > begin && (bytes > INSERT_BYTES || row - begin >= INSERT_ROWS) {
            ranges.push(begin..row);
            begin = row;
            bytes = row_bytes as usize;
        }
    }
    ranges.push(begin..batch.num_rows());
    ranges
        .into_iter()
        .filter(|range| !range.is_empty())
        .map(|range| batch.slice(range.start, range.len()))
        .collect()
}
