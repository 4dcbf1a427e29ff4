//! Signs requests with an account's key, which Azure's SDK for Rust does not do.
//!
//! Source: "Authorize with Shared Key", REST API of Azure Storage, for versions from 2015-02-21 on.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use azure_core::http::policies::{Policy, PolicyResult};
use azure_core::http::{Context, Request, Url};
use azure_core::time::{OffsetDateTime, to_rfc7231};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::hmac;

/// The headers that are signed by their value alone, in this order; `content-length` comes after the first two.
const SIGNED: [&str; 8] = [
    "content-md5",
    "content-type",
    "date",
    "if-modified-since",
    "if-match",
    "if-none-match",
    "if-unmodified-since",
    "range",
];

/// Signs each try of a request, because the time is signed, too.
pub(super) struct SharedKey {
    account: String,
    key: hmac::Key,
}

impl SharedKey {
    /// Takes the key as Azure shows it, in base64; `None` where it is no base64.
    pub(super) fn new(account: &str, key: &str) -> Option<SharedKey> {
        let key = STANDARD.decode(key.trim()).ok()?;
        Some(SharedKey {
            account: account.to_owned(),
            key: hmac::Key::new(hmac::HMAC_SHA256, &key),
        })
    }

    fn sign(&self, request: &mut Request, now: OffsetDateTime) {
        request.insert_header("x-ms-date", to_rfc7231(&now));
        let words = self.words(request);
        let signature = STANDARD.encode(hmac::sign(&self.key, words.as_bytes()));
        let authorization = format!("SharedKey {}:{signature}", self.account);
        request.insert_header("authorization", authorization);
    }

    /// What is signed.
    fn words(&self, request: &Request) -> String {
        let mut headers: BTreeMap<String, String> = BTreeMap::new();
        for (name, value) in request.headers().iter() {
            headers.insert(
                name.as_str().to_ascii_lowercase(),
                value.as_str().trim().to_owned(),
            );
        }
        let value = |name: &str| headers.get(name).map_or("", String::as_str);
        // The length of nothing is left out.
        let length = match request.body().len() {
            None | Some(0) => String::new(),
            Some(length) => length.to_string(),
        };
        let mut words = format!(
            "{}\n{}\n{}\n{length}\n",
            request.method().as_str(),
            value("content-encoding"),
            value("content-language")
        );
        for name in SIGNED {
            // x-ms-date speaks for the date.
            let value = if name == "date" { "" } else { value(name) };
            words.push_str(value);
            words.push('\n');
        }
        for (name, value) in headers.iter().filter(|(name, _)| name.starts_with("x-ms-")) {
            words.push_str(&format!("{name}:{value}\n"));
        }
        words.push_str(&self.resource(request.url()));
        words
    }

    fn resource(&self, url: &Url) -> String {
        let mut words = format!("/{}{}", self.account, url.path());
        let mut query: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (name, value) in url.query_pairs() {
            let values = query.entry(name.to_ascii_lowercase()).or_default();
            values.push(value.into_owned());
        }
        for (name, mut values) in query {
            values.sort_unstable();
            words.push_str(&format!("\n{name}:{}", values.join(",")));
        }
        words
    }
}

impl fmt::Debug for SharedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SharedKey({}, …)", self.account)
    }
}

#[async_trait]
impl Policy for SharedKey {
    async fn send(
        &self,
        context: &Context,
        request: &mut Request,
        next: &[Arc<dyn Policy>],
    ) -> PolicyResult {
        self.sign(request, OffsetDateTime::now_utc());
        match next {
            [first, rest @ ..] => first.send(context, request, rest).await,
            [] => Err(azure_core::Error::with_message(
                azure_core::error::ErrorKind::Other,
                "nothing sends the request",
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use azure_core::http::Method;

    /// The example of Microsoft's page, with its own account, and a body of its length.
    #[test]
    fn the_words_of_the_specification_are_signed() {
        let signer = SharedKey::new("myaccount", "a2V5").unwrap();
        let url = "https://myaccount.blob.core.windows.net/mycontainer?restype=container&comp=metadata&timeout=20";
        let mut request = Request::new(url.parse().unwrap(), Method::Get);
        request.insert_header("x-ms-version", "2015-02-21");
        request.insert_header("x-ms-date", "Fri, 26 Jun 2015 23:39:12 GMT");
        request.insert_header("range", "bytes=0-9");
        assert_eq!(
            signer.words(&request),
            "GET\n\n\n\n\n\n\n\n\n\n\nbytes=0-9\nx-ms-date:Fri, 26 Jun 2015 23:39:12 GMT\nx-ms-version:2015-02-21\n\
             /myaccount/mycontainer\ncomp:metadata\nrestype:container\ntimeout:20"
        );
    }

    #[test]
    fn the_key_shows_nowhere() {
        let signer = SharedKey::new("account", "c2VjcmV0").unwrap();
        assert_eq!(format!("{signer:?}"), "SharedKey(account, …)");
        assert!(SharedKey::new("account", "no base64!").is_none());
    }
}
