//! Reading one data file, and holding it against what the manifest says.

use std::ops::Range;
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use parquet::DecodeResult;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions};
use parquet::arrow::push_decoder::{ParquetPushDecoder, ParquetPushDecoderBuilder};
use parquet::errors::ParquetError;
use parquet::file::metadata::{PageIndexPolicy, ParquetMetaData, ParquetMetaDataPushDecoder};
use serde::Serialize;

use super::manifest::File;
use super::object::HashedObject;
use super::objects::Objects;
use crate::model::{Field, Key};
use crate::{Error, columns, compute};

/// The most rows of a batch.
const BATCH_ROWS: usize = 8192;

/// A way in which an archive is not what its manifest says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Damage {
    /// The manifest's numbers contradict each other.
    Manifest,
    /// A data file is not there.
    Missing,
    /// A data file has another size.
    Size,
    /// A data file has other bytes.
    Checksum,
    /// A data file cannot be read or decoded.
    Unreadable,
    /// An encrypted object does not decrypt.
    Decryption,
    /// A data file has another number of rows.
    Rows,
    /// A data file has other keys, or has them in disorder.
    Keys,
    /// The rows of a data file or a collection are others.
    Digest,
    /// The summary is not that of the manifest.
    Summary,
    /// There is an object that the manifest does not name.
    Unlisted,
}

/// One thing that is wrong with a data file.
#[derive(Debug, PartialEq)]
pub(super) struct Flaw {
    pub(super) damage: Damage,
    pub(super) reason: String,
}

impl Flaw {
    pub(super) fn new(damage: Damage, reason: impl Into<String>) -> Flaw {
        Flaw {
            damage,
            reason: reason.into(),
        }
    }
}

/// Why reading did not go on.
#[derive(Debug)]
pub(super) enum Fault {
    /// The file is damaged.
    Flaw(Flaw),
    /// The store failed.
    Failed(Error),
}

impl Fault {
    /// The error of the file at `uri`.
    pub(super) fn into_error(self, uri: &str) -> Error {
        match self {
            Fault::Flaw(flaw) => Error::Damaged {
                uri: uri.to_owned(),
                reason: flaw.reason,
            },
            Fault::Failed(Error::Missing { uri, .. }) => Error::Damaged {
                uri,
                reason: "it is missing".to_owned(),
            },
            Fault::Failed(error) => error,
        }
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Fault {
        match error {
            // Objects that are not encrypted are not found to be damaged before they are read.
            Error::Damaged { uri, reason } => {
                Fault::Flaw(Flaw::new(Damage::Decryption, format!("{uri}: {reason}")))
            }
            error => Fault::Failed(error),
        }
    }
}

impl From<ParquetError> for Fault {
    fn from(error: ParquetError) -> Fault {
        unreadable(format!("it is no good Parquet: {error}"))
    }
}

/// A data file that is being read.
pub(super) struct DataFileReader {
    object: HashedObject,
    decoder: ParquetPushDecoder,
    schema: SchemaRef,
    key_field: String,
    rows: u64,
    first_key: Option<Key>,
    last_key: Option<Key>,
    disorder: Option<String>,
}

/// What reading on gave: a batch and the reader, or after the last one the reader alone.
pub(super) type Next = (DataFileReader, Option<RecordBatch>);

impl DataFileReader {
    /// Opens a file, whose columns are `fields`. Reads its footer.
    pub(super) async fn open(
        objects: &Objects,
        file: &File,
        fields: &[Field],
        key_field: &str,
    ) -> Result<DataFileReader, Fault> {
        let schema = columns::arrow_schema(fields)?;
        let object = objects.open(&file.path).await?;
        let size = object.size();
        if size != file.bytes {
            let reason = format!("it has {size} bytes, the manifest says {}", file.bytes);
            return Err(Fault::Flaw(Flaw::new(Damage::Size, reason)));
        }
        let mut object = HashedObject::open(object).await?;
        let metadata = Arc::new(footer(&mut object).await?);
        let options = ArrowReaderOptions::new().with_schema(schema.clone());
        let decoder = guarded(move || {
            let metadata = ArrowReaderMetadata::try_new(metadata, options)?;
            ParquetPushDecoderBuilder::new_with_metadata(metadata)
                .with_batch_size(BATCH_ROWS)
                .build()
        })
        .await??;
        Ok(DataFileReader {
            object,
            decoder,
            schema,
            key_field: key_field.to_owned(),
            rows: 0,
            first_key: None,
            last_key: None,
            disorder: None,
        })
    }

