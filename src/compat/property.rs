//! Properties of collections.

use super::fit::{Droppable, Fitting};
use super::table::{Call, Feature, Thing};
use crate::model::Collection;

/// Properties that let rows disappear: a row that is older than so many seconds, or whose own time has come. They
/// are set when all rows are in and counted, so that no row expires while it is being proven to be there.
const EXPIRY: [&str; 2] = ["collection.ttl.seconds", "ttl_field"];

/// What a property is to whoever moves a collection.
enum Role {
    /// It says what rows, reads or searches are.
    Meaning,
    /// It changes how fast something is, or how much of it there may be, and nothing else.
    Tuning,
    /// It belongs to the server that says it: its replication, its keys, its bookkeeping.
    Own,
}

fn role(property: &str) -> Role {
    match property {
        "replicate.id"
        | "replicate.endTS"
        | "max_field_id"
        | "collection.on.truncating"
        | "dynamicfield.enabled"
        | "consistency_level" => Role::Own,
        "mmap.enabled"
        | "lazyload.enabled"
        | "indexoffsetcache.enabled"
        | "load_priority"
        | "collection.replica.number"
        | "collection.resource_groups"
        | "collection.autocompaction.enabled" => Role::Tuning,
        _ if property.starts_with("cipher.") => Role::Own,
        _ if property.starts_with("warmup")
            || property.contains("Rate.")
            || property.contains("diskProtection.") =>
        {
            Role::Tuning
        }
        _ => Role::Meaning,
    }
}

impl Fitting<'_> {
    /// Decides which properties the target gets, and which of them it gets last.
    pub(super) fn properties(&mut self, meant: &mut Collection) {
        meant.properties.retain(|name, value| {
            let what = format!("the property {name}={value}");
            if let Role::Own = role(name) {
                self.fit.dropped.push(format!(
                    "{what}: it belongs to the server that it comes from"
                ));
                return false;
            }
            let known = self.knows(Thing::Property(name)) || self.has(Feature::AnyProperty);
            if known || self.as_new {
                return true;
            }
            match role(name) {
                Role::Tuning => {
                    self.forget(what);
                    false
                }
                _ => !self.gives_up(Droppable::Properties, &what, "it has no effect there"),
            }
        });
        let alters = self.knows(Thing::Call(Call::AlterCollection));
        for (name, value) in &meant.properties {
            if !(alters && EXPIRY.contains(&name.as_str())) {
                // What is needed while rows come in is there already, and stays as it is until then.
                let at_creation = &mut self.fit.at_creation;
                at_creation
                    .entry(name.clone())
                    .or_insert_with(|| value.clone());
            }
        }
    }
}
