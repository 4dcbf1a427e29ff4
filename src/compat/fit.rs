//! Making a collection fit a server: what is changed, what is given up, and what is in the way.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::choice::IndexChoice;
use super::table::{self, Feature, Thing};
use crate::milvus::{Product, ServerVersion};
use crate::model::{
    Collection, CollectionName, ConsistencyLevel, DEFAULT_DATABASE, DEFAULT_PARTITION, Field,
};

/// What may be changed of a collection's definition on its way into a server.
#[derive(Clone, Debug, Default)]
pub struct Adaptation {
    /// What happens to indexes.
    pub indexes: Indexes,
    /// Indexes that are built instead of those that were.
    pub index_choices: Vec<IndexChoice>,
    /// What happens to keys that the server has made.
    pub auto_id: AutoId,
    /// What the target may do without, where it does not know it.
    pub drop: BTreeSet<Droppable>,
}

/// What happens to indexes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Indexes {
    /// They are built as they were; one that the target does not know is an error before anything is touched.
    #[default]
    Keep,
    /// As `Keep`, but one that the target does not know becomes one that it does.
    Fallback,
    /// None are built, and collections are not loaded.
    Omit,
}

/// What happens to keys that the server has made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AutoId {
    /// They are kept.
    #[default]
    Keep,
    /// The target makes new ones: no row keeps its key.
    Regenerate,
}

/// What was done with keys that the server has made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum KeysKept {
    /// Rows have the keys that they had, and the server goes on making keys.
    Kept,
    /// Rows have the keys that they had, and the server no longer makes keys.
    KeptWithoutAutoId,
    /// The server has made new keys.
    Regenerated,
}

/// What a collection can be without, for a target that does not know it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Droppable {
    /// Functions. Vectors that they made stay where the rows have them; those that no server returns are left out.
    Functions,
    /// Default values.
    Defaults,
    /// That fields may be NULL. A row that is NULL there stops the restore.
    Nullable,
    /// Analyzers and text match.
    Analyzers,
    /// The partition key: all rows go into one partition.
    PartitionKey,
    /// Partitions: all rows go into one.
    Partitions,
    /// The clustering key.
    ClusteringKey,
    /// Properties and type parameters that the target does not know.
    Properties,
}

impl Droppable {
    /// As the command line names it.
    pub fn name(self) -> &'static str {
        match self {
            Droppable::Functions => "functions",
            Droppable::Defaults => "defaults",
            Droppable::Nullable => "nullable",
            Droppable::Analyzers => "analyzers",
            Droppable::PartitionKey => "partition-key",
            Droppable::Partitions => "partitions",
            Droppable::ClusteringKey => "clustering-key",
            Droppable::Properties => "properties",
        }
    }
}

/// How a collection fits a server.
#[derive(Clone, Debug, Default)]
pub struct Fit {
    /// What becomes something else.
    pub translated: Vec<String>,
    /// What is given up.
    pub dropped: Vec<String>,
    /// What is in the way: one sentence each, with the way out. With any, the collection must not be sent.
    pub problems: Vec<String>,
    /// What happens to keys that the server has made; `None` where it makes none.
    pub keys: Option<KeysKept>,
    /// Whether all rows go into the default partition, whichever they come from.
    pub one_partition: bool,
    /// The properties with which the collection is created. Those of its definition are set when all rows are in
    /// and counted: until then some would let rows expire, or not let them in.
    pub at_creation: BTreeMap<String, String>,
}

/// Makes `meant` what a server of version `target` can hold, and `fields`, the columns of its rows, what it takes.
///
/// `source` is the version that the definition comes from, if it is known: a server that is as new understands
/// what this version of milvault has no rule for. `called` is the collection's name there, by which choices of
/// indexes go.
pub fn fit(
    target: &ServerVersion,
    (source, called): (Option<&ServerVersion>, &CollectionName),
    meant: &mut Collection,
    fields: &mut Vec<Field>,
    adaptation: &Adaptation,
) -> Fit {
    let mut fitting = Fitting {
        target,
        as_new: source.is_some_and(|source| {
            source.product == target.product && source.is_known() && target.number >= source.number
        }),
        adaptation,
        name: meant.name.clone(),
        source: called.clone(),
        fit: Fit::default(),
    };
    fitting.names(meant);
    fitting.functions(meant, fields);
    let had_partition_key = meant.has_partition_key();
    fitting.fields(meant, fields);
    if had_partition_key && !meant.has_partition_key() {
        fitting.one_partition(meant);
    }
    fitting.rest(meant);
    fitting.auto_id(meant, fields);
    fitting.indexes(meant);
    fitting.properties(meant);
    fitting.fit
}

/// The work of [`fit`]; each part of a definition has a file of its own.
pub(super) struct Fitting<'a> {
    pub target: &'a ServerVersion,
    /// Whether the target is of the source's kind and at least as new.
    pub as_new: bool,
    pub adaptation: &'a Adaptation,
    /// The collection's name in the target, which problems tell.
    pub name: CollectionName,
    /// Its name where it comes from.
    pub source: CollectionName,
    pub fit: Fit,
}

