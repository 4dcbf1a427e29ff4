//! How progress is shown, on stderr: bars on a terminal, lines elsewhere.

mod bars;
mod lines;
mod quiet;

use std::io::IsTerminal;
use std::sync::Arc;
use std::time::Duration;

use milvault::progress::Monitor;

use super::units;

/// The monitor for this terminal. `plain` is for runs whose traces would tear bars.
pub fn monitor(quiet: bool, plain: bool) -> Arc<dyn Monitor> {
    if quiet {
        Arc::new(quiet::Quiet)
    } else if std::io::stderr().is_terminal() && !plain {
        Arc::new(bars::Bars::new())
    } else {
        Arc::new(lines::Lines::new(std::io::stderr()))
    }
}

/// How far a piece of work has come, as the line that is left of it.
fn ended(name: &str, done: u64, total: Option<u64>, bytes: u64, time: Duration) -> String {
    let mut line = match total {
        // Of what is encrypted, nobody knows the rows.
        None if done == 0 && bytes > 0 => {
            return format!("{name}: {} in {}", units::bytes(bytes), units::time(time));
        }
        Some(total) if done < total => format!(
            "{name}: {} of {}",
            indicatif::HumanCount(done),
            units::count(total, "row")
        ),
        _ => format!("{name}: {}", units::count(done, "row")),
    };
    if bytes > 0 {
        line.push_str(&format!(", {}", units::bytes(bytes)));
    }
    line.push_str(&format!(" in {}", units::time(time)));
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_that_did_not_reach_its_end_says_so() {
        let second = Duration::from_secs(1);
        assert_eq!(
            ended("export docs", 5, Some(10), 2048, second),
            "export docs: 5 of 10 rows, 2.00 KiB in 1.0 s"
        );
        assert_eq!(
            ended("index docs", 10, None, 0, second),
            "index docs: 10 rows in 1.0 s"
        );
        assert_eq!(
            ended("copy sealed", 0, None, 2048, second),
            "copy sealed: 2.00 KiB in 1.0 s"
        );
    }
}
