//! What may be changed of definitions on their way into a server.

use clap::{Args, ValueEnum};
use milvault::Result;
use milvault::compat::{Adaptation, AutoId, Droppable, IndexChoice, Indexes};

/// What may be changed of definitions on their way into a server.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Definitions")]
pub struct AdaptationArguments {
    /// Build no indexes, and load nothing
    #[arg(long, conflicts_with_all = ["index_fallback", "index"])]
    no_index: bool,

    /// Build another index where the target does not know the type of one; --dry-run tells which
    #[arg(long)]
    index_fallback: bool,

    /// Build this index on a field, whatever it had: `field=HNSW:M=16,efConstruction=200,metric=COSINE`, or
    /// `field=none`; with `[database.]collection/` before the field for one collection, as it is called where it
    /// comes from; repeatable, the last that fits counts
    #[arg(long, value_name = "FIELD=TYPE[:NAME=VALUE,…]")]
    index: Vec<String>,

    /// What happens to keys that the source has made itself
    #[arg(long, value_enum, value_name = "WHAT", default_value = "keep")]
    auto_id: Keys,

    /// Do without these where the target does not know them
    #[arg(long, value_enum, value_name = "WHAT", value_delimiter = ',')]
    drop: Vec<Without>,
}

/// What happens to keys that the source has made itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Keys {
    /// Rows keep them
    #[default]
    Keep,
    /// The target makes new ones, so that rows can no longer be told apart by them
    Regenerate,
}

/// What a target may do without.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Without {
    /// Functions; vectors that they made stay, but for those that no server returns
    Functions,
    /// Default values
    Defaults,
    /// NULL; a row that has one stops the restore
    Nullable,
    /// Analyzers and text match
    Analyzers,
    /// The partition key; all rows go into one partition
    PartitionKey,
    /// Partitions; all rows go into one
    Partitions,
    /// The clustering key
    ClusteringKey,
    /// Properties and type parameters that the target does not know
    Properties,
}

impl AdaptationArguments {
    /// What may be changed.
    pub fn adaptation(&self) -> Result<Adaptation> {
        let choices = self.index.iter().map(|text| IndexChoice::parse(text));
        let drop = self.drop.iter().map(|without| match without {
            Without::Functions => Droppable::Functions,
            Without::Defaults => Droppable::Defaults,
            Without::Nullable => Droppable::Nullable,
            Without::Analyzers => Droppable::Analyzers,
            Without::PartitionKey => Droppable::PartitionKey,
            Without::Partitions => Droppable::Partitions,
            Without::ClusteringKey => Droppable::ClusteringKey,
            Without::Properties => Droppable::Properties,
        });
        Ok(Adaptation {
            indexes: match (self.no_index, self.index_fallback) {
                (true, _) => Indexes::Omit,
                (false, true) => Indexes::Fallback,
                (false, false) => Indexes::Keep,
            },
            index_choices: choices.collect::<Result<_>>()?,
            auto_id: match self.auto_id {
                Keys::Keep => AutoId::Keep,
                Keys::Regenerate => AutoId::Regenerate,
            },
            drop: drop.collect(),
        })
    }

    /// Whether rows get new keys, by which nothing can be compared.
    pub fn makes_new_keys(&self) -> bool {
        self.auto_id == Keys::Regenerate
    }
}
