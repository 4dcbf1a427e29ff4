//! Columns: Milvus's `FieldData` ↔ Arrow, one file a kind of column, and digests over them.
//!
//! The Arrow types are those that an archive's Parquet has (see [`arrow_schema`]). Everything here works on
//! slices of batches, and copies values only where the two layouts force it to.

mod array;
mod decode;
mod dense;
pub mod digest;
mod encode;
mod geometry;
mod keys;
mod number;
mod payload;
mod schema;
mod size;
mod sparse;
mod struct_array;
mod text;
mod validity;
mod vector_array;
mod zero;

#[cfg(test)]
mod tests;

pub use decode::{decode, in_key_order};
pub use digest::{Digest, Digests};
pub use encode::encode;
pub use keys::{KeyColumn, keys, rows_with, up_to};
pub use schema::{arrow_schema, refusal, type_name};
pub use size::row_bytes;
pub use zero::zero_vector;

// Milvus's vectors, Parquet and the digests are little-endian; here memory is taken as it is.
const _: () = assert!(
    cfg!(target_endian = "little"),
    "milvault runs on little-endian machines only"
);
