//! What was measured of one collection, what it comes to, and whether it meets the marks.

use std::time::Duration;

use serde_json::{Value, json};

use crate::program::Cost;

/// An export takes at most so many times as long as the drain.
const EXPORT_TO_DRAIN: f64 = 1.5;
/// pymilvus takes at least so many times as long as an export.
const PYMILVUS_TO_EXPORT: f64 = 4.0;
/// A restore takes at most so many times as long as inserts that were made before.
const RESTORE_TO_INSERT: f64 = 1.1;
/// A restore by import takes at most so many times as long as a bare script.
const IMPORT_TO_BULK: f64 = 1.2;
/// An export to S3 takes at most so many times as long as one to a folder.
const S3_TO_FOLDER: f64 = 1.15;
/// The most memory of an export, in MiB.
const PEAK_RSS_MIB: f64 = 512.0;

/// All runs over one collection. The best of each is what counts: whatever else the machine does only adds.
#[derive(Debug, Default)]
pub struct Figures {
    pub collection: String,
    pub rows: u64,
    /// The bytes of all answers of a drain.
    pub wire_bytes: u64,
    pub drain: Vec<Duration>,
    pub export: Vec<Cost>,
    pub export_to_s3: Vec<Cost>,
    pub pymilvus: Vec<Cost>,
    pub verify: Vec<Cost>,
    pub archive_bytes: u64,
    pub insert: Vec<Duration>,
    pub restore: Vec<Cost>,
    /// Files that were made before, put where the server reads them, and imported by it.
    pub bulk: Vec<Duration>,
    /// A restore by import.
    pub import: Vec<Cost>,
}

impl Figures {
    /// As a user reads them.
    pub fn print(&self) {
        println!(
            "\n{}: {} rows, {:.0} MB on the wire",
            self.collection,
            self.rows,
            self.wire_bytes as f64 / 1e6
        );
        self.line("drain", &self.drain, self.wire_bytes, None);
        self.costs("export", &self.export, self.wire_bytes);
        self.costs("export to S3", &self.export_to_s3, self.wire_bytes);
        self.costs("pymilvus", &self.pymilvus, self.wire_bytes);
        self.costs("verify", &self.verify, self.archive_bytes);
        self.line(
            "insert, requests made before",
            &self.insert,
            self.wire_bytes,
            None,
        );
        self.costs("restore", &self.restore, self.wire_bytes);
        self.line("bulk import, bare", &self.bulk, self.archive_bytes, None);
        self.costs("restore by import", &self.import, self.archive_bytes);
        for mark in self.marks() {
            let verdict = if mark.met { "PASS" } else { "MISS" };
            println!(
                "  {verdict}  {}: {:.2} ({})",
                mark.what, mark.is, mark.wanted
            );
        }
    }

    /// The same for programs.
    pub fn json(&self) -> Value {
        let seconds = |times: &[Duration]| -> Vec<f64> {
            times.iter().map(|time| round(time.as_secs_f64())).collect()
        };
        let costs = |costs: &[Cost]| -> Vec<Value> {
            let cost = |cost: &Cost| {
                json!({
                    "seconds": round(cost.seconds),
                    "cpu_seconds": round(cost.cpu_seconds),
                    "peak_rss": cost.peak_rss,
                })
            };
            costs.iter().map(cost).collect()
        };
        json!({
            "collection": self.collection,
            "rows": self.rows,
            "wire_bytes": self.wire_bytes,
            "archive_bytes": self.archive_bytes,
            "drain_seconds": seconds(&self.drain),
            "export": costs(&self.export),
            "export_to_s3": costs(&self.export_to_s3),
            "pymilvus": costs(&self.pymilvus),
            "verify": costs(&self.verify),
            "insert_seconds": seconds(&self.insert),
            "restore": costs(&self.restore),
            "bulk_seconds": seconds(&self.bulk),
            "import": costs(&self.import),
            "marks": self.marks().iter().map(|mark| json!({
                "what": mark.what, "is": round(mark.is), "wanted": mark.wanted, "met": mark.met,
            })).collect::<Vec<_>>(),
        })
    }

