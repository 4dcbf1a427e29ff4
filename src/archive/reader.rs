//! Reading an archive.

use std::sync::Arc;

use arrow_array::RecordBatch;
use bytes::Bytes;
use futures::Stream;
use futures::stream::try_unfold;
use serde::Deserialize;

use super::data_file::{DataFileReader, Fault};
use super::encryption::{ArchiveKey, Envelope, Keys, NotOpened};
use super::layout::{self, CHECKSUM, FORGOTTEN, MAC, MANIFEST, UNFINISHED};
use super::manifest::{CollectionEntry, ENCRYPTED_FORMAT, File, Manifest};
use super::objects::Objects;
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
    manifest_bytes: u64,
    /// What is told without a key, where the archive is encrypted.
    envelope: Option<Arc<Envelope>>,
    objects: Objects,
}

/// What `manifest.json` is.
#[derive(Clone, Debug)]
pub(super) enum Told {
    Plain(Box<Manifest>),
    Encrypted(Envelope),
}

impl Told {
    fn parse(uri: &str, json: &[u8]) -> Result<Told> {
        #[derive(Deserialize)]
        struct Format {
            format: u64,
        }
        match serde_json::from_slice(json) {
            Ok(Format { format }) if format == ENCRYPTED_FORMAT => {
                Envelope::parse(uri, json).map(Told::Encrypted)
            }
            _ => Manifest::parse(uri, json).map(Box::new).map(Told::Plain),
        }
    }

    /// What a list shows of the archive.
    pub(super) fn summary(&self, manifest_sha256: &str) -> Summary {
        match self {
            Told::Plain(manifest) => Summary::of(manifest, manifest_sha256),
            Told::Encrypted(envelope) => Summary::of_encrypted(envelope, manifest_sha256),
        }
    }
}

impl Archive {
    /// Opens the archive of this name, and reads its manifest, which must be that of its checksum.
    ///
    /// # Errors
    /// [`Error::Encrypted`] where it is encrypted: see [`Archive::open_with`].
    pub async fn open(store: Arc<dyn Store>, name: &str) -> Result<Archive> {
        Archive::open_with(store, name, || Ok(Keys::default())).await
    }

    /// The same of an archive that may be encrypted; only then the keys are asked for. What is told without a key must
    /// have been written by whoever had the archive's key.
    pub async fn open_with(
        store: Arc<dyn Store>,
        name: &str,
        keys: impl FnOnce() -> Result<Keys>,
    ) -> Result<Archive> {
        layout::check_name(name)?;
        let (json, told) = read_manifest(&*store, name).await?;
        let manifest_sha256 = layout::sha256(&json).into();
        let manifest_bytes = json.len() as u64;
        let (manifest, envelope, key) = match told {
            Told::Plain(manifest) => (Some(*manifest), None, None),
            Told::Encrypted(envelope) => {
                let key = unlock(&*store, name, &envelope, &json, keys()?).await?;
                (None, Some(Arc::new(envelope)), Some(key))
            }
        };
        let objects = Objects::new(store.clone(), name, key);
        let manifest = match manifest {
            Some(manifest) => manifest,
            None => {
                let json = match objects.read(MANIFEST).await {
                    Err(Error::Missing { uri, .. }) => {
                        return Err(Error::Damaged {
                            uri,
                            reason: "it is missing, and is the archive's encrypted manifest; take it from another copy"
                                .to_owned(),
                        });
                    }
                    read => read?,
                };
                Manifest::parse(&format!("{}/{name}/{MANIFEST}", store.uri()), &json)?
            }
        };
        Ok(Archive {
            store,
            name: name.to_owned(),
            manifest: Arc::new(manifest),
            manifest_sha256,
            manifest_bytes,
            envelope,
            objects,
        })
    }

    /// Whether the archive's objects are encrypted: nothing but milvault or age reads them then.
    pub fn is_encrypted(&self) -> bool {
        self.envelope.is_some()
    }

    pub(super) fn envelope(&self) -> Option<&Envelope> {
        self.envelope.as_deref()
    }

    pub(super) fn objects(&self) -> &Objects {
        &self.objects
    }

    /// What the archive holds.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// SHA-256 of the manifest's bytes, as 64 lower-case hexadecimal digits.
    pub fn manifest_sha256(&self) -> &str {
        &self.manifest_sha256
    }

