//! Restore: an archive into a live cluster, or what is read of another one meanwhile.
//!
//! Plan and check everything, check the archive's bytes, then per collection: create, compare with what was
//! meant, insert, flush, build indexes, load, count, and name aliases.

mod append;
mod databases;
mod feed;
mod groups;
mod import;
mod import_store;
mod made;
mod make;
mod plan;
mod properties;
mod rows;
mod skip;
mod source;
mod staging;
mod swap;
mod way;

use std::collections::BTreeSet;

use serde::Serialize;

use crate::archive::{Archive, Selection, verify_collections};
use crate::compat::{self, Adaptation, Call, Indexes, KeysKept, Thing};
use crate::error::{Error, Result};
use crate::masking::MaskKey;
use crate::milvus::Cluster;
use crate::model::{Collection, CollectionName};
use crate::naming::Naming;
use crate::progress::Context;
use crate::rbac::{self, RbacOptions, RbacReport};
use crate::scan::Budget;
use crate::together::each;

pub use databases::MadeDatabase;
pub use import_store::ImportStore;
pub(crate) use source::{Live, Source};
pub use way::{ImportOptions, Mode, Way};

/// How many collections are restored at once.
const COLLECTIONS_AT_ONCE: usize = 4;

/// How a restore is done.
#[derive(Clone, Debug)]
pub struct RestoreOptions {
    /// Which collections, partitions, fields and rows of the archive, the latter by sample and limit alone: no server
    /// is there to understand a filter.
    pub selection: Selection,
    /// The secret of masks that need one.
    pub mask_key: Option<MaskKey>,
    /// What they are called in the target.
    pub naming: Naming,
    /// What happens where the target has a collection of the name.
    pub if_exists: IfExists,
    /// What may be changed of definitions.
    pub adapt: Adaptation,
    /// How rows get into the target.
    pub mode: Mode,
    /// What bulk import needs; without it there is none.
    pub import: Option<ImportOptions>,
    /// Whether aliases are restored.
    pub aliases: bool,
    /// Whether collections that were loaded are loaded.
    pub load: bool,
    /// How users and roles are restored; not at all where this is `None`.
    pub rbac: Option<RbacOptions>,
    /// Whether every file of the archive is checked before the target is touched.
    pub verify: bool,
    /// Whether to stop after everything has been checked.
    pub dry_run: bool,
    /// How many inserts or import jobs are in flight, a collection.
    pub jobs: usize,
    /// How many bytes of rows may be in flight.
    pub memory: u64,
}

/// What happens where the target has a collection of the name already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IfExists {
    /// An error, before anything is touched.
    Fail,
    /// The collection is left as it is.
    Skip,
    /// Rows are added; one replaces what its partition has under its key. Keys that other partitions have are an
    /// error before anything is written.
    Append,
    /// The collection is replaced: when its successor is whole, where the target can rename collections, else it is
    /// dropped first.
    Replace,
}

/// What a restore did, or would do.
#[derive(Clone, Debug, Default, Serialize)]
pub struct RestoreReport {
    /// The databases that the target lacked.
    pub databases: Vec<MadeDatabase>,
    /// One entry a collection, in the archive's order.
    pub collections: Vec<RestoredCollection>,
    /// What was done with users and roles, where that was asked for.
    pub rbac: Option<RbacReport>,
    /// Whether nothing was done, because a plan was asked for.
    pub dry_run: bool,
}

/// What a restore did with one collection.
#[derive(Clone, Debug, Serialize)]
pub struct RestoredCollection {
    /// Its name in the archive.
    pub source: CollectionName,
    /// Its name in the target.
    pub target: CollectionName,
    /// What was done.
    pub outcome: Outcome,
    /// Rows that were written, or would be.
    pub rows: u64,
    /// Bytes that they have in the archive; `None` where they come from a cluster.
    pub bytes: Option<u64>,
    /// How they were, or would be.
    #[serde(flatten)]
    pub way: Way,
    /// What happened to keys that the source has made itself; `None` where it has made none, or nothing was made.
    pub auto_id: Option<KeysKept>,
    /// Indexes that were built.
    pub indexes: usize,
    /// Aliases that were made.
    pub aliases: Vec<String>,
    /// Whether it was loaded.
    pub loaded: bool,
    /// Whether a collection that was skipped has another number of rows than the archive.
    pub differs: bool,
    /// What became something else on the way, because the target does not know it or it was asked for.
    pub translated: Vec<String>,
    /// What was given up, because the target does not know it or it was asked for.
    pub dropped: Vec<String>,
    /// What else the user should know: an alias that is taken, ….
    pub notes: Vec<String>,
    /// In a dry run, the collection as it would be made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plan: Option<Collection>,
}

/// What was done with a collection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It was made.
    Created,
    /// It was there, and left as it is.
    Skipped,
    /// It was there, and has got the rows.
    Appended,
    /// It was there, and another took its place.
    Replaced,
}

/// Restores the selected collections. Nothing of the target is touched before everything has been checked that can
/// be checked without touching it; a collection that did not get all its rows is removed again, if this restore
/// made it. One that has them all is kept, even if an index or the loading failed.
pub async fn restore(
    archive: &Archive,
    cluster: &Cluster,
    options: &RestoreOptions,
    ctx: &Context,
) -> Result<RestoreReport> {
    restore_from(&Source::Archive(archive), cluster, options, ctx).await
}

