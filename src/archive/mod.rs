//! Archives: how rows and what describes them are stored, read back and checked. `formats/` specifies it.

mod data_file;
mod encoder;
mod layout;
mod list;
pub mod manifest;
mod object;
mod plain_keys;
mod rbac_file;
mod reader;
mod row_group;
mod summary;
pub mod verify;
mod writer;

pub use data_file::Damage;
pub use encoder::{DataFileEncoder, FileSummary};
pub use layout::{CHECKSUM, DataFilePath, FORGOTTEN, MANIFEST, RBAC, SUMMARY, UNFINISHED};
pub use list::{Listed, Listing, Unfinished, list};
pub use manifest::{
    CollectionEntry, Consistency, Drift, FORMAT, File, Manifest, Mode, Partition, RbacFile,
    Selection, Source, Tool,
};
pub use reader::Archive;
pub use summary::Summary;
pub use verify::{verify, verify_collections};
pub use writer::{ArchiveWriter, DataFileWriter};

#[cfg(test)]
mod tests;
