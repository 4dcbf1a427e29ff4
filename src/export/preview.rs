//! What an export would do: planned and checked as an export is, and nothing written or touched.

use std::sync::Arc;

use serde::Serialize;

use super::{ExportOptions, read_rbac};
use crate::archive::{ArchiveWriter, Selection};
use crate::error::{Error, Result};
use crate::milvus::Cluster;
use crate::model::{CollectionName, Field, Rbac};
use crate::progress::Context;
use crate::readable;
use crate::reading::Plan;
use crate::store::Store;
use crate::together::each;

/// How many collections are counted at once.
const COLLECTIONS_AT_ONCE: usize = 8;

/// What an export would do.
#[derive(Clone, Debug, Serialize)]
pub struct Preview {
    /// One entry a collection, in the order of the export.
    pub collections: Vec<PreviewedCollection>,
    /// The users and roles, where they are wanted.
    #[serde(skip)]
    pub rbac: Option<Rbac>,
}

/// What an export would do with one collection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PreviewedCollection {
    /// Its name.
    pub name: CollectionName,
    /// How many rows there are; `None` where the server does not tell.
    pub rows: Option<u64>,
    /// What the rows are.
    pub rows_from: Option<RowsFrom>,
    /// The partitions that are read; `None` where a partition key spreads the rows over partitions that cannot be
    /// named.
    pub partitions: Option<Vec<String>>,
    /// Fields whose values would not be in the archive: not selected, or outputs of functions that no server returns.
    pub left_out: Vec<String>,
    /// Whether the collection would be loaded to be read, and released afterwards.
    pub load: bool,
    /// Fields that would be given an index, without which the collection cannot be loaded; dropped afterwards.
    pub temp_indexes: Vec<String>,
}

/// Where a number of rows comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum RowsFrom {
    /// The server has counted just the rows that would be exported.
    Count,
    /// All rows of the collection that were ever flushed, deleted ones too, whatever is selected of them.
    Stored,
}

/// Plans an export and checks all that it checks before it writes, the archive's name too.
///
/// # Errors
/// Those of [`super::export`].
pub async fn preview(
    cluster: &Cluster,
    stores: &[Arc<dyn Store>],
    options: &ExportOptions,
    ctx: &Context,
) -> Result<Preview> {
    let rbac = read_rbac(cluster, options).await?;
    let plans = options.plan(cluster).await?;
    let collections = plans.iter().map(|plan| &plan.collection);
    readable::check(cluster, collections, options.access)?;
    for store in stores {
        ArchiveWriter::check_vacant(store.clone(), &options.name).await?;
    }
    let previewed = each(
        &plans,
        COLLECTIONS_AT_ONCE,
        ctx,
        "counting",
        |plan, ctx| async move {
            let counting = rows_of(cluster, plan, &options.selection);
            let (rows, rows_from) = ctx.until_stopped("counting", counting).await?;
            Ok(previewed(cluster, plan, rows, rows_from))
        },
    );
    Ok(Preview {
        collections: previewed.await?,
        rbac,
    })
}

async fn rows_of(
    cluster: &Cluster,
    plan: &Plan,
    selection: &Selection,
) -> Result<(Option<u64>, Option<RowsFrom>)> {
    if let Some(rows) = plan.count(cluster, selection).await? {
        return Ok((Some(rows), Some(RowsFrom::Count)));
    }
    let rows = match cluster.stored_rows(&plan.collection.name).await {
        // An export does without this number.
        Err(Error::Call { .. } | Error::Denied { .. }) => None,
        rows => rows?,
    };
    Ok((rows, rows.map(|_| RowsFrom::Stored)))
}

fn previewed(
    cluster: &Cluster,
    plan: &Plan,
    rows: Option<u64>,
    rows_from: Option<RowsFrom>,
) -> PreviewedCollection {
    let collection = &plan.collection;
    let load = !collection.load.loaded;
    let temp_indexes = if load {
        let fields = readable::unindexed(cluster, collection);
        fields.into_iter().map(|(name, _)| name).collect()
    } else {
        Vec::new()
    };
    let dynamic = collection.dynamic.then(Field::dynamic);
    let left_out = collection.fields.iter().chain(&dynamic);
    PreviewedCollection {
        name: collection.name.clone(),
        rows,
        rows_from,
        partitions: plan.partitions.iter().cloned().collect(),
        left_out: left_out
            .filter(|field| plan.fields.iter().all(|read| read.name != field.name))
            .map(|field| field.name.clone())
            .collect(),
        load,
        temp_indexes,
    }
}
