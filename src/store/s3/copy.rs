//! Copies within one service, without the bytes passing through here.

use std::io;

use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::operation::head_object::HeadObjectOutput;
use aws_sdk_s3::types::{
    ChecksumAlgorithm, ChecksumType, CompletedMultipartUpload, CompletedPart, CopyObjectResult,
    MetadataDirective, TaggingDirective,
};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use futures::{StreamExt, TryStreamExt, stream};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::failure::{self, Deed};
use super::writer::{metadata, taken};
use super::{S3Store, with_customer_key};
use crate::Result;
use crate::store::{Role, Told};

/// The largest object that one request copies, and the parts in which larger ones are copied, of which there may be
/// 10,000.
const WHOLE: u64 = 5 << 30;
const PART: u64 = 512 << 20;
const PARTS: u64 = 10_000;
const AT_ONCE: usize = 8;

/// What a copy's source is escaped by.
const IN_PATH: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'/')
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~');

/// Gives a copy the key that its source is encrypted with.
macro_rules! with_source_key {
    ($store:expr, $request:expr) => {{
        let key = $store.customer_key.as_deref();
        $request
            .set_copy_source_sse_customer_algorithm(key.map(|_| "AES256".to_owned()))
            .set_copy_source_sse_customer_key(key.map(|key| key.base64.clone()))
            .set_copy_source_sse_customer_key_md5(key.map(|key| key.md5.clone()))
    }};
}

/// One copy.
struct Copy<'a> {
    to: &'a S3Store,
    source: &'a S3Store,
    /// As requests name it.
    from: String,
    key: &'a str,
    uri: &'a str,
    role: Role,
    mark: String,
}

impl S3Store {
    /// `None` where the service would not copy between the two: other credentials may be needed on either side.
    pub(super) async fn copy_from(
        &self,
        source: &S3Store,
        from: &str,
        key: &str,
        uri: &str,
        role: Role,
    ) -> Result<Option<Told>> {
        let (a, b) = (&source.options, &self.options);
        let one_service =
            a.endpoint == b.endpoint && a.profile == b.profile && a.credentials == b.credentials;
        if !one_service {
            return Ok(None);
        }
        let (from_key, from_uri) = source.address.locate(from)?;
        let held = source.head(&from_key, &from_uri).await?;
        self.look_first(key, uri).await?;
        let path = format!("{}/{from_key}", source.bucket());
        let copy = Copy {
            to: self,
            source,
            from: utf8_percent_encode(&path, IN_PATH).to_string(),
            key,
            uri,
            role,
            mark: super::mark()?,
        };
        let size = held.content_length.unwrap_or_default().unsigned_abs();
        if size <= WHOLE {
            copy.whole(&held).await
        } else {
            copy.in_parts(size, &held).await
        }
    }
}

