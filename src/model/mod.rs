//! What a collection is, free of any wire: the nouns that flows pass around and the manifest stores.

mod collection;
mod consistency;
mod datatype;
mod difference;
mod key;
mod mask;
mod name;
mod rbac;
mod sample;

pub use collection::{Collection, Database, DefaultValue, Field, Function, Index, Load};
pub use consistency::ConsistencyLevel;
pub use datatype::DataType;
pub use difference::schema_differences;
pub use key::Key;
pub use mask::{Mask, MaskKind};
pub use name::CollectionName;
pub use rbac::{ANY, Grant, PasswordHash, PrivilegeGroup, Rbac, Role, User, grants_in_words};
pub use sample::Sample;

/// The name under which Milvus keeps the dynamic field of a collection (a JSON column).
pub const DYNAMIC_FIELD: &str = "$meta";

/// The partition that every collection has.
pub const DEFAULT_PARTITION: &str = "_default";

/// The database that every server has.
pub const DEFAULT_DATABASE: &str = "default";
