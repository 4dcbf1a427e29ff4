//! How a target is written.

use clap::{Args, ValueEnum};
use milvault::Result;
use milvault::compat::Adaptation;
use milvault::restore::IfExists;

use super::AdaptationArguments;

/// How a target is written.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Target")]
pub struct WritingArguments {
    /// What to do where the target has a collection of the name
    #[arg(long, value_enum, value_name = "WHAT", default_value = "fail")]
    if_exists: OnConflict,

    /// Make no aliases
    #[arg(long)]
    no_aliases: bool,

    #[command(flatten)]
    adaptation: AdaptationArguments,
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
    /// Put another in its place; it stays until that is whole, where the target can rename collections
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

    /// What may be changed of definitions.
    pub fn adaptation(&self) -> Result<Adaptation> {
        self.adaptation.adaptation()
    }

    /// Whether rows get new keys, by which nothing can be compared.
    pub fn makes_new_keys(&self) -> bool {
        self.adaptation.makes_new_keys()
    }

    /// Whether aliases are made.
    pub fn aliases(&self) -> bool {
        !self.no_aliases
    }
}
