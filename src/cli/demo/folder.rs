//! Where the demo keeps its databases and archives.

use std::env;
use std::ffi::OsString;
use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use milvault::{Error, Result};

/// Says that a folder is a demo's, so that its databases may be made anew. Locked while a demo runs.
const MARKER: &str = ".milvault-demo";

/// A demo's folder, of which no other demo makes use meanwhile.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    /// The operating system lets go of it when the file is closed.
    _lock: File,
}

impl Folder {
    /// Makes the folder, or clears the databases that an earlier demo left in it. Archives stay.
    ///
    /// A folder that holds something else is refused and not touched.
    pub fn prepare(named: Option<PathBuf>) -> Result<Folder> {
        let path = match named {
            Some(path) => path,
            None => data_folder(|variable| env::var_os(variable))?,
        };
        let path = std::path::absolute(&path).map_err(|source| failed("find", &path, source))?;
        fs::create_dir_all(&path).map_err(|source| failed("make", &path, source))?;
        let marker = path.join(MARKER);
        let mut held = fs::read_dir(&path).map_err(|source| failed("list", &path, source))?;
        if !marker.exists() && held.next().is_some() {
            return Err(Error::Usage(format!(
                "{} holds something that is not the demo's; give an empty folder with --dir",
                path.display()
            )));
        }
        let lock = File::options()
            .create(true)
            .append(true)
            .open(&marker)
            .map_err(|source| failed("write", &marker, source))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(Error::Program {
                    doing: "run the demo".to_owned(),
                    reason: format!("another one is running in {}", path.display()),
                });
            }
            Err(TryLockError::Error(source)) => return Err(failed("lock", &marker, source)),
        }
        let folder = Folder { path, _lock: lock };
        for database in [folder.source(), folder.target()] {
            match fs::remove_dir_all(&database) {
                Err(source) if source.kind() != io::ErrorKind::NotFound => {
                    return Err(failed("remove", &database, source));
                }
                _ => {}
            }
        }
        Ok(folder)
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The database that is exported.
    pub fn source(&self) -> PathBuf {
        self.path.join("source.db")
    }

    /// The database that is restored into.
    pub fn target(&self) -> PathBuf {
        self.path.join("target.db")
    }

    /// The store.
    pub fn archives(&self) -> PathBuf {
        self.path.join("archives")
    }
}

/// `milvault/demo` in the folder for a user's data, as the XDG base directory specification finds it.
fn data_folder(variable: impl Fn(&str) -> Option<OsString>) -> Result<PathBuf> {
    let named = |name| {
        variable(name)
            .filter(|value| !value.is_empty())
            .map(PathBuf::from)
    };
    named("XDG_DATA_HOME")
        .or_else(|| named("HOME").map(|home| home.join(".local/share")))
        .map(|data| data.join("milvault/demo"))
        .ok_or_else(|| Error::Usage("there is no HOME to keep the demo in; give --dir".to_owned()))
}

fn failed(doing: &'static str, path: &Path, source: io::Error) -> Error {
    Error::Store {
        doing,
        uri: path.display().to_string(),
        source,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_second_run_clears_databases_and_keeps_archives() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("demo");
        let first = Folder::prepare(Some(path.clone())).unwrap();
        for made in [first.source(), first.archives()] {
            fs::create_dir(&made).unwrap();
            fs::write(made.join("file"), "x").unwrap();
        }
        drop(first);
        let second = Folder::prepare(Some(path)).unwrap();
        assert!(!second.source().exists());
        assert!(second.archives().join("file").exists());
    }

    #[test]
    fn somebody_elses_folder_is_left_alone() {
        let root = tempfile::tempdir().unwrap();
        let database = root.path().join("source.db");
        fs::create_dir(&database).unwrap();
        let refused = Folder::prepare(Some(root.path().to_owned()));
        assert!(matches!(refused, Err(Error::Usage(_))));
        assert!(database.exists());
    }

    #[test]
    fn two_demos_do_not_share_a_folder() {
        let root = tempfile::tempdir().unwrap();
        let _first = Folder::prepare(Some(root.path().to_owned())).unwrap();
        let second = Folder::prepare(Some(root.path().to_owned()));
        assert!(matches!(second, Err(Error::Program { .. })));
    }

    #[test]
    fn the_default_follows_the_users_folders() {
        let home = |name: &str| (name == "HOME").then(|| OsString::from("/home/me"));
        let found = data_folder(home).unwrap();
        assert_eq!(found, Path::new("/home/me/.local/share/milvault/demo"));
        assert!(data_folder(|_| None).is_err());
    }
}
