//! A resumable upload: chunks one after the other, until the last makes the object.
//!
//! Source: "Perform resumable uploads" and "Data validation", Google Cloud Storage.

use std::io;

use bytes::{Buf, Bytes};
use crc_fast::{CrcAlgorithm, Digest};
use http::StatusCode;
use reqwest::Method;

use super::GcsStore;
use super::failure::{Deed, Failure};
use super::object::{NewResource, Resource, crc_words};
use super::request::{Answer, waits};
use crate::{Result, compute};

/// An upload that has begun.
pub(super) struct Upload {
    store: GcsStore,
    /// The session's address, which opens it to whoever knows it.
    session: String,
    /// How many bytes have been sent.
    sent: u64,
    crc: Digest,
}

/// What an object must be, to be what was sent.
pub(super) struct Sum {
    pub size: u64,
    pub crc: String,
}

/// Where an upload stands.
enum Stand {
    /// The service holds so many bytes.
    Holds(u64),
    /// The object is there.
    Done(Box<Resource>),
}

impl Upload {
    pub(super) async fn begin(store: &GcsStore, resource: &NewResource) -> Result<Upload, Failure> {
        store.look_first(&resource.name).await?;
        let body =
            serde_json::to_vec(resource).map_err(|error| Failure::Lost(error.to_string()))?;
        let mut query = vec![("uploadType", "resumable"), ("ifGenerationMatch", "0")];
        query.extend(store.kms_key().map(|key| ("kmsKeyName", key)));
        let request = store
            .service
            .request(Method::POST, &store.upload_path(), &query)
            .header("content-type", "application/json")
            .body(body);
        let answer = store.service.send(store.with_customer_key(request)).await?;
        let session = answer
            .headers
            .get("location")
            .and_then(|place| place.to_str().ok())
            .ok_or_else(|| {
                Failure::Lost("the service does not tell where to upload to".to_owned())
            })?;
        Ok(Upload {
            store: store.clone(),
            session: session.to_owned(),
            sent: 0,
            crc: Digest::new(CrcAlgorithm::Crc32Iscsi),
        })
    }

    /// Sends a chunk that is not the last: a multiple of 256 KiB.
    pub(super) async fn send(mut self, bytes: Bytes) -> Result<Upload, Failure> {
        self.hash(&bytes).await;
        match self.deliver(bytes, None).await? {
            Stand::Holds(_) => Ok(self),
            Stand::Done(_) => Err(Failure::Lost(
                "the service ended the upload before its last chunk".to_owned(),
            )),
        }
    }

    /// Sends the last chunk, which is not empty; gives what the service made of all, and what it should be.
    pub(super) async fn finish(&mut self, bytes: Bytes) -> Result<(Resource, Sum), Failure> {
        self.hash(&bytes).await;
        let crc = crc_words(u32::try_from(self.crc.finalize()).unwrap_or_default());
        match self.deliver(bytes, Some(&crc)).await? {
            Stand::Done(made) => {
                let size = self.sent;
                Ok((*made, Sum { size, crc }))
            }
            Stand::Holds(_) => Err(Failure::Lost(
                "the service waits for more than the last chunk".to_owned(),
            )),
        }
    }

    async fn hash(&mut self, bytes: &Bytes) {
        let (bytes, mut crc) = (bytes.clone(), self.crc);
        self.crc = compute::run(move || {
            crc.update(&bytes);
            crc
        })
        .await;
    }

    /// Sends bytes until the service holds them; asks what it holds where an answer was lost.
    async fn deliver(&mut self, bytes: Bytes, last: Option<&str>) -> Result<Stand, Failure> {
        let end = self.sent + bytes.len() as u64;
        let total = last.map(|_| end);
        let mut rest = bytes;
        let mut waits = waits();
        loop {
            let mut stand = self.put(rest.clone(), total, last).await;
            while let Err(failure) = &stand
                && failure.is_passing()
                && let Some(wait) = waits.next()
            {
                tokio::time::sleep(wait).await;
                stand = self.ask().await;
            }
            match stand? {
                Stand::Holds(held) if held == end && total.is_none() => {
                    self.sent = end;
                    return Ok(Stand::Holds(held));
                }
                Stand::Holds(held) if self.sent <= held && held <= end => {
                    if held == self.sent && waits.next().is_none() {
                        return Err(Failure::Lost("the service takes no more bytes".to_owned()));
                    }
                    rest.advance(usize::try_from(held - self.sent).unwrap_or_default());
                    self.sent = held;
                }
                Stand::Holds(held) => {
                    return Err(Failure::Lost(format!(
                        "the service holds {held} bytes, where {} were sent",
                        self.sent
                    )));
                }
                Stand::Done(made) => {
                    self.sent = end;
                    return Ok(Stand::Done(made));
                }
            }
        }
    }

    async fn put(
        &self,
        bytes: Bytes,
        total: Option<u64>,
        crc: Option<&str>,
    ) -> Result<Stand, Failure> {
        let end = self.sent + bytes.len() as u64;
        let total_words = total.map_or("*".to_owned(), |total| total.to_string());
        let range = match bytes.is_empty() {
            true => format!("bytes */{total_words}"),
            false => format!("bytes {}-{}/{total_words}", self.sent, end - 1),
        };
        let mut request = self.store.service.client.put(&self.session);
        if let Some(crc) = crc {
            request = request.header("x-goog-hash", format!("crc32c={crc}"));
        }
        let request = request.header("content-range", range).body(bytes);
        let request = self.store.with_customer_key(request);
        stand(&self.store.service.send_once(request).await?)
    }

    async fn ask(&self) -> Result<Stand, Failure> {
        let request = self.store.service.client.put(&self.session);
        let request = request
            .header("content-range", "bytes */*")
            .header("content-length", "0");
        stand(&self.store.service.send_once(request).await?)
    }

    /// Gives the upload up. Nobody is left to be told of a failure; what stays is invisible, and gone after a week.
    pub(super) async fn abort(self) {
        let request = self.store.service.client.delete(&self.session);
        let _ = self.store.service.send_once(request).await;
    }
}

impl GcsStore {
    /// Whether an object is what was sent. One that is not is removed again.
    pub(super) async fn compare(
        &self,
        name: &str,
        uri: &str,
        made: &Resource,
        sum: &Sum,
    ) -> Result<()> {
        let same = |found: &str| found == sum.crc;
        if made.size == sum.size && made.crc32c.as_deref().is_none_or(same) {
            return Ok(());
        }
        let query = [("ifGenerationMatch", made.generation.as_str())];
        let request = self
            .service
            .request(Method::DELETE, &self.path(Some(name)), &query);
        let deed = Deed {
            doing: "write",
            uri,
            right: "storage.objects.delete",
        };
        let removed = self.service.send(request).await;
        removed.map_err(|failure| deed.failed(failure))?;
        let reason = format!(
            "the service made {} bytes of {}, or others; try again, and suspect the network or this machine's memory",
            made.size, sum.size
        );
        Err(deed.because(io::Error::new(io::ErrorKind::InvalidData, reason)))
    }
}

fn stand(answer: &Answer) -> Result<Stand, Failure> {
    if answer.status != StatusCode::PERMANENT_REDIRECT {
        return answer.parse().map(|made| Stand::Done(Box::new(made)));
    }
    // `bytes=0-LAST`; nothing where nothing is held.
    let last = answer
        .headers
        .get("range")
        .and_then(|range| range.to_str().ok()?.rsplit_once('-')?.1.parse::<u64>().ok());
    Ok(Stand::Holds(last.map_or(0, |last| last + 1)))
}
