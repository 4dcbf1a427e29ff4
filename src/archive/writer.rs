//! Writing an archive.

use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use bytes::Bytes;

use super::claim::Claim;
use super::encoder::{DataFileEncoder, FileSummary};
use super::encryption::{ArchiveKey, Envelope, PartWriter, Recipients, Sealing};
use super::layout::{self, CHECKSUM, KEY, MAC, MANIFEST, SUMMARY};
use super::manifest::{File, Manifest};
use super::places::{Failure, Places};
use super::summary::Summary;
use crate::columns::digest::Digests;
use crate::model::Field;
use crate::store::{self, Role, Store};
use crate::{Error, Result, compute};

/// An archive that is being written, to one store or to several at once. It can be listed and read once
/// [`ArchiveWriter::seal`] has returned.
///
/// Dropped before, it stays behind unfinished. Where one of several stores fails, the others are gone on with.
#[derive(Clone, Debug)]
pub struct ArchiveWriter {
    places: Places,
    /// Where the archive is encrypted.
    sealing: Option<Arc<Sealing>>,
}

impl ArchiveWriter {
    /// Begins an archive under a name that nothing in the store has. Of several that begin one name, one gets it.
    pub async fn begin(store: Arc<dyn Store>, name: &str) -> Result<ArchiveWriter> {
        ArchiveWriter::begin_in(vec![store], name).await
    }

    /// The same in several stores; where one refuses, in none.
    pub async fn begin_in(stores: Vec<Arc<dyn Store>>, name: &str) -> Result<ArchiveWriter> {
        Ok(ArchiveWriter {
            places: Places::take(stores, name).await?,
            sealing: None,
        })
    }

    /// The same of an archive whose objects only `recipients` can read.
    pub async fn begin_encrypted(
        stores: Vec<Arc<dyn Store>>,
        name: &str,
        recipients: &Recipients,
    ) -> Result<ArchiveWriter> {
        let key = ArchiveKey::generate()?;
        let (wrapping, recipients) = (key.clone(), recipients.clone());
        let wrapped = compute::run(move || wrapping.wrap(&recipients)).await?;
        let writer = ArchiveWriter {
            places: Places::take(stores, name).await?,
            sealing: Some(Arc::new(Sealing::new(key))),
        };
        let wrapped = Bytes::from(wrapped);
        let (bytes, sha256) = (wrapped.len() as u64, layout::sha256(&wrapped));
        if let Err(error) = writer.places.put(KEY, wrapped, Role::Part).await {
            // The first error says more than that of what stays.
            let _ = writer.discard().await;
            return Err(error);
        }
        if let Some(sealing) = &writer.sealing {
            sealing.note(KEY, bytes, sha256);
        }
        Ok(writer)
    }

    /// Checks, without touching anything, that an archive of this name could be begun.
    pub async fn check_vacant(store: Arc<dyn Store>, name: &str) -> Result<()> {
        Claim::check(store, name).await
    }

    /// The archive's addresses: of each store that has not failed.
    pub fn uris(&self) -> Vec<String> {
        self.places.uris()
    }

    /// Begins a data file at `path`, of [`super::DataFilePath`]; `schema` is that of `fields`.
    pub async fn data_file(
        &self,
        path: &str,
        schema: SchemaRef,
        fields: Vec<Field>,
        key_field: &str,
    ) -> Result<DataFileWriter> {
        let encoder = DataFileEncoder::new(schema, fields, key_field)?;
        Ok(DataFileWriter {
            path: path.to_owned(),
            encoder,
            object: self.create(path, Role::Part).await?,
        })
    }

