//! milvault: logical export and restore for Milvus, with archives that anyone can read and verify.
//!
//! The library is complete without the binary.

pub mod archive;
pub mod audit;
pub mod columns;
pub mod compare;
pub mod compat;
mod compute;
pub mod copy;
pub mod error;
pub mod export;
pub mod forget;
pub mod lite;
pub mod masking;
pub mod migrate;
pub mod milvus;
pub mod model;
pub mod naming;
pub mod progress;
pub mod rbac;
pub mod readable;
mod reading;
pub mod restore;
pub mod scan;
pub mod select;
pub mod store;
mod together;

pub use error::{Error, Kind, Result};
