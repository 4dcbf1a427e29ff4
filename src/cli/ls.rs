//! `milvault ls`

use clap::Args;
use futures::{StreamExt, TryStreamExt, stream};
use milvault::archive::{self, Listed as ListedArchive, Unfinished};
use milvault::milvus::Cluster;
use milvault::model::{Collection, CollectionName, Index};
use milvault::{Error, Result, select};
use serde::Serialize;

use super::exit::Finish;
use super::options::{
    CollectionArguments, ConnectionArguments, FilterArgument, PartArguments, Role, StoreArguments,
    selection,
};
use super::place::{Connected, Named};
use super::{Session, output, place, units};

/// How many databases or collections are asked about at a time.
const AT_ONCE: usize = 8;

#[derive(Args, Debug)]
pub struct Arguments {
    /// A cluster or a store; a profile goes before a folder of its name, which is ./NAME
    #[arg(value_name = "CLUSTER|STORE")]
    place: String,

    #[command(flatten)]
    collections: CollectionArguments,
    #[command(flatten)]
    stores: StoreArguments,
    #[command(flatten)]
    connection: ConnectionArguments,
}

pub async fn run(arguments: Arguments, session: &Session) -> Result<Finish> {
    match place::cluster_or_files(&arguments.place, session)? {
        Some(named) => list_cluster(&named, &arguments, session).await,
        None => list_store(&arguments, session).await,
    }
}

/// The archives of a store.
#[derive(Serialize)]
struct Archives {
    archives: Vec<ListedArchive>,
    unfinished: Vec<Unfinished>,
    unreadable: Vec<Unreadable>,
}

/// An archive that cannot be read.
#[derive(Serialize)]
struct Unreadable {
    name: String,
    uri: String,
    error: String,
}

async fn list_store(arguments: &Arguments, session: &Session) -> Result<Finish> {
    let asked = selection(
        &arguments.collections,
        &PartArguments::default(),
        &FilterArgument::default(),
    );
    if asked != milvault::archive::Selection::default() {
        return Err(Error::Usage(
            "a store is listed whole; selections are for clusters".to_owned(),
        ));
    }
    let listing = async {
        let store = place::existing_store(&arguments.place, &arguments.stores, session).await?;
        Ok((store.uri(), archive::list(&store).await?))
    };
    let (uri, listing) = session.ctx.until_stopped("listing", listing).await?;
    let unreadable = listing.unreadable.iter().map(|(name, error)| Unreadable {
        name: name.clone(),
        uri: format!("{uri}/{name}"),
        error: error.to_string(),
    });
    let result = Archives {
        unreadable: unreadable.collect(),
        archives: listing.archives,
        unfinished: listing.unfinished,
    };
    for bad in &result.unreadable {
        session.ctx.monitor.warn(&bad.error);
    }
    session
        .output
        .result(&result, || archives_text(&uri, &result))?;
    Ok(Finish::of(result.unreadable.is_empty()))
}

fn archives_text(uri: &str, result: &Archives) -> String {
    let row = |archive: &ListedArchive| {
        vec![
            archive.name.clone(),
            archive.created.clone(),
            indicatif::HumanCount(archive.rows).to_string(),
            units::bytes(archive.bytes),
            archive.collections.to_string(),
            if archive.encrypted { "encrypted" } else { "" }.to_owned(),
        ]
    };
    let mut parts = Vec::new();
    if result.archives.is_empty() {
        parts.push(format!("no archives in {uri}"));
    } else {
        parts.push(output::table(
            &["ARCHIVE", "CREATED", "ROWS", "SIZE", "COLLECTIONS", ""],
            result.archives.iter().map(row),
        ));
    }
    if !result.unfinished.is_empty() {
        let row = |one: &Unfinished| {
            let started = one.started.clone().unwrap_or_else(|| "unknown".to_owned());
            vec![one.name.clone(), started, state(one).to_owned()]
        };
        parts.push(output::table(
            &["NOT WHOLE", "STARTED", ""],
            result.unfinished.iter().map(row),
        ));
    }
    parts.join("\n\n")
}

fn state(one: &Unfinished) -> &'static str {
    if one.forgotten {
        "its removal was interrupted: the next forget completes it"
    } else {
        "being written, or given up: a copy is gone on with, forget --unfinished=AGE removes it"
    }
}

/// The collections of a cluster.
#[derive(Serialize)]
struct Collections {
    server: String,
    version: String,
    collections: Vec<Listed>,
}

#[derive(Serialize)]
struct Listed {
    database: String,
    collection: String,
    /// Null where the server does not tell.
    rows: Option<u64>,
    /// Whether the rows were counted (`count`), or are those ever stored, deleted ones too (`stored`).
    rows_from: Option<&'static str>,
    loaded: bool,
    indexes: Vec<ListedIndex>,
    aliases: Vec<String>,
}

