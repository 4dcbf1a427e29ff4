//! The program as a library: export, verify, restore and compare, in a folder that goes when the test does.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use milvault::archive::{Archive, Manifest, Selection, verify};
use milvault::compare::{CompareOptions, Comparison, Side, compare};
use milvault::compat::Adaptation;
use milvault::export::{ExportOptions, export};
use milvault::masking::MaskKey;
use milvault::milvus::{Address, Cluster, ConnectOptions};
use milvault::naming::Naming;
use milvault::progress::{Context, Monitor, Task};
use milvault::readable::ReadAccess;
use milvault::restore::{IfExists, Mode, RestoreOptions, RestoreReport, restore};
use milvault::store::{LocalStore, Store};
use milvault::{Error, Result};
use tokio_util::sync::CancellationToken;

use super::servers::Server;

/// Connects without a password.
pub async fn connect(server: &Server) -> Cluster {
    let address = Address::parse(&format!("http://{}", server.address)).unwrap();
    Cluster::connect(&address, &ConnectOptions::default())
        .await
        .unwrap()
}

/// A folder of archives.
pub struct Vault {
    folder: tempfile::TempDir,
}

/// What a vault may do to collections that cannot be read as they are.
pub const FULL_ACCESS: ReadAccess = ReadAccess {
    load: true,
    temp_index: true,
};

impl Vault {
    pub fn new() -> Vault {
        Vault {
            folder: tempfile::tempdir().unwrap(),
        }
    }

    pub fn path(&self) -> &std::path::Path {
        self.folder.path()
    }

    pub fn store(&self) -> Arc<dyn Store> {
        Arc::new(LocalStore::new(self.folder.path().to_str().unwrap()))
    }

    /// The files and folders that are there, at any depth.
    pub fn content(&self) -> Vec<String> {
        let mut found = Vec::new();
        let mut todo = vec![self.folder.path().to_owned()];
        while let Some(folder) = todo.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    todo.push(path.clone());
                }
                found.push(path.display().to_string());
            }
        }
        found
    }

    pub async fn try_export(
        &self,
        cluster: &Cluster,
        name: &str,
        selection: &Selection,
        access: ReadAccess,
        ctx: &Context,
    ) -> Result<Manifest> {
        let options = ExportOptions {
            name: name.into(),
            source: cluster.server().into(),
            selection: selection.clone(),
            mask_key: mask_key(selection),
            access,
            rbac: false,
            jobs: 4,
            memory: 512 << 20,
        };
        export(cluster, self.store(), &options, ctx).await
    }

    /// Exports, and verifies what was written.
    pub async fn export(&self, cluster: &Cluster, name: &str, selection: &Selection) -> Archive {
        self.try_export(cluster, name, selection, FULL_ACCESS, &Context::silent())
            .await
            .unwrap();
        self.open(name).await
    }

    /// The same of everything, with users and roles.
    pub async fn export_with_rbac(&self, cluster: &Cluster, name: &str) -> Archive {
        let options = ExportOptions {
            name: name.into(),
            source: cluster.server().into(),
            selection: Selection::default(),
            mask_key: None,
            access: FULL_ACCESS,
            rbac: true,
            jobs: 4,
            memory: 512 << 20,
        };
        export(cluster, self.store(), &options, &Context::silent())
            .await
            .unwrap();
        self.open(name).await
    }

    /// Opens an archive, which must be good in every byte.
    pub async fn open(&self, name: &str) -> Archive {
        let archive = Archive::open(self.store(), name).await.unwrap();
        let report = verify(&archive, &Context::silent(), 2).await.unwrap();
        assert!(report.is_good(), "{:?}", report.problems);
        archive
    }
}

/// The secret of all tests with masks.
pub const SECRET: &[u8] = b"a secret of 32 bytes, for tests.";

/// The same, where there are masks.
pub fn mask_key(selection: &Selection) -> Option<MaskKey> {
    (!selection.masks.is_empty()).then(|| MaskKey::new(SECRET).unwrap())
}

/// All collections of a database.
pub fn database(name: &str) -> Selection {
    Selection {
        databases: vec![name.into()],
        ..Selection::default()
    }
}

/// Some collections of a database.
pub fn collections(database: &str, names: &[&str]) -> Selection {
    Selection {
        databases: vec![database.into()],
        collections: strings(names),
        ..Selection::default()
    }
}

pub fn strings(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| text.to_string()).collect()
}

/// Names with a suffix.
pub fn suffixed(suffix: &str) -> Naming {
    let mut naming = Naming::default();
    naming.suffix = suffix.into();
    naming
}

