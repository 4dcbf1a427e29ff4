//! Reading objects, and what is known about them.

use std::io;
use std::num::NonZero;
use std::ops::Range;

use azure_storage_blob::models::{
    BlobClientDownloadOptions, BlobClientGetPropertiesOptions,
    BlobClientGetPropertiesResultHeaders, CopyStatus, HttpRange,
};
use bytes::Bytes;

use super::failure::{Deed, answer};
use super::keep::protection;
use super::writer::WRITER;
use super::{AzureStore, with_customer_key};
use crate::Result;
use crate::store::Protection;

/// How often an answer is asked for again that broke off in its midst.
const TRIES: u32 = 4;

/// How much one request asks for at most.
const PIECE: usize = 1 << 30;

/// What an object is, apart from its content.
pub(super) struct Properties {
    pub size: u64,
    /// The mark of who wrote it.
    pub writer: Option<String>,
    pub copy: Option<CopyStatus>,
    pub protection: Protection,
}

impl AzureStore {
    /// Reads an object, or a part of it that is not empty.
    pub(super) async fn get(
        &self,
        name: &str,
        uri: &str,
        range: Option<Range<u64>>,
    ) -> Result<Bytes> {
        let deed = deed(uri);
        let blob = self.blob(name);
        let mut tries = 0;
        loop {
            let options = with_customer_key!(
                self,
                BlobClientDownloadOptions {
                    range: range.clone().map(HttpRange::from),
                    // Callers ask for as much as they want at once; what is larger comes piece after piece.
                    partition_size: NonZero::new(PIECE),
                    parallel: NonZero::new(1),
                    ..BlobClientDownloadOptions::default()
                }
            );
            let got = match blob.download(Some(options)).await {
                Ok(response) => response.body.collect().await,
                Err(error) => return Err(deed.failed(&error)),
            };
            match got {
                Ok(bytes) => return Ok(bytes),
                Err(error) if tries == TRIES || answer(&error).is_some() => {
                    return Err(deed.failed(&error));
                }
                Err(_) => tries += 1,
            }
        }
    }

    pub(super) async fn properties(&self, name: &str, uri: &str) -> Result<Properties> {
        let options = with_customer_key!(self, BlobClientGetPropertiesOptions::default());
        let deed = deed(uri);
        let failed = |error: azure_core::Error| deed.failed(&error);
        let head = self.blob(name).get_properties(Some(options)).await;
        let head = head.map_err(failed)?;
        let size = head
            .content_length()
            .map_err(failed)?
            .ok_or_else(|| deed.because(io::Error::other("the service does not tell its size")))?;
        Ok(Properties {
            size,
            writer: head.metadata().map_err(failed)?.remove(WRITER),
            copy: head.copy_status().map_err(failed)?,
            protection: protection(&head).map_err(failed)?,
        })
    }
}

fn deed(uri: &str) -> Deed<'_> {
    Deed {
        doing: "read",
        uri,
        right: "the role Storage Blob Data Reader, or a signature for reading (r)",
    }
}
