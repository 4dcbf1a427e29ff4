//! How a server says no.

use milvault::milvus::wire::{common::Status, milvus};
use prost::Message;

use super::knows::Version;

/// A call that is not done.
#[derive(Clone, Debug)]
pub enum Refusal {
    /// A Milvus status: its code (2.3 on), the legacy code, the words.
    Milvus(i32, i32, String),
    /// A status of gRPC.
    Grpc(i32, String),
    /// The connection breaks; the client hears nothing.
    Silence,
}

pub type Outcome<T> = Result<T, Refusal>;

pub const RESOURCE_EXHAUSTED: i32 = 8;
pub const UNIMPLEMENTED: i32 = 12;
pub const UNAVAILABLE: i32 = 14;

/// Codes with their legacy ones (`merr/errors.go`, `merr/utils.go` `oldCode`).
impl Refusal {
    /// Code 65535 where a plain error is returned, legacy UnexpectedError.
    pub fn unexpected(words: impl Into<String>) -> Refusal {
        Refusal::Milvus(65535, 1, words.into())
    }

    /// `ErrParameterInvalid`.
    pub fn parameter(words: impl Into<String>) -> Refusal {
        Refusal::Milvus(1100, 5, words.into())
    }

    /// `ErrParameterInvalid` with what was expected and what came.
    pub fn lengths(words: &str, expected: usize, actual: usize) -> Refusal {
        Refusal::parameter(format!(
            "{words}: invalid parameter[expected={expected}][actual={actual}]"
        ))
    }

    pub fn no_collection(database: &str, name: &str) -> Refusal {
        let words = format!("collection not found[database={database}][collection={name}]");
        Refusal::Milvus(100, 4, words)
    }

    pub fn no_database(name: &str) -> Refusal {
        Refusal::Milvus(800, 1, format!("database not found[database={name}]"))
    }

    pub fn no_index(name: &str) -> Refusal {
        Refusal::Milvus(700, 25, format!("index not found[collection={name}]"))
    }

    /// Code 8, legacy 49: asks to be tried again.
    pub fn rate_limit() -> Refusal {
        Refusal::Milvus(8, 49, "request is rejected by grpc RateLimiter middleware, please retry later: rate limit exceeded[rate=1]".into())
    }

    /// The status as a server of this version sends it: 2.2 knows the legacy code alone; `retriable` came with 2.3.4
    /// (milvus-proto).
    pub fn status(&self, version: Version) -> Option<Status> {
        let Refusal::Milvus(code, legacy, reason) = self else {
            return None;
        };
        Some(Status {
            error_code: *legacy,
            code: if version >= (2, 3, 0) { *code } else { 0 },
            retriable: version >= (2, 3, 4) && *code == 8,
            reason: reason.clone(),
            ..Status::default()
        })
    }
}

/// An answer with a status in it.
pub trait Answer: Message + Default {
    fn refused(status: Status) -> Self;
}

impl Answer for Status {
    fn refused(status: Status) -> Self {
        status
    }
}

macro_rules! answers {
    ($($name:ident)*) => {$(
        impl Answer for milvus::$name {
            fn refused(status: Status) -> Self {
                milvus::$name { status: Some(status), ..Default::default() }
            }
        }
    )*};
}

answers! {
    AllocTimestampResponse BackupRbacMetaResponse ConnectResponse DescribeAliasResponse DescribeCollectionResponse
    GetImportStateResponse ImportResponse ListImportTasksResponse
    DescribeDatabaseResponse DescribeIndexResponse FlushResponse GetCollectionStatisticsResponse GetFlushStateResponse
    GetLoadStateResponse GetLoadingProgressResponse GetReplicasResponse GetVersionResponse ListAliasesResponse
    ListDatabasesResponse ListResourceGroupsResponse MutationResult QueryResults SelectGrantResponse
    SelectRoleResponse SelectUserResponse ShowCollectionsResponse ShowPartitionsResponse
}
