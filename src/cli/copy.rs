//! `milvault copy`

use std::time::Instant;

use clap::Args;
use milvault::Result;
use milvault::archive::Inventory;
use milvault::copy::{Copied, copy};
use milvault::store;
use serde::Serialize;

use super::exit::Finish;
use super::options::{KeepArguments, StoreArguments};
use super::{Session, place, units};

const AFTER_HELP: &str = "\
The copy has the same objects, byte for byte. Every object that goes through this machine is held against the SHA-256 in the \
manifest before it can be seen in the target. Where both stores are of one service, it copies objects itself: those are held \
against the SHA-256 that it tells; where it tells none, against their source's checksum, or their size alone, and the outcome says \
how many. `milvault verify` reads every byte. An encrypted archive is copied without its key.

A copy that was interrupted is no archive yet. The same command goes on with it: what is there and good is not sent again. Of an \
archive that is there already, objects that are missing or of another size are sent again, and --object-lock and --legal-hold lock \
all of it.";

#[derive(Args, Debug)]
#[command(after_help = AFTER_HELP)]
pub struct Arguments {
    /// The archive
    archive: String,

    /// The store that it is copied into
    store: String,

    /// The copy's name [default: the archive's]
    #[arg(long, value_name = "NAME")]
    name: Option<String>,

    /// How many objects are copied at once
    #[arg(short, long, value_name = "N", default_value_t = 8, value_parser = clap::builder::RangedU64ValueParser::<usize>::new().range(1..=256))]
    jobs: usize,

    #[command(flatten)]
    keep: KeepArguments,
    #[command(flatten)]
    stores: StoreArguments,
}

/// What was copied to where.
#[derive(Serialize)]
struct Outcome<'a> {
    source: String,
    archive: String,
    name: &'a str,
    #[serde(flatten)]
    copied: Copied,
    seconds: f64,
}

pub async fn run(arguments: Arguments, session: &Session) -> Result<Finish> {
    let start = Instant::now();
    let stores = &arguments.stores;
    let (from, name, options) = place::archive_place(&arguments.archive, stores, session)?;
    let store = place::store(&arguments.store, stores, &arguments.keep, session).await?;
    let opening = async { Inventory::open(store::open(&from, &options).await?, &name).await };
    let source = session
        .ctx
        .until_stopped("reading the manifest", opening)
        .await?;
    let name = arguments.name.as_deref().unwrap_or(&name);
    let copied = copy(&source, &store, name, arguments.jobs, &session.ctx).await?;
    let outcome = Outcome {
        source: source.uri(),
        archive: format!("{}/{name}", store.uri()),
        name,
        copied,
        seconds: start.elapsed().as_secs_f64(),
    };
    session.output.result(&outcome, || text(&outcome, start))?;
    Ok(Finish::Done)
}

fn text(outcome: &Outcome, start: Instant) -> String {
    let copied = &outcome.copied;
    if copied.complete {
        let repaired = match copied.repaired {
            0 => ", and the same: its manifest, and the sizes of all its objects".to_owned(),
            number => format!(
                "; missing or damaged, and sent again: {}",
                units::count(number, "object")
            ),
        };
        let locked = if copied.locked {
            "; all of it is locked now"
        } else {
            ""
        };
        return format!("{} is there already{repaired}{locked}", outcome.archive);
    }
    let mut notes = Vec::new();
    if copied.within > 0 {
        let unchecked = match (copied.as_source, copied.size_alone) {
            (0, 0) => String::new(),
            (0, size) => format!(" ({size} of them checked by their size alone)"),
            (source, 0) => {
                format!(" ({source} of them checked against their source's checksum alone)")
            }
            (source, size) => format!(
                " ({source} of them checked against their source's checksum alone, {size} by their size alone)"
            ),
        };
        notes.push(format!(
            "{} by the service itself{unchecked}",
            copied.within
        ));
    }
    if copied.found > 0 {
        notes.push(format!("{} there already", copied.found));
    }
    if copied.locked {
        notes.push("all of it is locked".to_owned());
    }
    let notes = if notes.is_empty() {
        String::new()
    } else {
        format!("; {}", notes.join(", "))
    };
    format!(
        "{}: {} ({}) of {} in {}{notes}",
        outcome.archive,
        units::count(copied.objects, "object"),
        units::bytes(copied.bytes),
        outcome.source,
        units::time(start.elapsed()),
    )
}
