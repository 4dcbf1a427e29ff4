//! milvus-lite as an embedded cluster: a database on disk, served on 127.0.0.1 for the length of a run.
//!
//! milvus-lite is a Python package. It lives in a private virtual environment in the user's cache folder, which
//! is made on first use.

mod environment;
mod path;
mod server;

use std::path::{Path, PathBuf};

use tempfile::TempDir;

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
    origin: Origin,
}

/// Where a database comes from.
#[derive(Debug)]
enum Origin {
    /// It was there.
    Found,
    /// We made it.
    Made(Place),
    /// We made it in a temporary folder, which is held here and goes with it.
    Temporary { _folder: TempDir },
}

/// Where a new database goes.
#[derive(Debug)]
struct Place {
    path: PathBuf,
    /// Whether an empty folder was there before.
    had_folder: bool,
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
        let format = path::format_of(path)?;
        let server = serve(path, format, ctx).await?;
        Ok(Lite {
            server,
            origin: Origin::Found,
        })
    }

    /// Serves the database at `path`, and makes a new one (of milvus-lite 3) where nothing or an empty folder is.
    /// A new one that fails to start leaves nothing.
    ///
    /// Errors are those of [`Lite::open`]; the folder that is to hold a new one must be there.
    pub async fn create(path: &Path, ctx: &Context) -> Result<Lite> {
        if !path::is_vacant(path) {
            return Self::open(path, ctx).await;
        }
        path::check_parent(path)?;
        let place = Place {
            path: path.to_owned(),
            had_folder: path.is_dir(),
        };
        match serve(path, Format::Folder, ctx).await {
            Ok(server) => Ok(Lite {
                server,
                origin: Origin::Made(place),
            }),
            Err(error) => {
                // Why there is no server says more than what is left of it.
                let _ = place.clear();
                Err(error)
            }
        }
    }

    /// Serves the database at `path` or, where [`Lite::create`] would make one, an empty one in a temporary folder.
    ///
    /// Errors are those of [`Lite::create`].
    pub async fn rehearse(path: &Path, ctx: &Context) -> Result<Lite> {
        if !path::is_vacant(path) {
            return Self::open(path, ctx).await;
        }
        path::check_parent(path)?;
        let folder = tempfile::tempdir().map_err(|source| Error::Store {
            doing: "make",
            uri: std::env::temp_dir().display().to_string(),
            source,
        })?;
        let server = serve(&folder.path().join("empty.db"), Format::Folder, ctx).await?;
        Ok(Lite {
            server,
            origin: Origin::Temporary { _folder: folder },
        })
    }

    /// Where the server listens, as `127.0.0.1:PORT`. It knows neither passwords nor TLS.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.server.port())
    }

    /// Stops the server; all that was inserted is on disk then. Fails if the server had died before.
    pub async fn close(self) -> Result<()> {
        self.server.stop().await
    }

    /// Stops the server after work that failed: as [`Lite::close`], and a database that was made for that work is
    /// removed again, unless there is something in it.
    pub async fn close_failed(self) -> Result<()> {
        self.server.stop().await?;
        match self.origin {
            Origin::Made(place) => place.clear(),
            Origin::Found | Origin::Temporary { .. } => Ok(()),
        }
    }
}

/// Starts the server of the release that the format wants.
async fn serve(path: &Path, format: Format, ctx: &Context) -> Result<Server> {
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
    Server::start(&python, format, &path, ctx).await
}

impl Place {
    /// Removes what the server has made, as long as there is no collection and no database in it.
    fn clear(&self) -> Result<()> {
        if !path::is_unused(&self.path) {
            return Ok(());
        }
        let removed = std::fs::remove_dir_all(&self.path);
        let cleared = match self.had_folder {
            true => removed.and_then(|()| std::fs::create_dir(&self.path)),
            false => removed,
        };
        cleared.map_err(|source| Error::Store {
            doing: "remove",
            uri: self.path.display().to_string(),
            source,
        })
    }
}
