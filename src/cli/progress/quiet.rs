//! Nothing but warnings.

use std::io::Write;

use milvault::progress::{Monitor, Silent, Task};

/// Shows warnings only.
pub struct Quiet;

impl Monitor for Quiet {
    fn begin(&self, _: &str, _: &str, _: Option<u64>) -> Box<dyn Task> {
        Box::new(Silent)
    }

    fn note(&self, _: &str) {}

    fn warn(&self, message: &str) {
        let _ = writeln!(std::io::stderr(), "warning: {message}");
    }
}
