//! What a server's refusals mean.

use tonic::Code;

use super::wire::{common, milvus};
use crate::error::Error;

/// An answer that carries Milvus's status.
pub(super) trait Answer {
    /// The status, where the server set one. None means success.
    fn status(&self) -> Option<&common::Status>;
}

impl Answer for common::Status {
    fn status(&self) -> Option<&common::Status> {
        Some(self)
    }
}

macro_rules! answers {
    ($($name:ident),* $(,)?) => {
        $(impl Answer for milvus::$name {
            fn status(&self) -> Option<&common::Status> {
                self.status.as_ref()
            }
        })*
    };
}

answers!(
    AllocTimestampResponse,
    BackupRbacMetaResponse,
    ConnectResponse,
    DescribeAliasResponse,
    DescribeCollectionResponse,
    DescribeDatabaseResponse,
    DescribeIndexResponse,
    FlushResponse,
    GetCollectionStatisticsResponse,
    GetFlushStateResponse,
    GetImportStateResponse,
    GetLoadStateResponse,
    GetLoadingProgressResponse,
    GetReplicasResponse,
    GetVersionResponse,
    ImportResponse,
    ListAliasesResponse,
    ListDatabasesResponse,
    ListImportTasksResponse,
    ListResourceGroupsResponse,
    MutationResult,
    QueryResults,
    SelectGrantResponse,
    SelectRoleResponse,
    SelectUserResponse,
    ShowCollectionsResponse,
    ShowPartitionsResponse,
);

/// Codes that Milvus marks retriable (`pkg/util/merr/errors.go`): not ready, unavailable, request limit,
/// rate limit, resources, not fully loaded, recovering, and their like.
const RETRIABLE: [i32; 12] = [1, 2, 4, 8, 12, 103, 106, 202, 305, 1002, 1807, 2200];

/// The one legacy code (2.2, `ErrorCode`) that asks to be retried: rate limit.
const LEGACY_RATE_LIMIT: i32 = 49;

/// What a call was, for errors.
#[derive(Clone, Copy)]
pub(super) struct Asked<'a> {
    pub server: &'a str,
    /// Whether the server is milvus-lite, whose codes are not all Milvus's: 1 is any error.
    pub lite: bool,
    pub call: &'static str,
    pub subject: &'a str,
}

impl Asked<'_> {
    /// The error that a Milvus status means, if it means one.
    pub fn refusal(&self, status: &common::Status) -> Option<Error> {
        if status.code == 0 && status.error_code == 0 {
            return None;
        }
        let reason = one_line(&status.reason);
        let (code, retriable) = match status.code {
            0 => (status.error_code, status.error_code == LEGACY_RATE_LIMIT),
            code => (
                code,
                status.retriable || (!self.lite && RETRIABLE.contains(&code)),
            ),
        };
        if is_too_large(&reason) {
            return Some(self.too_large(reason));
        }
        if is_expression(code, &reason) {
            return Some(Error::Filter {
                server: self.server.to_owned(),
                collection: self.subject.to_owned(),
                reason,
            });
        }
        let of_2_2 = status.code == 0 && !self.lite;
        Some(match (status.code, status.error_code) {
            (100, _) | (0, 4) => self.no_collection(),
            // 2.2 says almost everything with the code of an unexpected error.
            _ if of_2_2 && reason.contains("can't find collection") => self.no_collection(),
            _ if (of_2_2 && is_no_database(&reason)) || status.code == 800 => Error::NoDatabase {
                name: database_in(&reason).unwrap_or(self.subject).to_owned(),
                place: self.server.to_owned(),
            },
            _ => Error::Call {
                server: self.server.to_owned(),
                call: self.call,
                subject: self.subject.to_owned(),
                reason,
                code,
                retriable,
            },
        })
    }

    /// The error that a gRPC status means.
    pub fn failure(&self, status: &tonic::Status) -> Error {
        let reason = one_line(status.message());
        match status.code() {
            Code::Unavailable => self.unreachable(status),
            Code::Unknown | Code::Internal | Code::Cancelled
                if std::error::Error::source(status).is_some() =>
            {
                self.unreachable(status)
            }
            Code::Unauthenticated => Error::Unauthenticated {
                server: self.server.to_owned(),
                reason,
            },
            Code::Unimplemented => Error::Unsupported {
                server: self.server.to_owned(),
                call: self.call,
                need: format!("work on {}", self.subject),
            },
            // tonic says OutOfRange where an answer is over our own decode limit.
            Code::ResourceExhausted | Code::OutOfRange if is_message_too_large(&reason) => {
                self.too_large(reason)
            }
            Code::PermissionDenied => Error::Denied {
                server: self.server.to_owned(),
                call: self.call,
                subject: self.subject.to_owned(),
                privilege: privilege_in(&reason).map(str::to_owned),
                reason,
            },
            code => Error::Call {
                server: self.server.to_owned(),
                call: self.call,
                subject: self.subject.to_owned(),
                reason: if reason.is_empty() {
                    code.to_string()
                } else {
                    reason
                },
                code: 0,
                // What else is exhausted is a rate or a quota, of a gateway for one.
                retriable: code == Code::ResourceExhausted,
            },
        }
    }

    fn no_collection(&self) -> Error {
        Error::NoCollection {
            name: self.subject.to_owned(),
            place: self.server.to_owned(),
        }
    }

    fn too_large(&self, reason: String) -> Error {
        Error::TooLarge {
            server: self.server.to_owned(),
            call: self.call,
            subject: self.subject.to_owned(),
            reason,
        }
    }

    fn unreachable(&self, status: &tonic::Status) -> Error {
        Error::Unreachable {
            server: self.server.to_owned(),
            reason: why_unreachable(status),
        }
    }
}

