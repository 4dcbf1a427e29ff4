//! From what the service or the SDK says to an error of one line with a way out.

use std::io::{self, ErrorKind};

use azure_core::error::ErrorKind as Cause;

use crate::Error;
use crate::store::web;

const CREDENTIALS: &str = "check the credentials (AZURE_STORAGE_KEY, AZURE_STORAGE_SAS_TOKEN, the connection string, \
                           or the identity), and this machine's clock";

/// What was done to which object, and the right that it takes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Deed<'a> {
    /// As a verb: `read`, `write`, `list`, `remove`, `lock`.
    pub doing: &'static str,
    /// The object's or the folder's address.
    pub uri: &'a str,
    /// What roles and signatures call it.
    pub right: &'static str,
}

/// What a service has answered.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Answer {
    pub status: u16,
    /// Such as `BlobNotFound`.
    pub code: String,
    pub message: String,
}

/// The service's answer, where it gave one.
pub(super) fn answer(error: &azure_core::Error) -> Option<Answer> {
    let Cause::HttpResponse {
        status,
        error_code,
        raw_response,
    } = error.kind()
    else {
        return None;
    };
    let body = raw_response
        .as_ref()
        .map(|response| String::from_utf8_lossy(response.body()).into_owned())
        .unwrap_or_default();
    Some(Answer {
        status: u16::from(*status),
        code: error_code.clone().unwrap_or_default(),
        message: said(&body),
    })
}

/// The first line of what an answer says; ids and times follow in others.
fn said(body: &str) -> String {
    let text = body
        .split_once("<Message>")
        .and_then(|(_, rest)| rest.split_once("</Message>"))
        .map_or("", |(text, _)| text);
    web::one_line(text.lines().next().unwrap_or_default())
}

/// Whether somebody else has the name: `BlobAlreadyExists`, or a condition that is not met.
pub(super) fn is_taken(error: &azure_core::Error) -> bool {
    answer(error).is_some_and(|answer| {
        answer.status == 412 || (answer.status == 409 && answer.code == "BlobAlreadyExists")
    })
}

/// Whether there is no such object.
pub(super) fn is_missing(error: &azure_core::Error) -> bool {
    answer(error).is_some_and(|answer| answer.status == 404 && answer.code != "ContainerNotFound")
}

