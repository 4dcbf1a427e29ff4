//! An object on its way: one request where it is small, else an upload of parts.

use std::collections::HashMap;
use std::io;

use async_trait::async_trait;
use aws_sdk_s3::client::customize::CustomizableOperation;
use aws_sdk_s3::operation::put_object::builders::PutObjectFluentBuilder;
use aws_sdk_s3::operation::put_object::{PutObjectError, PutObjectOutput};
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{ChecksumAlgorithm, CompletedMultipartUpload, CompletedPart};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::{Bytes, BytesMut};
use ring::digest::{Digest, SHA256, digest};
use tokio::runtime::Handle;
use tokio::task::JoinSet;

use super::failure::{self, Deed};
use super::signing::SignedSha;
use super::{S3Store, with_customer_key};
use crate::store::parts::part_size;
use crate::store::{ObjectWriter, Role};
use crate::{Error, Result, compute};

/// What tells that an object was made by one writer and no other.
pub(super) const WRITER: &str = "milvault-writer";

/// What tells that an object is a mark.
pub(super) const MARK: &str = "milvault-mark";

/// The metadata of an object of a role.
pub(super) fn metadata(role: Role, mark: &str) -> HashMap<String, String> {
    let mut metadata = HashMap::from([(WRITER.to_owned(), mark.to_owned())]);
    if role == Role::Mark {
        metadata.insert(MARK.to_owned(), "yes".to_owned());
    }
    metadata
}

/// An object on its way.
pub(super) struct S3Writer {
    store: S3Store,
    key: String,
    uri: String,
    role: Role,
    /// The value of [`WRITER`].
    mark: String,
    /// What has been written and not been sent.
    pending: BytesMut,
    upload: Option<Upload>,
    failed: bool,
}

/// An upload of parts.
struct Upload {
    id: String,
    sent: u32,
    parts: JoinSet<Result<Part>>,
    done: Vec<Part>,
}

/// A part that has arrived.
struct Part {
    number: u32,
    etag: Option<String>,
    sha: Digest,
}

impl S3Writer {
    pub(super) fn new(store: S3Store, key: String, uri: String, role: Role, mark: String) -> Self {
        S3Writer {
            store,
            key,
            uri,
            role,
            mark,
            pending: BytesMut::new(),
            upload: None,
            failed: false,
        }
    }

