//! How rows get into the target.

use std::path::Path;
use std::time::Duration;

use clap::{Args, ValueEnum};
use milvault::restore::{ImportOptions, ImportStore, Mode};
use milvault::store::{self, StoreOptions};
use milvault::{Error, Result};

use super::StoreArguments;
use super::connection::seconds;
use crate::cli::{Session, place};

/// How rows get into the target.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Rows")]
pub struct ImportArguments {
    /// How rows get into the target; --dry-run tells which it would be, and why
    #[arg(long, value_enum, value_name = "HOW", default_value = "auto")]
    mode: How,

    /// Where Milvus reads what it imports: a place in its own bucket, or for one with local storage a folder that
    /// both see. Files are put there for as long as they are imported, unless the archive lies there
    #[arg(long, value_name = "STORE")]
    import_store: Option<String>,

    /// How Milvus names the place of --import-store, where it is another path than ours
    #[arg(long, value_name = "PATH", requires = "import_store")]
    import_path: Option<String>,

    /// How long all import jobs of a collection may stand still
    #[arg(long, value_name = "SECONDS", value_parser = seconds, default_value = "600", requires = "import_store")]
    import_timeout: Duration,
}

/// How rows get into the target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum How {
    /// They are sent to it
    Insert,
    /// Milvus reads the archive's files itself (2.3.4 on); what it does not take is inserted
    Import,
    /// Import what is large and can be imported, and insert the rest
    Auto,
}

impl ImportArguments {
    /// How rows get into the target.
    pub fn mode(&self) -> Mode {
        match self.mode {
            How::Insert => Mode::Insert,
            How::Import => Mode::Import,
            How::Auto => Mode::Auto,
        }
    }

    /// What bulk import needs, if it is given.
    pub async fn import(
        &self,
        stores: &StoreArguments,
        session: &Session,
    ) -> Result<Option<ImportOptions>> {
        let text = match (&self.import_store, self.mode) {
            (Some(text), _) => text,
            (None, How::Import) => {
                return Err(Error::Usage(
                    "--mode import needs to know where Milvus reads files: give --import-store"
                        .to_owned(),
                ));
            }
            (None, _) => return Ok(None),
        };
        if self.mode == How::Insert {
            return Err(Error::Usage(
                "--import-store is for --mode import and --mode auto; leave one of the two out"
                    .to_owned(),
            ));
        }
        // It is reached as archives are, but what Milvus is to read is encrypted with no key of ours.
        let (address, stores) = place::located(text, "a store", stores, session)?;
        let reached = StoreOptions {
            customer_key: None,
            ..stores.options()?
        };
        let opened = store::open(&address, &reached).await?;
        let folder = opened.uri();
        // A folder that we would make is none that Milvus reads.
        if !folder.contains("://") && !Path::new(&folder).is_dir() {
            return Err(Error::Missing {
                uri: format!("import store {folder}"),
                hint: "name a folder that Milvus reads, too".to_owned(),
            });
        }
        Ok(Some(ImportOptions {
            store: ImportStore::new(opened, self.import_path.as_deref())?,
            timeout: self.import_timeout,
        }))
    }
}