/// Whether a refusal is about the size of the answer, in the words of 2.3 and of 3.x.
fn is_too_large(reason: &str) -> bool {
    reason.contains("maxOutputSize")
        || reason.contains("exceeds the byte-size limit")
        || reason.contains("larger than max")
}

/// Whether a transport failed because of the size of a message, in the words of grpc-go and grpc's core ("larger
/// than max"), tonic ("message length too large"), grpc-java and proxies ("message size exceeds").
fn is_message_too_large(reason: &str) -> bool {
    let reason = reason.to_ascii_lowercase();
    let of_a_message = ["message", "size", "bytes", "payload", "body"];
    is_too_large(&reason)
        || reason.contains("message length")
        || (reason.contains("exceed") && of_a_message.iter().any(|word| reason.contains(word)))
}

/// Whether a refusal is about the expression of a query, in the words of 2.2 to 3.x, and of milvus-lite 3, whose
/// code for bad arguments is 6.
fn is_expression(code: i32, reason: &str) -> bool {
    reason.contains("cannot parse expression")
        || reason.contains("predicate is not a boolean expression")
        || (code == 6 && reason.contains(" at column "))
}

/// Whether a refusal is about a database that is not there, in the words of 2.2.16.
fn is_no_database(reason: &str) -> bool {
    reason.contains("database:") && reason.ends_with(" not found")
}

/// The database in `database not found[database=x]`, and in 2.2's `database:x not found`.
fn database_in(reason: &str) -> Option<&str> {
    let (_, rest) = reason
        .split_once("database=")
        .or_else(|| reason.split_once("database:"))?;
    rest.split([']', ' ']).next()
}

/// The privilege in `PrivilegeLoad: permission deny to reader`: Milvus's own name of it, as a grant has it.
fn privilege_in(reason: &str) -> Option<&str> {
    let name = reason.strip_prefix("Privilege")?;
    let (name, _) = name.split_once(':')?;
    (!name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric())).then_some(name)
}

/// The innermost message of an error's chain: the one that names the cause.
pub(super) fn root_cause(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    one_line(&cause.to_string())
}

/// Why no connection came about: the cause, and what is wrong where the user cannot see it from that.
pub(super) fn why_unreachable(error: &dyn std::error::Error) -> String {
    let cause = root_cause(error);
    // rustls says so of an answer that is no TLS.
    if cause.contains("InvalidContentType") {
        return format!("it does not talk TLS ({cause}), so write http:// where it says https://");
    }
    cause
}

