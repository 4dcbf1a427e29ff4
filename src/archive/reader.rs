//! Reading an archive.

use std::sync::Arc;

use arrow_array::RecordBatch;
use bytes::Bytes;
use futures::Stream;
use futures::stream::try_unfold;

use super::data_file::{DataFileReader, Fault};
use super::layout::{self, CHECKSUM, FORGOTTEN, MANIFEST, UNFINISHED};
use super::manifest::{CollectionEntry, File, Manifest};
use super::plain_keys::with_plain_keys;
use super::summary::Summary;
use crate::model::Field;
use crate::store::Store;
use crate::{Error, Result, compute};

/// An archive that is whole.
#[derive(Clone, Debug)]
pub struct Archive {
    store: Arc<dyn Store>,
    name: String,
    manifest: Arc<Manifest>,
    manifest_sha256: Arc<str>,
}

impl Archive {
    /// Opens the archive of this name, and reads its manifest, which must be that of its checksum.
    pub async fn open(store: Arc<dyn Store>, name: &str) -> Result<Archive> {
        layout::check_name(name)?;
        let (json, manifest) = read_manifest(&*store, name).await?;
        Ok(Archive {
            store,
            name: name.to_owned(),
            manifest: Arc::new(manifest),
            manifest_sha256: layout::sha256(&json).into(),
        })
    }

    /// What the archive holds.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// SHA-256 of the manifest's bytes, as 64 lower-case hexadecimal digits.
    pub fn manifest_sha256(&self) -> &str {
        &self.manifest_sha256
    }

    /// The archive's address.
    pub fn uri(&self) -> String {
        format!("{}/{}", self.store.uri(), self.name)
    }

    /// The store that the archive is in, and its name there.
    pub fn place(&self) -> (&Arc<dyn Store>, &str) {
        (&self.store, &self.name)
    }

    /// What a list shows of the archive.
    pub fn summary(&self) -> Summary {
        Summary::of(&self.manifest, &self.manifest_sha256)
    }

    /// When the archive's export began.
    pub fn created(&self) -> jiff::Timestamp {
        // Reading the manifest has shown that it is a time.
        self.manifest.created.parse().unwrap_or_default()
    }

    /// The path of a data file in the archive's store.
    pub fn path_of(&self, file: &File) -> String {
        format!("{}/{}", self.name, file.path)
    }

    /// The bytes of one data file, which are those of the manifest.
    pub async fn bytes(&self, file: &File) -> Result<Bytes> {
        let bytes = self.store.read(&self.path_of(file)).await?;
        let hashed = bytes.clone();
        let sha256 = compute::run(move || {
            super::encoder::hex(ring::digest::digest(&ring::digest::SHA256, &hashed).as_ref())
        })
        .await;
        if sha256 != file.sha256 {
            return Err(Error::Damaged {
                uri: self.uri_of(&file.path),
                reason: format!("its SHA-256 is {sha256}, the manifest says {}", file.sha256),
            });
        }
        Ok(bytes)
    }

    /// The same, with keys that are plain where they are integers: for readers that cannot decode those of the
    /// archive.
    pub async fn bytes_with_plain_keys(
        &self,
        entry: &CollectionEntry,
        file: &File,
    ) -> Result<Bytes> {
        let bytes = self.bytes(file).await?;
        let key_field = entry.key_field().cloned().unwrap_or_default();
        let written = compute::run(move || with_plain_keys(bytes, &key_field)).await;
        written.map_err(|error| Error::Damaged {
            uri: self.uri_of(&file.path),
            reason: format!("it is no good Parquet: {error}"),
        })
    }

    /// The address of a path in the archive.
    pub(super) fn uri_of(&self, path: &str) -> String {
        format!("{}/{path}", self.uri())
    }

    /// The exported fields of a collection, in the order of the columns.
    pub fn fields(&self, entry: &CollectionEntry) -> Result<Vec<Field>> {
        entry.fields().map_err(|reason| Error::Damaged {
            uri: self.uri_of(MANIFEST),
            reason,
        })
    }

    /// The rows of one data file in the order of their keys, in batches whose columns are the entry's
    /// [`Archive::fields`].
    ///
    /// Holds about one row group. All that the manifest says of the file but its digest is checked, its SHA-256
    /// among it, before the last batch is given: only where the stream ends without an error were the
    /// batches those that were exported.
    pub fn batches(
        &self,
        entry: &CollectionEntry,
        file: &File,
    ) -> Result<impl Stream<Item = Result<RecordBatch>> + Send + use<>> {
        let uri = self.uri_of(&file.path);
        let start = Reading::Closed {
            store: self.store.clone(),
            path: self.path_of(file),
            key_field: entry.key_field().cloned().unwrap_or_default(),
            fields: self.fields(entry)?,
        };
        let file = file.clone();
        Ok(try_unfold(start, move |reading| {
            let (file, uri) = (file.clone(), uri.clone());
            async move {
                reading
                    .next(&file)
                    .await
                    .map_err(|fault| fault.into_error(&uri))
            }
        }))
    }
}

