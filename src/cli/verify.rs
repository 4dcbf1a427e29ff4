//! `milvault verify`

use std::time::Instant;

use clap::Args;
use milvault::Result;
use milvault::archive::verify::{Finding, Report, verify};
use serde::Serialize;

use super::exit::Finish;
use super::{Session, place, units};

#[derive(Args, Debug)]
pub struct Arguments {
    /// The archive to check
    archive: String,

    /// How many files are read at once
    #[arg(short, long, value_name = "N", default_value_t = 4)]
    jobs: usize,
}

/// What a verification has found.
#[derive(Debug, Serialize)]
struct Verified<'a> {
    archive: String,
    good: bool,
    good_files: u64,
    good_rows: u64,
    problems: &'a [Finding],
    warnings: &'a [Finding],
}

pub async fn run(arguments: Arguments, session: &Session) -> Result<Finish> {
    let start = Instant::now();
    let archive = place::archive(&arguments.archive, session).await?;
    let report = verify(&archive, &session.ctx, arguments.jobs).await?;
    let result = Verified {
        archive: archive.uri(),
        good: report.is_good(),
        good_files: report.good_files,
        good_rows: report.good_rows,
        problems: &report.problems,
        warnings: &report.warnings,
    };
    session
        .output
        .result(&result, || text(&result.archive, &report, start))?;
    Ok(Finish::of(report.is_good()))
}

fn text(archive: &str, report: &Report, start: Instant) -> String {
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
    lines.join("\n")
}