    fn deed(&self) -> Deed<'_> {
        Deed {
            doing: "write",
            uri: &self.uri,
            right: "s3:PutObject",
        }
    }

    async fn append(&mut self, bytes: Bytes) -> Result<()> {
        self.pending.extend_from_slice(&bytes);
        loop {
            let size = part_size(self.upload.as_ref().map_or(1, |upload| upload.sent + 1)) as usize;
            // The last part is sent at the end, so that an object of one part is one request.
            if self.pending.len() <= size {
                return Ok(());
            }
            let part = self.pending.split_to(size).freeze();
            self.send(part).await?;
        }
    }

    /// Sends a part, as soon as there is room for it; reports those that have failed meanwhile.
    async fn send(&mut self, bytes: Bytes) -> Result<()> {
        if self.upload.is_none() {
            self.upload = Some(self.begin().await?);
        }
        let room = self.store.budget.room(bytes.len() as u64).await;
        let Some(upload) = &mut self.upload else {
            return Err(self.deed().because(after_failure()));
        };
        while let Some(arrived) = upload.parts.try_join_next() {
            upload.done.push(joined(arrived)?);
        }
        upload.sent += 1;
        let (store, key, uri) = (self.store.clone(), self.key.clone(), self.uri.clone());
        let (id, number) = (upload.id.clone(), upload.sent);
        upload.parts.spawn(async move {
            let part = store.send_part(&key, &uri, &id, number, bytes).await;
            drop(room);
            part
        });
        Ok(())
    }

    async fn begin(&self) -> Result<Upload> {
        let store = &self.store;
        let request = store
            .client
            .create_multipart_upload()
            .bucket(store.bucket())
            .key(&self.key)
            .set_metadata(Some(metadata(self.role, &self.mark)))
            .checksum_algorithm(ChecksumAlgorithm::Sha256);
        let kept = store.kept(self.role);
        let request = with_customer_key!(store, request)
            .set_storage_class(kept.class)
            .set_tagging(kept.tags)
            .set_server_side_encryption(kept.encryption)
            .set_ssekms_key_id(kept.kms_key);
        let begun = request
            .send()
            .await
            .map_err(|error| self.deed().failed(&error))?;
        Ok(Upload {
            id: begun.upload_id.unwrap_or_default(),
            sent: 0,
            parts: JoinSet::new(),
            done: Vec::new(),
        })
    }

    async fn end(&mut self) -> Result<()> {
        let rest = std::mem::take(&mut self.pending).freeze();
        if self.upload.is_none() {
            return self.put(rest).await;
        }
        if !rest.is_empty() {
            self.send(rest).await?;
        }
        self.complete().await
    }

    /// Makes the object of the parts.
    async fn complete(&mut self) -> Result<()> {
        let Some(upload) = &mut self.upload else {
            return Ok(());
        };
        while let Some(arrived) = upload.parts.join_next().await {
            upload.done.push(joined(arrived)?);
        }
        upload.done.sort_unstable_by_key(|part| part.number);
        // The checksum of an object of parts is that of the parts' checksums.
        let mut shas = Vec::new();
        let mut parts = CompletedMultipartUpload::builder();
        for part in &upload.done {
            shas.extend_from_slice(part.sha.as_ref());
            let part = CompletedPart::builder()
                .part_number(i32::try_from(part.number).unwrap_or(i32::MAX))
                .set_e_tag(part.etag.clone())
                .checksum_sha256(STANDARD.encode(part.sha));
            parts = parts.parts(part.build());
        }
        let sum = STANDARD.encode(digest(&SHA256, &shas));
        let store = &self.store;
        let request = store
            .client
            .complete_multipart_upload()
            .bucket(store.bucket())
            .key(&self.key)
            .upload_id(&upload.id)
            .checksum_sha256(format!("{sum}-{}", upload.done.len()))
            .multipart_upload(parts.build());
        let request = with_customer_key!(store, request).set_if_none_match(store.if_none());
        store.look_first(&self.key, &self.uri).await?;
        let sent = request.send().await;
        let created = match sent {
            Ok(_) => Ok(()),
            // Of a request that was sent again, the first may have done its work: then the upload is gone.
            Err(error) if failure::is_taken(&error) || failure::is_missing(&error) => {
                match store.made_by(&self.key, &self.uri, &self.mark).await? {
                    Some(true) => Ok(()),
                    Some(false) => Err(taken(&self.uri)),
                    None => Err(self.deed().failed(&error)),
                }
            }
            Err(error) if failure::is_unknown(&error) => Err(self.unconditional()),
            Err(error) => Err(self.deed().failed(&error)),
        };
        if created.is_ok() {
            self.upload = None;
        }
        created
    }

    /// Makes the object by one request.
    async fn put(&self, bytes: Bytes) -> Result<()> {
        let store = &self.store;
        let (sha, bytes) = hashed(bytes).await;
        store.look_first(&self.key, &self.uri).await?;
        for last in [false, true] {
            let sent = self.put_request(&bytes, &sha).send().await;
            let Err(error) = sent else {
                return self.prove(&bytes, &sha).await;
            };
            // S3 answers 409 where another writes the same object at this moment: who is to win is not settled yet.
            let raced = failure::answer(&error).is_some_and(|answer| answer.status == 409);
            if failure::is_unknown(&error) {
                return Err(self.unconditional());
            }
            if !raced && !failure::is_taken(&error) {
                return Err(self.deed().failed(&error));
            }
            // Of a request that was sent again, the first may have done its work.
            match store.made_by(&self.key, &self.uri, &self.mark).await? {
                Some(true) => return Ok(()),
                Some(false) => return Err(taken(&self.uri)),
                None if last || !raced => return Err(self.deed().failed(&error)),
                None => {}
            }
        }
        Ok(())
    }

    fn put_request(&self, bytes: &Bytes, sha: &Digest) -> PutRequest {
        let store = &self.store;
        let kept = store.kept(self.role);
        let request = store
            .client
            .put_object()
            .bucket(store.bucket())
            .key(&self.key)
            .set_metadata(Some(metadata(self.role, &self.mark)))
            .checksum_sha256(STANDARD.encode(sha))
            .body(ByteStream::from(bytes.clone()))
            .set_storage_class(kept.class)
            .set_tagging(kept.tags)
            .set_server_side_encryption(kept.encryption)
            .set_ssekms_key_id(kept.kms_key)
            .set_if_none_match(store.if_none());
        with_customer_key!(store, request)
            .customize()
            .interceptor(SignedSha::new(sha))
    }

    /// Has the service refuse a name that is taken, once and with a mark, which is small: some pass over the condition
    /// and overwrite.
    async fn prove(&self, bytes: &Bytes, sha: &Digest) -> Result<()> {
        let store = &self.store;
        if self.role != Role::Mark || store.options.no_conditional_writes {
            return Ok(());
        }
        let proof = || async {
            match self.put_request(bytes, sha).send().await {
                Err(error) if failure::is_taken(&error) => Ok(()),
                Err(error) => Err(self.deed().failed(&error)),
                Ok(_) => {
                    store.remove_object(&self.key, &self.uri).await?;
                    Err(self.unconditional())
                }
            }
        };
        store.known.conditional.get_or_try_init(proof).await?;
        Ok(())
    }

    fn unconditional(&self) -> Error {
        self.deed().because(io::Error::new(
            io::ErrorKind::Unsupported,
            "the service does not write on the condition that a name is free (If-None-Match); where only one export at a \
             time writes there, give --s3-no-conditional-writes",
        ))
    }
}

