//! milvus-lite as an embedded cluster: a database on disk, served on 127.0.0.1 for the length of a run.
//!
//! milvus-lite is a Python package. It lives in a private virtual environment in the user's cache folder, which
//! is made on first use.

mod environment;
mod path;
mod server;

use std::path::Path;

use crate::progress::Context;
use crate::{Error, Result};

use environment::Release;
use path::Format;
use server::Server;

/// A milvus-lite database that is being served.
///
/// The server ends with this process, however that ends. Dropping `Lite` lets the server end by itself within
/// seconds; [`Lite::close`] waits for it.
#[derive(Debug)]
pub struct Lite {
    server: Server,
}

impl Lite {
    /// Whether the text that names a cluster names a milvus-lite database: it ends in `.db`, or is an existing
    /// folder of milvus-lite.
    pub fn is_path(text: &str) -> bool {
        path::is_path(text)
    }

    /// Serves the database at `path`: a folder of milvus-lite 3, or an SQLite file of milvus-lite 2.
    ///
    /// Fails with [`Error::Missing`] where there is none, and with [`Error::Program`] where Python or the
    /// server does not work, or another process serves the database.
    pub async fn open(path: &Path, ctx: &Context) -> Result<Lite> {
        Self::serve(path, path::format_of(path)?, ctx).await
    }

    /// Serves the database at `path`, and makes a new one (of milvus-lite 3) where nothing or an empty folder is.
    ///
    /// Errors are those of [`Lite::open`].
    pub async fn create(path: &Path, ctx: &Context) -> Result<Lite> {
        let format = if path::is_vacant(path) {
            Format::Folder
        } else {
            path::format_of(path)?
        };
        Self::serve(path, format, ctx).await
    }

    /// Where the server listens, as `127.0.0.1:PORT`. It knows neither passwords nor TLS.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.server.port())
    }

    /// Stops the server; all that was inserted is on disk then. Fails if the server had died before.
    pub async fn close(self) -> Result<()> {
        self.server.stop().await
    }

    async fn serve(path: &Path, format: Format, ctx: &Context) -> Result<Lite> {
        let path = std::path::absolute(path).map_err(|source| Error::Store {
            doing: "find",
            uri: path.display().to_string(),
            source,
        })?;
        let release = match format {
            Format::Folder => &Release::V3,
            Format::File => &Release::V2,
        };
        let python = environment::python(release, ctx).await?;
        let server = Server::start(&python, format, &path, ctx).await?;
        Ok(Lite { server })
    }
}
