//! Bytes to ciphertext and back, with the age crate: whole on the way out, any part of it on the way in.

use std::io::{self, Read, Seek, SeekFrom, Write};
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use age::stream::StreamWriter;
use age::{Decryptor, Encryptor, Identity, Recipient};
use bytes::Bytes;

use super::key::{ArchiveKey, failed};
use crate::Result;
use crate::store::Store;

/// The payload of an age file is encrypted in chunks of so many bytes, each with a tag behind it.
const CHUNK: u64 = 64 << 10;
const TAG: u64 = 16;
const SEALED_CHUNK: u64 = CHUNK + TAG;

/// Between the header and the payload.
const NONCE: u64 = 16;

/// How much of the beginning is read to find the end of the header, which for one recipient has some hundred bytes.
const HEAD: u64 = 8 << 10;

/// What the last line of a header begins with.
const HEADER_END: &[u8] = b"\n--- ";

/// What is encrypted comes out as it is ready.
pub(super) struct Encrypting {
    stream: StreamWriter<Buffer>,
    ready: Buffer,
}

/// Bytes that one writes and another takes.
#[derive(Clone, Default)]
struct Buffer(Arc<Mutex<Vec<u8>>>);

impl Buffer {
    fn take(&self) -> Bytes {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Bytes::from(std::mem::take(&mut *held))
    }
}

impl Write for Buffer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        held.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Encrypting {
    pub(super) fn new(key: &ArchiveKey) -> Result<Encrypting> {
        let recipient = key.recipient();
        let recipients = std::iter::once(&recipient as &dyn Recipient);
        let encryptor = Encryptor::with_recipients(recipients).map_err(failed)?;
        let ready = Buffer::default();
        let stream = encryptor.wrap_output(ready.clone()).map_err(failed)?;
        Ok(Encrypting { stream, ready })
    }

    pub(super) fn push(&mut self, bytes: &[u8]) -> Result<Bytes> {
        self.stream.write_all(bytes).map_err(failed)?;
        Ok(self.ready.take())
    }

    pub(super) fn finish(self) -> Result<Bytes> {
        self.stream.finish().map_err(failed)?;
        Ok(self.ready.take())
    }
}

/// An encrypted object, of which any part can be read. Its length is authentic.
pub(in crate::archive) struct Decrypting {
    key: Arc<ArchiveKey>,
    /// The size of the object as it is stored.
    sealed: u64,
    /// The size of what is in it.
    size: u64,
    /// The header and the nonce; the payload begins behind them.
    head: Bytes,
    /// The last chunk, with its position: it tells where the object ends.
    tail: (u64, Bytes),
}

impl Decrypting {
    /// Opens the object at `path`. The inner error: it was not written with this key, or is not as it was written.
    pub(in crate::archive) async fn open(
        key: Arc<ArchiveKey>,
        store: &dyn Store,
        path: &str,
    ) -> Result<Result<Decrypting, String>> {
        let sealed = store.size(path).await?;
        let head = store.read_range(path, 0..sealed.min(HEAD)).await?;
        let Some(start) = payload_start(&head).filter(|start| start + TAG <= sealed) else {
            return Ok(Err("it is no whole age file".to_owned()));
        };
        let chunks = (sealed - start).div_ceil(SEALED_CHUNK);
        let last = start + (chunks - 1) * SEALED_CHUNK;
        let tail = store.read_range(path, last..sealed).await?;
        let mut opened = Decrypting {
            key,
            sealed,
            size: 0,
            // It fits memory, because it was read.
            head: head.slice(..start as usize),
            tail: (last, tail),
        };
        // Asking for the end decrypts the last chunk as the last one.
        let size = opened
            .reader(Vec::new())
            .and_then(|mut reader| reader.seek(SeekFrom::End(0)));
        match size {
            Ok(size) => opened.size = size,
            Err(error) => return Ok(Err(told(&error))),
        }
        Ok(Ok(opened))
    }

    /// The size of what is in the object.
    pub(in crate::archive) fn size(&self) -> u64 {
        self.size
    }

    /// The bytes of the object that hold a part of what is in it.
    pub(in crate::archive) fn cover(&self, range: &Range<u64>) -> Range<u64> {
        let start = self.head.len() as u64;
        let (first, end) = (range.start / CHUNK, range.end.div_ceil(CHUNK));
        let at = |chunk: u64| (start + chunk * SEALED_CHUNK).min(self.sealed);
        at(first)..at(end)
    }

    /// Decrypts a part; `bytes` are those that cover it.
    pub(in crate::archive) fn decrypt(
        &self,
        range: &Range<u64>,
        bytes: Bytes,
    ) -> Result<Bytes, String> {
        if range.start > range.end || range.end > self.size {
            return Err(format!(
                "bytes {}..{} asked of {}",
                range.start, range.end, self.size
            ));
        }
        let mut plain = vec![0; (range.end - range.start) as usize];
        if plain.is_empty() {
            return Ok(Bytes::new());
        }
        let covered = (self.cover(range).start, bytes);
        let read = self.reader(vec![covered]).and_then(|mut reader| {
            reader.seek(SeekFrom::Start(range.start))?;
            reader.read_exact(&mut plain)
        });
        read.map(|()| Bytes::from(plain))
            .map_err(|error| told(&error))
    }

    /// Reads what is in the object, as far as its bytes are here.
    fn reader(&self, mut parts: Vec<(u64, Bytes)>) -> io::Result<impl Read + Seek + use<>> {
        parts.push((0, self.head.clone()));
        parts.push(self.tail.clone());
        let parts = Parts {
            size: self.sealed,
            parts,
            position: 0,
        };
        let identity = std::iter::once(self.key.identity() as &dyn Identity);
        Decryptor::new(parts)
            .and_then(|decryptor| decryptor.decrypt(identity))
            .map_err(io::Error::other)
    }
}

/// Where the payload begins, by the end of the header.
fn payload_start(head: &[u8]) -> Option<u64> {
    let end = head
        .windows(HEADER_END.len())
        .position(|window| window == HEADER_END)?;
    let behind = end + HEADER_END.len();
    let line = head[behind..].iter().position(|byte| *byte == b'\n')?;
    let start = (behind + line + 1) as u64 + NONCE;
    (start <= head.len() as u64).then_some(start)
}

fn told(error: &io::Error) -> String {
    format!("it does not decrypt ({error}): it was changed, cut or exchanged")
}

/// Parts of an object, read as if it were whole.
struct Parts {
    size: u64,
    parts: Vec<(u64, Bytes)>,
    position: u64,
}

impl Read for Parts {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.position >= self.size || buffer.is_empty() {
            return Ok(0);
        }
        let position = self.position;
        let held = self.parts.iter().find_map(|(start, bytes)| {
            let offset = usize::try_from(position.checked_sub(*start)?).ok()?;
            bytes.get(offset..).filter(|rest| !rest.is_empty())
        });
        let held = held.ok_or_else(|| io::Error::other("a part is read that is not here"))?;
        let length = held.len().min(buffer.len());
        buffer[..length].copy_from_slice(&held[..length]);
        self.position += length as u64;
        Ok(length)
    }
}

impl Seek for Parts {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let position = match to {
            SeekFrom::Start(position) => Some(position),
            SeekFrom::End(offset) => self.size.checked_add_signed(offset),
            SeekFrom::Current(offset) => self.position.checked_add_signed(offset),
        };
        self.position = position.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.position)
    }
}
