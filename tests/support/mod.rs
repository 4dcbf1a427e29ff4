//! What the tests against real servers share.

pub mod program;
pub mod proxy;
pub mod python;
pub mod servers;
pub mod vault;
