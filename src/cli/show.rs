//! `milvault show`

use std::path::PathBuf;

use clap::Args;
use milvault::Result;
use milvault::archive::{Archive, CollectionEntry, Selection, Source, Totals};
use milvault::milvus::ServerVersion;
use milvault::model::{DataType, Field, Rbac};

use super::exit::Finish;
use super::export::moment;
use super::ls::index_text;
use super::options::StoreArguments;
use super::{Session, audit, output, place, rbac, units};

#[derive(Args, Debug)]
pub struct Arguments {
    /// The archive
    archive: String,

    /// Say what an audit asks: hashes of all objects, until when they are locked, when they were verified
    #[arg(long)]
    audit: bool,

    /// Write the audit as a page to print into this file, too
    #[arg(long, value_name = "FILE", requires = "audit")]
    html: Option<PathBuf>,

    #[command(flatten)]
    stores: StoreArguments,
}

pub async fn run(arguments: Arguments, session: &Session) -> Result<Finish> {
    let archive = place::archive(&arguments.archive, &arguments.stores, session).await?;
    if arguments.audit {
        return audit::run(&archive, arguments.html.as_deref(), session).await;
    }
    let reading = archive.rbac();
    let rbac = session
        .ctx
        .until_stopped("reading users and roles", reading);
    let rbac = rbac.await?;
    session
        .output
        .result(archive.manifest(), || text(&archive, rbac.as_ref()))?;
    Ok(Finish::Done)
}

fn text(archive: &Archive, rbac: Option<&Rbac>) -> String {
    let manifest = archive.manifest();
    let mut lines = vec![archive.uri()];
    lines.extend(
        head(archive)
            .into_iter()
            .map(|(name, value)| format!("  {name:<12} {value}")),
    );
    for entry in &manifest.collections {
        lines.push(String::new());
        lines.push(collection(entry));
    }
    if let Some(rbac) = rbac {
        lines.extend(["".to_owned(), "users and roles".to_owned()]);
        let told = rbac::lines(rbac).into_iter();
        lines.extend(told.map(|line| format!("  {line}")));
    }
    lines.join("\n")
}

fn head(archive: &Archive) -> Vec<(&'static str, String)> {
    let manifest = archive.manifest();
    let totals = manifest.totals();
    let encrypted = if archive.is_encrypted() {
        ", encrypted with age"
    } else {
        ""
    };
    let mut head = vec![
        (
            "source",
            format!("{}, {}", manifest.source.address, server(&manifest.source)),
        ),
        ("created", manifest.created.clone()),
        (
            "by",
            format!(
                "{} {}, archive format {}{encrypted}",
                manifest.tool.name,
                manifest.tool.version,
                archive.summary().format
            ),
        ),
        ("consistency", moment(&manifest.consistency, "the export")),
    ];
    if let Some(timestamp) = manifest.consistency.timestamp {
        head.push(("timestamp", timestamp.to_string()));
    }
    head.push(("selection", selected(&manifest.selection)));
    head.push(("holds", held(manifest.collections.len(), &totals)));
    if let Some(file) = &manifest.rbac {
        let (holds, passwords) = (rbac::holds(file), rbac::passwords(file));
        head.push(("access", format!("{holds}; {passwords}")));
    }
    head
}

/// The server that rows come from, as a phrase.
pub fn server(source: &Source) -> String {
    let text = &source.server_version;
    ServerVersion::parse(text).map_or_else(|| text.clone(), |version| version.to_string())
}

/// How much an archive holds, as one line.
pub fn held(collections: usize, totals: &Totals) -> String {
    format!(
        "{}, {}, {}, {}",
        units::count(collections as u64, "collection"),
        units::count(totals.rows, "row"),
        units::count(totals.files, "file"),
        units::bytes(totals.bytes)
    )
}

