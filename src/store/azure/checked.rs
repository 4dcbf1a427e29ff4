//! Gives each body that is sent its MD5, which the service compares with what it received.

use std::sync::Arc;

use async_trait::async_trait;
use azure_core::http::policies::{Policy, PolicyResult};
use azure_core::http::{Body, Context, Request};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use md5::{Digest, Md5};

use crate::compute;

/// Bodies up to this are hashed at once.
const SMALL: usize = 64 << 10;

/// Adds `Content-MD5`, once for all tries.
#[derive(Debug)]
pub(super) struct Checked;

#[async_trait]
impl Policy for Checked {
    async fn send(
        &self,
        context: &Context,
        request: &mut Request,
        next: &[Arc<dyn Policy>],
    ) -> PolicyResult {
        let body = match request.body() {
            Body::Bytes(bytes) if !bytes.is_empty() => Some(bytes.clone()),
            _ => None,
        };
        if let Some(bytes) = body {
            let md5 = if bytes.len() <= SMALL {
                Md5::digest(&bytes)
            } else {
                compute::run(move || Md5::digest(&bytes)).await
            };
            request.insert_header("content-md5", STANDARD.encode(md5));
        }
        match next {
            [first, rest @ ..] => first.send(context, request, rest).await,
            [] => Err(azure_core::Error::with_message(
                azure_core::error::ErrorKind::Other,
                "nothing sends the request",
            )),
        }
    }
}
