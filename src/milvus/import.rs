//! Bulk import: the server reads Parquet files itself, from the storage that is its own.

use std::time::Duration;

use super::Cluster;
use super::cluster::Repeat;
use super::wire::common::{self, KeyValuePair};
use super::wire::milvus::{
    GetImportStateRequest, GetImportStateResponse, ImportRequest, ImportResponse,
    ListImportTasksRequest,
};
use crate::error::{Error, Result};
use crate::model::CollectionName;

/// How long a job whose beginning was not answered may still be on its way into the server.
const ARRIVAL: Duration = Duration::from_secs(1);

/// Milvus's code of an import that it refuses (`merr.ErrImportFailed`), and how it says that there are too many jobs:
/// 2.4 on, and 2.3 (`import_manager.go`).
const IMPORT_REFUSED: i32 = 2100;
const TOO_MANY: [&str; 2] = ["number of jobs", "import task queue max size"];

/// One file on its way into a collection, by the number that the server gave it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ImportJob(i64);

impl std::fmt::Display for ImportJob {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// How far a job is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ImportState {
    /// It waits for others.
    Waiting,
    /// The file is being read, or its rows are there but not shown yet; the numbers only tell whether it goes on.
    Running {
        /// Rows that were written.
        rows: u64,
        /// The server's own estimate.
        percent: u32,
    },
    /// All rows are there.
    Done {
        /// How many.
        rows: u64,
    },
    /// None of the rows will be there.
    Failed {
        /// The server's words.
        reason: String,
    },
}

impl ImportState {
    /// Whether nothing more will happen.
    pub fn is_end(&self) -> bool {
        matches!(self, ImportState::Done { .. } | ImportState::Failed { .. })
    }
}

