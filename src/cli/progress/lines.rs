//! Progress as lines: for logs, pipes and cron.

use std::io::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use milvault::progress::{Monitor, Task};

use super::{ended, units};

/// How often a line says how far all work has come.
const PACE: Duration = Duration::from_secs(5);

/// No size known.
const UNKNOWN: u64 = u64::MAX;

/// Writes a line where work begins and ends, and in between one every few seconds.
pub struct Lines<W> {
    shared: Arc<Mutex<Shared<W>>>,
}

struct Shared<W> {
    writer: W,
    said: Instant,
}

struct Line<W: Write> {
    shared: Arc<Mutex<Shared<W>>>,
    name: String,
    start: Instant,
    total: AtomicU64,
    rows: AtomicU64,
    bytes: AtomicU64,
}

impl<W: Write> Shared<W> {
    fn say(&mut self, line: &str) {
        self.said = Instant::now();
        // Progress that nobody can read must not stop the work.
        let _ = writeln!(self.writer, "{line}");
    }
}

fn say<W: Write>(shared: &Mutex<Shared<W>>, line: &str) {
    shared
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .say(line);
}

impl<W: Write> Lines<W> {
    /// Writes to `writer`.
    pub fn new(writer: W) -> Lines<W> {
        let shared = Shared {
            writer,
            said: Instant::now(),
        };
        Lines {
            shared: Arc::new(Mutex::new(shared)),
        }
    }
}

impl<W: Write + Send + 'static> Monitor for Lines<W> {
    fn begin(&self, verb: &str, subject: &str, rows: Option<u64>) -> Box<dyn Task> {
        let name = format!("{verb} {subject}");
        match rows {
            Some(rows) => say(
                &self.shared,
                &format!("{name}: {}", units::count(rows, "row")),
            ),
            None => say(&self.shared, &format!("{name}: started")),
        }
        Box::new(Line {
            shared: self.shared.clone(),
            name,
            start: Instant::now(),
            total: AtomicU64::new(rows.unwrap_or(UNKNOWN)),
            rows: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
        })
    }

    fn note(&self, message: &str) {
        say(&self.shared, message);
    }

    fn warn(&self, message: &str) {
        say(&self.shared, &format!("warning: {message}"));
    }
}

impl<W: Write> Line<W> {
    fn state(&self) -> String {
        let total = self.total.load(Ordering::Relaxed);
        ended(
            &self.name,
            self.rows.load(Ordering::Relaxed),
            (total != UNKNOWN).then_some(total),
            self.bytes.load(Ordering::Relaxed),
            self.start.elapsed(),
        )
    }
}

impl<W: Write + Send> Task for Line<W> {
    fn total(&self, rows: u64) {
        self.total.store(rows, Ordering::Relaxed);
    }

    fn advance(&self, rows: u64, bytes: u64) {
        self.rows.fetch_add(rows, Ordering::Relaxed);
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
        let mut shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        if shared.said.elapsed() >= PACE {
            shared.say(&self.state());
        }
    }
}

impl<W: Write> Drop for Line<W> {
    fn drop(&mut self) {
        say(&self.shared, &self.state());
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// A writer whose text can be read afterwards.
    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl Write for Written {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn quick_work_is_two_lines_however_often_it_advances() {
        let written = Written::default();
        let lines = Lines::new(written.clone());
        let task = lines.begin("export", "docs", Some(3));
        for _ in 0..3 {
            task.advance(1, 10);
        }
        drop(task);
        lines.warn("careful");
        let text = String::from_utf8(written.0.lock().unwrap().clone()).unwrap();
        assert_eq!(
            text,
            "export docs: 3 rows\nexport docs: 3 rows, 30 B in 0.0 s\nwarning: careful\n"
        );
    }
}