impl Deed<'_> {
    /// The error that a failed request becomes.
    pub(super) fn failed(&self, error: &azure_core::Error) -> Error {
        if self.doing == "read" && is_missing(error) {
            return Error::Missing {
                uri: self.uri.to_owned(),
                hint: String::new(),
            };
        }
        let (kind, reason) = match answer(error) {
            Some(answer) => self.refused(&answer),
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

    fn refused(&self, answer: &Answer) -> (ErrorKind, String) {
        let (code, status) = (answer.code.as_str(), answer.status);
        let said = match (code, answer.message.as_str()) {
            ("", "") => format!("the service answered {status}"),
            (code, "") => code.to_owned(),
            ("", said) => said.to_owned(),
            (code, said) => format!("{said} ({code})"),
        };
        let container = container(self.uri);
        let (kind, way_out) = match (code, status) {
            ("ContainerNotFound", _) => (
                ErrorKind::NotFound,
                format!("create the container {container} first, or name another"),
            ),
            ("ContainerBeingDeleted" | "ContainerDisabled" | "AccountIsDisabled", _) => {
                (ErrorKind::Other, "name another container".to_owned())
            }
            (
                "AuthenticationFailed" | "InvalidAuthenticationInfo" | "NoAuthenticationInformation",
                _,
            )
            | (_, 401) => (ErrorKind::PermissionDenied, CREDENTIALS.to_owned()),
            (_, 403) if answer.message.contains("authenticate") => {
                (ErrorKind::PermissionDenied, CREDENTIALS.to_owned())
            }
            ("KeyBasedAuthenticationNotPermitted", _) => (
                ErrorKind::PermissionDenied,
                "leave the key out, and use an identity: `az login`, or the machine's".to_owned(),
            ),
            ("Md5Mismatch" | "Crc64Mismatch", _) => (
                ErrorKind::InvalidData,
                "the bytes changed on their way; try again, and suspect the network or this machine's memory"
                    .to_owned(),
            ),
            ("BlobImmutableDueToPolicy", _) => (
                ErrorKind::PermissionDenied,
                "it is locked, or held: `milvault verify` tells until when".to_owned(),
            ),
            ("ImmutabilityPolicyFeatureDisabled" | "UnsupportedHeader" | "FeatureNotSupported", _)
                if self.doing == "lock" =>
            {
                (
                    ErrorKind::Unsupported,
                    format!(
                        "the container {container} needs support for version-level immutability, which it gets when \
                         it is created"
                    ),
                )
            }
            ("FeatureVersionMismatch" | "UnsupportedHeader" | "NotImplemented" | "APINotImplemented", _)
            | (_, 501) => (
                ErrorKind::Unsupported,
                format!("the service does not know what {} asks of it", self.right),
            ),
            ("BlobArchived", _) => (
                ErrorKind::Other,
                "the blob is in the Archive tier: change its tier to Hot or Cool, and wait for hours".to_owned(),
            ),
            ("BlobUsesCustomerSpecifiedEncryption" | "CustomerKeyMismatch", _) => (
                ErrorKind::PermissionDenied,
                "give the key it was written with (--sse-customer-key-file)".to_owned(),
            ),
            ("AuthorizationFailure", _) => (
                ErrorKind::PermissionDenied,
                format!(
                    "the credentials' owner needs {}, and the account's network rules must let this machine in",
                    self.right
                ),
            ),
            (_, 403) => (
                ErrorKind::PermissionDenied,
                format!("the credentials' owner needs {}", self.right),
            ),
            ("ServerBusy" | "OperationTimedOut" | "InternalError", _)
            | (_, 408 | 429 | 500 | 502..=504) => (
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
fn unanswered(error: &azure_core::Error) -> (ErrorKind, String) {
    let words = web::causes(innermost(error));
    let low = words.to_lowercase();
    let (kind, way_out) = if matches!(error.kind(), Cause::Credential) {
        (
            ErrorKind::PermissionDenied,
            "set AZURE_STORAGE_KEY, AZURE_STORAGE_SAS_TOKEN or AZURE_STORAGE_CONNECTION_STRING, or log in with \
             `az login`",
        )
    } else if low.contains("certificate") || low.contains("tls") {
        (
            ErrorKind::InvalidData,
            "give the authority that signed the service's certificate in SSL_CERT_FILE",
        )
    } else if low.contains("dns") || low.contains("lookup") {
        (
            ErrorKind::NotFound,
            "check --azure-account and --azure-endpoint",
        )
    } else {
        (
            ErrorKind::TimedOut,
            "check the network, --azure-account and --azure-endpoint",
        )
    };
    (kind, format!("{words}; {way_out}"))
}

/// The SDK wraps what went wrong in words about its own workings.
fn innermost(error: &azure_core::Error) -> &(dyn std::error::Error + 'static) {
    let mut inner = error;
    while let Some(next) = std::error::Error::source(inner)
        .and_then(|source| source.downcast_ref::<azure_core::Error>())
    {
        inner = next;
    }
    inner
}

fn container(uri: &str) -> &str {
    uri.strip_prefix("az://")
        .and_then(|rest| rest.split('/').next())
        .unwrap_or(uri)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(status: u16, code: &str, message: &str) -> String {
        let deed = Deed {
            doing: "write",
            uri: "az://backups/prod/a",
            right: "the role Storage Blob Data Contributor",
        };
        let answer = Answer {
            status,
            code: code.to_owned(),
            message: message.to_owned(),
        };
        deed.refused(&answer).1
    }

    #[test]
    fn a_refusal_tells_the_way_out() {
        assert_eq!(
            words(
                404,
                "ContainerNotFound",
                "The specified container does not exist."
            ),
            "The specified container does not exist. (ContainerNotFound); create the container backups first, or name \
             another"
        );
        assert!(
            words(403, "AuthorizationPermissionMismatch", "")
                .ends_with("Storage Blob Data Contributor")
        );
        assert!(words(403, "AuthenticationFailed", "no").contains("AZURE_STORAGE_KEY"));
        assert!(words(503, "ServerBusy", "").contains("several tries"));
        assert_eq!(words(418, "", ""), "the service answered 418");
    }

    #[test]
    fn only_the_first_line_of_a_message_is_told() {
        let body = "<?xml version=\"1.0\"?><Error><Code>X</Code><Message>It failed.\nRequestId:1\nTime:2</Message></Error>";
        assert_eq!(said(body), "It failed.");
        assert_eq!(said(""), "");
    }
}
