//! Writing the objects of an archive, encrypted where the archive is.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use ring::digest::{Context as Sha, SHA256};

use super::cipher::Encrypting;
use super::envelope::SealedObject;
use super::key::{ArchiveKey, failed};
use crate::archive::encoder::hex;
use crate::archive::places::PlacedWriter;
use crate::{Result, compute};

/// The encryption of an archive that is being written.
#[derive(Debug)]
pub(in crate::archive) struct Sealing {
    pub(in crate::archive) key: ArchiveKey,
    written: Mutex<Vec<SealedObject>>,
}

impl Sealing {
    pub(in crate::archive) fn new(key: ArchiveKey) -> Sealing {
        Sealing {
            key,
            written: Mutex::default(),
        }
    }

    /// All objects that were written, as they are stored.
    pub(in crate::archive) fn written(&self) -> Vec<SealedObject> {
        let written = self.written.lock();
        written.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Notes an object that was written.
    pub(in crate::archive) fn note(&self, path: &str, bytes: u64, sha256: String) {
        let mut written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        written.push(SealedObject {
            path: path.to_owned(),
            bytes,
            sha256,
        });
    }
}

/// An object that is being written. Dropped before it is finished, it leaves nothing.
pub(in crate::archive) struct PartWriter {
    object: PlacedWriter,
    sealed: Option<Sealed>,
}

/// The encryption of one object.
struct Sealed {
    sealing: Arc<Sealing>,
    path: String,
    work: Option<Work>,
}

/// What encrypting goes on with.
struct Work {
    encrypting: Encrypting,
    sha: Sha,
    bytes: u64,
}

impl PartWriter {
    pub(in crate::archive) fn plain(object: PlacedWriter) -> PartWriter {
        PartWriter {
            object,
            sealed: None,
        }
    }

    /// An object whose place is `path`.
    pub(in crate::archive) fn sealed(
        object: PlacedWriter,
        sealing: Arc<Sealing>,
        path: String,
    ) -> Result<PartWriter> {
        let work = Work {
            encrypting: Encrypting::new(&sealing.key)?,
            sha: Sha::new(&SHA256),
            bytes: 0,
        };
        let sealed = Sealed {
            sealing,
            path,
            work: Some(work),
        };
        Ok(PartWriter {
            object,
            sealed: Some(sealed),
        })
    }

    pub(in crate::archive) async fn write(&mut self, bytes: Bytes) -> Result<()> {
        let Some(sealed) = &mut self.sealed else {
            return self.object.write(bytes).await;
        };
        let after_failure = || failed("an earlier write of the same object failed");
        let mut work = sealed.work.take().ok_or_else(after_failure)?;
        let (work, ready) = compute::run(move || {
            let ready = work
                .encrypting
                .push(&bytes)
                .inspect(|ready| work.sha.update(ready));
            (work, ready)
        })
        .await;
        let (mut work, ready) = (work, ready?);
        work.bytes += ready.len() as u64;
        sealed.work = Some(work);
        self.object.write(ready).await
    }

    pub(in crate::archive) async fn finish(mut self) -> Result<()> {
        let Some(mut sealed) = self.sealed.take() else {
            return self.object.finish().await;
        };
        let after_failure = || failed("an earlier write of the same object failed");
        let work = sealed.work.take().ok_or_else(after_failure)?;
        let (ready, mut sha) = (work.encrypting.finish()?, work.sha);
        sha.update(&ready);
        let bytes = work.bytes + ready.len() as u64;
        self.object.write(ready).await?;
        self.object.finish().await?;
        let sha256 = hex(sha.finish().as_ref());
        sealed.sealing.note(&sealed.path, bytes, sha256);
        Ok(())
    }
}