type PutRequest = CustomizableOperation<PutObjectOutput, PutObjectError, PutObjectFluentBuilder>;

#[async_trait]
impl ObjectWriter for S3Writer {
    async fn write(&mut self, bytes: Bytes) -> Result<()> {
        if std::mem::replace(&mut self.failed, true) {
            return Err(self.deed().because(after_failure()));
        }
        self.append(bytes).await?;
        self.failed = false;
        Ok(())
    }

    async fn finish(mut self: Box<Self>) -> Result<()> {
        if self.failed {
            return Err(self.deed().because(after_failure()));
        }
        self.end().await
    }
}

/// What was uploaded of an object that was not finished is paid for until it is aborted.
impl Drop for S3Writer {
    fn drop(&mut self) {
        let (Some(upload), Ok(runtime)) = (self.upload.take(), Handle::try_current()) else {
            return;
        };
        let (store, key) = (self.store.clone(), self.key.clone());
        runtime.spawn(async move {
            let mut parts = upload.parts;
            // A part that arrives after the end would stay.
            parts.shutdown().await;
            store.abort(&key, &upload.id).await;
        });
    }
}

impl S3Store {
    async fn send_part(
        &self,
        key: &str,
        uri: &str,
        upload: &str,
        number: u32,
        bytes: Bytes,
    ) -> Result<Part> {
        let (sha, bytes) = hashed(bytes).await;
        let request = self
            .client
            .upload_part()
            .bucket(self.bucket())
            .key(key)
            .upload_id(upload)
            .part_number(i32::try_from(number).unwrap_or(i32::MAX))
            .checksum_sha256(STANDARD.encode(sha))
            .body(ByteStream::from(bytes));
        let request = with_customer_key!(self, request);
        let sent = request
            .customize()
            .interceptor(SignedSha::new(&sha))
            .send()
            .await;
        let deed = Deed {
            doing: "write",
            uri,
            right: "s3:PutObject",
        };
        let arrived = sent.map_err(|error| deed.failed(&error))?;
        Ok(Part {
            number,
            etag: arrived.e_tag,
            sha,
        })
    }

    /// Gives an upload up. Nobody is left to be told of a failure; what stays is invisible, and goes with the archive's
    /// folder or by the bucket's rule for uploads.
    pub(super) async fn abort(&self, key: &str, upload: &str) {
        let request = self.client.abort_multipart_upload();
        let request = request.bucket(self.bucket()).key(key).upload_id(upload);
        let _ = request.send().await;
    }

    /// Whether the object was made by the writer of this mark; `None` where there is none.
    pub(super) async fn made_by(&self, key: &str, uri: &str, mark: &str) -> Result<Option<bool>> {
        match self.head(key, uri).await {
            Ok(head) => {
                let made = head.metadata.and_then(|mut held| held.remove(WRITER));
                Ok(Some(made.as_deref() == Some(mark)))
            }
            Err(Error::Missing { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Looks whether the name is taken, where the service cannot be asked to when it writes.
    pub(super) async fn look_first(&self, key: &str, uri: &str) -> Result<()> {
        if !self.options.no_conditional_writes {
            return Ok(());
        }
        match self.head(key, uri).await {
            Ok(_) => Err(taken(uri)),
            Err(Error::Missing { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

/// SHA-256, of small objects at once.
async fn hashed(bytes: Bytes) -> (Digest, Bytes) {
    const SMALL: usize = 64 << 10;
    if bytes.len() <= SMALL {
        return (digest(&SHA256, &bytes), bytes);
    }
    compute::run(move || (digest(&SHA256, &bytes), bytes)).await
}

pub(super) fn taken(uri: &str) -> Error {
    Error::Exists {
        what: uri.to_owned(),
        way_out: String::new(),
    }
}

fn joined(arrived: Result<Result<Part>, tokio::task::JoinError>) -> Result<Part> {
    arrived.unwrap_or_else(|lost| {
        Err(Error::Program {
            doing: "upload a part".to_owned(),
            reason: lost.to_string(),
        })
    })
}

fn after_failure() -> io::Error {
    io::Error::other("an earlier write of the same object failed")
}
