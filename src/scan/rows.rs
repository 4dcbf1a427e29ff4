//! The ranges of a scan, and the rows of a range, as streams.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use arrow_array::RecordBatch;
use futures::future;
use futures::stream::{self, Stream, StreamExt, TryStreamExt};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{Budget, Cutter, Fetched, KeyRange, Piece, RowWidth, RowsRead, Scan, Walker};
use crate::error::Result;

/// How many answers are waited for at once, by a reader of all rows.
const PIECES_AT_ONCE: usize = 2;

/// How many pieces of a range wait for their turn at once: all of most ranges, so that one range after the other is
/// fetched, and not several side by side that end together.
const PIECES_AHEAD: usize = 8;

/// What a row in flight costs in memory, in units of its width: the answer, the columns, the encoded pages.
const COPIES: u64 = 3;

/// How far the walk of [`Scan::ranges`] is.
struct Walk<'a> {
    walker: Walker<'a>,
    /// `None` once the walk has ended.
    cutter: Option<Cutter>,
    ready: VecDeque<KeyRange>,
}

impl Scan {
    /// Walks the keys and cuts the walk into ranges, in ascending order.
    pub fn ranges(&self) -> impl Stream<Item = Result<KeyRange>> + Send + '_ {
        let start = Walk {
            walker: self.walk(),
            cutter: Some(Cutter::new(&self.fields)),
            ready: VecDeque::new(),
        };
        stream::try_unfold(start, move |mut walk| async move {
            loop {
                if let Some(range) = walk.ready.pop_front() {
                    return Ok(Some((range, walk)));
                }
                let Some(cutter) = &mut walk.cutter else {
                    return Ok(None);
                };
                // The keys of a sample are proven by the walk, not by the fetches.
                let leapt = match self.sampled {
                    Some(_) => None,
                    None => walk.walker.leap().await?,
                };
                let counted = leapt.is_some();
                let keys = match leapt {
                    Some(keys) => Some(keys),
                    None => walk.walker.next_page().await?,
                };
                match keys {
                    Some(keys) => {
                        self.note_walked(&keys)?;
                        let keys = self.picked(keys);
                        walk.ready
                            .extend(cutter.push(keys, counted, |key| self.can_name(key)));
                    }
                    None => walk
                        .ready
                        .extend(walk.cutter.take().and_then(Cutter::finish)),
                }
            }
        })
    }

    /// Fetches a range piece by piece, in order of key. What is held against the budget goes with each piece; `turns`
    /// are as many as requests may be in flight.
    pub fn fetch_range<'a>(
        &'a self,
        range: &'a KeyRange,
        width: &'a RowWidth,
        budget: &'a Budget,
        turns: &'a Semaphore,
    ) -> impl Stream<Item = Result<(Fetched, OwnedSemaphorePermit)>> + Send + 'a {
        let pieces = stream::unfold(0, move |from| async move {
            let piece = (from < range.keys.len()).then(|| self.piece(range, from, width))?;
            let next = from + piece.rows();
            Some((piece, next))
        });
        pieces
            .map(move |piece| self.fetch_within(piece, width, budget, Some(turns)))
            .buffered(PIECES_AHEAD)
    }

    /// All rows in ascending order of key. `read` is told of them, for [`super::Completeness`].
    pub fn rows<'a>(
        &'a self,
        width: &'a RowWidth,
        budget: &'a Budget,
        read: &'a Mutex<RowsRead>,
    ) -> impl Stream<Item = Result<RecordBatch>> + Send + 'a {
        let pieces = self.ranges().map_ok(move |range| {
            stream::try_unfold((range, 0), move |(range, from)| async move {
                if from >= range.keys.len() {
                    return Ok(None);
                }
                let piece = self.piece(&range, from, width);
                let next = from + piece.rows();
                Ok(Some((piece, (range, next))))
            })
        });
        pieces
            .try_flatten()
            .map_ok(move |piece| self.fetch_within(piece, width, budget, None))
            .try_buffered(PIECES_AT_ONCE)
            .and_then(move |(fetched, _held)| {
                let told = read
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .add(self, &fetched);
                future::ready(told.map(|()| stream::iter(fetched.batches.into_iter().map(Ok))))
            })
            .try_flatten()
    }

    async fn fetch_within(
        &self,
        piece: Piece,
        width: &RowWidth,
        budget: &Budget,
        turns: Option<&Semaphore>,
    ) -> Result<(Fetched, OwnedSemaphorePermit)> {
        // In this order: a later piece of a range must not hold what an earlier one waits for.
        let held = budget.take(piece.bytes.saturating_mul(COPIES)).await?;
        let _turn = match turns {
            Some(turns) => Some(turns.acquire().await),
            None => None,
        };
        self.fetch(piece, width)
            .await
            .map(|fetched| (fetched, held))
    }
}
