//! Making one collection: create, compare with what was meant, insert, flush, count, build indexes, load, and name
//! aliases.

use std::time::Duration;

use super::feed::Feed;
use super::plan::Target;
use super::staging::{self, Staging};
use super::{Limits, Mode, Outcome, RestoreOptions, import, loads, made, properties, rows, swap};
use crate::error::{Error, Result};
use crate::milvus::Cluster;
use crate::model::{Collection, CollectionName, Load};
use crate::progress::Context;

/// How long a target may take to count the rows that it has flushed.
const COUNT_TRIES: u32 = 40;
const COUNT_PAUSE: Duration = Duration::from_millis(250);

/// How far the making of a collection has come; decides what a failure leaves behind.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Progress {
    /// Nothing of the target was changed.
    Untouched,
    /// What `replace` replaces is gone.
    Dropped,
    /// There is a collection that this restore made, without all its rows.
    Made,
    /// All rows are there.
    Filled,
}

/// Makes the collection as it was meant, with all its rows.
pub(super) async fn make(
    feed: &Feed<'_>,
    cluster: &Cluster,
    target: &mut Target<'_>,
    options: &RestoreOptions,
    limits: &Limits,
    ctx: &Context,
) -> Result<()> {
    let name = target.meant.name.clone();
    let beside = target.outcome == Outcome::Replaced && swap::can_swap(cluster);
    if beside {
        target.meant.name = swap::beside(&name, "restoring");
    }
    let replaced = beside.then_some(&name);
    let made = build(feed, cluster, target, replaced, options, limits, ctx).await;
    let built = std::mem::replace(&mut target.meant.name, name.clone());
    made?;
    let mut had = Vec::new();
    if beside {
        let swapped = async {
            had = swap::swap(cluster, &name, &built, target, ctx).await?;
            // milvus-lite 3.2.2 releases what it renames.
            if loads(target, options) && !cluster.is_loaded(&name).await? {
                load(cluster, target, ctx).await?;
            }
            Ok(())
        };
        swapped.await.inspect_err(|_: &Error| {
            ctx.monitor.warn(&format!(
                "{name}: its successor has all its rows, but is called {built} or is not loaded"
            ));
        })?;
    }
    name_aliases(cluster, target, had).await;
    Ok(())
}

/// Makes the collection under the name that it has now; beside `replaced`, where it is to take the name of that one.
async fn build(
    feed: &Feed<'_>,
    cluster: &Cluster,
    target: &mut Target<'_>,
    replaced: Option<&CollectionName>,
    options: &RestoreOptions,
    limits: &Limits,
    ctx: &Context,
) -> Result<()> {
    let name = target.meant.name.clone();
    let replaces = target.outcome == Outcome::Replaced && !swap::can_swap(cluster);
    let purpose = target.origin.purpose();
    let mut progress = Progress::Untouched;
    let staging = match (&target.way.mode, &options.import) {
        (Mode::Import, Some(import)) => Some(Staging::new(import, options.verify)),
        _ => None,
    };
    let rows = Rows {
        feed,
        staging: staging.as_ref(),
    };
    let work = steps(&rows, cluster, target, options, limits, &mut progress, ctx);
    let made = ctx.until_stopped(purpose, work).await;
    if let Some(staging) = &staging {
        staging.clear(&name, ctx).await;
        if made.is_err() {
            let _ = staging::wait_for_jobs(cluster, &name, ctx).await;
        }
    }
    if let Err(error) = &made {
        // Nobody knows the name, and what it was to replace is whole.
        if replaced.is_some() && progress == Progress::Filled && matches!(error, Error::Stopped(_))
        {
            progress = Progress::Made;
        }
        clean_up(cluster, &name, progress, replaces, ctx).await;
        if let (Some(replaced), Progress::Filled) = (replaced, progress) {
            ctx.monitor.warn(&format!(
                "{replaced}: is as it was; rename {name} once it is complete, or drop it before you do it again"
            ));
        }
    }
    made
}

/// The rows, and how they get into the target.
struct Rows<'r, 'a> {
    feed: &'r Feed<'a>,
    /// Where they are imported.
    staging: Option<&'r Staging<'r>>,
}

