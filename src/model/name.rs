//! How a collection is named.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A collection's name within its server: database and name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct CollectionName {
    /// The database, never empty (`default` where the server has no databases).
    pub database: String,
    /// The name within the database.
    pub collection: String,
}

impl CollectionName {
    /// Names a collection of a database.
    pub fn new(database: impl Into<String>, collection: impl Into<String>) -> Self {
        CollectionName {
            database: database.into(),
            collection: collection.into(),
        }
    }
}

/// `collection` in the default database, `database.collection` elsewhere.
impl fmt::Display for CollectionName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.database == super::DEFAULT_DATABASE {
            f.write_str(&self.collection)
        } else {
            write!(f, "{}.{}", self.database, self.collection)
        }
    }
}
