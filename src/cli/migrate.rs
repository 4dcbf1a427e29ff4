//! `milvault migrate`

use std::time::Instant;

use clap::Args;
use milvault::Result;
use milvault::archive::Consistency;
use milvault::compare::Comparison;
use milvault::migrate::{MigrateOptions, MigrateReport, migrate};
use milvault::rbac::RbacReport;
use milvault::readable::ReadAccess;
use milvault::restore::{MadeDatabase, RestoredCollection};
use serde::Serialize;

use super::compare::details;
use super::exit::Finish;
use super::options::{
    CollectionArguments, ConnectionArguments, FilterArgument, MaskArguments, NamingArguments,
    PartArguments, RbacArguments, Role, ThinArguments, WorkArguments, WritingArguments, selection,
    staged,
};
use super::{Session, export, place, rbac, restore, units};

#[derive(Args, Debug)]
pub struct Arguments {
    /// The cluster to read
    #[arg(long, value_name = "CLUSTER")]
    from: String,

    /// The cluster to write
    #[arg(long, value_name = "CLUSTER")]
    to: String,

    /// Load nothing in the target
    #[arg(long)]
    no_load_target: bool,

    /// Refuse collections that are not loaded in the source, instead of loading them for the time being
    #[arg(long)]
    no_load: bool,

    /// Build a temporary index where a collection of the source (or of the target, for --verify) cannot be loaded
    /// without one
    #[arg(long, conflicts_with = "no_load")]
    temp_index: bool,

    /// At the end, read the target and hold its rows against those that were read of the source
    #[arg(long, conflicts_with = "dry_run")]
    verify: bool,

    /// Check everything on both sides, say what would be done, and touch nothing
    #[arg(long)]
    dry_run: bool,

    #[command(flatten)]
    collections: CollectionArguments,
    #[command(flatten)]
    parts: PartArguments,
    #[command(flatten)]
    filter: FilterArgument,
    #[command(flatten)]
    thin: ThinArguments,
    #[command(flatten)]
    masks: MaskArguments,
    #[command(flatten)]
    naming: NamingArguments,
    #[command(flatten)]
    writing: WritingArguments,

    #[command(flatten)]
    rbac: RbacArguments,
    #[command(flatten)]
    work: WorkArguments,
    #[command(flatten)]
    connection: ConnectionArguments,
}

/// What a migration has done.
#[derive(Debug, Serialize)]
struct Migrated<'a> {
    source: &'a str,
    target: &'a str,
    dry_run: bool,
    rows: u64,
    seconds: f64,
    consistency: Consistency,
    databases: &'a [MadeDatabase],
    collections: &'a [RestoredCollection],
    verification: Option<&'a Comparison>,
    rbac: Option<&'a RbacReport>,
}

pub async fn run(arguments: Arguments, session: &Session) -> Result<Finish> {
    let start = Instant::now();
    let options = options(&arguments, session)?;
    let (from, to) = (
        place::cluster(&arguments.from, session)?,
        place::cluster(&arguments.to, session)?,
    );
    let connection = &arguments.connection;
    let source = place::connect(&from, connection, Role::From, session).await?;
    let target = match place::target(&to, connection, arguments.dry_run, session).await {
        Ok(target) => target,
        Err(error) => return source.finish(Err(error)).await,
    };
    let names = (source.name.clone(), target.name.clone());
    let worked = migrate(&source.cluster, &target.cluster, &options, &session.ctx).await;
    let worked = target.finish(worked).await;
    let report: MigrateReport = source.finish(worked).await?;
    let result = Migrated {
        source: &names.0,
        target: &names.1,
        dry_run: report.dry_run,
        rows: report.collections.iter().map(|one| one.rows).sum(),
        seconds: start.elapsed().as_secs_f64(),
        consistency: report.consistency,
        databases: &report.databases,
        collections: &report.collections,
        verification: report.verification.as_ref(),
        rbac: report.rbac.as_ref(),
    };
    session.output.result(&result, || summary(&result, start))?;
    let skipped_alike = !report.collections.iter().any(|one| one.differs);
    let verified = report.verification.as_ref();
    Ok(Finish::of(
        skipped_alike && verified.is_none_or(|found| found.equal),
    ))
}

fn options(arguments: &Arguments, session: &Session) -> Result<MigrateOptions> {
    Ok(MigrateOptions {
        selection: staged(
            selection(&arguments.collections, &arguments.parts, &arguments.filter),
            &arguments.thin,
            &arguments.masks,
        ),
        mask_key: arguments.masks.key()?,
        access: ReadAccess {
            load: !arguments.no_load,
            temp_index: arguments.temp_index,
        },
        naming: arguments.naming.naming()?,
        if_exists: arguments.writing.if_exists(),
        adapt: arguments.writing.adaptation()?,
        aliases: arguments.writing.aliases(),
        load: !arguments.no_load_target,
        verify: arguments.verify,
        rbac: arguments.rbac.options(&session.ctx)?,
        dry_run: arguments.dry_run,
        jobs: arguments.work.jobs,
        memory: arguments.work.memory,
    })
}

fn summary(result: &Migrated, start: Instant) -> String {
    let mut lines = restore::databases(result.databases, result.dry_run);
    lines.extend(restore::collections(result.collections, result.dry_run));
    if let Some(report) = result.rbac {
        lines.extend(rbac::restored(report, result.dry_run));
    }
    let what = format!(
        "{} of {}",
        units::count(result.rows, "row"),
        units::count(result.collections.len() as u64, "collection")
    );
    if result.dry_run {
        lines.push(format!(
            "Nothing was touched. {what} of {} would go into {}.",
            result.source, result.target
        ));
    } else {
        lines.push(format!(
            "{} → {}: {what} in {}",
            result.source,
            result.target,
            units::time(start.elapsed())
        ));
        lines.push(export::moment(&result.consistency, "the migration"));
    }
    if let Some(found) = result.verification {
        lines.extend(details(found, result.source, result.target));
        let verdict = if found.equal {
            "holds"
        } else {
            "does not hold"
        };
        lines.push(format!("{} {verdict} what was read.", result.target));
    }
    lines.join("\n")
}
