//! An object on its way: one request where it is small, else a resumable upload.

use std::io;

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use crc_fast::{CrcAlgorithm, checksum};
use reqwest::Method;
use tokio::runtime::Handle;
use tokio::task::JoinHandle;

use super::GcsStore;
use super::failure::{Deed, Failure};
use super::object::{Resource, crc_words};
use super::upload::{Sum, Upload};
use crate::store::{ObjectWriter, Role};
use crate::{Error, Result, compute};

/// The size of chunks: a multiple of 256 KiB, as large as Google advises.
const CHUNK: usize = 8 << 20;

/// An object on its way. A chunk is sent while the next one is gathered.
pub(super) struct GcsWriter {
    store: GcsStore,
    name: String,
    uri: String,
    role: Role,
    /// What tells this writer's object from others'.
    mark: String,
    /// What has been written and not been sent.
    pending: BytesMut,
    state: State,
}

enum State {
    /// Nothing has been sent.
    Gathering,
    /// A chunk is on its way.
    Sending(JoinHandle<Result<Upload, Failure>>),
    Failed,
}

impl GcsWriter {
    pub(super) fn new(
        store: GcsStore,
        name: String,
        uri: String,
        role: Role,
        mark: String,
    ) -> Self {
        GcsWriter {
            store,
            name,
            uri,
            role,
            mark,
            pending: BytesMut::new(),
            state: State::Gathering,
        }
    }

    fn deed(&self) -> Deed<'_> {
        Deed {
            doing: "write",
            uri: &self.uri,
            right: "storage.objects.create",
        }
    }

    /// Waits for the chunk that is on its way, or begins the upload.
    async fn upload(&mut self) -> Result<Upload> {
        match std::mem::replace(&mut self.state, State::Failed) {
            State::Gathering => {
                let resource = self.store.new_resource(&self.name, self.role, &self.mark);
                match Upload::begin(&self.store, &resource).await {
                    Ok(upload) => Ok(upload),
                    Err(failure) if failure.is_taken() => Err(taken(&self.uri)),
                    Err(failure) => Err(self.deed().failed(failure)),
                }
            }
            State::Sending(task) => match task.await {
                Ok(Ok(upload)) => Ok(upload),
                Ok(Err(failure)) => Err(self.deed().failed(failure)),
                Err(lost) => Err(Error::Program {
                    doing: "upload a chunk".to_owned(),
                    reason: lost.to_string(),
                }),
            },
            State::Failed => Err(self.deed().because(after_failure())),
        }
    }

    async fn append(&mut self, bytes: Bytes) -> Result<()> {
        self.pending.extend_from_slice(&bytes);
        // The last chunk is sent at the end, so that an object of one chunk is one request.
        while self.pending.len() > CHUNK {
            let upload = self.upload().await?;
            let chunk = self.pending.split_to(CHUNK).freeze();
            let room = self.store.budget.room(CHUNK as u64).await;
            self.state = State::Sending(tokio::spawn(async move {
                let sent = upload.send(chunk).await;
                drop(room);
                sent
            }));
        }
        Ok(())
    }

    async fn end(&mut self) -> Result<()> {
        let rest = std::mem::take(&mut self.pending).freeze();
        if matches!(self.state, State::Gathering) {
            return self.put(rest).await;
        }
        let mut upload = self.upload().await?;
        let made = match upload.finish(rest).await {
            Ok((made, sum)) => self.store.compare(&self.name, &self.uri, &made, &sum).await,
            Err(failure) => self.settle(failure).await,
        };
        if made.is_err() {
            upload.abort().await;
        }
        made
    }

    /// Makes the object by one request, whose parts are its resource and its content.
    async fn put(&mut self, bytes: Bytes) -> Result<()> {
        let hashed = bytes.clone();
        let crc = compute::run(move || checksum(CrcAlgorithm::Crc32Iscsi, &hashed)).await;
        let crc = crc_words(u32::try_from(crc).unwrap_or_default());
        let mut resource = self.store.new_resource(&self.name, self.role, &self.mark);
        resource.crc32c = Some(crc.clone());
        let head =
            serde_json::to_string(&resource).map_err(|error| self.deed().because(error.into()))?;
        // The mark is random, so no content holds it by chance.
        let boundary = &self.mark;
        let mut body = BytesMut::with_capacity(bytes.len() + head.len() + 256);
        body.extend_from_slice(
            format!(
                "--{boundary}\r\ncontent-type: application/json; charset=UTF-8\r\n\r\n{head}\r\n--{boundary}\r\n\
                 content-type: application/octet-stream\r\n\r\n"
            )
            .as_bytes(),
        );
        body.extend_from_slice(&bytes);
        body.extend_from_slice(format!("\r\n--{boundary}--\r\n").as_bytes());
        let store = &self.store;
        let mut query = vec![("uploadType", "multipart"), ("ifGenerationMatch", "0")];
        query.extend(store.kms_key().map(|key| ("kmsKeyName", key)));
        let request = store
            .service
            .request(Method::POST, &store.upload_path(), &query)
            .header(
                "content-type",
                format!("multipart/related; boundary={boundary}"),
            )
            .body(body.freeze());
        let sent = store.service.send(store.with_customer_key(request)).await;
        match sent.and_then(|answer| answer.parse::<Resource>()) {
            Ok(made) => {
                let size = bytes.len() as u64;
                let sum = Sum { size, crc };
                store.compare(&self.name, &self.uri, &made, &sum).await
            }
            Err(failure) => self.settle(failure).await,
        }
    }

    /// What a failure means: of a request that was sent again, the first may have done its work.
    async fn settle(&self, failure: Failure) -> Result<()> {
        if !failure.is_taken() && !failure.is_missing() {
            return Err(self.deed().failed(failure));
        }
        match self
            .store
            .made_by(&self.name, &self.uri, &self.mark)
            .await?
        {
            Some(true) => Ok(()),
            Some(false) => Err(taken(&self.uri)),
            None => Err(self.deed().failed(failure)),
        }
    }
}

#[async_trait]
impl ObjectWriter for GcsWriter {
    async fn write(&mut self, bytes: Bytes) -> Result<()> {
        if matches!(self.state, State::Failed) {
            return Err(self.deed().because(after_failure()));
        }
        self.append(bytes).await
    }

    async fn finish(mut self: Box<Self>) -> Result<()> {
        if matches!(self.state, State::Failed) {
            return Err(self.deed().because(after_failure()));
        }
        self.end().await
    }
}

/// What was uploaded of an object that was not finished is invisible; it need not wait for the service to drop it.
impl Drop for GcsWriter {
    fn drop(&mut self) {
        let state = std::mem::replace(&mut self.state, State::Failed);
        let (State::Sending(task), Ok(runtime)) = (state, Handle::try_current()) else {
            return;
        };
        runtime.spawn(async move {
            if let Ok(Ok(upload)) = task.await {
                upload.abort().await;
            }
        });
    }
}

pub(super) fn taken(uri: &str) -> Error {
    Error::Exists {
        what: uri.to_owned(),
        way_out: String::new(),
    }
}

fn after_failure() -> io::Error {
    io::Error::other("an earlier write of the same object failed")
}
