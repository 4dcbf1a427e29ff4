//! How fast an export is: beside what the server can send at most, and beside the script that users write today.
//!
//! `cargo bench --bench export`, with options after `--` (`--help` tells them). It installs and starts a real
//! Milvus, as the tests do. What takes turns here is measured under the same conditions; figures of two runs are
//! not comparable.

mod figures;
mod processors;
mod program;
mod requests;
#[path = "../../tests/support/mod.rs"]
#[allow(dead_code, clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod support;
mod wire;

use std::path::Path;
use std::time::Instant;

use clap::{Parser, ValueEnum};
use figures::Figures;
use milvault::archive::Archive;
use milvault::milvus::{Address, Cluster, ConnectOptions};
use milvault::model::{Collection, CollectionName, DEFAULT_DATABASE};
use milvault::progress::Context;
use support::servers::{self, Server};
use wire::{Call, connect, exchange};

type Failure = Box<dyn std::error::Error + Send + Sync>;

#[derive(Parser, Debug)]
struct Arguments {
    /// The collections to measure: 100,000 × 768 floats, 1,000,000 × 128 floats [default: both]
    #[arg(long = "collection", value_enum)]
    collections: Vec<Kind>,

    /// Only so many rows
    #[arg(long)]
    rows: Option<u64>,

    /// How many turns each contender has
    #[arg(long, default_value_t = 3)]
    runs: usize,

    /// Leave this out; repeatable
    #[arg(long, value_enum)]
    without: Vec<Part>,

    /// Export to a SeaweedFS of this machine, too
    #[arg(long)]
    s3: bool,

    /// One half of the processors for the SeaweedFS, the other for Milvus and milvault (with taskset)
    #[arg(long, requires = "s3", conflicts_with = "server")]
    apart: bool,

    /// A server that is running, and has the collections already
    #[arg(long, value_name = "HOST:PORT")]
    server: Option<String>,

