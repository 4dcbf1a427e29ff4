//! `milvault export`

use std::sync::Arc;
use std::time::Instant;

use clap::Args;
use milvault::archive::{Consistency, Failure, Manifest, Mode, RbacFile, Unlocked};
use milvault::export::{ExportOptions, PreviewedCollection, RowsFrom, Target, export_to, preview};
use milvault::lite::Lite;
use milvault::milvus::Address;
use milvault::readable::ReadAccess;
use milvault::store::Store;
use milvault::{Error, Kind, Result};
use serde::Serialize;

use super::exit::Finish;
use super::options::{
    CollectionArguments, ConnectionArguments, EncryptArguments, FilterArgument, KeepArguments,
    MaskArguments, PartArguments, Role, StoreArguments, ThinArguments, WorkArguments, selection,
    staged,
};
use super::place::Connected;
use super::{Session, output, place, rbac, units};

#[derive(Args, Debug)]
pub struct Arguments {
    /// The cluster to read
    #[arg(long, value_name = "CLUSTER")]
    from: String,

    /// The store that the archive goes into; several times for the same archive in several stores
    #[arg(long, value_name = "STORE", required = true)]
    to: Vec<String>,

    /// The archive's name in the store [default: the cluster's host and the time in UTC]
    #[arg(long, value_name = "NAME")]
    name: Option<String>,

    /// Refuse collections that are not loaded, instead of loading them for the time being
    #[arg(long)]
    no_load: bool,

    /// Build a temporary index where a collection cannot be loaded without one
    #[arg(long, conflicts_with = "no_load")]
    temp_index: bool,

    /// Export users, roles and grants, too: all that the server has, whatever is selected
    #[arg(long)]
    rbac: bool,

    /// Check everything, say what would be exported, write nothing and touch nothing
    #[arg(long)]
    dry_run: bool,

    #[command(flatten)]
    encryption: EncryptArguments,

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
    keep: KeepArguments,
    #[command(flatten)]
    stores: StoreArguments,
    #[command(flatten)]
    work: WorkArguments,
    #[command(flatten)]
    connection: ConnectionArguments,
}

/// What an export has made.
#[derive(Debug, Serialize)]
struct Exported<'a> {
    archive: String,
    /// That one, and those in other stores.
    archives: &'a [String],
    failed: Vec<Failed<'a>>,
    unlocked: Vec<NotLocked<'a>>,
    /// Whether all of it is locked, as was asked for.
    locked: bool,
    name: &'a str,
    collections: usize,
    rows: u64,
    bytes: u64,
    files: u64,
    /// How, if it is: to how many recipients, or with a passphrase.
    encrypted: Option<&'a str>,
    seconds: f64,
    consistency: Consistency,
    rbac: Option<&'a RbacFile>,
}

/// A store that has no archive, while others have.
#[derive(Debug, Serialize)]
struct Failed<'a> {
    store: &'a str,
    error: String,
}

/// An archive that is whole, and not locked as it was to be.
#[derive(Debug, Serialize)]
struct NotLocked<'a> {
    archive: &'a str,
    error: String,
}

pub async fn run(arguments: Arguments, session: &Session) -> Result<Finish> {
    let start = Instant::now();
    let mask_key = arguments.masks.key()?;
    let named = place::cluster(&arguments.from, session)?;
    let target = Target {
        stores: stores(&arguments, session).await?,
        recipients: arguments.encryption.recipients(&session.keys)?,
    };
    if target.recipients.is_none() && session.keys.has_passphrase() {
        session.ctx.monitor.warn(
            "the archive is not encrypted: there is a passphrase in the environment, but no --encrypt",
        );
    }
    let connection = &arguments.connection;
    let source = place::connect(&named, connection, Role::From, session).await?;
    let options = ExportOptions {
        name: match &arguments.name {
            Some(name) => name.clone(),
            None => default_name(&named.address, jiff::Timestamp::now()),
        },
        source: source.name.clone(),
        selection: staged(
            selection(&arguments.collections, &arguments.parts, &arguments.filter),
            &arguments.thin,
            &arguments.masks,
        ),
        mask_key,
        access: ReadAccess {
            load: !arguments.no_load,
            temp_index: arguments.temp_index,
        },
        rbac: arguments.rbac,
        jobs: arguments.work.jobs,
        memory: arguments.work.memory,
    };
    if arguments.dry_run {
        return plan(source, target.stores, &options, session).await;
    }
    let encrypted = target.recipients.as_ref().map(ToString::to_string);
    let locks = target.stores.iter().any(|store| store.locks());
    let exporting = export_to(&source.cluster, target, &options, &session.ctx).await;
    let exported = source.finish(exporting).await?;
    let manifest = &exported.manifest;
    for failure in &exported.failures {
        session
            .ctx
            .monitor
            .warn(&failed(failure, &exported.archives));
    }
    for Unlocked { archive, error } in &exported.unlocked {
        session.ctx.monitor.warn(&format!(
            "{archive} is whole, but not all of it is locked: {error}; `milvault verify {archive}` tells how far it is"
        ));
    }
    let totals = manifest.totals();
    let result = Exported {
        archive: exported.archives.first().cloned().unwrap_or_default(),
        archives: &exported.archives,
        failed: exported
            .failures
            .iter()
            .map(|failure| Failed {
                store: &failure.store,
                error: failure.error.to_string(),
            })
            .collect(),
        unlocked: exported
            .unlocked
            .iter()
            .map(|Unlocked { archive, error }| NotLocked {
                archive,
                error: error.to_string(),
            })
            .collect(),
        locked: locks && exported.unlocked.is_empty(),
        name: &options.name,
        collections: manifest.collections.len(),
        rows: totals.rows,
        bytes: totals.bytes,
        files: totals.files,
        encrypted: encrypted.as_deref(),
        seconds: start.elapsed().as_secs_f64(),
        consistency: manifest.consistency,
        rbac: manifest.rbac.as_ref(),
    };
    session
        .output
        .result(&result, || summary(&result, manifest, start))?;
    if exported.failures.is_empty() && exported.unlocked.is_empty() {
        Ok(Finish::Done)
    } else {
        Ok(Finish::Broken(Kind::Failed))
    }
}

