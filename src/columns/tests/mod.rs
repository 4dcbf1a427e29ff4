#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod arrow;
mod decoding;
mod digests;
mod encoding;
mod malformed;
mod nested;
mod properties;
mod rows;
mod wire;