    /// The size of `manifest.json`.
    pub(super) fn manifest_bytes(&self) -> u64 {
        self.manifest_bytes
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
        match &self.envelope {
            Some(envelope) => Summary::of_encrypted(envelope, &self.manifest_sha256),
            None => Summary::of(&self.manifest, &self.manifest_sha256),
        }
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
        let bytes = self.objects.read(&file.path).await?;
        let hashed = bytes.clone();
        let sha256 = compute::run(move || layout::sha256(&hashed)).await;
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
            objects: self.objects.clone(),
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
        objects: Objects,
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
                objects,
                fields,
                key_field,
            } => {
                let reader = DataFileReader::open(&objects, file, &fields, &key_field).await?;
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
pub(super) async fn read_manifest(store: &dyn Store, name: &str) -> Result<(Bytes, Told)> {
    let path = format!("{name}/{MANIFEST}");
    let uri = format!("{}/{path}", store.uri());
    let json = match store.read(&path).await {
        Err(Error::Missing { .. }) => return Err(absent(store, name).await),
        read => read?,
    };
    // First: a future format may have another checksum, and what ends in the middle is told so.
    let told = Told::parse(&uri, &json)?;
    check(store, name, &uri, &json).await?;
    Ok((json, told))
}

/// Reads what proves the manifest of an encrypted archive.
pub(super) async fn read_mac(store: &dyn Store, name: &str) -> Result<Bytes> {
    let path = format!("{name}/{MAC}");
    match store.read(&path).await {
        Err(Error::Missing { uri, .. }) => Err(Error::Damaged {
            uri,
            reason: "it is missing, so nothing tells who wrote the manifest; take this file from another copy of the \
                     archive"
                .to_owned(),
        }),
        read => read,
    }
}

/// Opens the key of an encrypted archive, and shows that the envelope was written with it.
async fn unlock(
    store: &dyn Store,
    name: &str,
    envelope: &Envelope,
    json: &[u8],
    keys: Keys,
) -> Result<ArchiveKey> {
    let closed = |reason: &str| Error::Encrypted {
        uri: format!("{}/{name}", store.uri()),
        reason: reason.to_owned(),
    };
    let damaged = |path: &str, reason: &str| Error::Damaged {
        uri: format!("{}/{name}/{path}", store.uri()),
        reason: reason.to_owned(),
    };
    if keys.is_empty() {
        return Err(closed("it is encrypted"));
    }
    let path = &envelope.encryption.key;
    let wrapped = match store.read(&format!("{name}/{path}")).await {
        Err(Error::Missing { .. }) => {
            let reason = "it is missing, and nothing opens the archive without it; take this file from another copy";
            return Err(damaged(path, reason));
        }
        read => read?,
    };
    let opening = compute::run(move || ArchiveKey::unwrap(&wrapped, &keys)).await;
    let key = opening.map_err(|why| match why {
        NotOpened::OtherKey => closed("none of the given keys opens it"),
        NotOpened::Damaged => damaged(
            path,
            "it is no key of an archive: it was changed or exchanged",
        ),
    })?;
    if read_mac(store, name).await? != key.mac(json).as_bytes() {
        let reason = "it was not written by whoever encrypted the archive: it, manifest.mac or key.age was exchanged";
        return Err(damaged(MANIFEST, reason));
    }
    Ok(key)
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
    let hint = || format!("`milvault ls {}` lists the archives", store.uri());
    let hint = match store.list(name).await {
        Err(error) => return error,
        Ok(held) if held.is_empty() => hint(),
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
                reason: format!(
                    "it is unfinished: its export or copy is still running, or was stopped before the end; the same copy \
                     goes on with it, `milvault forget {} {name} --unfinished=1h` removes it",
                    store.uri()
                ),
            };
        }
        Ok(held) if holds_archives(store, name, &held).await => {
            return Error::Usage(format!(
                "{uri} is a store, not an archive; `milvault ls {uri}` lists its archives"
            ));
        }
        // Some services name folders for a while that have become empty.
        Ok(held) => {
            let objects = match held.iter().all(|object| object.ends_with('/')) {
                true => layout::objects_below(store, name).await,
                false => Ok(held),
            };
            match objects {
                Err(error) => return error,
                Ok(objects) if objects.is_empty() => hint(),
                Ok(_) => {
                    return Error::Damaged {
                        uri,
                        reason: format!(
                            "it has no {MANIFEST}: its export never ended, or the file was lost, and `milvault copy` of \
                             another copy brings it back"
                        ),
                    };
                }
            }
        }
    };
    Error::Missing {
        uri: format!("archive {uri}"),
        hint,
    }
}
