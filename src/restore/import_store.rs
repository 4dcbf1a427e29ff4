//! Where the target reads what it imports, under our names and under its own.

use std::sync::Arc;

use crate::error::Result;
use crate::store::{Place, Store};

/// A place in the storage that the target itself uses.
#[derive(Clone, Debug)]
pub struct ImportStore {
    store: Arc<dyn Store>,
    /// What `seen` stands for.
    base: Place,
    /// How Milvus names `base`; empty where that is a whole bucket.
    seen: String,
}

impl ImportStore {
    /// The place that `store` is. Milvus names what is in a bucket by its path there, and files by their absolute
    /// path; `seen` is how it names the place where that is another, as with a volume that is mounted elsewhere.
    pub fn new(store: Arc<dyn Store>, seen: Option<&str>) -> Result<ImportStore> {
        let Place { service, address } = store.place()?;
        let (address, seen) = match (seen, bucket(&address)) {
            (Some(seen), _) => (address, seen.trim_end_matches('/').to_owned()),
            (None, Some(bucket)) => (bucket.to_owned(), String::new()),
            (None, None) => (address.clone(), address),
        };
        let base = Place { service, address };
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
        let place = store.place().ok()?;
        if place.service != self.base.service {
            return None;
        }
        let object = format!("{}/{path}", place.address);
        let below = object.strip_prefix(&self.base.address)?.strip_prefix('/')?;
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

    #[tokio::test]
    async fn a_bucket_of_the_same_name_at_another_site_is_not_the_targets() {
        use crate::store::{StoreOptions, open};
        let site = |service: &str| {
            let mut options = StoreOptions::default();
            options.s3.endpoint = Some(format!("http://{service}:9000"));
            options.azure.endpoint = Some(format!("https://{service}.blob.core.windows.net"));
            options.azure.account = Some(service.to_owned());
            options
        };
        for bucket in ["s3://backups", "az://backups"] {
            let own = open(&format!("{bucket}/import"), &site("here"))
                .await
                .unwrap();
            let import = ImportStore::new(own, None).unwrap();
            let archives = format!("{bucket}/milvus");
            let there = open(&archives, &site("there")).await.unwrap();
            assert_eq!(import.name_of(&*there, "a/x.parquet"), None);
            let here = open(&archives, &site("here")).await.unwrap();
            assert_eq!(
                import.name_of(&*here, "a/x.parquet").unwrap(),
                "milvus/a/x.parquet"
            );
        }
    }

    #[test]
    fn a_bucket_is_cut_off_its_address() {
        assert_eq!(bucket("s3://bucket/a/b"), Some("s3://bucket"));
        assert_eq!(bucket("s3://bucket"), Some("s3://bucket"));
        assert_eq!(bucket("/srv/data"), None);
    }
}
