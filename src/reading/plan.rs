//! What is read of a cluster, decided before anything is.

use std::collections::BTreeSet;
use std::sync::Arc;

use futures::{StreamExt, TryStreamExt, stream};

use crate::archive::Selection;
use crate::columns;
use crate::error::{Error, Result};
use crate::masking::{self, KeyOrder, MaskKey, Masking};
use crate::milvus::Cluster;
use crate::model::{Collection, Database, Field};
use crate::scan::{Completeness, Scan, Snapshot};
use crate::select;

/// How many collections are described at once.
const DESCRIBED_AT_ONCE: usize = 8;

/// A collection with what of it is read.
pub(crate) struct Plan {
    pub collection: Collection,
    pub fields: Vec<Field>,
    /// Partitions to read one by one; `None` is the collection as one.
    pub partitions: Vec<Option<String>>,
    /// What becomes of its values.
    pub masking: Masking,
}

impl Plan {
    /// A scan of each partition; they do not know of a limit, for which reading is needed.
    pub fn scans(
        &self,
        cluster: &Cluster,
        selection: &Selection,
        snapshot: &Arc<Snapshot>,
    ) -> Result<Vec<Scan>> {
        let scan = |name: &Option<String>| {
            let scan = Scan::new(
                cluster,
                &self.collection,
                name.as_deref(),
                &self.fields,
                selection.filter.as_deref(),
                snapshot,
            );
            Ok(scan?.sampled(selection.sample))
        };
        self.partitions.iter().map(scan).collect()
    }

    /// How many rows would be read, by the server's count; `None` where the collection is not loaded, where a sample
    /// is read, or where the server cannot tell.
    pub async fn count(&self, cluster: &Cluster, selection: &Selection) -> Result<Option<u64>> {
        if !self.collection.load.loaded || selection.sample.is_some() {
            return Ok(None);
        }
        let scans = self.scans(cluster, selection, &Arc::default())?;
        let counted = Completeness::begin(&scans, self.reads_all_partitions()).await?;
        let most = selection.limit.unwrap_or(u64::MAX);
        Ok(counted.rows().map(|rows| rows.min(most)))
    }

    /// Whether all partitions are read, one by one, as they were when they were listed.
    pub fn reads_each_partition(&self) -> bool {
        self.reads_all_partitions() && !self.partitions.contains(&None)
    }

    /// Whether nothing is left out but rows that a filter hides.
    pub fn reads_all_partitions(&self) -> bool {
        self.partitions.contains(&None) || self.partitions.len() == self.collection.partitions.len()
    }
}

/// Describes what is selected, and refuses what cannot be carried or masked: all of it in one error.
pub(crate) async fn plan(
    cluster: &Cluster,
    selection: &Selection,
    mask_key: Option<&MaskKey>,
    order: KeyOrder,
) -> Result<Vec<Plan>> {
    let home = cluster.address().database.as_deref();
    let databases = cluster
        .databases_for(&selection.named_databases(home))
        .await?;
    let all = cluster.collections_in(&databases).await?;
    let names = select::collections(selection, &all, &databases, home, cluster.server())?;
    let mut plans = Vec::with_capacity(names.len());
    let mut problems = Vec::new();
    let mut described = stream::iter(&names)
        .map(|name| cluster.describe(name))
        .buffered(DESCRIBED_AT_ONCE);
    while let Some(collection) = described.try_next().await? {
        let fields = select::fields(selection, &collection)?;
        problems.extend(
            fields
                .iter()
                .filter_map(columns::refusal)
                .map(|refusal| format!("{}: {refusal}", collection.name)),
        );
        let partitions = select::partitions(selection, &collection)?;
        plans.push(Plan {
            collection,
            fields,
            partitions,
            masking: Masking::default(),
        });
    }
    let collections: Vec<&Collection> = plans.iter().map(|plan| &plan.collection).collect();
    select::check_exclusions(selection, &collections)?;
    if !problems.is_empty() {
        return Err(Error::Incompatible { problems });
    }
    let read: Vec<(&Collection, &[Field])> = plans
        .iter()
        .map(|plan| (&plan.collection, plan.fields.as_slice()))
        .collect();
    let maskings = masking::plan(&selection.masks, mask_key, &read, order)?;
    for (plan, masking) in plans.iter_mut().zip(maskings) {
        plan.masking = masking;
    }
    Ok(plans)
}

/// The databases of what is read, as far as they have properties.
pub(crate) async fn databases(cluster: &Cluster, plans: &[Plan]) -> Result<Vec<Database>> {
    let names = plans.iter().map(|plan| &plan.collection.name.database);
    let names: BTreeSet<&String> = names.collect();
    let mut databases = Vec::new();
    for name in names {
        let properties = cluster.database_properties(name).await?;
        if !properties.is_empty() {
            databases.push(Database {
                name: name.clone(),
                properties,
            });
        }
    }
    Ok(databases)
}