/// A server's words in one line: stack traces and long lists cut off.
fn one_line(text: &str) -> String {
    const LONGEST: usize = 400;
    let line: String = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ASKED: Asked = Asked {
        server: "http://h:1",
        lite: false,
        call: "Query",
        subject: "docs",
    };

    fn status(code: i32, error_code: i32, reason: &str) -> common::Status {
        common::Status {
            code,
            error_code,
            reason: reason.into(),
            ..Default::default()
        }
    }

    #[test]
    fn success_needs_both_codes_to_be_zero() {
        assert!(ASKED.refusal(&status(0, 0, "")).is_none());
        assert!(
            ASKED
                .refusal(&status(0, 1, "2.2 sets only this one"))
                .is_some()
        );
        assert!(ASKED.refusal(&status(65535, 0, "")).is_some());
    }

    #[test]
    fn what_2_2_does_not_find_is_known_by_its_words() {
        let refusal = |reason: &str| ASKED.refusal(&status(0, 1, reason)).unwrap();
        for reason in [
            "code: CollectionNotExists, reason: can't find collection default:nope",
            "code: UnexpectedError, reason: code: CollectionNotExists, reason: can't find collection default:nope",
        ] {
            let error = refusal(reason);
            assert!(matches!(error, Error::NoCollection { .. }), "{error}");
        }
        for reason in [
            "ShowCollections failed: database:nodb not found",
            "database:nodb not found",
        ] {
            let Error::NoDatabase { name, .. } = refusal(reason) else {
                panic!("{reason}");
            };
            assert_eq!(name, "nodb");
        }
        let error = refusal("partition name p not found");
        assert!(matches!(error, Error::Call { .. }), "{error}");
    }

    #[test]
    fn only_the_documented_codes_are_retried() {
        let permanent = |code, legacy| {
            ASKED
                .refusal(&status(code, legacy, ""))
                .unwrap()
                .is_permanent()
        };
        assert!(!permanent(8, 0), "rate limit");
        assert!(!permanent(0, 49), "rate limit of 2.2");
        assert!(
            permanent(0, 1),
            "legacy 1 is any unexpected error, unlike code 1"
        );
        assert!(!permanent(1, 1), "not ready");
        let lite = Asked {
            lite: true,
            ..ASKED
        };
        assert!(
            lite.refusal(&status(1, 0, "")).unwrap().is_permanent(),
            "any error of milvus-lite"
        );
        assert!(permanent(1100, 0), "bad parameter");
        assert!(permanent(9, 0), "quota: needs an operator");
    }

    #[test]
    fn exhausted_is_too_large_only_where_a_size_is() {
        let exhausted = |code, words: &str| ASKED.failure(&tonic::Status::new(code, words));
        for (code, words) in [
            (
                Code::OutOfRange,
                "Error, decoded message length too large: found 9 bytes, the limit is: 8 bytes",
            ),
            (
                Code::ResourceExhausted,
                "grpc: trying to send message larger than max (9 vs. 8)",
            ),
            (
                Code::ResourceExhausted,
                "Received message larger than max (9 vs. 8)",
            ),
            (
                Code::ResourceExhausted,
                "gRPC message exceeds maximum size 8: 9",
            ),
        ] {
            let error = exhausted(code, words);
            assert!(matches!(error, Error::TooLarge { .. }), "{error}");
        }
        for words in [
            "rate limit exceeded",
            "too many requests",
            "quota exceeded",
            "",
        ] {
            let error = exhausted(Code::ResourceExhausted, words);
            assert!(matches!(error, Error::Call { .. }), "{error}");
            assert!(!error.is_permanent(), "{error}");
        }
    }

    #[test]
    fn a_right_that_is_missing_is_named() {
        let denied = |words: &str| {
            let status = tonic::Status::new(Code::PermissionDenied, words);
            ASKED.failure(&status).to_string()
        };
        let words = denied("PrivilegeGetFlushState: permission deny to reader");
        assert!(words.contains("; grant GetFlushState to a role"), "{words}");
        let words = denied("not for you");
        assert!(
            words.contains("denied: not for you; give this user"),
            "{words}"
        );
    }

    #[test]
    fn oversized_answers_are_known_by_their_words() {
        for reason in [
            "grpc: trying to send message larger than max (1 vs. 2)",
            "query results exceed the maxOutputSize Limit 104857600",
        ] {
            let error = ASKED.refusal(&status(65535, 0, reason)).unwrap();
            assert!(matches!(error, Error::TooLarge { .. }), "{error}");
        }
    }
}
