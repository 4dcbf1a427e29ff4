//! Progress as bars, for a person who watches.

use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use indicatif::{HumanCount, MultiProgress, ProgressBar, ProgressState, ProgressStyle};
use milvault::progress::{Monitor, Task};

use super::{ended, units};

/// How often clocks and spinners move while nothing is done.
const TICK: Duration = Duration::from_millis(250);

const SIZED: &str =
    "{prefix:28!} {bar:24} {human_pos}/{human_len} rows  {rows_rate} {bytes_rate} ETA {eta}";
const UNSIZED: &str = "{prefix:28!} {spinner} {human_pos} rows  {bytes_rate} {elapsed}";

/// One bar for each piece of work, below the lines that were said.
pub struct Bars {
    all: MultiProgress,
}

struct Bar {
    all: MultiProgress,
    bar: ProgressBar,
    name: String,
    bytes: Arc<AtomicU64>,
}

impl Bars {
    /// On stderr.
    pub fn new() -> Bars {
        Bars {
            all: MultiProgress::new(),
        }
    }
}

/// A style that shows `bytes` as their rate. The templates are constants: should one not parse, the plain bar
/// is as good.
fn style(template: &str, bytes: &Arc<AtomicU64>) -> ProgressStyle {
    let bytes = bytes.clone();
    ProgressStyle::with_template(template)
        .unwrap_or_else(|_| ProgressStyle::default_bar())
        .progress_chars("=> ")
        .with_key(
            "rows_rate",
            |state: &ProgressState, text: &mut dyn std::fmt::Write| {
                let _ = write!(text, "{}/s", HumanCount(state.per_sec() as u64));
            },
        )
        .with_key(
            "bytes_rate",
            move |state: &ProgressState, text: &mut dyn std::fmt::Write| {
                let bytes = bytes.load(Ordering::Relaxed);
                let seconds = state.elapsed().as_secs_f64();
                if bytes > 0 && seconds > 0.0 {
                    let rate = (bytes as f64 / seconds) as u64;
                    let _ = write!(text, "{}/s", units::bytes(rate));
                }
            },
        )
}

/// Writes a line above the bars.
fn say(all: &MultiProgress, line: &str) {
    // Progress that nobody can read must not stop the work.
    all.suspend(|| {
        let _ = writeln!(std::io::stderr(), "{line}");
    });
}

impl Monitor for Bars {
    fn begin(&self, verb: &str, subject: &str, rows: Option<u64>) -> Box<dyn Task> {
        let bytes = Arc::new(AtomicU64::new(0));
        let bar = match rows {
            Some(rows) => ProgressBar::new(rows).with_style(style(SIZED, &bytes)),
            None => ProgressBar::no_length().with_style(style(UNSIZED, &bytes)),
        };
        let bar = self.all.add(bar);
        let name = format!("{verb} {subject}");
        bar.set_prefix(name.clone());
        bar.enable_steady_tick(TICK);
        Box::new(Bar {
            all: self.all.clone(),
            bar,
            name,
            bytes,
        })
    }

    fn note(&self, message: &str) {
        say(&self.all, message);
    }

    fn warn(&self, message: &str) {
        say(&self.all, &format!("warning: {message}"));
    }
}

impl Task for Bar {
    fn total(&self, rows: u64) {
        if self.bar.length().is_none() {
            self.bar.set_style(style(SIZED, &self.bytes));
        }
        self.bar.set_length(rows);
    }

    fn advance(&self, rows: u64, bytes: u64) {
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
        self.bar.inc(rows);
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        let bytes = self.bytes.load(Ordering::Relaxed);
        let (rows, time) = (self.bar.position(), self.bar.elapsed());
        let line = ended(&self.name, rows, self.bar.length(), bytes, time);
        self.bar.finish_and_clear();
        self.all.remove(&self.bar);
        say(&self.all, &line);
    }
}
