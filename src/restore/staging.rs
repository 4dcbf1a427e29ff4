//! What an import leaves in other places while it runs: files in the import store, and jobs in the server.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::Limits;
use super::feed::DataFile;
use super::way::ImportOptions;
use crate::archive::Archive;
use crate::compat::{self, Call, Thing};
use crate::error::Result;
use crate::milvus::Cluster;
use crate::model::{CollectionName, DataType};
use crate::progress::Context;
use crate::store::{self, Role};

/// How long jobs are waited for that nobody wants any more.
const PATIENCE: Duration = Duration::from_secs(120);
const POLL: Duration = Duration::from_millis(250);

/// What a file weighs in memory on its way, in units of its size: as it was, and written anew.
const COPIES: u64 = 2;

/// The files of one collection in the import store. [`Staging::clear`] takes them away.
pub(super) struct Staging<'a> {
    pub options: &'a ImportOptions,
    /// Whether the archive was verified: else each file is, by going through here.
    verified: bool,
    /// A folder of the import store that nobody else will have.
    folder: String,
    files: AtomicU64,
}

/// A file that the target can read.
pub(super) struct Staged {
    /// How the target names it.
    pub name: String,
    /// Its path in the import store, where it was put there.
    path: Option<String>,
}

impl<'a> Staging<'a> {
    pub fn new(options: &'a ImportOptions, verified: bool) -> Staging<'a> {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let moment = jiff::Timestamp::now().as_microsecond();
        let (process, count) = (std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        Staging {
            options,
            verified,
            folder: format!("milvault-import-{moment:x}-{process:x}-{count:x}"),
            files: AtomicU64::new(0),
        }
    }

    /// Puts a data file where the target can read it: not at all where it lies there already and `in_place` says so,
    /// by the storage's own copying where that can be, else through here, where its SHA-256 is checked. Where the target
    /// cannot decode its keys, these are written anew.
    pub async fn put(
        &self,
        archive: &Archive,
        file: &DataFile<'_>,
        in_place: bool,
        cluster: &Cluster,
        limits: &Limits,
    ) -> Result<Staged> {
        let at = &self.options.store;
        let (source, _) = archive.place();
        let from = archive.path_of(file.file);
        let key = file.entry.schema.primary_key();
        let packed = key.is_some_and(|key| key.data_type == DataType::Int64);
        let anew = packed && !compat::knows(cluster.version(), Thing::Call(Call::ImportPackedKeys));
        let as_it_is = self.verified && !anew;
        let there = at.name_of(&**source, &from);
        if let Some(name) = there.filter(|_| in_place && as_it_is) {
            return Ok(Staged { name, path: None });
        }
        let number = self.files.fetch_add(1, Ordering::Relaxed);
        let path = format!("{}/{number}.parquet", self.folder);
        let copied = as_it_is
            && at
                .store()
                .copy_within(&**source, &from, &path, Role::Mark)
                .await?
                .is_some();
        if !copied {
            let weight = file.file.bytes.saturating_mul(COPIES);
            let _held = limits.budget.take(weight).await?;
            let bytes = match anew {
                true => archive.bytes_with_plain_keys(file.entry, file.file).await?,
                false => archive.bytes(file.file).await?,
            };
            store::put(at.store(), &path, bytes, Role::Mark).await?;
        }
        let name = at
            .name_of(at.store(), &path)
            .unwrap_or_else(|| path.clone());
        Ok(Staged {
            name,
            path: Some(path),
        })
    }

    /// Removes a file that was put there, when its job has ended. What cannot be removed is told by
    /// [`Staging::clear`].
    pub async fn remove(&self, staged: Staged) {
        if let Some(path) = staged.path
            && let Err(error) = self.options.store.store().remove(&path).await
        {
            tracing::debug!(%error, path, "a file stays in the import store");
        }
    }

    /// Removes the files that are left.
    pub async fn clear(&self, name: &CollectionName, ctx: &Context) {
        if self.files.load(Ordering::Relaxed) > 0
            && let Err(error) = self.options.store.store().remove_all(&self.folder).await
        {
            ctx.monitor.warn(&format!(
                "{name}: what was put into the import store could not be removed: {error}; remove {} there",
                self.folder
            ));
        }
    }
}

/// What has become of the jobs of a collection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Jobs {
    /// All have ended, as far as the server tells.
    Ended,
    /// Some are still running.
    Running,
}

/// Waits for the jobs that a collection has, before its rows are counted, or it is dropped. No server can cancel a job, and where the
/// collection of a running one is dropped, Milvus 2.3 begins no other of anybody (seen on 2.3.5). One that waits
/// fails as soon as it finds its file gone.
pub(super) async fn wait_for_jobs(cluster: &Cluster, name: &CollectionName, ctx: &Context) -> Jobs {
    let begun = Instant::now();
    let mut told = false;
    loop {
        // One whose beginning nobody has waited for shows after a moment.
        tokio::time::sleep(POLL).await;
        let running = match cluster.import_jobs(name).await {
            Ok(jobs) => jobs.into_iter().filter(|(_, state)| !state.is_end()),
            Err(_) => return Jobs::Ended,
        };
        let running: Vec<String> = running.map(|(job, _)| job.to_string()).collect();
        if running.is_empty() {
            return Jobs::Ended;
        }
        if begun.elapsed() > PATIENCE {
            ctx.monitor.warn(&format!(
                "{name}: the server still has import jobs that nobody waits for ({}); Milvus 2.3 may begin no others \
                 before it is started again",
                running.join(", ")
            ));
            return Jobs::Running;
        }
        if !told {
            ctx.monitor.note(&format!(
                "{name}: waiting for what the server is importing, which it cannot cancel"
            ));
            told = true;
        }
    }
}