async fn steps(
    rows: &Rows<'_, '_>,
    cluster: &Cluster,
    target: &mut Target<'_>,
    options: &RestoreOptions,
    limits: &Limits,
    progress: &mut Progress,
    ctx: &Context,
) -> Result<()> {
    let name = target.meant.name.clone();
    let subject = name.to_string();
    let replaced = target.outcome == Outcome::Replaced;
    let kept_aliases = if replaced && !swap::can_swap(cluster) {
        drop_replaced(cluster, &name, progress).await?
    } else {
        Vec::new()
    };
    create(cluster, target, progress).await?;
    let upserted = {
        let verb = target.origin.verb();
        let task = ctx.monitor.begin(verb, &subject, rows.feed.rows());
        let task = task.as_ref();
        match (rows.feed, rows.staging) {
            (Feed::Archive(feed), Some(staging)) => {
                import::import_rows(feed, cluster, target, staging, limits, task, ctx).await?
            }
            (feed, _) => rows::insert_rows(feed, cluster, target, limits, task, ctx).await?,
        }
    };
    cluster.flush(&name, ctx).await?;
    // Flushed rows count rows that an upsert has replaced; count(*) does not, but needs a loaded collection.
    if !upserted {
        prove_count(cluster, target, false, false, ctx).await?;
        *progress = Progress::Filled;
    }
    for index in &target.meant.indexes {
        cluster.create_index(&name, index).await?;
    }
    if !target.meant.indexes.is_empty() {
        let task = ctx.monitor.begin("index", &subject, None);
        cluster.wait_for_indexes(&name, task.as_ref(), ctx).await?;
    }
    if loads(target, options) {
        load(cluster, target, ctx).await?;
        prove_count(cluster, target, true, upserted, ctx).await?;
        *progress = Progress::Filled;
    } else if upserted {
        target.notes.push(
            "some rows were sent twice, because an answer was lost; compare to be sure".into(),
        );
    }
    properties::settle(cluster, target).await;
    target.meant.aliases.extend(kept_aliases);
    Ok(())
}

/// Names the aliases that were meant; `had` are those that stand for the collection already.
async fn name_aliases(cluster: &Cluster, target: &mut Target<'_>, had: Vec<String>) {
    let name = &target.meant.name;
    let mut named = had;
    for alias in std::mem::take(&mut target.meant.aliases) {
        if named.contains(&alias) {
            continue;
        }
        match cluster.create_alias(name, &alias).await {
            Ok(()) => named.push(alias),
            Err(error) => target
                .notes
                .push(format!("the alias {alias} could not be made: {error}")),
        }
    }
    target.meant.aliases = named;
}

/// Drops what is replaced; gives the aliases that it had, which its successor gets.
async fn drop_replaced(
    cluster: &Cluster,
    name: &CollectionName,
    progress: &mut Progress,
) -> Result<Vec<String>> {
    let aliases = cluster.describe(name).await?.aliases;
    for alias in &aliases {
        cluster.drop_alias(&name.database, alias).await?;
        *progress = Progress::Dropped;
    }
    *progress = Progress::Dropped;
    cluster.drop_collection(name).await?;
    Ok(aliases)
}

/// Creates the collection and its partitions, and makes sure that it is ours, empty, and as it was meant: old
/// servers drop what they do not know without a word.
async fn create(cluster: &Cluster, target: &mut Target<'_>, progress: &mut Progress) -> Result<()> {
    let meant = &target.meant;
    let name = &meant.name;
    let taken = || Error::Exists {
        what: format!("{name} in {}", cluster.server()),
        way_out: "somebody has made it just now; choose another name with --rename".into(),
    };
    match cluster.describe(name).await {
        Err(Error::NoCollection { .. }) => {}
        Ok(_) => return Err(taken()),
        Err(error) => return Err(error),
    }
    cluster
        .create_collection(meant, &target.fit.at_creation)
        .await?;
    // Milvus takes the creation of a collection that is there for a success, if it is defined alike.
    if cluster
        .stored_rows(name)
        .await?
        .is_some_and(|rows| rows > 0)
    {
        return Err(taken());
    }
    *progress = Progress::Made;
    let made = cluster.describe(name).await?;
    let differences = made::differences(meant, &target.fit.at_creation, &made);
    if !differences.is_empty() {
        let problems = differences
            .into_iter()
            .map(|difference| format!("{name}: as {} made it, {difference}", cluster.server()))
            .collect();
        return Err(Error::Incompatible { problems });
    }
    if meant.shards > 0 && meant.shards != made.shards {
        target.notes.push(format!(
            "the target has given it {} shards, where {} were meant",
            made.shards, meant.shards
        ));
    }
    // milvus-lite drops no index of a collection that is loaded, as new ones are.
    if !target.loads_unindexed {
        try_indexes(cluster, meant).await?;
    }
    if !meant.has_partition_key() {
        for partition in meant
            .partitions
            .iter()
            .filter(|partition| !made.partitions.contains(partition))
        {
            cluster.create_partition(name, partition).await?;
        }
    }
    Ok(())
}

