//! Which paths are milvus-lite databases, and of which kind.

use std::io::{ErrorKind, Read};
use std::path::Path;

use crate::{Error, Result};

/// How every SQLite 3 file begins.
const SQLITE_MAGIC: &[u8; 16] = b"SQLite format 3\0";

/// How a milvus-lite database lies on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    /// A folder, as milvus-lite 3 makes it; pymilvus gives it a name that ends in `.db`, too.
    Folder,
    /// One SQLite file, as milvus-lite 2 made it.
    File,
}

/// Whether the text that names a cluster names a milvus-lite database: it ends in `.db`, or is an existing
/// folder with milvus-lite's lock and collections in it.
pub(super) fn is_path(text: &str) -> bool {
    !text.contains("://") && (text.ends_with(".db") || is_lite_folder(Path::new(text)))
}

/// The kind of the database at `path`, which must exist.
pub(super) fn format_of(path: &Path) -> Result<Format> {
    let Ok(metadata) = path.metadata() else {
        return Err(Error::Missing {
            uri: path.display().to_string(),
            hint: "no milvus-lite database is there".to_owned(),
        });
    };
    if metadata.is_dir() {
        return if is_lite_folder(path) {
            Ok(Format::Folder)
        } else {
            Err(not_lite(path, "the folder holds no milvus-lite data"))
        };
    }
    let mut start = [0; SQLITE_MAGIC.len()];
    let read = std::fs::File::open(path).and_then(|mut file| file.read_exact(&mut start));
    match read {
        Ok(()) if start == *SQLITE_MAGIC => Ok(Format::File),
        Err(reason) if reason.kind() != ErrorKind::UnexpectedEof => {
            Err(not_lite(path, &reason.to_string()))
        }
        _ => Err(not_lite(path, "the file is no milvus-lite database")),
    }
}

/// Whether a database can be made at `path`: nothing is there, or an empty folder.
pub(super) fn is_vacant(path: &Path) -> bool {
    match path.read_dir() {
        Ok(mut entries) => entries.next().is_none(),
        Err(_) => path.symlink_metadata().is_err(),
    }
}

/// Refuses a place for a new database whose folder is not there: it may be mistyped.
pub(super) fn check_parent(path: &Path) -> Result<()> {
    let folder = match path.parent() {
        Some(parent) if parent.as_os_str().is_empty() => Path::new("."),
        Some(parent) => parent,
        None => return Ok(()),
    };
    if folder.is_dir() {
        return Ok(());
    }
    Err(Error::Missing {
        uri: format!("folder {}", folder.display()),
        hint: format!(
            "make it first, so that {} can be made in it",
            path.display()
        ),
    })
}

/// Whether this is what milvus-lite 3 makes of nothing: a folder without collections and databases.
pub(super) fn is_unused(path: &Path) -> bool {
    const MADE_AT_ONCE: [&str; 4] = ["LOCK", "collections", "databases", ".database-staging"];
    let is_empty = |folder: &Path| {
        folder
            .read_dir()
            .is_ok_and(|mut entries| entries.next().is_none())
    };
    path.read_dir().is_ok_and(|entries| {
        entries.map_while(Result::ok).all(|entry| {
            let path = entry.path();
            MADE_AT_ONCE.iter().any(|name| entry.file_name() == *name)
                && (path.is_file() || is_empty(&path))
        })
    })
}

fn is_lite_folder(path: &Path) -> bool {
    path.join("LOCK").is_file() && path.join("collections").is_dir()
}

fn not_lite(path: &Path, reason: &str) -> Error {
    Error::Program {
        doing: format!("open {} with milvus-lite", path.display()),
        reason: reason.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn folder() -> tempfile::TempDir {
        tempfile::tempdir().unwrap()
    }

    fn lite_folder_at(path: &Path) {
        fs::create_dir_all(path.join("collections")).unwrap();
        fs::write(path.join("LOCK"), "").unwrap();
    }

    #[test]
    fn a_name_ending_in_db_is_lite_whether_it_exists_or_not() {
        assert!(is_path("./nowhere.db"));
        assert!(is_path("/data/my.db"));
    }

    #[test]
    fn a_url_is_never_a_path() {
        assert!(!is_path("http://host:19530/my.db"));
        assert!(!is_path("https://user:pass@host.db"));
    }

    #[test]
    fn only_folders_with_lite_data_are_lite() {
        let folder = folder();
        let text = folder.path().to_str().unwrap();
        assert!(!is_path(text));
        fs::create_dir(folder.path().join("collections")).unwrap();
        assert!(!is_path(text));
        lite_folder_at(folder.path());
        assert!(is_path(text));
        assert!(!is_path("nowhere"));
    }

    #[test]
    fn a_db_can_be_a_folder_or_an_sqlite_file() {
        let folder = folder();
        let new = folder.path().join("new.db");
        lite_folder_at(&new);
        assert_eq!(format_of(&new).unwrap(), Format::Folder);

        let old = folder.path().join("old.db");
        fs::write(&old, b"SQLite format 3\0and pages").unwrap();
        assert_eq!(format_of(&old).unwrap(), Format::File);
    }

    #[test]
    fn other_files_and_folders_are_refused() {
        let folder = folder();
        let text = folder.path().join("text.db");
        fs::write(&text, "these are not the pages you are looking for").unwrap();
        let short = folder.path().join("short.db");
        fs::write(&short, "").unwrap();
        for path in [&text, &short, &folder.path().to_owned()] {
            assert!(matches!(format_of(path), Err(Error::Program { .. })));
            assert!(!is_vacant(path));
        }
    }

    #[test]
    fn only_a_folder_without_collections_is_unused() {
        let folder = folder();
        let path = folder.path().join("new.db");
        assert!(!is_unused(&path));
        lite_folder_at(&path);
        fs::create_dir(path.join("databases")).unwrap();
        assert!(is_unused(&path));
        for one in ["collections/docs", "databases/other", "notes"] {
            fs::create_dir(path.join(one)).unwrap();
            assert!(!is_unused(&path), "{one}");
            fs::remove_dir(path.join(one)).unwrap();
        }
    }

    #[test]
    fn a_new_database_needs_the_folder_that_holds_it() {
        let folder = folder();
        assert!(check_parent(Path::new("new.db")).is_ok());
        assert!(check_parent(&folder.path().join("new.db")).is_ok());
        let refused = check_parent(&folder.path().join("typo/new.db")).unwrap_err();
        assert!(matches!(refused, Error::Missing { .. }));
        assert!(
            refused.to_string().contains("/typo is missing"),
            "{refused}"
        );
    }

    #[test]
    fn a_missing_database_is_missing_and_its_place_vacant() {
        let folder = folder();
        let path = folder.path().join("new.db");
        assert!(matches!(format_of(&path), Err(Error::Missing { .. })));
        assert!(is_vacant(&path));
        fs::create_dir(&path).unwrap();
        assert!(is_vacant(&path));
    }
}
