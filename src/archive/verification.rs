//! Records of verifications. An archive never changes: a record is an object of its own beside it, which does not belong to
//! the archive.

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream};
use ring::rand::{SecureRandom, SystemRandom};
use serde::{Deserialize, Serialize};

use super::encoder::hex;
use super::json;
use super::layout::VERIFICATIONS;
use super::manifest::Tool;
use super::verify::Report;
use super::{Archive, Damage};
use crate::store::{self, Role};
use crate::{Error, Result};

/// How many records are read at a time.
const READS: usize = 32;

/// What a verification of an archive found, and when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verification {
    /// When it ended, in UTC as RFC 3339, with milliseconds.
    pub time: String,
    /// What verified.
    pub tool: Tool,
    /// SHA-256 of the manifest that was verified.
    pub manifest_sha256: String,
    /// Whether the archive was what its manifest says.
    pub good: bool,
    /// Data files that were good.
    pub good_files: u64,
    /// The rows in them.
    pub good_rows: u64,
    /// The number of problems.
    pub problems: u64,
    /// Their kinds.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub kinds: Vec<String>,
}

impl Archive {
    /// Notes beside the archive what a verification has just found; gives the address of the note.
    pub async fn record(&self, report: &Report) -> Result<String> {
        let now = jiff::Timestamp::now();
        let kind = |damage: &Damage| {
            serde_json::to_value(damage)
                .ok()?
                .as_str()
                .map(str::to_owned)
        };
        let mut kinds: Vec<String> = report
            .problems
            .iter()
            .filter_map(|found| kind(&found.damage))
            .collect();
        kinds.sort_unstable();
        kinds.dedup();
        let verification = Verification {
            time: now.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string(),
            tool: Tool {
                name: env!("CARGO_PKG_NAME").to_owned(),
                version: env!("CARGO_PKG_VERSION").to_owned(),
            },
            manifest_sha256: self.manifest_sha256().to_owned(),
            good: report.is_good(),
            good_files: report.good_files,
            good_rows: report.good_rows,
            problems: report.problems.len() as u64,
            kinds,
        };
        let json = json::written(&verification)?;
        // Two of one moment are two records.
        let mut id = [0; 4];
        let random = SystemRandom::new();
        random.fill(&mut id).map_err(|_| Error::Program {
            doing: "record the verification".to_owned(),
            reason: "the system gives no random numbers".to_owned(),
        })?;
        let path = format!(
            "{VERIFICATIONS}{}-{}.json",
            now.strftime("%Y%m%dT%H%M%S%.3fZ"),
            hex(&id)
        );
        let (store, name) = self.place();
        let place = format!("{name}/{path}");
        store::put(&**store, &place, Bytes::from(json), Role::Part).await?;
        Ok(self.uri_of(&path))
    }

    /// The records of verifications of this very archive, the oldest first; notes that make no sense are passed over.
    pub async fn verifications(&self) -> Result<Vec<Verification>> {
        let (store, name) = self.place();
        let folder = format!("{name}/{}", VERIFICATIONS.trim_end_matches('/'));
        let notes = store.list(&folder).await?;
        let notes = notes.into_iter().filter(|note| note.ends_with(".json"));
        let read = stream::iter(notes)
            .map(|note| {
                let path = format!("{folder}/{note}");
                async move { store.read(&path).await }
            })
            .buffered(READS);
        let notes: Vec<Bytes> = read.try_collect().await?;
        let records = notes
            .iter()
            .filter_map(|json| serde_json::from_slice::<Verification>(json).ok());
        let mut records: Vec<Verification> = records
            .filter(|record| record.manifest_sha256 == self.manifest_sha256())
            .collect();
        records.sort_by(|a, b| a.time.cmp(&b.time));
        Ok(records)
    }
}
