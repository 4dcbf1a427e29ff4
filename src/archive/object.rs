//! The bytes of one data file: read in ranges, hashed from front to back on the way.

use std::ops::Range;

use bytes::Bytes;
use ring::digest::{Context as Sha, SHA256};

use super::encoder::hex;
use super::objects::ObjectReader;
use crate::{Result, compute};

/// How much of the end is read at first: it holds the footer of most files, and the whole of small ones.
const TAIL: u64 = 64 << 10;

/// How much is read at once where nothing but the hash is wanted, and how wide a gap is read over.
const STEP: u64 = 8 << 20;
const GAP: u64 = 64 << 10;

/// An object of which every byte is hashed exactly once, whatever is read of it in which order.
pub(super) struct HashedObject {
    object: ObjectReader,
    size: u64,
    tail: Bytes,
    sha: Sha,
    /// All bytes before this one are in `sha`.
    hashed: u64,
}

impl HashedObject {
    /// Begins to read an object.
    pub(super) async fn open(object: ObjectReader) -> Result<HashedObject> {
        let size = object.size();
        let tail = object.read_range(size.saturating_sub(TAIL)..size).await?;
        Ok(HashedObject {
            object,
            size,
            tail,
            sha: Sha::new(&SHA256),
            hashed: 0,
        })
    }

    /// The object's size.
    pub(super) fn size(&self) -> u64 {
        self.size
    }

    /// Reads ranges, none of which reaches past the end; near ones at once.
    pub(super) async fn read(&mut self, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        let mut wanted: Vec<Range<u64>> = ranges.to_vec();
        wanted.sort_unstable_by_key(|range| range.start);
        let mut spans: Vec<Range<u64>> = Vec::new();
        for range in wanted {
            match spans
                .last_mut()
                .filter(|span| range.start <= span.end.saturating_add(GAP))
            {
                Some(span) => span.end = span.end.max(range.end),
                None => spans.push(range),
            }
        }
        // What lies between the hash and the first range is read with it.
        let hashed = self.hashed;
        if let Some(first) = spans.first_mut()
            && (hashed..self.tail_start()).contains(&first.start)
            && first.start - hashed <= GAP
        {
            first.start = hashed;
        }
        let mut parts = Vec::with_capacity(spans.len());
        for span in spans {
            let bytes = self.fetch(span.clone()).await?;
            self.hash(span.start, bytes.clone()).await;
            parts.push((span, bytes));
        }
        let cut = |range: &Range<u64>| {
            parts
                .iter()
                .find(|(span, _)| span.start <= range.start && range.end <= span.end)
                .map(|(span, bytes)| {
                    bytes.slice(offset(span, range.start)..offset(span, range.end))
                })
                .unwrap_or_default()
        };
        Ok(ranges.iter().map(cut).collect())
    }

    /// Reads and hashes what is left; SHA-256 of the whole object as 64 hexadecimal digits.
    pub(super) async fn finish(mut self) -> Result<String> {
        while self.hashed < self.size {
            let tail = self.tail_start();
            let end = if self.hashed < tail {
                tail.min(self.hashed + STEP)
            } else {
                self.size
            };
            let start = self.hashed;
            let bytes = self.fetch(start..end).await?;
            self.hash(start, bytes).await;
        }
        Ok(hex(self.sha.finish().as_ref()))
    }

    fn tail_start(&self) -> u64 {
        self.size - self.tail.len() as u64
    }

    async fn fetch(&self, range: Range<u64>) -> Result<Bytes> {
        let tail = self.tail_start()..self.size;
        if range.start >= tail.start && range.end <= tail.end {
            return Ok(self
                .tail
                .slice(offset(&tail, range.start)..offset(&tail, range.end)));
        }
        self.object.read_range(range).await
    }

    /// Hashes what of `bytes`, which begin at `start`, comes next; bytes further on wait for their turn.
    async fn hash(&mut self, start: u64, bytes: Bytes) {
        let span = start..start + bytes.len() as u64;
        if span.contains(&self.hashed) {
            let fresh = bytes.slice(offset(&span, self.hashed)..);
            let mut sha = self.sha.clone();
            self.sha = compute::run(move || {
                sha.update(&fresh);
                sha
            })
            .await;
            self.hashed = span.end;
        }
    }
}

/// Where `position` is in bytes that were read, and therefore fit memory.
fn offset(span: &Range<u64>, position: u64) -> usize {
    (position - span.start) as usize
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::single_range_in_vec_init)]
    use std::sync::Arc;

    use super::*;
    use crate::archive::objects::Objects;
    use crate::store::LocalStore;

    async fn object(size: usize) -> (tempfile::TempDir, HashedObject, Vec<u8>, String) {
        let folder = tempfile::tempdir().unwrap();
        let bytes: Vec<u8> = (0..size)
            .map(|at| (at.wrapping_mul(2_654_435_761) >> 7) as u8)
            .collect();
        std::fs::create_dir(folder.path().join("prod")).unwrap();
        std::fs::write(folder.path().join("prod/object"), &bytes).unwrap();
        let sha256 = hex(ring::digest::digest(&SHA256, &bytes).as_ref());
        let store = Arc::new(LocalStore::new(folder.path().to_str().unwrap()));
        let objects = Objects::new(store, "prod", None);
        let object = objects.open("object").await.unwrap();
        let object = HashedObject::open(object).await.unwrap();
        (folder, object, bytes, sha256)
    }

    #[tokio::test]
    async fn whatever_is_read_the_hash_is_the_objects() {
        let size = 400_000;
        let cases: [&[&[Range<u64>]]; 6] = [
            &[],
            &[&[4..100, 100..150_000], &[150_000..399_000]],
            &[&[399_990..400_000], &[4..5]],
            &[&[200_000..300_000], &[4..5], &[4..399_000]],
            &[&[300_000..300_100, 0..10, 5..7]],
            &[&[0..0, 399_000..399_000]],
        ];
        for reads in cases {
            let (_folder, mut object, bytes, sha256) = object(size).await;
            for ranges in reads {
                let read = object.read(ranges).await.unwrap();
                for (range, read) in ranges.iter().zip(read) {
                    assert_eq!(
                        read,
                        bytes[range.start as usize..range.end as usize],
                        "{range:?}"
                    );
                }
            }
            assert_eq!(object.finish().await.unwrap(), sha256, "{reads:?}");
        }
    }

    #[tokio::test]
    async fn small_and_empty_objects_are_hashed() {
        for size in [0, 1, TAIL as usize, TAIL as usize + 1] {
            let (_folder, object, _, sha256) = object(size).await;
            assert_eq!(object.finish().await.unwrap(), sha256);
        }
    }
}