/// Makes the indexes and drops them again: a server refuses bad parameters at once, whatever there are of rows, and
/// building begins when all rows are in.
async fn try_indexes(cluster: &Cluster, meant: &Collection) -> Result<()> {
    for index in &meant.indexes {
        cluster.create_index(&meant.name, index).await?;
    }
    for index in cluster.index_names(&meant.name).await? {
        cluster
            .drop_index(&meant.name, &index.field, &index.name)
            .await?;
    }
    Ok(())
}

async fn load(cluster: &Cluster, target: &mut Target<'_>, ctx: &Context) -> Result<()> {
    let name = &target.meant.name;
    let Load {
        replicas,
        resource_groups,
        ..
    } = &target.meant.load;
    match cluster
        .load_into(name, *replicas, resource_groups, ctx)
        .await
    {
        Err(error) if *replicas > 1 && !matches!(error, Error::Stopped(_)) => {
            target.notes.push(format!(
                "{replicas} replicas could not be loaded, one is: {error}"
            ));
            cluster.load(name, 1, ctx).await
        }
        loaded => loaded,
    }
}

/// The target must count just the rows that were written: by `count(*)` where it is loaded and knows that, else by
/// what was flushed, which also counts rows that were `replaced`. Where it can do neither, that is noted.
async fn prove_count(
    cluster: &Cluster,
    target: &mut Target<'_>,
    loaded: bool,
    replaced: bool,
    ctx: &Context,
) -> Result<()> {
    let expected = target.rows;
    let mut counted = None;
    for _ in 0..COUNT_TRIES {
        let name = &target.meant.name;
        counted = if loaded {
            cluster.count(name).await?
        } else {
            None
        };
        if counted.is_none() && !replaced {
            counted = cluster.stored_rows(name).await?;
        }
        match counted {
            Some(counted) if counted == expected => return Ok(()),
            Some(_) => ctx.pause(COUNT_PAUSE, "counting rows").await?,
            None => {
                target
                    .notes
                    .push("the target cannot count its rows; compare to be sure".into());
                return Ok(());
            }
        }
    }
    Err(Error::Incomplete {
        collection: target.meant.name.clone(),
        reason: format!(
            "{expected} rows were written, the target counts {}",
            counted.unwrap_or(0)
        ),
    })
}

/// After a failure: removes what this restore made and could not fill, and says what else has become of the name.
async fn clean_up(
    cluster: &Cluster,
    name: &CollectionName,
    progress: Progress,
    replaced: bool,
    ctx: &Context,
) {
    match progress {
        Progress::Untouched => {}
        Progress::Dropped => ctx.monitor.warn(&format!(
            "{name}: what was to be replaced, or an alias of it, has been dropped; do it again to make it anew"
        )),
        Progress::Filled => ctx.monitor.warn(&format!(
            "{name}: has all its rows and is kept, but not all of its indexes, aliases and loading; add what is \
             missing, or do it again with --if-exists replace"
        )),
        Progress::Made => match cluster.drop_collection(name).await {
            Ok(()) if replaced => ctx.monitor.warn(&format!(
                "{name}: was not completed and has been removed; what it was to replace is gone, too: do it \
                 again"
            )),
            Ok(()) => ctx.monitor.note(&format!("{name}: was not completed and has been removed")),
            Err(Error::NoCollection { .. }) => {}
            Err(error) => ctx.monitor.warn(&format!(
                "{name}: is not complete and could not be removed ({error}); drop it"
            )),
        },
    }
}