impl Fitting<'_> {
    pub fn knows(&self, thing: Thing<'_>) -> bool {
        table::knows(self.target, thing)
    }

    pub fn has(&self, feature: Feature) -> bool {
        self.knows(Thing::Feature(feature))
    }

    /// Something is in the way.
    pub fn refuse(&mut self, what: impl AsRef<str>, way_out: &str) {
        let way_out = if way_out.is_empty() {
            String::new()
        } else {
            format!(" ({way_out})")
        };
        self.fit.problems.push(format!(
            "{}: {} does not know {}{way_out}",
            self.name,
            self.target,
            what.as_ref()
        ));
    }

    /// True if something that the target does not know is given up; else it is in the way. `without` is what that
    /// means.
    pub fn gives_up(&mut self, droppable: Droppable, what: &str, without: &str) -> bool {
        if self.adaptation.drop.contains(&droppable) {
            self.fit.dropped.push(format!("{what}: {without}"));
            return true;
        }
        let way_out = format!("--drop {} does without: {without}", droppable.name());
        self.refuse(what, &way_out);
        false
    }

    /// Something that rows and searches do not depend on, and that the target does not keep.
    pub fn forget(&mut self, what: String) {
        self.fit
            .dropped
            .push(format!("{what}: {} does not keep it", self.target));
    }

    fn names(&mut self, meant: &Collection) {
        for (what, text) in [
            ("collection", &meant.name.collection),
            ("database", &meant.name.database),
        ] {
            if !is_name(text) {
                self.refuse(
                    format!(
                        "a {what} named {text:?}: names are letters, digits and _, at most 255, and begin with no digit"
                    ),
                    "choose another name with --rename, --suffix or --into-database",
                );
            }
        }
        if meant.name.database != DEFAULT_DATABASE && !self.has(Feature::Databases) {
            self.refuse(
                "databases",
                "put it into the default one with --into-database default",
            );
        }
    }

    fn one_partition(&mut self, meant: &mut Collection) {
        meant.partitions = vec![DEFAULT_PARTITION.to_owned()];
        self.fit.one_partition = true;
    }

    /// What is neither fields nor indexes nor properties.
    fn rest(&mut self, meant: &mut Collection) {
        if meant.dynamic && !self.has(Feature::Dynamic) {
            self.refuse(
                "dynamic fields",
                "leave it out with --exclude-fields '$meta'",
            );
        }
        if meant.partitions.len() > 1
            && !meant.has_partition_key()
            && !self.has(Feature::Partitions)
        {
            let without = "all rows go into one; or restore one of them with --partition";
            if self.gives_up(Droppable::Partitions, "partitions", without) {
                self.one_partition(meant);
            }
        }
        if meant.has_partition_key() && !self.has(Feature::PartitionKeyNumber) {
            let number = meant.key_partitions();
            if self.target.product == Product::Lite && number != LITE_KEY_PARTITIONS {
                self.fit.translated.push(format!(
                    "the {number} partitions of the partition key become {LITE_KEY_PARTITIONS}, which is what \
                     {} makes",
                    self.target
                ));
            }
            meant.partitions = (0..LITE_KEY_PARTITIONS)
                .map(|number| format!("_pk_{number}"))
                .collect();
        }
        if !meant.aliases.is_empty() && !self.has(Feature::Aliases) {
            self.refuse("aliases", "leave them out with --no-aliases");
        }
        if let ConsistencyLevel::Unknown(_) = meant.consistency_level {
            self.refuse(
                format!("the consistency {}", meant.consistency_level),
                "nor does this milvault: use a newer one, or leave the collection out with --exclude",
            );
        } else if meant.consistency_level != ConsistencyLevel::Strong
            && !self.has(Feature::ConsistencyLevel)
        {
            self.forget(format!("the consistency level {}", meant.consistency_level));
            meant.consistency_level = ConsistencyLevel::Strong;
        }
        if !self.has(Feature::Shards) {
            if meant.shards > 1 {
                self.forget(format!("the number of {} shards", meant.shards));
            }
            // The server's own number.
            meant.shards = 0;
        }
        if !self.has(Feature::Descriptions) && forget_descriptions(meant) {
            self.forget("descriptions".to_owned());
        }
    }

    /// Decides what becomes of keys that the server has made.
    fn auto_id(&mut self, meant: &mut Collection, fields: &mut Vec<Field>) {
        let made = meant.fields.iter_mut().find(|field| field.primary_key);
        let Some(key) = made.filter(|key| key.auto_id) else {
            return;
        };
        let keys = if self.adaptation.auto_id == AutoId::Regenerate {
            fields.retain(|field| !field.primary_key);
            KeysKept::Regenerated
        } else if self.knows(Thing::Property(table::ALLOW_AUTO_ID)) {
            self.fit
                .at_creation
                .insert(table::ALLOW_AUTO_ID.to_owned(), "true".to_owned());
            KeysKept::Kept
        } else {
            key.auto_id = false;
            self.fit.translated.push(format!(
                "the keys of {} are kept, so the server no longer makes new ones (--auto-id regenerate lets it)",
                key.name
            ));
            KeysKept::KeptWithoutAutoId
        };
        self.fit.keys = Some(keys);
    }
}

/// How many partitions milvus-lite makes for a partition key (seen on 3.2.2).
const LITE_KEY_PARTITIONS: usize = 16;

/// Takes all descriptions away; true if there was one.
fn forget_descriptions(meant: &mut Collection) -> bool {
    let fields = meant.fields.iter_mut();
    let fields = fields.map(|field| &mut field.description);
    let functions = meant.functions.iter_mut();
    let functions = functions.map(|function| &mut function.description);
    let mut all: Vec<&mut String> = fields.chain(functions).collect();
    all.push(&mut meant.description);
    let some = all.iter().any(|description| !description.is_empty());
    all.into_iter().for_each(String::clear);
    some
}

/// Whether a text can name a collection or a database (Milvus: `validateCollectionName`).
fn is_name(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
    text.len() <= 255 && text.chars().all(plain) && text.starts_with(|c: char| !c.is_ascii_digit())
}