    /// Completes the archive: from now on it is whole, and never changes. Gives those that are whole, but not locked as
    /// the store was asked to.
    pub async fn seal(&self, manifest: &Manifest) -> Result<Vec<Unlocked>> {
        let uri = format!("{}/{MANIFEST}", self.uris().concat());
        let json = manifest.to_json()?;
        // What could not be read back must not be written.
        let contradictions = Manifest::parse(&uri, &json)?.contradictions();
        if !contradictions.is_empty() {
            return Err(Error::Damaged {
                uri,
                reason: contradictions.join("; "),
            });
        }
        let (json, summary, mac) = match &self.sealing {
            None => {
                let summary = Summary::of(manifest, &layout::sha256(&json));
                (json, summary, None)
            }
            Some(sealing) => {
                self.put(MANIFEST, Bytes::from(json), Role::Part).await?;
                let envelope = Envelope::of(manifest, sealing.written());
                let json = envelope.to_json()?;
                let summary = Summary::of_encrypted(&envelope, &layout::sha256(&json));
                let mac = sealing.key.mac(&json);
                (json, summary, Some((MAC, Bytes::from(mac))))
            }
        };
        let summary = Bytes::from(summary.to_json()?);
        let checksum = (CHECKSUM, Bytes::from(layout::checksum(&json)));
        let proofs: Vec<(&str, Bytes)> = mac.into_iter().chain([checksum]).collect();
        let json = Bytes::from(json);
        let parts: Vec<String> = match &self.sealing {
            None => manifest.paths().map(str::to_owned).collect(),
            Some(sealing) => sealing.written().into_iter().map(|one| one.path).collect(),
        };
        let seal = async |claim: &Claim| {
            claim.check_ours().await?;
            let put = async |path: &str, bytes: &Bytes| {
                let path = claim.path(path);
                store::put(&**claim.store(), &path, bytes.clone(), Role::Part).await
            };
            claim.lock(parts.iter().map(String::as_str)).await?;
            for (path, bytes) in &proofs {
                match put(path, bytes).await {
                    Err(Error::Exists { .. }) => return Err(claim.taken()),
                    put => put?,
                }
            }
            claim.complete(&json).await?;
            // The archive is whole now, whether or not it has a summary, and whether or not all of it can be locked.
            let listed = put(SUMMARY, &summary).await;
            let summary = listed.is_ok().then_some(SUMMARY);
            let proofs = proofs.iter().map(|(path, _)| *path);
            let mut unlocked = None;
            for path in proofs.chain([MANIFEST]).chain(summary) {
                if let Err(error) = claim.lock([path]).await {
                    unlocked.get_or_insert(error);
                }
            }
            claim.release().await;
            Ok(unlocked.map(|error| Unlocked {
                archive: claim.uri(),
                error,
            }))
        };
        let sealed = self.places.each(seal).await?;
        Ok(sealed.into_iter().flatten().collect())
    }

    /// Gives up: removes everything that was written. Where some of it is locked already, all of it stays, unfinished.
    ///
    /// # Errors
    /// The first of what stays.
    /// [`Error::Exists`] where the name is no longer ours, and what is there is left alone: somebody has removed our
    /// marker, and perhaps begun an archive of their own.
    pub async fn discard(&self) -> Result<()> {
        self.places.discard().await
    }

    /// The stores that failed while others did not. What was written there is removed as far as that goes.
    pub async fn failures(&self) -> Vec<Failure> {
        self.places.failures().await
    }

    /// Begins an object, encrypted where the archive is.
    async fn create(&self, path: &str, role: Role) -> Result<PartWriter> {
        match &self.sealing {
            None => Ok(PartWriter::plain(self.places.create(path, role).await?)),
            Some(sealing) => {
                let place = sealing.key.place(path);
                // Not even its rights tell what an object is.
                let object = self.places.create(&place, Role::Part).await?;
                PartWriter::sealed(object, sealing.clone(), place)
            }
        }
    }

    pub(super) async fn put(&self, path: &str, bytes: Bytes, role: Role) -> Result<()> {
        let mut object = self.create(path, role).await?;
        object.write(bytes).await?;
        object.finish().await
    }
}

/// An archive that is whole, and of which not all is locked.
#[derive(Debug)]
pub struct Unlocked {
    /// Its address.
    pub archive: String,
    /// Why not.
    pub error: Error,
}

/// A data file that is being written. Dropped before [`DataFileWriter::finish`], it leaves nothing.
pub struct DataFileWriter {
    path: String,
    encoder: DataFileEncoder,
    object: PartWriter,
}

impl DataFileWriter {
    /// Appends rows, whose keys must ascend. After an error the file cannot be gone on with: gives the writer
    /// back only where all went well.
    pub async fn push(self, batch: RecordBatch) -> Result<DataFileWriter> {
        let DataFileWriter {
            path,
            mut encoder,
            mut object,
        } = self;
        let (encoder, ready) = compute::run(move || {
            let ready = encoder.push(&batch);
            (encoder, ready)
        })
        .await;
        for bytes in ready? {
            object.write(bytes).await?;
        }
        Ok(DataFileWriter {
            path,
            encoder,
            object,
        })
    }

    /// Completes the file: what the manifest says of it, and the digests that its collection's are summed from.
    pub async fn finish(self) -> Result<(File, Digests)> {
        let DataFileWriter {
            path,
            encoder,
            mut object,
        } = self;
        let (ready, summary) = compute::run(move || encoder.finish()).await?;
        for bytes in ready {
            object.write(bytes).await?;
        }
        object.finish().await?;
        let FileSummary {
            bytes,
            sha256,
            first_key,
            last_key,
            digests,
        } = summary;
        let file = File {
            path,
            bytes,
            rows: digests.rows,
            sha256,
            first_key,
            last_key,
            digest: digests.all,
        };
        Ok((file, digests))
    }
}
