//! All that knows Milvus's wire: addresses, connections, retries, and each call that milvault makes.

mod address;
mod alter;
mod cluster;
mod databases;
mod define;
mod describe;
pub mod expr;
mod import;
mod load;
mod query;
mod rbac;
mod status;
mod version;
mod write;

pub use address::{Address, Credentials, Tls};
pub use cluster::{Cluster, ConnectOptions};
pub(crate) use describe::Identity;
pub use import::{ImportJob, ImportState};
pub use query::{LARGEST_PAGE, Page, Query};
pub use rbac::FoundRbac;
pub use version::{Product, ServerVersion};

/// The generated messages, as they travel.
#[allow(missing_docs, clippy::all)]
pub mod wire {
    pub mod common {
        tonic::include_proto!("milvus.proto.common");
    }
    pub mod schema {
        tonic::include_proto!("milvus.proto.schema");
    }
    pub mod milvus {
        tonic::include_proto!("milvus.proto.milvus");
    }
}
