//! `milvault verify`

use std::time::Instant;

use clap::Args;
use milvault::archive::Locks;
use milvault::archive::verify::{Finding, Report, verify};
use milvault::store::LockMode;
use milvault::{Error, Result};
use serde::Serialize;

use super::exit::Finish;
use super::options::StoreArguments;
use super::{Session, place, units};

#[derive(Args, Debug)]
pub struct Arguments {
    /// The archive to check
    archive: String,

    /// Note beside the archive, in an object of its own, when it was verified and what was found
    #[arg(long)]
    record: bool,

    /// How many files are read at once
    #[arg(short, long, value_name = "N", default_value_t = 4)]
    jobs: usize,

    #[command(flatten)]
    stores: StoreArguments,
}

/// What a verification has found.
#[derive(Debug, Serialize)]
struct Verified<'a> {
    archive: String,
    /// Where it was noted.
    record: Option<&'a str>,
    /// Why it was not, where it was to be.
    record_failed: Option<String>,
    good: bool,
    good_files: u64,
    good_rows: u64,
    problems: &'a [Finding],
    warnings: &'a [Finding],
    /// Null where the store does not tell.
    locks: Option<&'a Locks>,
}

pub async fn run(arguments: Arguments, session: &Session) -> Result<Finish> {
    let start = Instant::now();
    let archive = place::archive(&arguments.archive, &arguments.stores, session).await?;
    let report = verify(&archive, &session.ctx, arguments.jobs).await?;
    let asking = Locks::read(&archive);
    let locks = match session.ctx.until_stopped("reading locks", asking).await {
        Ok(locks) => Some(locks),
        Err(error @ Error::Stopped(_)) => return Err(error),
        Err(error) => {
            session
                .ctx
                .monitor
                .warn(&format!("not known whether it is locked: {error}"));
            None
        }
    };
    let recorded = match arguments.record {
        false => None,
        true => Some(
            session
                .ctx
                .until_stopped("recording the verification", archive.record(&report))
                .await,
        ),
    };
    let recorded = recorded.as_ref().map(Result::as_ref);
    let failed = recorded.and_then(Result::err);
    if let Some(error) = failed {
        let told = format!("the verification was not recorded: {error}");
        session.ctx.monitor.warn(&told);
    }
    let result = Verified {
        archive: archive.uri(),
        record: recorded.and_then(Result::ok).map(String::as_str),
        record_failed: failed.map(ToString::to_string),
        good: report.is_good(),
        good_files: report.good_files,
        good_rows: report.good_rows,
        problems: &report.problems,
        warnings: &report.warnings,
        locks: locks.as_ref(),
    };
    session
        .output
        .result(&result, || text(&result, &report, start))?;
    // What was found goes before what was not written.
    Ok(match failed {
        Some(error) if report.is_good() => Finish::Broken(error.kind()),
        _ => Finish::of(report.is_good()),
    })
}

fn text(result: &Verified, report: &Report, start: Instant) -> String {
    let archive = &result.archive;
    let told =
        |what: &str, finding: &Finding| format!("{what}: {}: {}", finding.uri, finding.reason);
    let mut lines: Vec<String> = Vec::new();
    lines.extend(report.problems.iter().map(|found| told("damage", found)));
    lines.extend(report.warnings.iter().map(|found| told("warning", found)));
    let good = format!(
        "{} with {}",
        units::count(report.good_files, "file"),
        units::count(report.good_rows, "row")
    );
    lines.push(if report.is_good() {
        format!(
            "{archive} is good: {good}, checked in {}",
            units::time(start.elapsed())
        )
    } else {
        let problems = units::count(report.problems.len() as u64, "problem");
        format!("{archive} is damaged: {problems}; {good} are good")
    });
    lines.extend(result.locks.filter(|locks| locks.is_any()).map(locks_text));
    let recorded = result.record.map(|place| format!("recorded in {place}"));
    lines.extend(recorded);
    lines.join("\n")
}

/// How far the archive is kept from being removed, as a sentence.
fn locks_text(locks: &Locks) -> String {
    let of_all = |number| match number {
        number if number == locks.objects => format!("all {}", units::count(number, "object")),
        number => format!("only {number} of {}", units::count(locks.objects, "object")),
    };
    let mut parts = Vec::new();
    if let (Some(mode), Some(until)) = (locks.mode, locks.until) {
        let mode = match mode {
            LockMode::Compliance => "compliance",
            LockMode::Governance => "governance",
        };
        parts.push(format!(
            "locked until {until} ({mode}): {}",
            of_all(locks.locked)
        ));
    }
    if locks.on_hold > 0 {
        parts.push(format!("on legal hold: {}", of_all(locks.on_hold)));
    }
    parts.join("; ")
}
