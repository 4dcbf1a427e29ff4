//! From what the service says to an error of one line with a way out.

use std::io::{self, ErrorKind};

use serde::Deserialize;

use crate::Error;
use crate::store::web;

/// What was done to which object, and the right that it takes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Deed<'a> {
    /// As a verb: `read`, `write`, `list`, `remove`, `lock`.
    pub doing: &'static str,
    /// The object's or the folder's address.
    pub uri: &'a str,
    /// The permission, as roles name it.
    pub right: &'static str,
}

/// Why there is no answer of use.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// The service refused.
    Refused { status: u16, message: String },
    /// There are no credentials.
    Nobody(String),
    /// The service could not be reached, or hung up.
    Lost(String),
}

/// How the service words errors.
#[derive(Deserialize)]
struct Body {
    error: Said,
}

#[derive(Deserialize)]
struct Said {
    message: String,
}

impl Failure {
    pub(super) fn refused(status: u16, body: &[u8]) -> Failure {
        let message = match serde_json::from_slice::<Body>(body) {
            Ok(body) => body.error.message,
            Err(_) => String::from_utf8_lossy(body.get(..200).unwrap_or(body)).into_owned(),
        };
        Failure::Refused {
            status,
            message: web::one_line(&message),
        }
    }

    pub(super) fn lost(error: reqwest::Error) -> Failure {
        // A session's address opens an upload to whoever knows it.
        Failure::Lost(web::causes(&error.without_url()))
    }

    /// Whether the same may succeed later. Source: "Retry strategy", Google Cloud Storage.
    pub(super) fn is_passing(&self) -> bool {
        match self {
            Failure::Refused { status, .. } => matches!(status, 408 | 429 | 500 | 502..=504),
            Failure::Nobody(_) => false,
            Failure::Lost(_) => true,
        }
    }

    /// Whether somebody else has the name.
    pub(super) fn is_taken(&self) -> bool {
        matches!(self, Failure::Refused { status: 412, .. })
    }

    /// Whether there is no such object.
    pub(super) fn is_missing(&self) -> bool {
        matches!(self, Failure::Refused { status: 404, message } if !message.contains("bucket"))
    }
}

impl Deed<'_> {
    /// The error that a failed request becomes.
    pub(super) fn failed(&self, failure: Failure) -> Error {
        if self.doing == "read" && failure.is_missing() {
            return Error::Missing {
                uri: self.uri.to_owned(),
                hint: String::new(),
            };
        }
        let (kind, reason) = match failure {
            Failure::Refused { status, message } => self.refused(status, message),
            Failure::Nobody(reason) => (
                ErrorKind::PermissionDenied,
                format!(
                    "{reason}; give --gcs-credentials-file, set GOOGLE_APPLICATION_CREDENTIALS, or run `gcloud auth \
                     application-default login`"
                ),
            ),
            Failure::Lost(reason) => lost(&reason),
        };
        self.because(io::Error::new(kind, reason))
    }

    /// The error of another reason.
    pub(super) fn because(&self, source: io::Error) -> Error {
        Error::Store {
            doing: self.doing,
            uri: self.uri.to_owned(),
            source,
        }
    }

    fn refused(&self, status: u16, message: String) -> (ErrorKind, String) {
        let said = if message.is_empty() {
            format!("the service answered {status}")
        } else {
            format!("{message} ({status})")
        };
        let low = message.to_lowercase();
        let bucket = bucket(self.uri);
        let (kind, way_out) = match status {
            404 => (
                ErrorKind::NotFound,
                format!("create the bucket {bucket} first, or name another"),
            ),
            401 => (
                ErrorKind::PermissionDenied,
                "check --gcs-credentials-file or GOOGLE_APPLICATION_CREDENTIALS, and this machine's clock".to_owned(),
            ),
            400 if low.contains("crc32c") || low.contains("md5") || low.contains("checksum") => (
                ErrorKind::InvalidData,
                "the bytes changed on their way; try again, and suspect the network or this machine's memory"
                    .to_owned(),
            ),
            400 if low.contains("encrypt") => (
                ErrorKind::PermissionDenied,
                "give the key it was written with (--sse-customer-key-file)".to_owned(),
            ),
            403 if low.contains("retention") || low.contains("hold") => (
                ErrorKind::PermissionDenied,
                "it is locked, or held: `milvault verify` tells until when".to_owned(),
            ),
            403 => (
                ErrorKind::PermissionDenied,
                format!("the credentials' owner needs the permission {}", self.right),
            ),
            408 | 429 | 500 | 502..=504 => (
                ErrorKind::Other,
                "it stayed so over several tries; try again later".to_owned(),
            ),
            501 => (
                ErrorKind::Unsupported,
                format!("the service does not know what {} asks of it", self.right),
            ),
            _ => (ErrorKind::Other, String::new()),
        };
        let dash = if way_out.is_empty() { "" } else { "; " };
        (kind, format!("{said}{dash}{way_out}"))
    }
}

fn lost(reason: &str) -> (ErrorKind, String) {
    let low = reason.to_lowercase();
    let (kind, way_out) = if low.contains("certificate") || low.contains("tls") {
        (
            ErrorKind::InvalidData,
            "give the authority that signed the service's certificate in SSL_CERT_FILE",
        )
    } else if low.contains("dns") || low.contains("lookup") {
        (ErrorKind::NotFound, "check the network and --gcs-endpoint")
    } else {
        (ErrorKind::TimedOut, "check the network and --gcs-endpoint")
    };
    (kind, format!("{reason}; {way_out}"))
}

fn bucket(uri: &str) -> &str {
    uri.strip_prefix("gs://")
        .and_then(|rest| rest.split('/').next())
        .unwrap_or(uri)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_tells_the_way_out() {
        let deed = Deed {
            doing: "write",
            uri: "gs://backups/prod/a",
            right: "storage.objects.create",
        };
        let words = |status: u16, body: &str| {
            deed.failed(Failure::refused(status, body.as_bytes()))
                .to_string()
        };
        let no_bucket =
            r#"{"error":{"code":404,"message":"The specified bucket does not exist."}}"#;
        assert_eq!(
            words(404, no_bucket),
            "cannot write gs://backups/prod/a: The specified bucket does not exist. (404); create the bucket backups \
             first, or name another"
        );
        assert!(words(403, "no").ends_with("needs the permission storage.objects.create"));
        assert!(
            words(403, "Object is subject to an active Temporary hold").contains("locked, or held")
        );
        assert!(words(503, "").contains("several tries"));
        assert_eq!(
            words(418, ""),
            "cannot write gs://backups/prod/a: the service answered 418"
        );
    }

    #[test]
    fn what_passes_is_tried_again() {
        for status in [408, 429, 500, 502, 503, 504] {
            assert!(Failure::refused(status, b"").is_passing(), "{status}");
        }
        for status in [400, 401, 403, 404, 409, 412] {
            assert!(!Failure::refused(status, b"").is_passing(), "{status}");
        }
    }
}
