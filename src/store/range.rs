//! Parts of objects.

use std::future::Future;
use std::io::{self, ErrorKind};
use std::ops::Range;

use bytes::Bytes;

use crate::{Error, Result};

/// What is wrong with a range that reaches past the end of an object of `size` bytes.
pub(super) fn past_end(range: &Range<u64>, size: u64) -> io::Error {
    let reason = format!("bytes {}..{} asked of {size}", range.start, range.end);
    io::Error::new(ErrorKind::UnexpectedEof, reason)
}

/// Reads a part of the object at `uri` over HTTP, which has no empty ranges, answers with as much as there is, and
/// refuses what begins behind the end.
pub(super) async fn read<G, S>(
    uri: &str,
    range: Range<u64>,
    get: impl FnOnce(Range<u64>) -> G,
    size: impl FnOnce() -> S,
) -> Result<Bytes>
where
    G: Future<Output = Result<Bytes>>,
    S: Future<Output = Result<u64>>,
{
    let too_far = |size| Error::Store {
        doing: "read",
        uri: uri.to_owned(),
        source: past_end(&range, size),
    };
    if range.start >= range.end {
        let size = size().await?;
        return if range.start == range.end && range.end <= size {
            Ok(Bytes::new())
        } else {
            Err(too_far(size))
        };
    }
    match get(range.clone()).await {
        Ok(bytes) if bytes.len() as u64 == range.end - range.start => Ok(bytes),
        Ok(bytes) => Err(too_far(range.start + bytes.len() as u64)),
        Err(error) => match size().await {
            Ok(size) if range.end > size => Err(too_far(size)),
            _ => Err(error),
        },
    }
}
