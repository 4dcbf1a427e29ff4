//! From what the service or the SDK says to an error of one line with a way out.

use std::io::{self, ErrorKind};

use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};

use crate::Error;
use crate::store::web::{causes, one_line};

/// What was done to which object, and the right that it takes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Deed<'a> {
    /// As a verb: `read`, `write`, `list`, `remove`, `lock`.
    pub doing: &'static str,
    /// The object's or the folder's address.
    pub uri: &'a str,
    /// The action, as policies name it.
    pub right: &'static str,
}

/// What a service has answered, as far as anybody asks.
#[derive(Debug)]
pub(super) struct Answer {
    pub status: u16,
    pub code: String,
}

/// The service's answer, where it gave one.
pub(super) fn answer<E: ProvideErrorMetadata>(error: &SdkError<E, HttpResponse>) -> Option<Answer> {
    error.raw_response().map(|response| Answer {
        status: response.status().as_u16(),
        code: error.code().unwrap_or_default().to_owned(),
    })
}

/// Whether somebody else has the name.
pub(super) fn is_taken<E: ProvideErrorMetadata>(error: &SdkError<E, HttpResponse>) -> bool {
    answer(error).is_some_and(|answer| answer.status == 412)
}

/// Whether the service does not know what was asked of it.
pub(super) fn is_unknown<E: ProvideErrorMetadata>(error: &SdkError<E, HttpResponse>) -> bool {
    answer(error).is_some_and(|answer| answer.status == 501 || answer.code == "NotImplemented")
}

/// Whether a right is missing.
pub(super) fn is_forbidden<E: ProvideErrorMetadata>(error: &SdkError<E, HttpResponse>) -> bool {
    answer(error).is_some_and(|answer| answer.status == 403)
}

/// Whether there is no such object.
pub(super) fn is_missing<E: ProvideErrorMetadata>(error: &SdkError<E, HttpResponse>) -> bool {
    answer(error).is_some_and(|answer| answer.status == 404 && answer.code != "NoSuchBucket")
}

impl Deed<'_> {
    /// The error that a failed request becomes.
    pub(super) fn failed<E>(&self, error: &SdkError<E, HttpResponse>) -> Error
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
    {
        if self.doing == "read" && is_missing(error) {
            return Error::Missing {
                uri: self.uri.to_owned(),
                hint: String::new(),
            };
        }
        let (kind, reason) = match error.raw_response() {
            Some(response) => self.refused(error, response),
            None => unanswered(error),
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

    fn refused<E>(
        &self,
        error: &SdkError<E, HttpResponse>,
        response: &HttpResponse,
    ) -> (ErrorKind, String)
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
    {
        let status = response.status().as_u16();
        let code = error.code().unwrap_or_default();
        let said = one_line(error.message().unwrap_or_default());
        let said = match (code, said.as_str()) {
            ("", "") if status < 300 => format!("the answer makes no sense: {}", causes(error)),
            ("", "") => format!("the service answered {status}"),
            (code, "") => code.to_owned(),
            ("", said) => said.to_owned(),
            (code, said) => format!("{said} ({code})"),
        };
        let bucket = bucket(self.uri);
        let home = response.headers().get("x-amz-bucket-region");
        let (kind, way_out) = match (code, status) {
            ("NoSuchBucket", _) => (
                ErrorKind::NotFound,
                format!("create the bucket {bucket} first, or name another"),
            ),
            (
                "InvalidAccessKeyId" | "SignatureDoesNotMatch" | "InvalidToken" | "ExpiredToken"
                | "AuthFailure",
                _,
            ) => (
                ErrorKind::PermissionDenied,
                "check the credentials: AWS_ACCESS_KEY_ID with AWS_SECRET_ACCESS_KEY, --s3-profile, or the machine's \
                 role"
                    .to_owned(),
            ),
            ("RequestTimeTooSkewed", _) => {
                (ErrorKind::PermissionDenied, "set this machine's clock".to_owned())
            }
            (
                "PermanentRedirect" | "AuthorizationHeaderMalformed" | "TemporaryRedirect"
                | "IllegalLocationConstraintException",
                _,
            )
            | (_, 301 | 307) => (
                ErrorKind::Other,
                match home {
                    Some(home) => format!("the bucket is in another region: give --s3-region {home}"),
                    None => "check --s3-region and --s3-endpoint".to_owned(),
                },
            ),
            ("BadDigest" | "XAmzContentChecksumMismatch" | "XAmzContentSHA256Mismatch", _) => (
                ErrorKind::InvalidData,
                "the bytes changed on their way; try again, and suspect the network or this machine's memory"
                    .to_owned(),
            ),
            ("NotImplemented", _) | (_, 501) => (
                ErrorKind::Unsupported,
                format!("the service does not know what {} asks of it", self.right),
            ),
            (_, 403) => (
                ErrorKind::PermissionDenied,
                format!("the credentials' owner needs the right {}", self.right),
            ),
            ("SlowDown", _) | (_, 429 | 500 | 502..=504) => (
                ErrorKind::Other,
                "it stayed so over several tries; try again later".to_owned(),
            ),
            _ => (ErrorKind::Other, String::new()),
        };
        let dash = if way_out.is_empty() { "" } else { "; " };
        (kind, format!("{said}{dash}{way_out}"))
    }
}

/// Why a request got no answer at all.
fn unanswered<E>(error: &SdkError<E, HttpResponse>) -> (ErrorKind, String)
where
    E: std::error::Error + 'static,
{
    let words = causes(error);
    let low = words.to_lowercase();
    let (kind, way_out) = if low.contains("credential") || low.contains("identity") {
        (
            ErrorKind::PermissionDenied,
            "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, name a profile with --s3-profile, or run where the \
             machine has a role",
        )
    } else if low.contains("certificate") || low.contains("tls") {
        (
            ErrorKind::InvalidData,
            "give the authority that signed the service's certificate with --s3-ca-file or AWS_CA_BUNDLE",
        )
    } else if low.contains("dns") || low.contains("lookup") {
        (
            ErrorKind::NotFound,
            "check --s3-endpoint and --s3-region; a service that wants the bucket in the path needs --s3-path-style",
        )
    } else {
        (
            ErrorKind::TimedOut,
            "check the network, --s3-endpoint and --s3-region",
        )
    };
    (kind, format!("{words}; {way_out}"))
}

fn bucket(uri: &str) -> &str {
    uri.strip_prefix("s3://")
        .and_then(|rest| rest.split('/').next())
        .unwrap_or(uri)
}
