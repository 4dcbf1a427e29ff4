//! The properties that a collection gets when all rows are in.

use std::collections::BTreeMap;

use super::plan::Target;
use crate::milvus::Cluster;

/// Sets what was held back while rows came in, and takes away what was only needed for that. The rows are there: what
/// cannot be set is told, and no error.
pub(super) async fn settle(cluster: &Cluster, target: &mut Target<'_>) {
    let name = &target.meant.name;
    let (now, then) = (&target.fit.at_creation, &target.meant.properties);
    let changed: BTreeMap<String, String> = then
        .iter()
        .filter(|(key, value)| now.get(*key) != Some(*value))
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect();
    let gone: Vec<String> = now
        .keys()
        .filter(|key| !then.contains_key(*key))
        .cloned()
        .collect();
    let mut notes = Vec::new();
    if !changed.is_empty()
        && let Err(error) = cluster.set_properties(name, &changed).await
    {
        let list: Vec<String> = changed
            .iter()
            .map(|(key, value)| format!("{key}={value}"))
            .collect();
        notes.push(format!(
            "could not be given its properties {}: {error}",
            list.join(", ")
        ));
    }
    if !gone.is_empty()
        && let Err(error) = cluster.delete_properties(name, &gone).await
    {
        notes.push(format!(
            "still has properties that the restore needed, {}: {error}",
            gone.join(", ")
        ));
    }
    target.notes.extend(notes);
}
