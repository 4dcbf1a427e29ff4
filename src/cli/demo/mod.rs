//! `milvault demo`: everything once, on two real Milvus servers of its own.

mod embedding;
mod folder;
mod sample;
mod steps;

use std::path::{Path, PathBuf};
use std::time::Instant;

use clap::Args;
use milvault::archive::{Archive, Manifest, Selection, verify};
use milvault::compare::{CompareOptions, Comparison, Side, compare};
use milvault::compat::Adaptation;
use milvault::export::{ExportOptions, export};
use milvault::milvus::Cluster;
use milvault::naming::Naming;
use milvault::readable::ReadAccess;
use milvault::restore::{IfExists, Mode, RestoreOptions, restore};
use milvault::store::{self, StoreOptions};
use milvault::{Error, Result, columns};

use super::exit::Finish;
use super::place::{self, Absent, Connected};
use super::{Session, units};

use folder::Folder;
use sample::Sample;
use steps::Steps;

/// Rows of one insert.
const BATCH: usize = 500;

/// What the collections' names end in on the second server.
const SUFFIX: &str = "_copy";

/// Requests in flight.
const JOBS: usize = 4;

/// Bytes of rows in memory.
const MEMORY: u64 = 256 << 20;

const READ_ONLY: ReadAccess = ReadAccess {
    load: false,
    temp_index: false,
};

#[derive(Args, Debug)]
pub struct Arguments {
    /// Where the demo keeps its two databases and its archives; each run makes the databases anew and keeps
    /// earlier archives [default: milvault/demo in your data folder]
    #[arg(long, value_name = "FOLDER")]
    dir: Option<PathBuf>,
}

pub async fn run(arguments: Arguments, session: &Session) -> Result<Finish> {
    let folder = Folder::prepare(arguments.dir)?;
    let mut steps = Steps::new(session.output);

    let start = Instant::now();
    let source = place::serve(&folder.source(), Absent::Make, session).await?;
    let target = match place::serve(&folder.target(), Absent::Make, session).await {
        Ok(target) => target,
        Err(error) => return source.finish(Err(error)).await,
    };
    let started = format!(
        "Started two {} servers, with their databases in {}",
        source.cluster.version(),
        folder.path().display()
    );
    let worked = match steps.done("start", started, start) {
        Ok(()) => work(&folder, &source, &target, &mut steps, session).await,
        Err(error) => Err(error),
    };
    let worked = target.finish(worked).await;
    let (archive, good) = source.finish(worked).await?;
    steps.end(&archive.uri(), &folder, good)?;
    Ok(Finish::of(good))
}

async fn work(
    folder: &Folder,
    source: &Connected,
    target: &Connected,
    steps: &mut Steps,
    session: &Session,
) -> Result<(Archive, bool)> {
    let start = Instant::now();
    let samples = sample::all()?;
    for sample in &samples {
        write(&source.cluster, sample, session).await?;
    }
    let rows: usize = samples.iter().map(Sample::rows).sum();
    let names: Vec<String> = samples.iter().map(Sample::title).collect();
    let wrote = format!(
        "Wrote {} into the first: {}",
        units::count(rows as u64, "row"),
        names.join("; ")
    );
    steps.done("write", wrote, start)?;

    let start = Instant::now();
    let (archive, manifest) = export_all(folder, source, session).await?;
    let totals = manifest.totals();
    let exported = format!(
        "Exported them into an archive: {} of Parquet in {}, and a manifest",
        units::bytes(totals.bytes),
        units::count(totals.files, "file")
    );
    steps.done("export", exported, start)?;

    let start = Instant::now();
    let report = verify(&archive, &session.ctx, JOBS).await?;
    let verified = if report.is_good() {
        "Verified the archive: every byte by SHA-256, every row by its digest".to_owned()
    } else {
        let problems = units::count(report.problems.len() as u64, "problem");
        format!("Verified the archive: {problems}; `milvault verify` names them")
    };
    steps.done("verify", verified, start)?;

    let start = Instant::now();
    let naming = naming();
    let options = restore_options(&naming);
    let restored = restore(&archive, &target.cluster, &options, &session.ctx).await?;
    let names: Vec<String> = restored
        .collections
        .iter()
        .map(|one| format!("{} as {}", one.source, one.target))
        .collect();
    let restored = format!("Restored {} into the second", names.join(" and "));
    steps.done("restore", restored, start)?;

    let start = Instant::now();
    let found = compare_servers(source, target, naming, session).await?;
    let compared = if found.equal {
        "Compared the two servers, row by row and field by field: they hold the same"
    } else {
        "Compared the two servers: they differ; `milvault compare` says in what"
    };
    steps.done("compare", compared.to_owned(), start)?;
    Ok((archive, report.is_good() && found.equal))
}