    fn marks(&self) -> Vec<Mark> {
        let (drain, export) = (best(&self.drain), best(&times(&self.export)));
        let pymilvus = best(&times(&self.pymilvus));
        let s3 = best(&times(&self.export_to_s3));
        let rss = self
            .export
            .iter()
            .chain(&self.export_to_s3)
            .map(|cost| cost.peak_rss)
            .max();
        let mut marks = Vec::new();
        if let Some((export, drain)) = export.zip(drain) {
            let is = export / drain;
            marks.push(Mark {
                what: "export / drain, time",
                is,
                wanted: format!("at most {EXPORT_TO_DRAIN}"),
                met: is <= EXPORT_TO_DRAIN,
            });
        }
        if let Some((s3, export)) = s3.zip(export) {
            let is = s3 / export;
            marks.push(Mark {
                what: "export to S3 / export, time",
                is,
                wanted: format!("at most {S3_TO_FOLDER}"),
                met: is <= S3_TO_FOLDER,
            });
        }
        if let Some((pymilvus, export)) = pymilvus.zip(export) {
            let is = pymilvus / export;
            marks.push(Mark {
                what: "pymilvus / export, time",
                is,
                wanted: format!("at least {PYMILVUS_TO_EXPORT}"),
                met: is >= PYMILVUS_TO_EXPORT,
            });
        }
        for (what, ours, theirs, most) in [
            (
                "restore / inserts made before, time",
                best(&times(&self.restore)),
                best(&self.insert),
                RESTORE_TO_INSERT,
            ),
            (
                "restore by import / bare import, time",
                best(&times(&self.import)),
                best(&self.bulk),
                IMPORT_TO_BULK,
            ),
        ] {
            if let Some((ours, theirs)) = ours.zip(theirs) {
                let is = ours / theirs;
                marks.push(Mark {
                    what,
                    is,
                    wanted: format!("at most {most}"),
                    met: is <= most,
                });
            }
        }
        if let Some(rss) = rss {
            let is = rss as f64 / f64::from(1 << 20);
            marks.push(Mark {
                what: "export, peak RSS in MiB",
                is,
                wanted: format!("at most {PEAK_RSS_MIB}"),
                met: is <= PEAK_RSS_MIB,
            });
        }
        marks
    }

    fn costs(&self, what: &str, costs: &[Cost], bytes: u64) {
        let cpu = costs
            .iter()
            .map(|cost| cost.cpu_seconds)
            .min_by(f64::total_cmp);
        let rss = costs.iter().map(|cost| cost.peak_rss).max();
        self.line(what, &times(costs), bytes, cpu.zip(rss));
    }

    fn line(&self, what: &str, times: &[Duration], bytes: u64, cost: Option<(f64, u64)>) {
        let Some(seconds) = best(times) else { return };
        let all: Vec<String> = times
            .iter()
            .map(|time| format!("{:.2}", time.as_secs_f64()))
            .collect();
        let mut line = format!(
            "  {what:<28} {seconds:>6.2} s  {:>9.0} rows/s  {:>5.0} MB/s",
            self.rows as f64 / seconds,
            bytes as f64 / 1e6 / seconds
        );
        if let Some((cpu, rss)) = cost {
            line += &format!(
                "  {:>5.1} CPU s/GB  {:>5.0} MiB",
                cpu / (bytes as f64 / 1e9),
                rss as f64 / f64::from(1 << 20)
            );
        }
        println!("{line}  ({})", all.join(" "));
    }
}

/// A mark, and how far it is met.
struct Mark {
    what: &'static str,
    is: f64,
    wanted: String,
    met: bool,
}

fn times(costs: &[Cost]) -> Vec<Duration> {
    costs.iter().map(Cost::time).collect()
}

/// The shortest, in seconds.
fn best(times: &[Duration]) -> Option<f64> {
    times.iter().min().map(Duration::as_secs_f64)
}

fn round(number: f64) -> f64 {
    (number * 1e3).round() / 1e3
}
