//! Bulk import of Parquet from local storage, by the rules of 2.4 to 3.0 (`internal/datacoord/services.go` ImportV2,
//! `internal/proxy/task_import.go`). A job goes a step at each look at it.

use std::path::Path;

use milvault::milvus::wire::common::{ImportState, Status};
use milvault::milvus::wire::milvus::*;
use milvault::milvus::wire::schema::FieldData;
use parquet::basic::Encoding;
use parquet::file::reader::{FileReader, SerializedFileReader};

use super::refusal::{Outcome, Refusal};
use super::world::{World, pair};

/// Makes the columns of an insert of a file's rows. Which column is of which type the tests know.
pub type Reader = Box<dyn Fn(&Path) -> (Vec<FieldData>, u32) + Send>;

/// What imports do.
#[derive(Default)]
pub struct Imports {
    pub reader: Option<Reader>,
    /// How many jobs there may be that have not ended (1,024 by default).
    pub most: Option<usize>,
    /// The most that there were.
    pub at_once: usize,
    /// So many of the next jobs fail.
    pub failing: usize,
    /// Whether jobs never get on.
    pub stuck: bool,
    jobs: Vec<Job>,
}

struct Job {
    id: i64,
    database: String,
    collection: String,
    partition: String,
    path: String,
    state: ImportState,
    reason: String,
    rows: i64,
}

impl Job {
    fn has_ended(&self) -> bool {
        matches!(
            self.state,
            ImportState::ImportFailed | ImportState::ImportCompleted
        )
    }

    fn told(&self) -> GetImportStateResponse {
        GetImportStateResponse {
            status: Some(Status::default()),
            state: self.state.into(),
            row_count: self.rows,
            infos: vec![
                pair("files", &self.path),
                pair("failed_reason", &self.reason),
            ],
            id: self.id,
        }
    }
}

impl World {
    pub fn import(&mut self, request: ImportRequest) -> Outcome<ImportResponse> {
        let stored = self.find(&request.db_name, &request.collection_name)?;
        if stored.partition_key().is_some() && !request.partition_name.is_empty() {
            let words = "not allow to set partition name for collection with partition key";
            return Err(Refusal::parameter(words));
        }
        let refused = |words: &str| Err(Refusal::Milvus(2100, 1, words.to_owned()));
        let [path] = request.files.as_slice() else {
            return refused("for Parquet import, accepts only one file");
        };
        let running = self.imports.jobs.iter().filter(|job| !job.has_ended());
        let running = running.count();
        if running >= self.imports.most.unwrap_or(1024) {
            return refused("The number of jobs has reached the limit, please try again later");
        }
        self.imports.at_once = self.imports.at_once.max(running + 1);
        let job = Job {
            id: self.next_id(),
            database: self.database_name(&request.db_name),
            collection: request.collection_name.clone(),
            partition: request.partition_name.clone(),
            path: path.clone(),
            state: ImportState::ImportPending,
            reason: String::new(),
            rows: 0,
        };
        let id = job.id;
        self.imports.jobs.push(job);
        Ok(ImportResponse {
            status: Some(Status::default()),
            tasks: vec![id],
        })
    }

    pub fn get_import_state(
        &mut self,
        request: GetImportStateRequest,
    ) -> Outcome<GetImportStateResponse> {
        let found = |job: &Job| job.id == request.task;
        let Some(position) = self.imports.jobs.iter().position(found) else {
            return Err(Refusal::unexpected("import job does not exist"));
        };
        self.step(position);
        Ok(self.imports.jobs[position].told())
    }

    pub fn list_import_tasks(
        &mut self,
        request: ListImportTasksRequest,
    ) -> Outcome<ListImportTasksResponse> {
        self.find(&request.db_name, &request.collection_name)?;
        let database = self.database_name(&request.db_name);
        for position in 0..self.imports.jobs.len() {
            self.step(position);
        }
        let jobs =
            self.imports.jobs.iter().filter(|job| {
                job.database == database && job.collection == request.collection_name
            });
        Ok(ListImportTasksResponse {
            status: Some(Status::default()),
            tasks: jobs.map(Job::told).collect(),
        })
    }

    /// The states of all jobs.
    pub fn import_states(&self) -> Vec<ImportState> {
        self.imports.jobs.iter().map(|job| job.state).collect()
    }

    fn step(&mut self, position: usize) {
        if self.imports.stuck {
            return;
        }
        let job = &self.imports.jobs[position];
        let (state, rows, reason) = match job.state {
            ImportState::ImportPending => (ImportState::ImportStarted, 0, String::new()),
            ImportState::ImportStarted if self.imports.failing > 0 => {
                self.imports.failing -= 1;
                let words = "the data node has lost its head".to_owned();
                (ImportState::ImportFailed, 0, words)
            }
            ImportState::ImportStarted => match self.read(position) {
                Ok(rows) => (ImportState::ImportPersisted, rows, String::new()),
                Err(words) => (ImportState::ImportFailed, 0, words),
            },
            ImportState::ImportPersisted => (ImportState::ImportCompleted, job.rows, String::new()),
            ended => (ended, job.rows, job.reason.clone()),
        };
        let job = &mut self.imports.jobs[position];
        (job.state, job.rows, job.reason) = (state, rows, reason);
    }

    /// Writes the rows of a job's file.
    fn read(&mut self, position: usize) -> Result<i64, String> {
        let job = &self.imports.jobs[position];
        let path = Path::new(&job.path).to_owned();
        let file = std::fs::File::open(&path).map_err(|error| error.to_string())?;
        let parquet = SerializedFileReader::new(file).map_err(|error| error.to_string())?;
        let chunks = parquet.metadata().row_groups().iter();
        let packed = chunks.flat_map(|group| group.columns()).any(|chunk| {
            chunk
                .encodings()
                .any(|one| one == Encoding::DELTA_BINARY_PACKED)
        });
        // arrow-go 12 takes such keys for others, or the server dies (docs/servers-seen.md).
        if packed && self.version < (2, 6, 0) {
            self.poison.push(format!("keys of {}", path.display()));
        }
        let Some(reader) = &self.imports.reader else {
            return Err("the simulator was not told how to read files".to_owned());
        };
        let (fields_data, num_rows) = reader(&path);
        let request = InsertRequest {
            db_name: job.database.clone(),
            collection_name: job.collection.clone(),
            partition_name: job.partition.clone(),
            fields_data,
            num_rows,
        };
        match self.insert(request) {
            Ok(_) => Ok(num_rows.into()),
            Err(refusal) => Err(format!("{refusal:?}")),
        }
    }
}
