//! How a target is written.

use clap::{Args, ValueEnum};
use milvault::restore::{IfExists, Indexes};

/// How a target is written.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Target")]
pub struct WritingArguments {
    /// What to do where the target has a collection of the name
    #[arg(long, value_enum, value_name = "WHAT", default_value = "fail")]
    if_exists: OnConflict,

    /// Build no indexes, and load nothing
    #[arg(long, conflicts_with = "index_fallback")]
    no_index: bool,

    /// Build another index where the target does not know the type of one
    #[arg(long)]
    index_fallback: bool,

    /// Make no aliases
    #[arg(long)]
    no_aliases: bool,
}

/// What to do where the target has a collection of the name.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum OnConflict {
    /// Stop before anything is touched
    Fail,
    /// Leave that collection as it is
    Skip,
    /// Add the rows; one whose key its partition has replaces it
    Append,
    /// Drop that collection first
    Replace,
}

impl WritingArguments {
    /// What happens where the target has a collection of the name.
    pub fn if_exists(&self) -> IfExists {
        match self.if_exists {
            OnConflict::Fail => IfExists::Fail,
            OnConflict::Skip => IfExists::Skip,
            OnConflict::Append => IfExists::Append,
            OnConflict::Replace => IfExists::Replace,
        }
    }

    /// What happens to indexes.
    pub fn indexes(&self) -> Indexes {
        match (self.no_index, self.index_fallback) {
            (true, _) => Indexes::Omit,
            (false, true) => Indexes::Fallback,
            (false, false) => Indexes::Keep,
        }
    }

    /// Whether aliases are made.
    pub fn aliases(&self) -> bool {
        !self.no_aliases
    }
}