/// Opens the stores, each of which must be another.
async fn stores(arguments: &Arguments, session: &Session) -> Result<Vec<Arc<dyn Store>>> {
    let texts = &arguments.to;
    let mut stores: Vec<Arc<dyn Store>> = Vec::with_capacity(texts.len());
    for text in texts {
        let store = place::store(text, &arguments.stores, &arguments.keep, session).await?;
        for other in &stores {
            if other.place()? == store.place()? {
                return Err(Error::Usage(format!("--to names {} twice", store.uri())));
            }
        }
        stores.push(store);
    }
    Ok(stores)
}

/// What became of a store, and how its archive can be had.
fn failed(failure: &Failure, archives: &[String]) -> String {
    let mut text = format!(
        "{} has no archive, because it failed: {}",
        failure.store, failure.error
    );
    if let Some(left) = &failure.left {
        text.push_str(&format!(
            "; what was written there could not be removed: {left}"
        ));
    }
    if let Some(archive) = archives.first() {
        let store = &failure.store;
        text.push_str(&format!(
            "; `milvault copy {archive} {store}` brings it there"
        ));
    }
    text
}

/// What an export would make.
#[derive(Serialize)]
struct Planned<'a> {
    dry_run: bool,
    archive: String,
    name: &'a str,
    source: &'a str,
    collections: usize,
    /// Null where not all were counted.
    rows: Option<u64>,
    plan: &'a [PreviewedCollection],
    /// What `rbac.json` would say, without passwords: users with their roles, roles, grants.
    rbac: Option<Vec<String>>,
}

async fn plan(
    source: Connected,
    stores: Vec<Arc<dyn Store>>,
    options: &ExportOptions,
    session: &Session,
) -> Result<Finish> {
    let planning = preview(&source.cluster, &stores, options, &session.ctx);
    let previewed = session.ctx.until_stopped("planning", planning).await;
    let found = source.finish(previewed).await?;
    let result = Planned {
        dry_run: true,
        archive: stores
            .iter()
            .map(|store| format!("{}/{}", store.uri(), options.name))
            .collect::<Vec<_>>()
            .join(", "),
        name: &options.name,
        source: &options.source,
        collections: found.collections.len(),
        rows: found.collections.iter().map(counted).sum(),
        plan: &found.collections,
        rbac: found.rbac.as_ref().map(rbac::lines),
    };
    session.output.result(&result, || plan_text(&result))?;
    Ok(Finish::Done)
}

fn counted(one: &PreviewedCollection) -> Option<u64> {
    one.rows.filter(|_| one.rows_from == Some(RowsFrom::Count))
}

fn plan_text(result: &Planned) -> String {
    let what = units::count(result.collections as u64, "collection");
    let rbac = result.rbac.iter().flatten();
    let rbac: String = rbac.map(|line| format!("{line}\n")).collect();
    let end = format!(
        "{rbac}Nothing was written or touched. {what} of {} would go into {}.",
        result.source, result.archive
    );
    if result.plan.is_empty() {
        return end;
    }
    let row = |one: &PreviewedCollection| {
        vec![
            one.name.to_string(),
            units::rows(one.rows, one.rows_from == Some(RowsFrom::Stored)),
            match &one.partitions {
                Some(partitions) => partitions.len().to_string(),
                None => "by key".to_owned(),
            },
            output::joined(&one.left_out, "-"),
            access_text(one),
        ]
    };
    let header = ["COLLECTION", "ROWS", "PARTITIONS", "LEFT OUT", "TO READ IT"];
    let table = output::table(&header, result.plan.iter().map(row));
    let stored = |one: &PreviewedCollection| one.rows_from == Some(RowsFrom::Stored);
    let note = if result.plan.iter().any(stored) {
        "Stored rows are all that the collection ever flushed, deleted ones too.\n"
    } else {
        ""
    };
    format!("{table}\n\n{note}{end}")
}