/// Writes a collection as any client does: create, insert, flush, index, load, alias.
async fn write(cluster: &Cluster, sample: &Sample, session: &Session) -> Result<()> {
    let ctx = &session.ctx;
    let collection = &sample.collection;
    let name = &collection.name;
    let key = collection
        .primary_key()
        .ok_or_else(|| Error::column("", "there is no primary key"))?;
    cluster
        .create_collection(collection, &collection.properties)
        .await?;
    let rows = sample.rows() as u64;
    let task = ctx.monitor.begin("write", &name.to_string(), Some(rows));
    for (partition, batch) in &sample.partitions {
        if !cluster.partitions(name).await?.contains(partition) {
            cluster.create_partition(name, partition).await?;
        }
        for start in (0..batch.num_rows()).step_by(BATCH) {
            ctx.check("writing sample data")?;
            let rows = batch.slice(start, BATCH.min(batch.num_rows() - start));
            let data = columns::encode(&sample.fields(), &rows)?;
            let number = u32::try_from(rows.num_rows()).unwrap_or(u32::MAX);
            cluster
                .insert(name, Some(partition), key, data, number)
                .await?;
            let bytes = columns::row_bytes(&rows).into_iter().map(u64::from).sum();
            task.advance(u64::from(number), bytes);
        }
    }
    drop(task);
    cluster.flush(name, ctx).await?;
    for index in &collection.indexes {
        cluster.create_index(name, index).await?;
    }
    let task = ctx.monitor.begin("index", &name.to_string(), Some(rows));
    cluster.wait_for_indexes(name, task.as_ref(), ctx).await?;
    drop(task);
    cluster.load(name, 1, ctx).await?;
    for alias in &collection.aliases {
        cluster.create_alias(name, alias).await?;
    }
    Ok(())
}

async fn export_all(
    folder: &Folder,
    source: &Connected,
    session: &Session,
) -> Result<(Archive, Manifest)> {
    let store = store::open(&text(&folder.archives())?, &StoreOptions::default()).await?;
    let options = ExportOptions {
        name: super::export::default_name("demo.db", jiff::Timestamp::now()),
        source: source.name.clone(),
        selection: Selection::default(),
        mask_key: None,
        access: READ_ONLY,
        rbac: false,
        jobs: JOBS,
        memory: MEMORY,
    };
    let manifest = export(&source.cluster, store.clone(), &options, &session.ctx).await?;
    let archive = Archive::open(store, &options.name).await?;
    Ok((archive, manifest))
}

fn naming() -> Naming {
    let mut naming = Naming::default();
    naming.suffix = SUFFIX.to_owned();
    naming
}

fn restore_options(naming: &Naming) -> RestoreOptions {
    RestoreOptions {
        selection: Selection::default(),
        mask_key: None,
        naming: naming.clone(),
        if_exists: IfExists::Fail,
        adapt: Adaptation::default(),
        mode: Mode::Insert,
        import: None,
        aliases: true,
        load: true,
        rbac: None,
        // It was verified just now.
        verify: false,
        dry_run: false,
        jobs: JOBS,
        memory: MEMORY,
    }
}

async fn compare_servers(
    source: &Connected,
    target: &Connected,
    naming: Naming,
    session: &Session,
) -> Result<Comparison> {
    let a = Side::Cluster(Box::new(source.cluster.clone()));
    let b = Side::Cluster(Box::new(target.cluster.clone()));
    let options = CompareOptions {
        // Named, so that nothing else of the second is looked for.
        selection: Selection {
            collections: vec!["*".to_owned()],
            ..Selection::default()
        },
        naming,
        access: READ_ONLY,
        mask_key: None,
        second_as_is: false,
        show: super::compare::SHOWN,
    };
    compare(&a, &b, &options, &session.ctx).await
}

fn text(path: &Path) -> Result<String> {
    path.to_str().map(str::to_owned).ok_or_else(|| {
        Error::Usage(format!(
            "{} is not UTF-8; give another folder with --dir",
            path.display()
        ))
    })
}
