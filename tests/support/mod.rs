//! What the tests against real servers share.

#[allow(dead_code, reason = "each test program needs a part of it")]
pub mod buckets;
pub mod program;
pub mod proxy;
pub mod python;
pub mod servers;
mod tending;
pub mod vault;