    /// Given by cargo
    #[arg(long, hide = true)]
    bench: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Kind {
    Wide,
    Long,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Kind::Wide => "wide",
            Kind::Long => "long",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Part {
    Pymilvus,
    Verify,
    Restore,
    Import,
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let mut arguments = Arguments::parse();
    // `cargo test --all-targets` runs this, too.
    if !arguments.bench {
        println!("measured by `cargo bench`");
        return Ok(());
    }
    if arguments.collections.is_empty() {
        arguments.collections = vec![Kind::Wide, Kind::Long];
    }
    if arguments.apart {
        // What is started from here on stays there.
        let (near, far) = processors::halves()?;
        processors::keep(std::process::id(), &near)?;
        processors::keep(servers::seaweedfs().pid, &far)?;
    }
    let started = match &arguments.server {
        Some(_) => None,
        None => Some(Server::start(&["milvus-2.3.5"])),
    };
    let address = match (&arguments.server, &started) {
        (Some(address), _) => address,
        (None, Some(server)) => &server.address,
        (None, None) => return Err("no server".into()),
    };
    // All first: filling one would disturb the measurement of another.
    if started.is_some() {
        for kind in &arguments.collections {
            program::fill(address, kind.name(), arguments.rows)?;
        }
    }
    let mut all = Vec::new();
    for kind in &arguments.collections {
        let figures = measure(address, kind.name(), &arguments).await?;
        figures.print();
        all.push(figures.json());
    }
    println!("\n{}", serde_json::Value::from(all));
    Ok(())
}

/// Measures everything of one collection, each contender in turn.
async fn measure(address: &str, name: &str, arguments: &Arguments) -> Result<Figures, Failure> {
    let server = format!("http://{address}");
    let cluster = Cluster::connect(&Address::parse(&server)?, &ConnectOptions::default()).await?;
    let collection = cluster
        .describe(&CollectionName::new(DEFAULT_DATABASE, name))
        .await?;
    let channel = connect(address).await?;
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
    let store = folder.path().display().to_string();
    let mut figures = Figures {
        collection: name.to_owned(),
        rows: cluster.count(&collection.name).await?.unwrap_or(0),
        ..Figures::default()
    };
    // One for all turns: SeaweedFS makes volumes for each bucket when it is first written to.
    let bucket = match arguments.s3 {
        true => format!("s3://{}", support::buckets::bucket(false).await),
        false => String::new(),
    };
    // The first reader of a collection pays for others.
    exchange(
        &channel,
        Call::Query,
        &requests::queries(&cluster, &collection).await?,
    )
    .await?;
    for turn in 0..arguments.runs {
        let queries = requests::queries(&cluster, &collection).await?;
        let drained = exchange(&channel, Call::Query, &queries).await?;
        figures.drain.push(drained.time);
        figures.wire_bytes = drained.received;
        expect_whole(&collection, figures.rows, drained.received)?;

        let archive = format!("turn-{turn}");
        let export = [
            "export", "--from", &server, "--to", &store, "--name", &archive,
        ];
        let only = ["--collection", name];
        figures
            .export
            .push(program::milvault(&[&export[..], &only].concat())?);
        if arguments.s3 {
            let endpoint = support::buckets::endpoint();
            let export = [
                "export", "--from", &server, "--to", &bucket, "--name", &archive,
            ];
            let service = ["--s3-endpoint", &endpoint, "--s3-path-style"];
            let exported = program::milvault(&[&export[..], &service, &only].concat())?;
            figures.export_to_s3.push(exported);
        }
        if !arguments.without.contains(&Part::Pymilvus) {
            let out = folder.path().join("baseline.parquet");
            figures
                .pymilvus
                .push(program::baseline(address, name, &out)?);
        }
        let archive = format!("{store}/{archive}");
        if !arguments.without.contains(&Part::Verify) {
            figures
                .verify
                .push(program::milvault(&["verify", &archive])?);
        }
        if turn + 1 < arguments.runs {
            std::fs::remove_dir_all(&archive)?;
        } else {
            figures.archive_bytes = bytes_below(Path::new(&archive))?;
            for _ in 0..arguments.runs {
                if !arguments.without.contains(&Part::Restore) {
                    write(&cluster, &channel, &collection, &store, &mut figures).await?;
                }
                if !arguments.without.contains(&Part::Import) {
                    bulk(&cluster, &collection, &store, &mut figures).await?;
                }
            }
        }
    }
    Ok(figures)
}

/// Measures the server's bulk import of files that were made in advance and are put into its folder by a bare script,
/// then a restore of the last archive by import. Neither builds an index.
async fn bulk(
    cluster: &Cluster,
    collection: &Collection,
    store: &str,
    figures: &mut Figures,
) -> Result<(), Failure> {
    let mut copy = collection.clone();
    copy.name.collection += "_copy";
    copy.indexes.clear();
    let uri = format!("{store}/turn-{}", figures.export.len() - 1);
    let (parent, name) = milvault::store::split_archive(&uri)?;
    let archive = Archive::open(
        milvault::store::open(&parent, &Default::default()).await?,
        &name,
    )
    .await?;
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
    let (made, put) = (folder.path().join("made"), folder.path().join("put"));
    std::fs::create_dir(&made)?;
    std::fs::create_dir(&put)?;
    for entry in &archive.manifest().collections {
        for (number, file) in entry.files().enumerate() {
            let bytes = archive.bytes_with_plain_keys(entry, file).await?;
            std::fs::write(made.join(format!("{number:05}.parquet")), bytes)?;
        }
    }
    cluster.create_collection(&copy, &copy.properties).await?;
    let address = cluster.server().trim_start_matches("http://");
    figures
        .bulk
        .push(program::bulk(address, &copy.name.collection, &made, &put)?);
    let stored = cluster.stored_rows(&copy.name).await?;
    cluster.drop_collection(&copy.name).await?;
    if stored.is_some_and(|stored| stored != figures.rows) {
        return Err(format!("{stored:?} of {} rows were imported", figures.rows).into());
    }

    let (server, put) = (cluster.server(), put.display().to_string());
    let restore = [
        "restore",
        "--from",
        &uri,
        "--to",
        server,
        "--suffix",
        "_copy",
        "--mode",
        "import",
        "--import-store",
        &put,
    ];
    let bare = ["--no-index", "--no-verify"];
    figures
        .import
        .push(program::milvault(&[&restore[..], &bare].concat())?);
    cluster.drop_collection(&copy.name).await?;
    Ok(())
}

/// Measures inserts that were made in advance, then a restore of the last archive; both end with a flush.
async fn write(
    cluster: &Cluster,
    channel: &tonic::transport::Channel,
    collection: &Collection,
    store: &str,
    figures: &mut Figures,
) -> Result<(), Failure> {
    let mut copy = collection.clone();
    copy.name.collection += "_copy";
    let uri = format!("{store}/turn-{}", figures.export.len() - 1);
    let (parent, name) = milvault::store::split_archive(&uri)?;
    let archive = Archive::open(
        milvault::store::open(&parent, &Default::default()).await?,
        &name,
    )
    .await?;
    let inserts = requests::inserts(&archive, &copy.name).await?;
    cluster.create_collection(&copy, &copy.properties).await?;
    let start = Instant::now();
    exchange(channel, Call::Insert, &inserts).await?;
    cluster.flush(&copy.name, &Context::silent()).await?;
    figures.insert.push(start.elapsed());
    let stored = cluster.stored_rows(&copy.name).await?;
    cluster.drop_collection(&copy.name).await?;
    if stored.is_some_and(|stored| stored != figures.rows) {
        return Err(format!("{stored:?} of {} rows were inserted", figures.rows).into());
    }
    drop(inserts);

    let server = cluster.server();
    let restore = [
        "restore", "--from", &uri, "--to", server, "--suffix", "_copy", "--mode", "insert",
    ];
    let bare = ["--no-index", "--no-verify"];
    figures
        .restore
        .push(program::milvault(&[&restore[..], &bare].concat())?);
    cluster.drop_collection(&copy.name).await?;
    Ok(())
}

/// A server that answers with errors drains fast.
fn expect_whole(collection: &Collection, rows: u64, received: u64) -> Result<(), Failure> {
    let floats: usize = collection
        .fields
        .iter()
        .filter_map(|field| field.dim())
        .sum();
    let least = rows * 4 * floats as u64;
    if received < least {
        return Err(format!("the drain received {received} bytes of at least {least}").into());
    }
    Ok(())
}

fn bytes_below(folder: &Path) -> Result<u64, Failure> {
    let mut sum = 0;
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let metadata = entry.metadata()?;
        sum += match metadata.is_dir() {
            true => bytes_below(&entry.path())?,
            false => metadata.len(),
        };
    }
    Ok(sum)
}
