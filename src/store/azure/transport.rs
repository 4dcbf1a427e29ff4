//! How requests of Azure's SDK travel.

use async_trait::async_trait;
use azure_core::Error;
use azure_core::error::ErrorKind;
use azure_core::http::headers::Headers;
use azure_core::http::{AsyncRawResponse, Body, HttpClient, Request};
use futures::TryStreamExt;

use crate::store::web;

/// Our HTTP client in the SDK's shape. The SDK's own client of the same kind would link a second TLS library.
#[derive(Debug)]
pub(super) struct Wire(pub reqwest::Client);

#[async_trait]
impl HttpClient for Wire {
    async fn execute_request(&self, request: &Request) -> azure_core::Result<AsyncRawResponse> {
        let method = reqwest::Method::from_bytes(request.method().as_str().as_bytes())
            .map_err(|error| Error::new(ErrorKind::Other, error))?;
        let mut sent = self.0.request(method, request.url().clone());
        for (name, value) in request.headers().iter() {
            sent = sent.header(name.as_str(), value.as_str());
        }
        sent = match request.body().clone() {
            Body::Bytes(bytes) => sent.body(bytes),
            Body::SeekableStream(stream) => sent.body(reqwest::Body::wrap_stream(stream)),
        };
        let answer = sent.send().await.map_err(lost)?;
        let mut headers = Headers::new();
        for (name, value) in answer.headers() {
            // Whatever is no text is none of what the SDK reads.
            if let Ok(value) = value.to_str() {
                headers.insert(name.as_str().to_owned(), value.to_owned());
            }
        }
        let status = answer.status().as_u16().into();
        let body = Box::pin(answer.bytes_stream().map_err(lost));
        Ok(AsyncRawResponse::new(status, headers, body))
    }
}

/// The error of a request that got no answer, or not all of it. Its address may be signed and is left out.
fn lost(error: reqwest::Error) -> Error {
    let kind = if error.is_builder() {
        ErrorKind::Other
    } else if error.is_connect() {
        ErrorKind::Connection
    } else {
        ErrorKind::Io
    };
    Error::with_message(kind, web::causes(&error.without_url()))
}
