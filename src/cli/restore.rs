//! `milvault restore`

use std::time::Instant;

use clap::Args;
use milvault::Result;
use milvault::archive::{Archive, Selection};
use milvault::compare::{CompareOptions, Comparison, Side, compare};
use milvault::naming::Naming;
use milvault::readable::ReadAccess;
use milvault::restore::{Outcome, RestoreOptions, RestoreReport, RestoredCollection, restore};
use serde::Serialize;

use super::compare::differences;
use super::exit::Finish;
use super::options::{
    CollectionArguments, ConnectionArguments, FilterArgument, NamingArguments, PartArguments, Role,
    WorkArguments, WritingArguments, selection,
};
use super::place::Connected;
use super::{Session, output, place, units};

#[derive(Args, Debug)]
pub struct Arguments {
    /// The archive to read
    #[arg(long, value_name = "ARCHIVE")]
    from: String,

    /// The cluster to write
    #[arg(long, value_name = "CLUSTER")]
    to: String,

    #[command(flatten)]
    collections: CollectionArguments,
    #[command(flatten)]
    parts: PartArguments,
    #[command(flatten)]
    naming: NamingArguments,

    #[command(flatten)]
    writing: WritingArguments,

    /// Load nothing
    #[arg(long)]
    no_load: bool,

    /// Do not check the archive's files before the target is touched
    #[arg(long)]
    no_verify: bool,

    /// Check everything, say what would be done, and touch nothing
    #[arg(long)]
    dry_run: bool,

    /// Afterwards, compare the archive with the target
    #[arg(long, conflicts_with = "dry_run")]
    compare: bool,

    /// For --compare, build a temporary index where a collection cannot be loaded without one
    #[arg(long, requires = "compare")]
    temp_index: bool,

    #[command(flatten)]
    work: WorkArguments,
    #[command(flatten)]
    connection: ConnectionArguments,
}

/// What a restore has done.
#[derive(Debug, Serialize)]
struct Restored<'a> {
    archive: String,
    target: &'a str,
    dry_run: bool,
    rows: u64,
    seconds: f64,
    collections: &'a [RestoredCollection],
    comparison: Option<&'a Comparison>,
}

pub async fn run(arguments: Arguments, session: &Session) -> Result<Finish> {
    let start = Instant::now();
    let options = options(&arguments)?;
    let named = place::cluster(&arguments.to, session)?;
    let archive = place::archive(&arguments.from, session).await?;
    // A dry run makes no database either.
    let make = !arguments.dry_run;
    let connection = &arguments.connection;
    let target = place::connect(&named, connection, Role::To, make, session).await?;
    let name = target.name.clone();
    let worked = work(&archive, &target, &options, &arguments, session).await;
    let (report, comparison) = target.finish(worked).await?;
    let result = Restored {
        archive: archive.uri(),
        target: &name,
        dry_run: report.dry_run,
        rows: report.collections.iter().map(|one| one.rows).sum(),
        seconds: start.elapsed().as_secs_f64(),
        collections: &report.collections,
        comparison: comparison.as_ref(),
    };
    session.output.result(&result, || summary(&result, start))?;
    let skipped_alike = !report.collections.iter().any(|one| one.differs);
    Ok(Finish::of(
        skipped_alike && comparison.is_none_or(|found| found.equal),
    ))
}

async fn work(
    archive: &Archive,
    target: &Connected,
    options: &RestoreOptions,
    arguments: &Arguments,
    session: &Session,
) -> Result<(RestoreReport, Option<Comparison>)> {
    let report = restore(archive, &target.cluster, options, &session.ctx).await?;
    if !arguments.compare {
        return Ok((report, None));
    }
    let compared = compare_restored(
        archive,
        target,
        &report,
        options,
        arguments.temp_index,
        session,
    );
    let comparison = compared.await?;
    Ok((report, Some(comparison)))
}

/// Compares what was restored, and nothing else of the target.
async fn compare_restored(
    archive: &Archive,
    target: &Connected,
    report: &RestoreReport,
    options: &RestoreOptions,
    temp_index: bool,
    session: &Session,
) -> Result<Comparison> {
    if report.collections.is_empty() {
        return Ok(Comparison {
            equal: true,
            ..Comparison::default()
        });
    }
    let qualified =
        |one: &RestoredCollection| format!("{}.{}", one.source.database, one.source.collection);
    let options = CompareOptions {
        selection: Selection {
            collections: report.collections.iter().map(qualified).collect(),
            exclude: Vec::new(),
            databases: Vec::new(),
            ..options.selection.clone()
        },
        naming: options.naming.clone(),
        // What is loaded to be compared is released again.
        access: ReadAccess {
            load: true,
            temp_index,
        },
        show: super::compare::SHOWN,
    };
    let archive = Side::Archive(Box::new(archive.clone()));
    let cluster = Side::Cluster(Box::new(target.cluster.clone()));
    compare(&archive, &cluster, &options, &session.ctx).await
}

fn options(arguments: &Arguments) -> Result<RestoreOptions> {
    let naming: Naming = arguments.naming.naming()?;
    Ok(RestoreOptions {
        selection: selection(
            &arguments.collections,
            &arguments.parts,
            &FilterArgument::default(),
        ),
        naming,
        if_exists: arguments.writing.if_exists(),
        indexes: arguments.writing.indexes(),
        aliases: arguments.writing.aliases(),
        load: !arguments.no_load,
        verify: !arguments.no_verify,
        dry_run: arguments.dry_run,
        jobs: arguments.work.jobs,
        memory: arguments.work.memory,
    })
}

fn summary(result: &Restored, start: Instant) -> String {
    let mut lines = collections(result.collections, result.dry_run);
    let what = format!(
        "{} of {}",
        units::count(result.rows, "row"),
        units::count(result.collections.len() as u64, "collection")
    );
    lines.push(if result.dry_run {
        format!(
            "Nothing was touched. {what} would go into {}.",
            result.target
        )
    } else {
        format!(
            "{}: {what} in {}",
            result.target,
            units::time(start.elapsed())
        )
    });
    if let Some(found) = result.comparison {
        lines.push(differences(found, &result.archive, result.target));
    }
    lines.join("\n")
}

/// A line on each collection, with its notes.
pub fn collections(all: &[RestoredCollection], dry_run: bool) -> Vec<String> {
    let mut lines = Vec::new();
    for one in all {
        lines.push(collection(one, dry_run));
        lines.extend(one.notes.iter().map(|note| format!("  {note}")));
    }
    lines
}

/// One line on one collection.
fn collection(one: &RestoredCollection, dry_run: bool) -> String {
    let would = if dry_run { "would be " } else { "" };
    let outcome = match one.outcome {
        Outcome::Created => "created",
        Outcome::Skipped => "skipped, it exists",
        Outcome::Appended => "appended to",
        Outcome::Replaced => "replaced",
    };
    let mut parts = vec![format!("{would}{outcome}")];
    if one.outcome != Outcome::Skipped {
        parts.push(units::count(one.rows, "row"));
    }
    if matches!(one.outcome, Outcome::Created | Outcome::Replaced) {
        parts.push(match one.indexes {
            1 => "1 index".to_owned(),
            number => format!("{number} indexes"),
        });
        if !one.aliases.is_empty() {
            parts.push(format!("aliases {}", output::joined(&one.aliases, "")));
        }
        parts.push(if one.loaded { "loaded" } else { "not loaded" }.to_owned());
    }
    let name = if one.source == one.target {
        one.target.to_string()
    } else {
        format!("{} → {}", one.source, one.target)
    };
    format!("{name}: {}", parts.join(", "))
}