pub fn selected(selection: &Selection) -> String {
    let lists = [
        ("collections", &selection.collections),
        ("without", &selection.exclude),
        ("databases", &selection.databases),
        ("partitions", &selection.partitions),
        ("fields", &selection.fields),
        ("without fields", &selection.exclude_fields),
    ];
    let named = lists
        .iter()
        .filter(|(_, items)| !items.is_empty())
        .map(|(name, items)| format!("{name} {}", output::joined(*items, "")));
    let filter = selection
        .filter
        .iter()
        .map(|expr| format!("rows with {expr}"));
    let sample = selection.sample.iter();
    let sample = sample.map(|share| format!("a sample of {share} of the rows"));
    let limit = selection.limit.iter();
    let limit = limit.map(|rows| format!("the first {rows} rows of each collection"));
    let masks = selection.masks.iter().map(|mask| format!("masked {mask}"));
    let thinned = filter.chain(sample).chain(limit).chain(masks);
    let parts: Vec<String> = named.chain(thinned).collect();
    output::joined(parts, "everything")
}

fn collection(entry: &CollectionEntry) -> String {
    let schema = &entry.schema;
    let (files, bytes) = entry.files().fold((0, 0), |(files, bytes), file| {
        (files + 1, bytes + file.bytes)
    });
    let mut lines = vec![format!(
        "{}: {}, {}, {}",
        schema.name,
        units::count(entry.rows, "row"),
        units::count(files, "file"),
        units::bytes(bytes)
    )];
    if !schema.description.is_empty() {
        lines.push(format!("  {:<12} {}", "description", schema.description));
    }
    lines.push("  fields".to_owned());
    let fields: Vec<Vec<String>> = schema
        .fields
        .iter()
        .flat_map(|field| {
            let own = vec![field.name.clone(), type_text(field), traits(entry, field)];
            let parts = field.fields.iter();
            let parts =
                parts.map(|part| vec![field.part_name(part), type_text(part), String::new()]);
            std::iter::once(own).chain(parts)
        })
        .collect();
    let table = output::table(&["name", "type", ""], fields);
    // The columns' names say nothing that is not plain to see.
    lines.extend(table.lines().skip(1).map(|line| format!("    {line}")));
    let state = if schema.load.loaded {
        "loaded"
    } else {
        "not loaded"
    };
    for (name, value) in [
        (
            "dynamic",
            if schema.dynamic { "yes" } else { "no" }.to_owned(),
        ),
        ("partitions", partitions(entry)),
        (
            "indexes",
            output::joined(schema.indexes.iter().map(index_text), "none"),
        ),
        ("aliases", output::joined(&schema.aliases, "none")),
        (
            "was",
            format!(
                "{state}, {}",
                units::count(schema.shards.max(0) as u64, "shard")
            ),
        ),
        ("digest", entry.digests.all.to_string()),
    ] {
        lines.push(format!("  {name:<12} {value}"));
    }
    lines.join("\n")
}

fn partitions(entry: &CollectionEntry) -> String {
    let named = entry
        .partitions
        .iter()
        .map(|partition| match &partition.name {
            Some(name) => format!("{name} ({})", units::count(partition.rows, "row")),
            None => format!("{} by key", entry.schema.partitions.len()),
        });
    output::joined(named, "none")
}

/// `VarChar(200)`, `FloatVector(128)`, `Array(8) of Int32`.
pub fn type_text(field: &Field) -> String {
    let size = match field.data_type {
        DataType::VarChar => field.params.get("max_length"),
        DataType::Array => field.params.get("max_capacity"),
        kind if kind.is_vector() => field.params.get("dim"),
        _ => None,
    };
    let mut text = field.data_type.to_string();
    if let Some(size) = size {
        text.push_str(&format!("({size})"));
    }
    if let Some(element) = field.element_type {
        text.push_str(&format!(" of {element}"));
    }
    text
}

fn traits(entry: &CollectionEntry, field: &Field) -> String {
    let all = [
        (field.primary_key, "primary key"),
        (field.auto_id, "keys made by the server"),
        (field.partition_key, "partition key"),
        (field.clustering_key, "clustering key"),
        (field.nullable, "nullable"),
        (field.default.is_some(), "has a default"),
        (field.function_output, "filled by a function"),
        (
            !entry.exported_fields.contains(&field.name),
            "not in the archive",
        ),
    ];
    let given = all.iter().filter(|(given, _)| *given).map(|(_, name)| name);
    output::joined(given, "")
}
