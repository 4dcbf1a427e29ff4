//! Archives: how rows and what describes them are stored, read back and checked. `formats/` specifies it.

pub(crate) mod claim;
mod data_file;
mod encoder;
mod encryption;
mod inventory;
mod json;
mod layout;
mod list;
pub(crate) mod locks;
pub mod manifest;
mod object;
mod objects;
mod places;
mod plain_keys;
mod rbac_file;
mod reader;
mod remove;
mod row_group;
mod stored;
mod summary;
mod verification;
pub mod verify;
mod writer;

pub use data_file::Damage;
pub(crate) use encoder::hex;
pub use encoder::{DataFileEncoder, FileSummary};
pub use encryption::{Keys, Recipients};
pub use inventory::{Inventory, Object};
pub use layout::{CHECKSUM, DataFilePath, FORGOTTEN, MANIFEST, RBAC, SUMMARY, UNFINISHED};
pub use list::{Listed, Listing, Survey, Unfinished, list, survey};
pub use locks::Locks;
pub use manifest::{
    CollectionEntry, Consistency, Drift, ENCRYPTED_FORMAT, FORMAT, File, Manifest, Mode, Partition,
    RbacFile, Selection, Source, Tool, Totals,
};
pub use places::Failure;
pub use reader::Archive;
pub use remove::{held, remove, remove_unfinished};
pub use stored::{Content, EncryptedObject, StoredObject};
pub use summary::Summary;
pub use verification::Verification;
pub use verify::{verify, verify_collections};
pub use writer::{ArchiveWriter, DataFileWriter, Unlocked};

#[cfg(test)]
pub(crate) mod tests;
