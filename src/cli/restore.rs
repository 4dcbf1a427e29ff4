//! `milvault restore`

use std::time::Instant;

use clap::Args;
use milvault::archive::{Archive, Selection};
use milvault::compare::{CompareOptions, Comparison, Side, compare};
use milvault::compat::KeysKept;
use milvault::model::{Collection, Field};
use milvault::naming::Naming;
use milvault::rbac::RbacReport;
use milvault::readable::ReadAccess;
use milvault::restore::{
    MadeDatabase, Mode, Outcome, RestoreOptions, RestoreReport, RestoredCollection, Way, restore,
};
use milvault::{Error, Result};
use serde::Serialize;

use super::compare::differences;
use super::exit::Finish;
use super::ls::index_text;
use super::options::{
    CollectionArguments, ConnectionArguments, FilterArgument, ImportArguments, MaskArguments,
    NamingArguments, PartArguments, RbacArguments, StoreArguments, ThinArguments, WorkArguments,
    WritingArguments, selection, staged,
};
use super::place::Connected;
use super::show::type_text;
use super::{Session, output, place, rbac, units};

#[derive(Args, Debug)]
pub struct Arguments {
    /// The archive to read
    #[arg(long, value_name = "ARCHIVE")]
    from: String,

    /// The cluster to write
    #[arg(long, value_name = "CLUSTER")]
    to: String,

    /// Load nothing
    #[arg(long)]
    no_load: bool,

    /// Do not check the archive's files before the target is touched, but each as it is read
    #[arg(long)]
    no_verify: bool,

    /// Check everything, say what would be done, and touch nothing
    #[arg(long)]
    dry_run: bool,

    /// Afterwards, compare the archive with the target
    #[arg(long, conflicts_with_all = ["dry_run", "sample", "limit", "masks"])]
    compare: bool,

    /// For --compare, build a temporary index where a collection cannot be loaded without one
    #[arg(long, requires = "compare")]
    temp_index: bool,

    #[command(flatten)]
    collections: CollectionArguments,
    #[command(flatten)]
    parts: PartArguments,
    #[command(flatten)]
    thin: ThinArguments,
    #[command(flatten)]
    masks: MaskArguments,
    #[command(flatten)]
    naming: NamingArguments,

    #[command(flatten)]
    writing: WritingArguments,
    #[command(flatten)]
    importing: ImportArguments,

    #[command(flatten)]
    rbac: RbacArguments,
    #[command(flatten)]
    stores: StoreArguments,
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
    /// Bytes that the rows have in the archive.
    bytes: u64,
    seconds: f64,
    databases: &'a [MadeDatabase],
    collections: &'a [RestoredCollection],
    rbac: Option<&'a RbacReport>,
    comparison: Option<&'a Comparison>,
    /// Why there is no comparison, though one was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    comparison_error: Option<String>,
}

pub async fn run(arguments: Arguments, session: &Session) -> Result<Finish> {
    let start = Instant::now();
    let options = options(&arguments, session).await?;
    if arguments.compare && arguments.writing.makes_new_keys() {
        return Err(Error::Usage(
            "--compare tells rows by their keys, and --auto-id regenerate makes new ones; leave one of them out".into(),
        ));
    }
    let named = place::cluster(&arguments.to, session)?;
    let archive = place::archive(&arguments.from, &arguments.stores, session).await?;
    let connection = &arguments.connection;
    let target = place::target(&named, connection, arguments.dry_run, session).await?;
    let name = target.name.clone();
    let worked = work(&archive, &target, &options, &arguments, session).await;
    let (report, compared) = target.finish(worked).await?;
    // What was restored is told all the same.
    let (comparison, failure) = match compared.transpose() {
        Ok(comparison) => (comparison, None),
        Err(error) => (None, Some(error)),
    };
    let result = Restored {
        archive: archive.uri(),
        target: &name,
        dry_run: report.dry_run,
        rows: report.collections.iter().map(|one| one.rows).sum(),
        bytes: report.collections.iter().filter_map(|one| one.bytes).sum(),
        seconds: start.elapsed().as_secs_f64(),
        databases: &report.databases,
        collections: &report.collections,
        rbac: report.rbac.as_ref(),
        comparison: comparison.as_ref(),
        comparison_error: failure.as_ref().map(Error::to_string),
    };
    session.output.result(&result, || summary(&result, start))?;
    if let Some(error) = failure {
        let said = format!("everything was restored, but could not be compared: {error}");
        session.ctx.monitor.warn(&said);
        return Ok(Finish::Broken(error.kind()));
    }
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
) -> Result<(RestoreReport, Option<Result<Comparison>>)> {
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
    let comparison = compared.await;
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
        mask_key: None,
        second_as_is: false,
        show: super::compare::SHOWN,
    };
    let archive = Side::Archive(Box::new(archive.clone()));
    let cluster = Side::Cluster(Box::new(target.cluster.clone()));
    compare(&archive, &cluster, &options, &session.ctx).await
}