#[derive(Serialize)]
struct ListedIndex {
    field: String,
    name: String,
    #[serde(rename = "type")]
    index_type: Option<String>,
    metric: Option<String>,
}

async fn list_cluster(named: &Named, arguments: &Arguments, session: &Session) -> Result<Finish> {
    let connection = &arguments.connection;
    let connected = place::connect(named, connection, Role::From, session).await?;
    let listing = session
        .ctx
        .until_stopped("listing", describe_all(&connected, arguments))
        .await;
    let result = connected.finish(listing).await?;
    session
        .output
        .result(&result, || collections_text(&result))?;
    Ok(Finish::Done)
}

async fn describe_all(connected: &Connected, arguments: &Arguments) -> Result<Collections> {
    let cluster = &connected.cluster;
    let asked = selection(
        &arguments.collections,
        &PartArguments::default(),
        &FilterArgument::default(),
    );
    let home = cluster.address().database.as_deref();
    let databases = cluster.databases_for(&asked.named_databases(home)).await?;
    let all = cluster.collections_in(&databases).await?;
    let names = select::matching(&asked, &all, &databases, home, &connected.name)?;
    let collections = stream::iter(&names)
        .map(|name| listed(cluster, name))
        .buffered(AT_ONCE)
        .try_collect()
        .await?;
    Ok(Collections {
        server: connected.name.clone(),
        version: cluster.version().to_string(),
        collections,
    })
}

async fn listed(cluster: &Cluster, name: &CollectionName) -> Result<Listed> {
    let collection = cluster.describe(name).await?;
    let (rows, rows_from) = rows(cluster, &collection).await?;
    let index = |index: &Index| ListedIndex {
        field: index.field.clone(),
        name: index.name.clone(),
        index_type: index.params.get("index_type").cloned(),
        metric: index.params.get("metric_type").cloned(),
    };
    Ok(Listed {
        database: name.database.clone(),
        collection: name.collection.clone(),
        rows,
        rows_from,
        loaded: collection.load.loaded,
        indexes: collection.indexes.iter().map(index).collect(),
        aliases: collection.aliases,
    })
}

/// The best number of rows that the server has: a list must not fail over one that cannot be had.
async fn rows(
    cluster: &Cluster,
    collection: &Collection,
) -> Result<(Option<u64>, Option<&'static str>)> {
    if collection.load.loaded
        && let Some(rows) = known(cluster.count(&collection.name).await)?
    {
        return Ok((Some(rows), Some("count")));
    }
    let rows = known(cluster.stored_rows(&collection.name).await)?;
    Ok((rows, rows.map(|_| "stored")))
}

fn known(rows: Result<Option<u64>>) -> Result<Option<u64>> {
    match rows {
        Err(Error::Call { .. } | Error::Denied { .. }) => Ok(None),
        rows => rows,
    }
}

fn collections_text(result: &Collections) -> String {
    let title = format!("{} ({})", result.server, result.version);
    if result.collections.is_empty() {
        return format!("{title}: no collections");
    }
    let row = |one: &Listed| {
        vec![
            one.database.clone(),
            one.collection.clone(),
            units::rows(one.rows, one.rows_from == Some("stored")),
            if one.loaded { "yes" } else { "no" }.to_owned(),
            output::joined(one.indexes.iter().map(listed_text), "-"),
            output::joined(&one.aliases, "-"),
        ]
    };
    let header = [
        "DATABASE",
        "COLLECTION",
        "ROWS",
        "LOADED",
        "INDEXES",
        "ALIASES",
    ];
    let table = output::table(&header, result.collections.iter().map(row));
    format!("{title}\n\n{table}")
}

fn listed_text(index: &ListedIndex) -> String {
    kind_text(
        &index.field,
        index.index_type.as_deref(),
        index.metric.as_deref(),
    )
}

/// `embedding HNSW/COSINE`.
pub fn index_text(index: &Index) -> String {
    let param = |name| index.params.get(name).map(String::as_str);
    kind_text(&index.field, param("index_type"), param("metric_type"))
}

fn kind_text(field: &str, index_type: Option<&str>, metric: Option<&str>) -> String {
    let kind = index_type
        .filter(|kind| !kind.is_empty())
        .unwrap_or("default");
    // milvus-lite says NONE for indexes of scalars.
    match metric.filter(|metric| !matches!(*metric, "" | "NONE")) {
        Some(metric) => format!("{field} {kind}/{metric}"),
        None => format!("{field} {kind}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_metric_is_left_out() {
        assert_eq!(kind_text("v", Some("HNSW"), Some("L2")), "v HNSW/L2");
        assert_eq!(kind_text("t", Some("INVERTED"), Some("")), "t INVERTED");
        assert_eq!(kind_text("t", Some("INVERTED"), Some("NONE")), "t INVERTED");
        assert_eq!(kind_text("t", None, None), "t default");
    }
}
