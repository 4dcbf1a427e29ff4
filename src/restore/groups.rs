//! The resource groups that collections are loaded into.

use super::plan::Target;
use crate::compat::{self, Call, Thing};
use crate::error::Result;
use crate::milvus::Cluster;

/// The property that names them, besides those that replicas are in.
const PROPERTY: &str = "collection.resource_groups";

/// Loads into the default group what the target lacks the groups of, and says so.
pub(super) async fn settle(cluster: &Cluster, targets: &mut [Target<'_>]) -> Result<()> {
    let wants = |target: &Target<'_>| {
        let meant = &target.meant;
        !meant.load.resource_groups.is_empty() || meant.properties.contains_key(PROPERTY)
    };
    if !targets.iter().any(wants) {
        return Ok(());
    }
    let there = match compat::knows(cluster.version(), Thing::Call(Call::LoadIntoResourceGroups)) {
        true => cluster.resource_groups().await?,
        false => Vec::new(),
    };
    let lacks = |group: &String| !there.contains(group);
    for target in targets {
        let (meant, fit) = (&mut target.meant, &mut target.fit);
        if meant.load.resource_groups.iter().any(lacks) {
            let groups = std::mem::take(&mut meant.load.resource_groups);
            fit.translated.push(format!(
                "replicas go into the default resource group, as the target has not all of {}",
                groups.join(", ")
            ));
        }
        let named = meant.properties.get(PROPERTY);
        let named = named.map(|groups| groups.split(',').map(|group| group.trim().to_owned()));
        if named.is_some_and(|mut groups| groups.any(|group| lacks(&group))) {
            fit.at_creation.remove(PROPERTY);
            if let Some(groups) = meant.properties.remove(PROPERTY) {
                fit.dropped.push(format!(
                    "the property {PROPERTY}={groups}: the target has not all of them"
                ));
            }
        }
    }
    Ok(())
}
