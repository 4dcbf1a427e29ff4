//! Tests against a simulated Milvus: what no server that tests can install does.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

#[path = "../sim/mod.rs"]
mod sim;
#[path = "../support/mod.rs"]
#[allow(dead_code, reason = "most of it is for real servers")]
mod support;

mod faults;
mod import;
mod made;
mod made_by_servers;
mod moments;
mod rbac;
mod refusals;
mod requests;
mod simulator;
mod types;
mod values;