fn access_text(one: &PreviewedCollection) -> String {
    if !one.load {
        return "-".to_owned();
    }
    if one.temp_indexes.is_empty() {
        return "load".to_owned();
    }
    let fields = output::joined(&one.temp_indexes, "");
    format!("index {fields} for the time being, load")
}

fn summary(result: &Exported, manifest: &Manifest, start: Instant) -> String {
    let mut text = format!(
        "{}: {} of {} ({}) in {}\n{}\n",
        output::joined(result.archives, ""),
        units::count(result.rows, "row"),
        units::count(result.collections as u64, "collection"),
        units::bytes(result.bytes),
        units::time(start.elapsed()),
        moment(&manifest.consistency, "the export"),
    );
    if let Some(how) = result.encrypted {
        text.push_str(&format!(
            "Encrypted {how}: who loses the key has lost the archive.\n"
        ));
    }
    if result.locked {
        text.push_str(
            "All of it is locked; `milvault verify` tells in which mode, and until when.\n",
        );
    }
    if let Some(file) = result.rbac {
        let (holds, passwords) = (rbac::holds(file), rbac::passwords(file));
        text.push_str(&format!("With {holds}; {passwords}.\n"));
    }
    text
}

/// To which moment the rows of an export, or of another `work`, belong, as a sentence.
pub fn moment(consistency: &Consistency, work: &str) -> String {
    let drift = consistency.drift;
    let how = match consistency.mode {
        Mode::Snapshot => "All reads were pinned to one moment".to_owned(),
        Mode::Walk => {
            format!("The keys that were walked are {work}; this server pins no moment")
        }
    };
    if drift.ranges_rewalked == 0 {
        return format!("{how}; no keys came or went meanwhile.");
    }
    format!(
        "{how}; {} read anew, because meanwhile {} came and {} went.",
        units::count(drift.ranges_rewalked, "range"),
        units::count(drift.keys_added, "key"),
        units::count(drift.keys_removed, "key"),
    )
}

/// `prod-20261121T020000Z` for `http://prod:19530`; for milvus-lite the file's name without its ending.
pub fn default_name(from: &str, now: jiff::Timestamp) -> String {
    let host = if Lite::is_path(from) {
        let stem = std::path::Path::new(from).file_stem();
        stem.unwrap_or_default().to_string_lossy().into_owned()
    } else {
        Address::parse(from).map_or_else(|_| String::new(), |address| address.host)
    };
    let plain = |c: char| {
        if c.is_ascii_alphanumeric() || "._-".contains(c) {
            c
        } else {
            '-'
        }
    };
    let host: String = host.chars().map(plain).take(64).collect();
    let host = match host.trim_matches(['-', '.']) {
        "" => "milvus",
        host => host,
    };
    format!("{host}-{}", now.strftime("%Y%m%dT%H%M%SZ"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use milvault::model::CollectionName;

    use super::*;

    #[test]
    fn a_plan_says_what_is_left_out_and_what_is_done_to_read() {
        let known = PreviewedCollection {
            name: CollectionName::new("default", "docs"),
            rows: Some(1200),
            rows_from: Some(RowsFrom::Count),
            partitions: Some(vec!["_default".into(), "old".into()]),
            left_out: Vec::new(),
            load: false,
            temp_indexes: Vec::new(),
        };
        let unloaded = PreviewedCollection {
            name: CollectionName::new("prod", "docs"),
            rows: Some(7),
            rows_from: Some(RowsFrom::Stored),
            partitions: None,
            left_out: vec!["sparse".into(), "$meta".into()],
            load: true,
            temp_indexes: vec!["vector".into()],
        };
        let plan = Planned {
            dry_run: true,
            archive: "store/a".into(),
            name: "a",
            source: "http://h:19530",
            collections: 2,
            rows: None,
            plan: &[known, unloaded],
            rbac: None,
        };
        let expected = "\
COLLECTION  ROWS      PARTITIONS  LEFT OUT       TO READ IT
docs        1,200     2           -              -
prod.docs   7 stored  by key      sparse, $meta  index vector for the time being, load

Stored rows are all that the collection ever flushed, deleted ones too.
Nothing was written or touched. 2 collections of http://h:19530 would go into store/a.";
        assert_eq!(plan_text(&plan), expected);
    }

    #[test]
    fn an_archive_is_named_after_where_and_when() {
        let now: jiff::Timestamp = "2026-11-21T02:00:00.9Z".parse().unwrap();
        for (from, name) in [
            ("http://prod:19530", "prod-20261121T020000Z"),
            ("https://u:p@a.example/db", "a.example-20261121T020000Z"),
            ("http://[::1]:19530", "1-20261121T020000Z"),
            ("./data/my notes.db", "my-notes-20261121T020000Z"),
            ("./.db", "db-20261121T020000Z"),
        ] {
            assert_eq!(default_name(from, now), name);
        }
    }
}
