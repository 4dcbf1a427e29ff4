//! What each server version understands, and how a collection is made to fit one.
//!
//! Nothing unknown may ever be sent: Milvus 2.3.5 takes a collection with a type that it does not know and
//! dies on the first insert, and on every start after that; milvus-lite 2.5.1 dies on a default value. Older
//! servers drop what they do not know without a word. So versions decide before anything is created.

mod choice;
mod field;
mod fit;
mod function;
mod index;
mod privileges;
mod property;
mod table;

pub use choice::IndexChoice;
pub use fit::{Adaptation, AutoId, Droppable, Fit, Indexes, KeysKept, fit};
pub use privileges::{is_of_cluster, knows_privilege, knows_privilege_groups};
pub use table::{Call, Feature, Thing, is_known, knows};

#[cfg(test)]
mod tests;