    /// Reads on.
    pub(super) async fn next(mut self) -> Result<Next, Fault> {
        loop {
            let mut decoder = self.decoder;
            let (decoder, step) = guarded(move || {
                let step = decoder.try_decode();
                (decoder, step)
            })
            .await?;
            self.decoder = decoder;
            match step? {
                DecodeResult::NeedsData(ranges) => {
                    within(&ranges, self.object.size())?;
                    let bytes = self.object.read(&ranges).await?;
                    self.decoder.push_ranges(ranges, bytes)?;
                }
                DecodeResult::Data(batch) => {
                    self.follow(&batch)?;
                    return Ok((self, Some(batch)));
                }
                DecodeResult::Finished => return Ok((self, None)),
            }
        }
    }

    /// Holds the file, which was read to its end, against the manifest. Where the bytes are others, nothing
    /// else is said: everything else would follow from that.
    pub(super) async fn audit(self, file: &File) -> Result<Vec<Flaw>, Fault> {
        if let Some(flaw) = checksum(self.object, file).await? {
            return Ok(vec![flaw]);
        }
        let mut flaws = Vec::new();
        if self.rows != file.rows {
            let reason = format!("it has {} rows, the manifest says {}", self.rows, file.rows);
            flaws.push(Flaw::new(Damage::Rows, reason));
        }
        for (which, key, said) in [
            ("first", &self.first_key, &file.first_key),
            ("last", &self.last_key, &file.last_key),
        ] {
            if let Some(key) = key.as_ref().filter(|key| *key != said) {
                let reason = format!("its {which} key is {key}, the manifest says {said}");
                flaws.push(Flaw::new(Damage::Keys, reason));
            }
        }
        flaws.extend(self.disorder.map(|reason| Flaw::new(Damage::Keys, reason)));
        Ok(flaws)
    }

    fn follow(&mut self, batch: &RecordBatch) -> Result<(), Fault> {
        if batch.schema() != self.schema {
            return Err(unreadable(
                "its columns are not those of the manifest's schema",
            ));
        }
        let keys =
            columns::keys(batch, &self.key_field).map_err(|error| unreadable(error.to_string()))?;
        self.rows += keys.len() as u64;
        for key in keys {
            match &self.last_key {
                None => self.first_key = Some(key.clone()),
                Some(last) if *last >= key && self.disorder.is_none() => {
                    self.disorder = Some(format!("its keys do not ascend: {key} follows {last}"));
                }
                Some(_) => {}
            }
            self.last_key = Some(key);
        }
        Ok(())
    }
}

/// Whether the file's bytes are those of the manifest.
pub(super) async fn checksum(object: HashedObject, file: &File) -> Result<Option<Flaw>, Fault> {
    let sha256 = object.finish().await?;
    Ok((sha256 != file.sha256).then(|| {
        let reason = format!("its SHA-256 is {sha256}, the manifest says {}", file.sha256);
        Flaw::new(Damage::Checksum, reason)
    }))
}

async fn footer(object: &mut HashedObject) -> Result<ParquetMetaData, Fault> {
    let mut decoder = ParquetMetaDataPushDecoder::try_new(object.size())?
        .with_page_index_policy(PageIndexPolicy::Skip);
    loop {
        let (returned, step) = guarded(move || {
            let step = decoder.try_decode();
            (decoder, step)
        })
        .await?;
        decoder = returned;
        match step? {
            DecodeResult::NeedsData(ranges) => {
                within(&ranges, object.size())?;
                let bytes = object.read(&ranges).await?;
                decoder.push_ranges(ranges, bytes)?;
            }
            DecodeResult::Data(metadata) => return Ok(metadata),
            DecodeResult::Finished => return Err(unreadable("it has no Parquet footer")),
        }
    }
}

/// Runs the decoder where a panic of it, which garbage can bring about, is only a flaw of the file.
async fn guarded<T, F>(work: F) -> Result<T, Fault>
where
    T: Send + 'static,
    F: FnOnce() -> T + Send + 'static,
{
    compute::caught(work)
        .await
        .map_err(|_| unreadable("it is no good Parquet: the decoder gave up"))
}

fn within(ranges: &[Range<u64>], size: u64) -> Result<(), Fault> {
    match ranges
        .iter()
        .find(|range| range.start > range.end || range.end > size)
    {
        None => Ok(()),
        Some(range) => Err(unreadable(format!(
            "its footer points to bytes {}..{} of {size}",
            range.start, range.end
        ))),
    }
}

fn unreadable(reason: impl Into<String>) -> Fault {
    Fault::Flaw(Flaw::new(Damage::Unreadable, reason))
}
