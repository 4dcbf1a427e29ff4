//! The rows of one collection of an archive, by bulk import: each file is put where the target can read it, handed
//! over as a job of its own, waited for, and removed. Rows of files that the target does not take are inserted.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::Limits;
use super::feed::{ArchiveFeed, DataFile};
use super::plan::Target;
use super::rows;
use super::staging::{Jobs, Staged, Staging, wait_for_jobs};
use super::way::Way;
use crate::error::{Error, Result};
use crate::milvus::{Cluster, ImportState};
use crate::progress::{Context, Task};
use crate::together::each;

/// How often a file is tried before its rows are inserted.
const TRIES: u32 = 2;

/// How often a job is asked after: often at first, for small files take no second.
const FIRST_POLL: Duration = Duration::from_millis(50);
const LAST_POLL: Duration = Duration::from_secs(1);

/// Imports all files, several at a time, and counts their rows. True if rows were inserted where others may be
/// that were replaced.
pub(super) async fn import_rows(
    feed: &ArchiveFeed<'_>,
    cluster: &Cluster,
    target: &mut Target<'_>,
    staging: &Staging<'_>,
    limits: &Limits,
    task: &dyn Task,
    ctx: &Context,
) -> Result<bool> {
    let run = Run {
        feed,
        cluster,
        target,
        staging,
        limits,
        moved: Mutex::new(Instant::now()),
    };
    let all = feed.files();
    let number = all.len();
    let ended = each(all, limits.jobs, ctx, "importing", |file, ctx| {
        let run = &run;
        async move {
            let refused = run.import(&file, &ctx).await?;
            if refused.is_none() {
                task.advance(file.file.rows, file.file.bytes);
            }
            Ok((file, refused))
        }
    });
    let (mut rows, mut left, mut reason) = (0, Vec::new(), None);
    for (file, refused) in ended.await? {
        match refused {
            None => rows += file.file.rows,
            Some(why) => {
                left.push(file);
                reason = reason.or(Some(why));
            }
        }
    }
    let mut upserted = false;
    if let Some(reason) = reason {
        let name = &target.meant.name;
        let said = format!(
            "the rows of {} of {number} files were inserted, because the import failed: {reason}",
            left.len()
        );
        ctx.monitor.warn(&format!("{name}: {said}"));
        target.notes.push(said);
        if left.len() == number {
            target.way = Way::insert("no file could be imported");
        }
        let pieces = feed.pieces_of(&left);
        let written = rows::write(pieces, cluster, target, limits, task).await?;
        rows += written.rows;
        upserted = written.upserted;
    }
    rows::all_came(target, rows)?;
    target.rows = rows;
    if wait_for_jobs(cluster, &target.meant.name, ctx).await == Jobs::Running {
        return Err(Error::Incomplete {
            collection: target.meant.name.clone(),
            reason: "the server still runs an import job whose beginning it did not answer, which may write rows \
                     twice; restore it again"
                .to_owned(),
        });
    }
    Ok(upserted)
}

/// What all jobs of a collection share.
struct Run<'r, 'a> {
    feed: &'r ArchiveFeed<'a>,
    cluster: &'r Cluster,
    target: &'r Target<'a>,
    staging: &'r Staging<'r>,
    limits: &'r Limits,
    /// When one of the jobs was last seen to go on. The others may be waiting for it.
    moved: Mutex<Instant>,
}

impl Run<'_, '_> {
    /// Imports one file; gives the reason if it was refused, and then none of its rows are there.
    async fn import(&self, file: &DataFile<'_>, ctx: &Context) -> Result<Option<String>> {
        let mut refusal = String::new();
        for attempt in 0..TRIES {
            ctx.check("the restore")?;
            let archive = self.feed.archive();
            // Each path is tried once, so that a job is known by its file.
            let in_place = attempt == 0;
            let putting = self
                .staging
                .put(archive, file, in_place, self.cluster, self.limits);
            let staged = putting.await?;
            let ended = self.job(file, &staged, ctx).await?;
            self.staging.remove(staged).await;
            match ended {
                Ended::Done => return Ok(None),
                Ended::Refused(reason) => {
                    tracing::debug!(%reason, path = file.file.path, "the import failed");
                    refusal = reason;
                }
            }
        }
        Ok(Some(refusal))
    }

    /// One job from its beginning to its end.
    async fn job(&self, file: &DataFile<'_>, staged: &Staged, ctx: &Context) -> Result<Ended> {
        let name = &self.target.meant.name;
        let partition = file.partition.filter(|_| !self.target.fit.one_partition);
        let mut pause = FIRST_POLL;
        let job = loop {
            let begun = self.cluster.begin_import(name, partition, &staged.name);
            match begun.await {
                Ok(job) => {
                    self.goes_on();
                    break job;
                }
                Err(error) if Cluster::is_import_limit(&error) => {
                    self.wait(&mut pause, ctx).await?
                }
                // Without a code of its own the server has not refused it: the job may be there.
                Err(error @ Error::Call { code: 0, .. }) => return Err(error),
                Err(error @ (Error::Call { .. } | Error::Denied { .. })) => {
                    return Ok(Ended::Refused(error.to_string()));
                }
                Err(error) => return Err(error),
            }
        };
        let (mut seen, mut pause) = (ImportState::Waiting, FIRST_POLL);
        loop {
            let state = self.cluster.import_state(name, job).await?;
            if state != seen {
                self.goes_on();
                seen = state;
            }
            match &seen {
                ImportState::Waiting | ImportState::Running { .. } => {
                    self.wait(&mut pause, ctx).await?;
                }
                ImportState::Done { rows } => {
                    return match *rows == file.file.rows {
                        true => Ok(Ended::Done),
                        false => Err(Error::Incomplete {
                            collection: name.clone(),
                            reason: format!(
                                "the server imported {rows} of the {} rows of {}",
                                file.file.rows, file.file.path
                            ),
                        }),
                    };
                }
                ImportState::Failed { reason } => {
                    return Ok(Ended::Refused(reason.clone()));
                }
            }
        }
    }

    fn goes_on(&self) {
        *self.moved.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    /// Waits a moment; an error where no job of the collection has gone on for too long. What became of one that did
    /// not end is unknown, so that its rows must not be inserted.
    async fn wait(&self, pause: &mut Duration, ctx: &Context) -> Result<()> {
        let moved = *self.moved.lock().unwrap_or_else(PoisonError::into_inner);
        let timeout = self.staging.options.timeout;
        if moved.elapsed() >= timeout {
            return Err(Error::Incomplete {
                collection: self.target.meant.name.clone(),
                reason: format!(
                    "no import job has gone on for {} s; raise --import-timeout, or restore with --mode insert",
                    timeout.as_secs()
                ),
            });
        }
        ctx.pause(*pause, "the restore").await?;
        *pause = pause.mul_f32(1.5).min(LAST_POLL);
        Ok(())
    }
}

/// How a job ended.
enum Ended {
    /// All rows are there.
    Done,
    /// None are; why.
    Refused(String),
}
