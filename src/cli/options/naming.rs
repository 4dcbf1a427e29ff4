//! What collections are called in the other place.

use clap::Args;
use milvault::Result;
use milvault::naming::Naming;

/// What collections are called in the other place.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Naming")]
pub struct NamingArguments {
    /// `from:to`, each `[database.]name`, where one * a part stands for anything; repeatable, the first that matches counts
    #[arg(long = "rename", value_name = "FROM:TO")]
    renames: Vec<String>,

    /// Append this to every name
    #[arg(
        long,
        value_name = "TEXT",
        default_value = "",
        hide_default_value = true
    )]
    suffix: String,

    /// Put everything into this database
    #[arg(long, value_name = "DATABASE")]
    into_database: Option<String>,
}

impl NamingArguments {
    /// The rules.
    pub fn naming(&self) -> Result<Naming> {
        let mut naming = Naming::default();
        naming.suffix.clone_from(&self.suffix);
        naming.into_database.clone_from(&self.into_database);
        for rename in &self.renames {
            naming.rename(rename)?;
        }
        Ok(naming)
    }
}