impl Cluster {
    /// Has the server read the file at `path`, as its own storage names it, into a collection. A partition may only
    /// be named where no field spreads the rows over partitions.
    ///
    /// When the answer is lost on the way, the server's list of jobs tells whether the job is there: two would write
    /// every row twice. The path must therefore never have been imported into this collection before.
    ///
    /// # Errors
    /// [`Error::Call`]; see [`Cluster::is_import_limit`].
    pub async fn begin_import(
        &self,
        name: &CollectionName,
        partition: Option<&str>,
        path: &str,
    ) -> Result<ImportJob> {
        let message = ImportRequest {
            collection_name: name.collection.clone(),
            partition_name: partition.unwrap_or_default().to_owned(),
            files: vec![path.to_owned()],
            db_name: name.database.clone(),
        };
        let begun = tokio::time::Instant::now();
        loop {
            let answer = self
                .call_on(
                    name,
                    "Import",
                    Repeat::OnlyWhenRefused,
                    message.clone(),
                    |mut client, request| async move { client.import(request).await },
                )
                .await;
            match answer {
                Ok(ImportResponse { tasks, .. }) => {
                    let job = tasks.first().copied().map(ImportJob);
                    return job.ok_or_else(|| self.no_job(name, path));
                }
                Err(lost) if may_have_begun(&lost) => {
                    if begun.elapsed() >= self.retry_for() {
                        return Err(lost);
                    }
                    tokio::time::sleep(ARRIVAL).await;
                    let jobs = self.list_imports(name).await?;
                    let file = |job: &GetImportStateResponse| info(&job.infos, "files").is_some();
                    let of_path =
                        |job: &&GetImportStateResponse| info(&job.infos, "files") == Some(path);
                    if let Some(job) = jobs.iter().find(of_path) {
                        return Ok(ImportJob(job.id));
                    }
                    // A list that does not say which job is whose tells nothing.
                    if !jobs.iter().all(file) {
                        return Err(lost);
                    }
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// How far a job is.
    pub async fn import_state(&self, name: &CollectionName, job: ImportJob) -> Result<ImportState> {
        let (cluster, name) = (self.clone(), name.clone());
        let answer = to_its_end(async move {
            cluster
                .call_on(
                    &name,
                    "GetImportState",
                    Repeat::Safe,
                    GetImportStateRequest { task: job.0 },
                    |mut client, request| async move { client.get_import_state(request).await },
                )
                .await
        });
        Ok(state(&answer.await?))
    }

    /// Whether an import was refused only because the server has as many jobs as it takes.
    pub fn is_import_limit(error: &Error) -> bool {
        match error {
            Error::Call { code, reason, .. } => {
                let told = TOO_MANY.iter().any(|words| reason.contains(words));
                told || (*code == IMPORT_REFUSED && reason.contains("limit"))
            }
            _ => false,
        }
    }

    /// All jobs of a collection that the server remembers, and how far they are.
    pub async fn import_jobs(
        &self,
        name: &CollectionName,
    ) -> Result<Vec<(ImportJob, ImportState)>> {
        let jobs = self.list_imports(name).await?;
        let told = jobs.iter().map(|job| (ImportJob(job.id), state(job)));
        Ok(told.collect())
    }

    async fn list_imports(&self, name: &CollectionName) -> Result<Vec<GetImportStateResponse>> {
        let message = ListImportTasksRequest {
            collection_name: name.collection.clone(),
            limit: 0,
            db_name: name.database.clone(),
        };
        let (cluster, name) = (self.clone(), name.clone());
        let answer = to_its_end(async move {
            cluster
                .call_on(
                    &name,
                    "ListImportTasks",
                    Repeat::Safe,
                    message,
                    |mut client, request| async move { client.list_import_tasks(request).await },
                )
                .await
        });
        Ok(answer.await?.tasks)
    }

    fn no_job(&self, name: &CollectionName, path: &str) -> Error {
        Error::Answer {
            server: self.server().to_owned(),
            call: "Import",
            subject: name.to_string(),
            reason: format!("no job was begun for {path}"),
        }
    }
}

/// Makes a call that goes on to its end though nobody waits for it any more: a Milvus 2.3.5 whose question after a job is
/// cancelled dies (seen).
async fn to_its_end<T: Send + 'static>(
    call: impl Future<Output = Result<T>> + Send + 'static,
) -> Result<T> {
    tokio::spawn(call).await.unwrap_or_else(|lost| {
        Err(Error::Program {
            doing: "ask after imports".to_owned(),
            reason: lost.to_string(),
        })
    })
}

fn state(answer: &GetImportStateResponse) -> ImportState {
    let rows = u64::try_from(answer.row_count).unwrap_or(0);
    match answer.state() {
        common::ImportState::ImportPending => ImportState::Waiting,
        common::ImportState::ImportStarted
        | common::ImportState::ImportPersisted
        | common::ImportState::ImportFlushed => ImportState::Running {
            rows,
            percent: info(&answer.infos, "progress_percent")
                .and_then(|text| text.parse().ok())
                .unwrap_or(0),
        },
        common::ImportState::ImportCompleted => ImportState::Done { rows },
        common::ImportState::ImportFailed | common::ImportState::ImportFailedAndCleaned => {
            let reason = info(&answer.infos, "failed_reason").unwrap_or_default();
            ImportState::Failed {
                reason: match reason.split_whitespace().collect::<Vec<_>>().join(" ") {
                    none if none.is_empty() => "the server gives no reason".to_owned(),
                    reason => reason,
                },
            }
        }
    }
}

/// Whether the job may be there though its beginning failed: no answer came, or not the server's own.
fn may_have_begun(error: &Error) -> bool {
    match error {
        Error::Unreachable { .. } => true,
        Error::Call {
            code, retriable, ..
        } => *code == 0 && !retriable,
        _ => false,
    }
}

fn info<'a>(infos: &'a [KeyValuePair], key: &str) -> Option<&'a str> {
    let found = infos.iter().find(|info| info.key == key);
    found.map(|info| info.value.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(code: i32, reason: &str) -> Error {
        Error::Call {
            server: "s".into(),
            call: "Import",
            subject: "c".into(),
            reason: reason.into(),
            code,
            retriable: false,
        }
    }

    #[test]
    fn a_full_server_is_told_from_one_that_refuses_the_file() {
        for (code, reason) in [
            (
                2100,
                "The number of jobs has reached the limit, please try again later",
            ),
            (
                65535,
                "import task queue max size is 2, currently there are 2 tasks is pending",
            ),
        ] {
            assert!(Cluster::is_import_limit(&refused(code, reason)), "{reason}");
        }
        assert!(!Cluster::is_import_limit(&refused(
            2100,
            "unexpected file type"
        )));
    }

    #[test]
    fn what_the_server_itself_refuses_has_not_begun() {
        assert!(!may_have_begun(&refused(2100, "no such file")));
        assert!(may_have_begun(&refused(0, "no answer within 300 s")));
    }

    #[test]
    fn a_job_that_fails_without_a_word_still_has_a_reason() {
        let mut answer = GetImportStateResponse {
            state: common::ImportState::ImportFailed as i32,
            ..Default::default()
        };
        let ImportState::Failed { reason } = state(&answer) else {
            panic!("{answer:?}");
        };
        assert!(!reason.is_empty());
        answer.infos.push(KeyValuePair {
            key: "failed_reason".into(),
            value: "no such\nfile".into(),
        });
        let failed = ImportState::Failed {
            reason: "no such file".into(),
        };
        assert_eq!(state(&answer), failed);
    }
}
