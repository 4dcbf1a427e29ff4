//! Writing an archive.

use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use bytes::Bytes;
use ring::rand::{SecureRandom, SystemRandom};

use super::encoder::{DataFileEncoder, FileSummary, hex};
use super::layout::{self, CHECKSUM, MANIFEST, SUMMARY, UNFINISHED};
use super::manifest::{File, Manifest};
use super::summary::Summary;
use crate::columns::digest::Digests;
use crate::model::Field;
use crate::store::{ObjectWriter, Role, Store};
use crate::{Error, Result, compute};

/// An archive that is being written. It can be listed and read once [`ArchiveWriter::seal`] has returned.
///
/// Dropped before, it stays behind unfinished.
#[derive(Clone, Debug)]
pub struct ArchiveWriter {
    store: Arc<dyn Store>,
    name: String,
    /// What the marker of this export holds, and that of no other.
    marker: Bytes,
}

impl ArchiveWriter {
    /// Begins an archive under a name that nothing in the store has. Of several that begin one name, one gets it.
    pub async fn begin(store: Arc<dyn Store>, name: &str) -> Result<ArchiveWriter> {
        let writer = ArchiveWriter::vacant(store, name).await?;
        match writer
            .put(UNFINISHED, writer.marker.clone(), Role::Mark)
            .await
        {
            Err(Error::Exists { .. }) => return Err(writer.unfinished()),
            put => put?,
        }
        // Another may have begun and sealed between our look and our marker.
        match writer.store.size(&writer.path(MANIFEST)).await {
            Err(Error::Missing { .. }) => Ok(writer),
            Ok(_) => {
                writer.store.remove(&writer.path(UNFINISHED)).await?;
                Err(writer.taken())
            }
            Err(error) => Err(error),
        }
    }

    /// Checks, without touching anything, that an archive of this name could be begun.
    pub async fn check_vacant(store: Arc<dyn Store>, name: &str) -> Result<()> {
        ArchiveWriter::vacant(store, name).await.map(|_| ())
    }

    async fn vacant(store: Arc<dyn Store>, name: &str) -> Result<ArchiveWriter> {
        layout::check_name(name)?;
        if store.size(MANIFEST).await.is_ok() {
            return Err(Error::Usage(format!(
                "{} is an archive, and no store for others; name the folder that it is in, and the new one with --name",
                store.uri()
            )));
        }
        let writer = ArchiveWriter {
            store,
            name: name.to_owned(),
            marker: marker()?,
        };
        let held = writer.store.list(name).await?;
        if held.iter().any(|object| object == MANIFEST) {
            return Err(writer.taken());
        }
        if !held.is_empty() {
            return Err(writer.unfinished());
        }
        Ok(writer)
    }

    /// The archive's address.
    pub fn uri(&self) -> String {
        format!("{}/{}", self.store.uri(), self.name)
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
            object: self.store.create(&self.path(path), Role::Part).await?,
        })
    }

    /// Completes the archive: from now on it is whole, and never changes.
    pub async fn seal(&self, manifest: &Manifest) -> Result<()> {
        let uri = format!("{}/{MANIFEST}", self.uri());
        let json = manifest.to_json()?;
        // What could not be read back must not be written.
        let contradictions = Manifest::parse(&uri, &json)?.contradictions();
        if !contradictions.is_empty() {
            return Err(Error::Damaged {
                uri,
                reason: contradictions.join("; "),
            });
        }
        let checksum = Bytes::from(layout::checksum(&json));
        for (path, bytes) in [(CHECKSUM, checksum), (MANIFEST, Bytes::from(json.clone()))] {
            match self.put(path, bytes, Role::Part).await {
                Err(Error::Exists { .. }) => return Err(self.taken()),
                put => put?,
            }
        }
        // The archive is whole now, whether or not it has a summary and its marker can be removed: readers go by the
        // manifest.
        let summary = Summary::of(manifest, &layout::sha256(&json)).to_json()?;
        let _ = self.put(SUMMARY, Bytes::from(summary), Role::Part).await;
        let _ = self.store.remove(&self.path(UNFINISHED)).await;
        Ok(())
    }

    /// Gives up: removes everything that was written.
    ///
    /// # Errors
    /// [`Error::Exists`] where the name is no longer ours, and what is there is left alone: somebody has removed our
    /// marker, and perhaps begun an archive of their own.
    pub async fn discard(&self) -> Result<()> {
        match self.store.read(&self.path(UNFINISHED)).await {
            Ok(marker) if marker == self.marker => self.store.remove_all(&self.name).await,
            Ok(_) | Err(Error::Missing { .. }) => Err(self.unfinished()),
            Err(error) => Err(error),
        }
    }

    fn path(&self, path: &str) -> String {
        format!("{}/{path}", self.name)
    }

    pub(super) async fn put(&self, path: &str, bytes: Bytes, role: Role) -> Result<()> {
        let mut object = self.store.create(&self.path(path), role).await?;
        object.write(bytes).await?;
        object.finish().await
    }

    fn taken(&self) -> Error {
        Error::Exists {
            what: format!("archive {}", self.uri()),
            way_out: "choose another --name".to_owned(),
        }
    }

    fn unfinished(&self) -> Error {
        Error::Exists {
            what: format!("an unfinished archive {}", self.uri()),
            way_out: format!(
                "if no export is writing it, remove {}; or choose another --name",
                self.uri()
            ),
        }
    }
}

fn marker() -> Result<Bytes> {
    let mut id = [0; 16];
    SystemRandom::new()
        .fill(&mut id)
        .map_err(|_| Error::Program {
            doing: "begin an archive".to_owned(),
            reason: "the system gives no random numbers".to_owned(),
        })?;
    let marker = serde_json::json!({
        "id": hex(&id),
        "tool": { "name": env!("CARGO_PKG_NAME"), "version": env!("CARGO_PKG_VERSION") },
        "started": jiff::Timestamp::now().to_string(),
    });
    Ok(Bytes::from(format!("{marker:#}\n")))
}

/// A data file that is being written. Dropped before [`DataFileWriter::finish`], it leaves nothing.
pub struct DataFileWriter {
    path: String,
    encoder: DataFileEncoder,
    object: Box<dyn ObjectWriter>,
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
