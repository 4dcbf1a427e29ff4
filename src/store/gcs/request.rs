//! Sending requests, and sending them again.

use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBuilder};
use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::{Method, RequestBuilder};
use serde::de::DeserializeOwned;

use super::GcsStore;
use super::connect::Service;
use super::failure::Failure;

/// How often a request is sent again, and how long is waited in between, doubling, with jitter.
const RETRIES: usize = 5;
const FIRST_WAIT: Duration = Duration::from_millis(800);
const LONGEST_WAIT: Duration = Duration::from_secs(20);

/// What is kept as it is in the parts of a path.
const IN_PATH: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~');

/// An answer, whole.
#[derive(Debug)]
pub(super) struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Answer {
    /// The answer as what it stands for.
    pub(super) fn parse<T: DeserializeOwned>(&self) -> Result<T, Failure> {
        serde_json::from_slice(&self.body)
            .map_err(|error| Failure::Lost(format!("the answer makes no sense ({error})")))
    }
}

/// The waits between tries.
pub(super) fn waits() -> impl Iterator<Item = Duration> {
    ExponentialBuilder::default()
        .with_min_delay(FIRST_WAIT)
        .with_max_delay(LONGEST_WAIT)
        .with_max_times(RETRIES)
        .with_jitter()
        .build()
}

impl Service {
    /// A request, to be completed and sent.
    pub(super) fn request(
        &self,
        method: Method,
        path: &str,
        query: &[(&str, &str)],
    ) -> RequestBuilder {
        let mut url = format!("{}{path}", self.endpoint);
        for (number, (name, value)) in query.iter().enumerate() {
            url.push(if number == 0 { '?' } else { '&' });
            url.push_str(name);
            url.push('=');
            url.extend(utf8_percent_encode(value, IN_PATH));
        }
        self.client.request(method, url)
    }

    /// Sends a request once; all that is no success, and no "go on" of an upload, is a failure.
    pub(super) async fn send_once(&self, request: RequestBuilder) -> Result<Answer, Failure> {
        let authorization = self.authorization().await.map_err(Failure::Nobody)?;
        let sent = request.headers(authorization).send().await;
        let answer = sent.map_err(Failure::lost)?;
        let (status, headers) = (answer.status(), answer.headers().clone());
        let body = answer.bytes().await.map_err(Failure::lost)?;
        if status.is_success() || status == StatusCode::PERMANENT_REDIRECT {
            Ok(Answer {
                status,
                headers,
                body,
            })
        } else {
            Err(Failure::refused(status.as_u16(), &body))
        }
    }

    /// Sends a request until it succeeds, or fails for good.
    pub(super) async fn send(&self, request: RequestBuilder) -> Result<Answer, Failure> {
        let mut waits = waits();
        loop {
            let Some(again) = request.try_clone() else {
                return self.send_once(request).await;
            };
            match (self.send_once(again).await, waits.next()) {
                (Err(failure), Some(wait)) if failure.is_passing() => {
                    tokio::time::sleep(wait).await
                }
                (answer, _) => return answer,
            }
        }
    }
}

impl GcsStore {
    /// The path of the bucket's objects, or of one of them.
    pub(super) fn path(&self, name: Option<&str>) -> String {
        let bucket = utf8_percent_encode(&self.address.bucket, IN_PATH);
        match name {
            None => format!("/storage/v1/b/{bucket}/o"),
            Some(name) => {
                let name = utf8_percent_encode(name, IN_PATH);
                format!("/storage/v1/b/{bucket}/o/{name}")
            }
        }
    }

    /// Where objects are uploaded to.
    pub(super) fn upload_path(&self) -> String {
        format!("/upload{}", self.path(None))
    }

    /// The path by which a copy's end is named behind its beginning.
    pub(super) fn rewrite_path(&self, name: &str, to: &GcsStore, to_name: &str) -> String {
        let end = to.path(Some(to_name));
        let end = end.strip_prefix("/storage/v1").unwrap_or(&end);
        format!("{}/rewriteTo{end}", self.path(Some(name)))
    }

    /// Gives a request the customer's key, where there is one.
    pub(super) fn with_customer_key(&self, request: RequestBuilder) -> RequestBuilder {
        match &self.customer_key {
            Some(key) => key.add(request, "x-goog-encryption"),
            None => request,
        }
    }
}
