//! Migrate: collections of one cluster into another, with no archive in between.
//!
//! Plan and check both sides; then per collection the reading of an export and the writing of a restore, joined by
//! a bounded channel: the target's collection is made, gets the rows as they are read, and is kept only if the
//! reading has proven that they were all and the target counts as many.

mod verify;

use std::collections::BTreeMap;
use std::sync::Mutex;

use serde::Serialize;

use crate::archive::{Consistency, Selection};
use crate::compare::Comparison;
use crate::compat::{Adaptation, AutoId, Indexes};
use crate::error::{Error, Result};
use crate::masking::{KeyOrder, MaskKey};
use crate::milvus::Cluster;
use crate::naming::Naming;
use crate::progress::Context;
use crate::rbac::{RbacOptions, RbacReport};
use crate::readable::{self, ReadAccess};
use crate::reading::{ReadOptions, Reading, databases, plan};
use crate::restore::{
    IfExists, Live, MadeDatabase, Mode, RestoreOptions, RestoredCollection, Source, restore_from,
};

/// How a migration is done.
#[derive(Clone, Debug)]
pub struct MigrateOptions {
    /// What of the source.
    pub selection: Selection,
    /// The secret of masks that need one.
    pub mask_key: Option<MaskKey>,
    /// What may be done to collections of the source that cannot be read as they are.
    pub access: ReadAccess,
    /// What they are called in the target.
    pub naming: Naming,
    /// What happens where the target has a collection of the name.
    pub if_exists: IfExists,
    /// What may be changed of definitions.
    pub adapt: Adaptation,
    /// Whether aliases are made.
    pub aliases: bool,
    /// Whether collections that are loaded in the source are loaded in the target.
    pub load: bool,
    /// Whether the target is read at the end, and its rows held against those that were read of the source.
    pub verify: bool,
    /// How users and roles are carried; not at all where this is `None`.
    pub rbac: Option<RbacOptions>,
    /// Whether to stop after everything has been checked.
    pub dry_run: bool,
    /// How many ranges are fetched, and how many inserts are in flight, at once.
    pub jobs: usize,
    /// How many bytes of rows may be in flight.
    pub memory: u64,
}

/// What a migration did, or would do.
#[derive(Clone, Debug, Serialize)]
pub struct MigrateReport {
    /// The databases that the target lacked.
    pub databases: Vec<MadeDatabase>,
    /// One entry a collection, in the source's order.
    pub collections: Vec<RestoredCollection>,
    /// What was done with users and roles, where that was asked for.
    pub rbac: Option<RbacReport>,
    /// To which moment the rows belong.
    pub consistency: Consistency,
    /// What a verification found.
    pub verification: Option<Comparison>,
    /// Whether nothing was done, because a plan was asked for.
    pub dry_run: bool,
}

/// Migrates the selected collections. The target is not touched before everything has been checked that can be checked
/// without touching it; a collection that did not get all its rows is removed again, if this migration made it. The
/// source is put back as it was.
pub async fn migrate(
    from: &Cluster,
    to: &Cluster,
    options: &MigrateOptions,
    ctx: &Context,
) -> Result<MigrateReport> {
    check_verification(to, options)?;
    let mask_key = options.mask_key.as_ref();
    let plans = plan(from, &options.selection, mask_key, KeyOrder::IsFree).await?;
    let collections = plans.iter().map(|plan| &plan.collection);
    readable::check(from, collections, options.access)?;
    let live = Live {
        reading: Reading::begin(from, options.reading()).await?,
        databases: databases(from, &plans).await?,
        plans,
        read: Mutex::new(BTreeMap::new()),
    };
    let report = restore_from(&Source::Cluster(&live), to, &options.writing(), ctx).await?;
    let consistency = live.consistency();
    let verification = if options.verify && !report.dry_run {
        let checking = verify::verify(from, to, &report.collections, &live, options, ctx);
        Some(checking.await?)
    } else {
        None
    };
    Ok(MigrateReport {
        databases: report.databases,
        collections: report.collections,
        rbac: report.rbac,
        consistency,
        verification,
        dry_run: report.dry_run,
    })
}

/// Refuses to verify what cannot be.
fn check_verification(to: &Cluster, options: &MigrateOptions) -> Result<()> {
    let reads_unindexed = to.version().is_lite_from(0, 0, 0) || options.access.temp_index;
    let why = if !options.verify {
        return Ok(());
    } else if options.if_exists == IfExists::Append {
        "nothing tells the rows that are appended from those that were there"
    } else if options.adapt.auto_id == AutoId::Regenerate {
        "nothing tells which row is which where the target makes new keys"
    } else if options.adapt.indexes == Indexes::Omit && !reads_unindexed {
        "the target is read for it, and reads nothing without an index; allow a temporary one with --temp-index"
    } else {
        return Ok(());
    };
    Err(Error::Usage(format!("--verify cannot be had: {why}")))
}

impl MigrateOptions {
    /// How the source is read, with half of the memory.
    fn reading(&self) -> ReadOptions {
        ReadOptions {
            selection: self.selection.clone(),
            access: self.access,
            jobs: self.jobs,
            memory: self.memory / 2,
            purpose: "the migration",
        }
    }

    /// How the target is written, with the other half.
    fn writing(&self) -> RestoreOptions {
        RestoreOptions {
            selection: self.selection.clone(),
            mask_key: None,
            naming: self.naming.clone(),
            if_exists: self.if_exists,
            adapt: self.adapt.clone(),
            mode: Mode::Insert,
            import: None,
            aliases: self.aliases,
            load: self.load,
            rbac: self.rbac.clone(),
            verify: false,
            dry_run: self.dry_run,
            jobs: self.jobs,
            memory: self.memory / 2,
        }
    }
}