/// The same, from an archive or from a live cluster.
pub(crate) async fn restore_from(
    source: &Source<'_>,
    cluster: &Cluster,
    options: &RestoreOptions,
    ctx: &Context,
) -> Result<RestoreReport> {
    let (targets, rbac) = plan::plan(source, cluster, options).await?;
    let mut databases = databases::plan(cluster, source.databases(), &targets).await?;
    if let Source::Archive(archive) = source
        && options.verify
    {
        let chosen: BTreeSet<&CollectionName> = targets
            .iter()
            .map(|target| &target.origin.schema().name)
            .collect();
        let wanted = |name: &CollectionName| chosen.contains(name);
        let checking = verify_collections(archive, ctx, options.jobs, &wanted);
        let report = ctx
            .until_stopped(
                "the archive was being checked; nothing was touched",
                checking,
            )
            .await?;
        if let Some(worst) = report.problems.first() {
            let more = match report.problems.len() - 1 {
                0 => String::new(),
                more => format!(" (and {more} more)"),
            };
            return Err(Error::Damaged {
                uri: worst.uri.clone(),
                reason: format!(
                    "{}{more}; nothing was restored; --exclude leaves collections out",
                    worst.reason
                ),
            });
        }
    }
    if options.dry_run {
        let mut collections = Vec::with_capacity(targets.len());
        for mut target in targets {
            let counting = target.origin.count();
            match ctx.until_stopped("counting rows", counting).await? {
                Some(rows) => target.rows = rows,
                None => target
                    .notes
                    .push("the source cannot count its rows".to_owned()),
            }
            collections.push(describe(target, options));
        }
        return Ok(RestoreReport {
            databases,
            collections,
            rbac: rbac.map(|plan| plan.report),
            dry_run: true,
        });
    }
    databases::create(cluster, &databases).await?;
    let limits = Limits {
        budget: Budget::new(options.memory),
        jobs: options.jobs.max(1),
    };
    let at_once = match compat::knows(cluster.version(), Thing::Call(Call::ConcurrentAliases)) {
        true => COLLECTIONS_AT_ONCE,
        false => 1,
    };
    let collections = each(targets, at_once, ctx, "restoring", |mut target, ctx| {
        let limits = &limits;
        async move {
            match target.outcome {
                Outcome::Skipped => skip::look(cluster, &mut target).await?,
                Outcome::Appended | Outcome::Created | Outcome::Replaced => {
                    // First: what cannot be read must not cost what is replaced.
                    let feed = target.origin.open(&ctx).await?;
                    let filled = if target.outcome == Outcome::Appended {
                        append::append(&feed, cluster, &mut target, limits, &ctx).await
                    } else {
                        make::make(&feed, cluster, &mut target, options, limits, &ctx).await
                    };
                    feed.close(&ctx).await;
                    filled?;
                }
            }
            Ok(describe(target, options))
        }
    });
    let collections = match collections.await {
        Ok(collections) => collections,
        Err(error) => {
            databases::remove_empty(cluster, &databases, ctx).await;
            return Err(error);
        }
    };
    databases::settle(cluster, &mut databases).await;
    let rbac = match rbac {
        Some(plan) => Some(rbac::apply(cluster, plan, ctx).await?),
        None => None,
    };
    Ok(RestoreReport {
        databases,
        collections,
        rbac,
        dry_run: false,
    })
}

/// What all collections of a restore share.
struct Limits {
    /// Bytes in flight.
    budget: Budget,
    /// Inserts or import jobs in flight, a collection.
    jobs: usize,
}

/// Whether the collection will be loaded: it was, it may be, and it can be: Milvus loads none with a vector field
/// that has no index, and none without vectors.
fn loads(target: &plan::Target<'_>, options: &RestoreOptions) -> bool {
    let indexed = |name: &String| {
        target
            .meant
            .indexes
            .iter()
            .any(|index| index.field == *name)
    };
    let mut vectors = target
        .meant
        .indexable()
        .filter(|(_, field)| field.data_type.is_vector())
        .peekable();
    let can = target.loads_unindexed
        || (vectors.peek().is_some() && vectors.all(|(name, _)| indexed(&name)));
    target.origin.schema().load.loaded
        && options.load
        && options.adapt.indexes != Indexes::Omit
        && can
}

fn describe(target: plan::Target<'_>, options: &RestoreOptions) -> RestoredCollection {
    let wrote = target.outcome != Outcome::Skipped;
    let made = matches!(target.outcome, Outcome::Created | Outcome::Replaced);
    RestoredCollection {
        source: target.origin.schema().name.clone(),
        rows: if wrote { target.rows } else { 0 },
        bytes: target
            .origin
            .bytes()
            .map(|bytes| if wrote { bytes } else { 0 }),
        way: target.way.clone(),
        auto_id: target.fit.keys.filter(|_| made),
        plan: (made && options.dry_run).then(|| target.meant.clone()),
        indexes: if made { target.meant.indexes.len() } else { 0 },
        loaded: made && loads(&target, options),
        aliases: if made {
            target.meant.aliases
        } else {
            Vec::new()
        },
        target: target.meant.name,
        outcome: target.outcome,
        differs: target.differs,
        translated: if made {
            target.fit.translated
        } else {
            Vec::new()
        },
        dropped: if made { target.fit.dropped } else { Vec::new() },
        notes: target.notes,
    }
}