/// Everything goes into one database.
pub fn into_database(name: &str) -> Naming {
    let mut naming = Naming::default();
    naming.into_database = Some(name.into());
    naming
}

/// The rule `from:to`.
pub fn renamed(rule: &str) -> Naming {
    let mut naming = Naming::default();
    naming.rename(rule).unwrap();
    naming
}

/// A restore of everything under the names that `naming` gives, as the command line does it by default.
pub fn restoring(naming: &Naming) -> RestoreOptions {
    RestoreOptions {
        selection: Selection::default(),
        mask_key: None,
        naming: naming.clone(),
        if_exists: IfExists::Fail,
        adapt: Adaptation::default(),
        mode: Mode::Insert,
        import: None,
        aliases: true,
        load: true,
        rbac: None,
        verify: true,
        dry_run: false,
        jobs: 4,
        memory: 512 << 20,
    }
}

pub async fn restore_into(
    archive: &Archive,
    cluster: &Cluster,
    options: &RestoreOptions,
) -> RestoreReport {
    restore(archive, cluster, options, &Context::silent())
        .await
        .unwrap()
}

/// The problems for which a restore is refused.
pub async fn refused(archive: &Archive, cluster: &Cluster, options: &RestoreOptions) -> Error {
    restore(archive, cluster, options, &Context::silent())
        .await
        .unwrap_err()
}

pub fn side(archive: &Archive) -> Side {
    Side::Archive(Box::new(archive.clone()))
}

pub fn live(cluster: &Cluster) -> Side {
    Side::Cluster(Box::new(cluster.clone()))
}

pub async fn compared(
    a: &Side,
    b: &Side,
    selection: &Selection,
    naming: &Naming,
) -> Result<Comparison> {
    let options = CompareOptions {
        selection: selection.clone(),
        naming: naming.clone(),
        access: FULL_ACCESS,
        mask_key: None,
        second_as_is: false,
        show: 10,
    };
    compare(a, b, &options, &Context::silent()).await
}

/// Panics unless both places hold the same collections, so many of them.
pub async fn assert_equal(
    a: &Side,
    b: &Side,
    selection: &Selection,
    naming: &Naming,
    collections: usize,
) {
    let comparison = compared(a, b, selection, naming).await.unwrap();
    assert!(comparison.equal, "{comparison:#?}");
    assert_eq!(comparison.collections.len(), collections);
}

/// Path and SHA-256 of every data file.
pub fn files(archive: &Archive) -> BTreeMap<String, String> {
    archive
        .manifest()
        .files()
        .map(|file| (file.path.clone(), file.sha256.clone()))
        .collect()
}

/// Hears what is said, and asks to stop as soon as so many rows of a kind of work are done.
#[derive(Clone, Default)]
pub struct Listener {
    pub said: Arc<Mutex<Vec<String>>>,
    stop_at: Option<(&'static str, u64)>,
    cancel: CancellationToken,
}

impl Listener {
    pub fn stopping(verb: &'static str, rows: u64) -> Listener {
        Listener {
            stop_at: Some((verb, rows)),
            ..Listener::default()
        }
    }

    pub fn context(&self) -> Context {
        Context {
            monitor: Arc::new(self.clone()),
            cancel: self.cancel.clone(),
        }
    }

    pub fn heard(&self, part: &str) -> bool {
        self.said
            .lock()
            .unwrap()
            .iter()
            .any(|line| line.contains(part))
    }
}

impl Monitor for Listener {
    fn begin(&self, verb: &str, _: &str, _: Option<u64>) -> Box<dyn Task> {
        let stops = self.stop_at.filter(|(watched, _)| *watched == verb);
        let left = stops.map_or(u64::MAX, |(_, rows)| rows);
        if left == 0 {
            self.cancel.cancel();
        }
        Box::new(Watched {
            left: Mutex::new(left),
            cancel: self.cancel.clone(),
        })
    }

    fn note(&self, message: &str) {
        self.said.lock().unwrap().push(message.to_owned());
    }

    fn warn(&self, message: &str) {
        self.said.lock().unwrap().push(message.to_owned());
    }
}

struct Watched {
    left: Mutex<u64>,
    cancel: CancellationToken,
}

impl Task for Watched {
    fn total(&self, _: u64) {}

    fn advance(&self, rows: u64, _: u64) {
        let mut left = self.left.lock().unwrap();
        *left = left.saturating_sub(rows);
        if *left == 0 {
            self.cancel.cancel();
        }
    }
}
