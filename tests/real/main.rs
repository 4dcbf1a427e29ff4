//! Tests against real servers, which are installed and started on first use (see `tests/servers/`).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

#[path = "../support/mod.rs"]
mod support;

mod audit;
mod bad_input;
mod changes;
mod comparison;
mod databases;
mod definitions;
mod determinism;
mod encrypted;
mod existing;
mod faults;
mod import;
mod lite;
mod matrix;
mod migration;
mod milvus_2_2;
mod parquet;
mod rbac;
mod refusals;
mod round_trips;
mod s3;
mod scenarios;
mod security;
mod selection;
mod servers;
mod staging;
mod survival;
mod troubled_store;
mod writes;
