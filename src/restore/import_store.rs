//! Where the target reads what it imports, under our names and under its own.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::error::{Error, Result};
use crate::store::Store;

/// A place in the storage that the target itself uses.
#[derive(Clone, Debug)]
pub struct ImportStore {
    store: Arc<dyn Store>,
    /// The address that `seen` stands for, without a slash at its end.
    base: String,
    /// How Milvus names `base`; empty where that is a whole bucket.
    seen: String,
}

impl ImportStore {
    /// The place that `store` is. Milvus names what is in a bucket by its path there, and files by their absolute
    /// path; `seen` is how it names the place where that is another, as with a volume that is mounted elsewhere.
    pub fn new(store: Arc<dyn Store>, seen: Option<&str>) -> Result<ImportStore> {
        let uri = store.uri();
        let place = match bucket(&uri) {
            Some(_) => uri.clone(),
            None => absolute(&uri)?,
        };
        let (base, seen) = match (seen, bucket(&uri)) {
            (Some(seen), _) => (place, seen.trim_end_matches('/').to_owned()),
            (None, Some(bucket)) => (bucket.to_owned(), String::new()),
            (None, None) => (place.clone(), place),
        };
        Ok(ImportStore { store, base, seen })
    }

    /// The store.
    pub(super) fn store(&self) -> &dyn Store {
        &*self.store
    }

    /// Makes sure that the place answers.
    pub(super) async fn reach(&self) -> Result<()> {
        self.store.list("").await.map(drop)
    }

    /// How Milvus names an object of a store, if that is one that it can read.
    pub(super) fn name_of(&self, store: &dyn Store, path: &str) -> Option<String> {
        let uri = store.uri();
        let place = match bucket(&uri) {
            Some(_) => uri,
            None => absolute(&uri).ok()?,
        };
        let object = format!("{}/{path}", place.trim_end_matches('/'));
        let below = object.strip_prefix(&self.base)?.strip_prefix('/')?;
        Some(match self.seen.as_str() {
            "" => below.to_owned(),
            seen => format!("{seen}/{below}"),
        })
    }
}

/// The bucket of an address that has a scheme.
fn bucket(uri: &str) -> Option<&str> {
    let (scheme, rest) = uri.split_once("://")?;
    let name = rest.split('/').next().unwrap_or(rest);
    uri.get(..scheme.len() + "://".len() + name.len())
}

/// The absolute path of a folder that need not be there yet, without links on the way as far as it is.
fn absolute(folder: &str) -> Result<String> {
    let failed = |source| Error::Store {
        doing: "find",
        uri: folder.to_owned(),
        source,
    };
    let path = std::path::absolute(folder).map_err(failed)?;
    let (mut there, mut rest) = (path.as_path(), PathBuf::new());
    let real = loop {
        match there.canonicalize() {
            Ok(real) => break real.join(&rest),
            Err(error) => match (there.parent(), there.file_name()) {
                (Some(parent), Some(name)) => {
                    rest = match rest.as_os_str().is_empty() {
                        true => PathBuf::from(name),
                        false => Path::new(name).join(&rest),
                    };
                    there = parent;
                }
                _ => return Err(failed(error)),
            },
        }
    };
    let real = real.to_string_lossy();
    Ok(real.trim_end_matches('/').to_owned())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::store::LocalStore;

    #[test]
    fn milvus_names_files_by_their_absolute_path_or_as_it_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let real = folder.path().canonicalize().unwrap().display().to_string();
        let store = |name: &str| Arc::new(LocalStore::new(format!("{real}/{name}")));
        let here = ImportStore::new(store("import"), None).unwrap();
        assert_eq!(
            here.name_of(&*store("import"), "run/1.parquet"),
            Some(format!("{real}/import/run/1.parquet"))
        );
        assert_eq!(
            here.name_of(&*store("import/archives"), "a/x.parquet"),
            Some(format!("{real}/import/archives/a/x.parquet"))
        );
        for elsewhere in ["imports", "other", ""] {
            assert_eq!(here.name_of(&*store(elsewhere), "x.parquet"), None);
        }
        let mounted = ImportStore::new(store("import"), Some("/var/lib/milvus/in/")).unwrap();
        assert_eq!(
            mounted.name_of(&*store("import"), "1.parquet").unwrap(),
            "/var/lib/milvus/in/1.parquet"
        );
    }

    #[test]
    fn a_link_leads_to_the_same_place() {
        let folder = tempfile::tempdir().unwrap();
        let real = folder.path().canonicalize().unwrap();
        std::fs::create_dir(real.join("data")).unwrap();
        std::os::unix::fs::symlink(real.join("data"), real.join("link")).unwrap();
        let store = |name: &str| Arc::new(LocalStore::new(real.join(name).display().to_string()));
        let import = ImportStore::new(store("link"), None).unwrap();
        let name = import.name_of(&*store("data/archives"), "a.parquet");
        assert_eq!(
            name.unwrap(),
            real.join("data/archives/a.parquet").display().to_string()
        );
    }

    #[test]
    fn a_bucket_is_cut_off_its_address() {
        assert_eq!(bucket("s3://bucket/a/b"), Some("s3://bucket"));
        assert_eq!(bucket("s3://bucket"), Some("s3://bucket"));
        assert_eq!(bucket("/srv/data"), None);
    }
}