impl Copy<'_> {
    fn deed(&self) -> Deed<'_> {
        Deed {
            doing: "write",
            uri: self.uri,
            right: "s3:PutObject, and s3:GetObject on the source",
        }
    }

    async fn whole(&self, held: &HeadObjectOutput) -> Result<Option<Told>> {
        let (to, source) = (self.to, self.source);
        let kept = to.kept(self.role);
        let request = to
            .client
            .copy_object()
            .bucket(to.bucket())
            .key(self.key)
            .copy_source(&self.from)
            .metadata_directive(MetadataDirective::Replace)
            .set_metadata(Some(metadata(self.role, &self.mark)))
            .tagging_directive(TaggingDirective::Replace)
            .set_tagging(kept.tags)
            .checksum_algorithm(ChecksumAlgorithm::Sha256)
            .set_storage_class(kept.class)
            .set_server_side_encryption(kept.encryption)
            .set_ssekms_key_id(kept.kms_key)
            .set_if_none_match(to.if_none());
        let request = with_customer_key!(to, with_source_key!(source, request));
        match request.send().await {
            Ok(answer) => Ok(Some(told(answer.copy_object_result, held))),
            Err(error) if cannot(&error) => Ok(None),
            Err(error) => self.settle(error).await.map(Some),
        }
    }

    async fn in_parts(&self, size: u64, held: &HeadObjectOutput) -> Result<Option<Told>> {
        let to = self.to;
        let kept = to.kept(self.role);
        let request = to
            .client
            .create_multipart_upload()
            .bucket(to.bucket())
            .key(self.key)
            .set_metadata(Some(metadata(self.role, &self.mark)))
            .checksum_algorithm(ChecksumAlgorithm::Sha256)
            .set_tagging(kept.tags)
            .set_storage_class(kept.class)
            .set_server_side_encryption(kept.encryption)
            .set_ssekms_key_id(kept.kms_key);
        let begun = with_customer_key!(to, request).send().await;
        let begun = begun.map_err(|error| self.deed().failed(&error))?;
        let upload = begun.upload_id.unwrap_or_default();
        let copied = self.copy_parts(&upload, size, held).await;
        if !matches!(copied, Ok(Some(_))) {
            to.abort(self.key, &upload).await;
        }
        copied
    }

    async fn copy_parts(
        &self,
        upload: &str,
        size: u64,
        held: &HeadObjectOutput,
    ) -> Result<Option<Told>> {
        let step = PART.max(size.div_ceil(PARTS));
        let starts = (0..size).step_by(usize::try_from(step).unwrap_or(usize::MAX));
        let copied: Result<Vec<Option<CompletedPart>>> = stream::iter(starts.zip(1..))
            .map(|(start, number)| {
                let range = format!("bytes={start}-{}", (start + step).min(size) - 1);
                self.part(upload, number, range, held)
            })
            .buffered(AT_ONCE)
            .try_collect()
            .await;
        let Some(parts) = copied?.into_iter().collect::<Option<Vec<_>>>() else {
            return Ok(None);
        };
        let request = self
            .to
            .client
            .complete_multipart_upload()
            .bucket(self.to.bucket())
            .key(self.key)
            .upload_id(upload)
            .multipart_upload(
                CompletedMultipartUpload::builder()
                    .set_parts(Some(parts))
                    .build(),
            )
            .set_if_none_match(self.to.if_none());
        match with_customer_key!(self.to, request).send().await {
            // The checksum of an object of parts is that of their checksums, and no other's parts are known.
            Ok(_) => Ok(Some(Told::Size)),
            Err(error) => self.settle(error).await.map(Some),
        }
    }

    /// `None` where the service would not copy between the two.
    async fn part(
        &self,
        upload: &str,
        number: i32,
        range: String,
        held: &HeadObjectOutput,
    ) -> Result<Option<CompletedPart>> {
        let (to, source) = (self.to, self.source);
        let request = to
            .client
            .upload_part_copy()
            .bucket(to.bucket())
            .key(self.key)
            .upload_id(upload)
            .part_number(number)
            .copy_source(&self.from)
            .copy_source_range(range)
            // All parts of one and the same object.
            .set_copy_source_if_match(held.e_tag.clone());
        let request = with_customer_key!(to, with_source_key!(source, request));
        let copied = match request.send().await {
            Ok(answer) => answer.copy_part_result,
            Err(error) if cannot(&error) => return Ok(None),
            Err(error) => return Err(self.deed().failed(&error)),
        };
        let Some(copied) = copied else {
            let reason = io::Error::other("the service does not tell what it copied");
            return Err(self.deed().because(reason));
        };
        let part = CompletedPart::builder()
            .part_number(number)
            .set_e_tag(copied.e_tag)
            .set_checksum_sha256(copied.checksum_sha256);
        Ok(Some(part.build()))
    }

    /// What a refusal means: of a request that was sent again, the first may have done its work.
    async fn settle<E>(&self, error: SdkError<E, HttpResponse>) -> Result<Told>
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
    {
        if failure::is_taken(&error) || failure::is_missing(&error) {
            match self.to.made_by(self.key, self.uri, &self.mark).await? {
                Some(true) => return Ok(Told::Size),
                Some(false) => return Err(taken(self.uri)),
                None => {}
            }
        }
        Err(self.deed().failed(&error))
    }
}

/// What the answer to a copy by one request tells of its bytes: their SHA-256, which is asked for, where the service does
/// as AWS. Others may tell an MD5 as the source's ETag and the copy's.
fn told(answer: Option<CopyObjectResult>, held: &HeadObjectOutput) -> Told {
    let Some(answer) = answer else {
        return Told::Size;
    };
    let whole = answer.checksum_type != Some(ChecksumType::Composite);
    let sha = answer.checksum_sha256.filter(|_| whole);
    // That of parts has their number behind it, and does not decode.
    let sha = sha.and_then(|sha| STANDARD.decode(sha).ok()?.try_into().ok());
    if let Some(sha) = sha {
        return Told::Sha256(sha);
    }
    // SeaweedFS (4.48) writes them without quotes here. Other ETags are of parts or of encrypted bytes, and are another's
    // each time.
    match (md5(held.e_tag.as_deref()), md5(answer.e_tag.as_deref())) {
        (Some(source), Some(copy)) if source == copy => Told::Checksums {
            kind: "MD5",
            source,
            copy,
        },
        _ => Told::Size,
    }
}

/// The MD5 that an ETag looks like.
fn md5(etag: Option<&str>) -> Option<String> {
    let digits = etag?.trim_matches('"');
    let plain = digits.len() == 32 && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    plain.then(|| digits.to_ascii_lowercase())
}

/// Whether the service would not copy from there, or not on a condition.
fn cannot<E: ProvideErrorMetadata>(error: &SdkError<E, HttpResponse>) -> bool {
    failure::is_unknown(error) || failure::is_forbidden(error)
}