/// How far the reading of a data file is.
enum Reading {
    Closed {
        store: Arc<dyn Store>,
        path: String,
        fields: Vec<Field>,
        key_field: String,
    },
    /// With the batch that is given next.
    Open(Box<DataFileReader>, RecordBatch),
    Ended,
}

impl Reading {
    /// Gives the batch that is held, after the next one was read or the file was found to be good.
    async fn next(self, file: &File) -> Result<Option<(RecordBatch, Reading)>, Fault> {
        let (reader, held) = match self {
            Reading::Closed {
                store,
                path,
                fields,
                key_field,
            } => {
                let reader = DataFileReader::open(store, path, file, &fields, &key_field).await?;
                match reader.next().await? {
                    (reader, Some(first)) => (reader, first),
                    (reader, None) => return Reading::end(reader, file).await.map(|()| None),
                }
            }
            Reading::Open(reader, held) => (*reader, held),
            Reading::Ended => return Ok(None),
        };
        match reader.next().await? {
            (reader, Some(next)) => Ok(Some((held, Reading::Open(Box::new(reader), next)))),
            (reader, None) => {
                Reading::end(reader, file).await?;
                Ok(Some((held, Reading::Ended)))
            }
        }
    }

    async fn end(reader: DataFileReader, file: &File) -> Result<(), Fault> {
        match reader.audit(file).await?.into_iter().next() {
            Some(flaw) => Err(Fault::Flaw(flaw)),
            None => Ok(()),
        }
    }
}

/// Reads the manifest of an archive, which must be that of its checksum: its bytes, and what they say.
pub(super) async fn read_manifest(store: &dyn Store, name: &str) -> Result<(Bytes, Manifest)> {
    let path = format!("{name}/{MANIFEST}");
    let uri = format!("{}/{path}", store.uri());
    let json = match store.read(&path).await {
        Err(Error::Missing { .. }) => return Err(absent(store, name).await),
        read => read?,
    };
    // First: a future format may have another checksum, and what ends in the middle is told so.
    let manifest = Manifest::parse(&uri, &json)?;
    check(store, name, &uri, &json).await?;
    Ok((json, manifest))
}

/// Holds the bytes of the manifest, read from `uri`, against its checksum.
async fn check(store: &dyn Store, name: &str, uri: &str, json: &[u8]) -> Result<()> {
    let path = format!("{name}/{CHECKSUM}");
    let damaged = |uri: String, reason: &str| {
        Err(Error::Damaged {
            uri,
            reason: reason.to_owned(),
        })
    };
    match store.read(&path).await {
        Ok(checksum) if checksum == layout::checksum(json).as_bytes() => Ok(()),
        Ok(_) => damaged(
            uri.to_owned(),
            "its SHA-256 is not that of manifest.sha256; take both files from another copy of the archive",
        ),
        Err(Error::Missing { .. }) => damaged(
            format!("{}/{path}", store.uri()),
            "it is missing, so nothing tells whether the manifest is as it was written; take this file from \
             another copy of the archive",
        ),
        Err(error) => Err(error),
    }
}

/// Whether a folder is one of archives.
async fn holds_archives(store: &dyn Store, name: &str, held: &[String]) -> bool {
    for folder in held.iter().filter_map(|object| object.strip_suffix('/')) {
        if store
            .size(&format!("{name}/{folder}/{MANIFEST}"))
            .await
            .is_ok()
        {
            return true;
        }
    }
    false
}

/// Why there is no manifest.
async fn absent(store: &dyn Store, name: &str) -> Error {
    let uri = format!("{}/{name}", store.uri());
    let hint = match store.list(name).await {
        Err(error) => return error,
        Ok(held) if held.is_empty() => format!("`milvault ls {}` lists the archives", store.uri()),
        Ok(held) if held.iter().any(|object| object == FORGOTTEN) => {
            return Error::Damaged {
                uri,
                reason: format!(
                    "it is being removed, or its removal was interrupted; `milvault forget {}` completes it",
                    store.uri()
                ),
            };
        }
        Ok(held) if held.iter().any(|object| object == UNFINISHED) => {
            return Error::Damaged {
                uri,
                reason:
                    "it is unfinished: its export is still running, or was stopped before the end"
                        .to_owned(),
            };
        }
        Ok(held) if holds_archives(store, name, &held).await => {
            return Error::Usage(format!(
                "{uri} is a store, not an archive; `milvault ls {uri}` lists its archives"
            ));
        }
        Ok(_) => {
            return Error::Damaged {
                uri,
                reason: format!(
                    "it has no {MANIFEST}: its export never ended, or the file was lost"
                ),
            };
        }
    };
    Error::Missing {
        uri: format!("archive {uri}"),
        hint,
    }
}