async fn options(arguments: &Arguments, session: &Session) -> Result<RestoreOptions> {
    let naming: Naming = arguments.naming.naming()?;
    Ok(RestoreOptions {
        selection: staged(
            selection(
                &arguments.collections,
                &arguments.parts,
                &FilterArgument::default(),
            ),
            &arguments.thin,
            &arguments.masks,
        ),
        mask_key: arguments.masks.key()?,
        naming,
        if_exists: arguments.writing.if_exists(),
        adapt: arguments.writing.adaptation()?,
        mode: arguments.importing.mode(),
        import: arguments
            .importing
            .import(&arguments.stores, session)
            .await?,
        aliases: arguments.writing.aliases(),
        load: !arguments.no_load,
        rbac: arguments.rbac.options(&session.ctx)?,
        verify: !arguments.no_verify,
        dry_run: arguments.dry_run,
        jobs: arguments.work.jobs,
        memory: arguments.work.memory,
    })
}

fn summary(result: &Restored, start: Instant) -> String {
    let mut lines = databases(result.databases, result.dry_run);
    lines.extend(collections(result.collections, result.dry_run));
    if let Some(report) = result.rbac {
        lines.extend(rbac::restored(report, result.dry_run));
    }
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

/// A line on each database that the target lacked.
pub fn databases(all: &[MadeDatabase], dry_run: bool) -> Vec<String> {
    let mut lines = Vec::new();
    for one in all {
        let made = if dry_run { "would be made" } else { "made" };
        let properties = one.properties.iter();
        let properties = properties.map(|(name, value)| format!(", {name}={value}"));
        let properties: String = properties.collect();
        lines.push(format!("database {}: {made}{properties}", one.name));
        lines.extend(one.notes.iter().map(|note| format!("  {note}")));
    }
    lines
}

/// A line on each collection, with its notes.
pub fn collections(all: &[RestoredCollection], dry_run: bool) -> Vec<String> {
    let mut lines = Vec::new();
    for one in all {
        lines.push(collection(one, dry_run));
        if let Some(plan) = &one.plan {
            lines.extend(planned(plan).map(|line| format!("  {line}")));
            lines.push(format!("  {:<11} {}", "rows", way_text(&one.way)));
        }
        let given_up = one.dropped.iter().map(|what| format!("without {what}"));
        let said = one.translated.iter().cloned().chain(given_up);
        lines.extend(
            said.chain(one.notes.clone())
                .map(|line| format!("  {line}")),
        );
    }
    lines
}

/// What happened to keys that the source has made itself.
fn keys_text(keys: KeysKept) -> &'static str {
    match keys {
        KeysKept::Kept => "keys kept",
        KeysKept::KeptWithoutAutoId => "keys kept, and no longer made by the server",
        KeysKept::Regenerated => "keys made anew",
    }
}

/// How rows get into the target, and why so.
fn way_text(way: &Way) -> String {
    let how = match way.mode {
        Mode::Import => "imported",
        Mode::Insert | Mode::Auto => "inserted",
    };
    format!("{how}: {}", way.mode_reason)
}

/// What a collection would be made of.
fn planned(plan: &Collection) -> impl Iterator<Item = String> {
    let fields = plan.fields.iter().map(field_text);
    let dynamic = plan.dynamic.then(|| "a dynamic field".to_owned());
    let functions = plan.functions.iter();
    let functions = functions.map(|one| format!("{} ({})", one.name, one.kind_name()));
    let properties = plan.properties.iter();
    let partitions = match plan.has_partition_key() {
        true => format!("{} by key", plan.key_partitions()),
        false => plan.partitions.join(", "),
    };
    [
        ("fields", output::joined(fields.chain(dynamic), "")),
        ("functions", output::joined(functions, "")),
        ("partitions", partitions),
        (
            "indexes",
            output::joined(plan.indexes.iter().map(index_text), ""),
        ),
        (
            "properties",
            output::joined(
                properties.map(|(name, value)| format!("{name}={value}")),
                "",
            ),
        ),
    ]
    .into_iter()
    .filter(|(_, what)| !what.is_empty())
    .map(|(name, what)| format!("{name:<11} {what}"))
}

fn field_text(field: &Field) -> String {
    format!("{} {}", field.name, type_text(field))
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
        let rows = units::count(one.rows, "row");
        parts.push(match one.bytes.filter(|_| dry_run) {
            Some(bytes) => format!("{rows} ({})", units::bytes(bytes)),
            None => rows,
        });
        if one.way.mode == Mode::Import {
            parts.push("imported".to_owned());
        }
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
        parts.extend(one.auto_id.map(|keys| keys_text(keys).to_owned()));
    }
    let name = if one.source == one.target {
        one.target.to_string()
    } else {
        format!("{} → {}", one.source, one.target)
    };
    format!("{name}: {}", parts.join(", "))
}
