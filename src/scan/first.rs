//! The first rows of several partitions together.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use futures::stream::{self, BoxStream, Stream, StreamExt, TryStreamExt};

use super::Scan;
use crate::columns::KeyColumn;
use crate::error::Result;
use crate::milvus::expr::{and, key_range};
use crate::model::Key;

/// The scans, narrowed down to the first `limit` rows that they have together, in order of key. What they read is
/// then all that there is up to a key, and is proven to be complete as any read is.
///
/// Rows that several partitions have under the last key come along; so do some more where no expression can name it.
pub async fn first_rows(scans: Vec<Scan>, limit: u64) -> Result<Vec<Scan>> {
    if let Some(scan) = scans.first() {
        scan.pin().await?;
    }
    let keys = scans.iter().map(|scan| scan.keys().boxed()).collect();
    let nameable = |key: &Key| scans.iter().all(|scan| scan.can_name(key));
    match last_key(keys, limit, nameable).await? {
        Some(last) => Ok(scans.into_iter().map(|scan| scan.up_to(&last)).collect()),
        None => Ok(scans),
    }
}

/// The key of the last of so many rows, or the next one from there that may be `last`; none where there are no more.
/// Each partition's keys come in ascending order.
pub async fn last_key(
    partitions: Vec<BoxStream<'_, Result<KeyColumn>>>,
    limit: u64,
    last: impl Fn(&Key) -> bool,
) -> Result<Option<Key>> {
    let mut cursors: Vec<Cursor> = partitions
        .into_iter()
        .map(|pages| Cursor {
            pages,
            page: KeyColumn::empty(false),
            next: 0,
        })
        .collect();
    let mut heads = BinaryHeap::new();
    for (position, cursor) in cursors.iter_mut().enumerate() {
        heads.extend(cursor.next().await?.map(|key| Reverse((key, position))));
    }
    let mut passed = 0;
    while let Some(Reverse((key, position))) = heads.pop() {
        passed += 1;
        if passed >= limit && last(&key) {
            return Ok(Some(key));
        }
        let next = cursors[position].next().await?;
        heads.extend(next.map(|key| Reverse((key, position))));
    }
    Ok(None)
}

/// A partition's keys, of which the next one is at hand.
struct Cursor<'a> {
    pages: BoxStream<'a, Result<KeyColumn>>,
    page: KeyColumn,
    next: usize,
}

impl Cursor<'_> {
    async fn next(&mut self) -> Result<Option<Key>> {
        loop {
            if let Some(key) = self.page.key(self.next) {
                self.next += 1;
                return Ok(Some(key));
            }
            match self.pages.try_next().await? {
                Some(keys) => (self.page, self.next) = (keys, 0),
                None => return Ok(None),
            }
        }
    }
}

impl Scan {
    /// The keys of all rows that are read, in ascending order.
    pub fn keys(&self) -> impl Stream<Item = Result<KeyColumn>> + Send + '_ {
        stream::try_unfold(self.walk(), async |mut walker| {
            let page = walker.next_page().await?;
            Ok(page.map(|keys| (self.picked(keys), walker)))
        })
    }

    /// The same read, of rows up to and including a key.
    fn up_to(mut self, last: &Key) -> Scan {
        let range = key_range(&self.key.name, self.has_text_keys(), None, Some(last));
        self.filter = Some(and(self.filter.as_deref(), range));
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn last(partitions: &[&[&[i64]]], limit: u64) -> Option<Key> {
        let pages = |pages: &&[&[i64]]| {
            let pages: Vec<_> = pages
                .iter()
                .map(|page| Ok(KeyColumn::Int(page.to_vec())))
                .collect();
            stream::iter(pages).boxed()
        };
        let partitions = partitions.iter().map(pages).collect();
        last_key(partitions, limit, |key| *key != Key::Int(6))
            .await
            .unwrap()
    }

    #[tokio::test]
    async fn the_first_rows_are_those_of_all_partitions_together() {
        let partitions: [&[&[i64]]; 3] = [&[&[1, 4], &[], &[9]], &[&[2, 3, 6, 7]], &[]];
        for (limit, key) in [(1, 1), (3, 3), (4, 4), (5, 7), (6, 7), (7, 9)] {
            assert_eq!(
                last(&partitions, limit).await,
                Some(Key::Int(key)),
                "{limit}"
            );
        }
        assert_eq!(last(&partitions, 8).await, None);
        assert_eq!(last(&[], 1).await, None);
    }
}
