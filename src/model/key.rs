//! Primary key values.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A primary key. Keys of a collection are all of one kind; texts order by bytes, as Milvus orders them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Key {
    /// An `Int64` key.
    Int(i64),
    /// A `VarChar` key.
    Text(String),
}

/// As a user would write it: texts quoted and escaped.
impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Key::Int(value) => write!(f, "{value}"),
            Key::Text(text) => write!(f, "{text:?}"),
        }
    }
}
