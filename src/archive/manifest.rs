//! The manifest: what an archive holds, in the types that are stored.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};

use super::json;
use crate::columns::{
    self,
    digest::{Digest, Digests},
};
use crate::model::{
    Collection, DEFAULT_DATABASE, DYNAMIC_FIELD, Database, Field, Key, Mask, Sample,
};
use crate::{Error, Result};

/// The archive format that this version writes.
pub const FORMAT: u64 = 1;

/// The format of encrypted archives, whose manifest, of [`FORMAT`], is one of the encrypted objects.
pub const ENCRYPTED_FORMAT: u64 = 2;

/// Everything about an archive but its rows. Readers ignore properties that they do not know.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// The version of the archive format: [`FORMAT`].
    pub format: u64,
    /// What wrote the archive.
    pub tool: Tool,
    /// The name under which the archive was written.
    pub name: String,
    /// When the export began, in UTC as RFC 3339.
    pub created: String,
    /// Where the rows come from.
    pub source: Source,
    /// What was asked for; says whether the archive is a part of its source only.
    #[serde(default)]
    pub selection: Selection,
    /// To which moment the rows belong.
    pub consistency: Consistency,
    /// The databases of the collections, as far as they have properties.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub databases: Vec<Database>,
    /// The collections, with their files.
    pub collections: Vec<CollectionEntry>,
    /// The users and roles, where the export has them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rbac: Option<RbacFile>,
}

/// A program and its version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tool {
    /// The program.
    pub name: String,
    /// Its version.
    pub version: String,
}

/// The cluster that an archive was read from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// The version that the server reported.
    pub server_version: String,
    /// The cluster's address, without credentials.
    pub address: String,
}

/// What an export was asked for. Empty everywhere: all rows and fields of all collections.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Selection {
    /// Names and patterns of collections.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub collections: Vec<String>,
    /// Names and patterns of collections that were left out.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub exclude: Vec<String>,
    /// Databases.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub databases: Vec<String>,
    /// Partitions.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub partitions: Vec<String>,
    /// A Milvus expression that all rows fulfil.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub filter: Option<String>,
    /// The only fields that were exported.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<String>,
    /// Fields that were left out.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub exclude_fields: Vec<String>,
    /// The share of the rows, picked by key, of which `limit` takes the first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sample: Option<Sample>,
    /// How many rows of each collection at most: the first, in order of key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<u64>,
    /// What was put in place of values.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub masks: Vec<Mask>,
}

impl Selection {
    /// The databases of all that can be meant, where `home`, the one of the cluster's address, or the selection names
    /// them; none where only a list of all databases can tell.
    pub fn named_databases(&self, home: Option<&str>) -> Vec<String> {
        let mut named = self.databases.clone();
        if named.is_empty() {
            named.extend(home.map(str::to_owned));
        }
        let without_database = match named.is_empty() {
            true => vec![DEFAULT_DATABASE.to_owned()],
            false => named.clone(),
        };
        for pattern in &self.collections {
            match pattern.split_once('.') {
                Some((database, _)) if database.contains(['*', '?', '[', '{', '\\']) => {
                    return Vec::new();
                }
                Some((database, _)) => named.push(database.to_owned()),
                None => named.extend(without_database.iter().cloned()),
            }
        }
        named.sort();
        named.dedup();
        named
    }
}

/// To which moment the rows belong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Consistency {
    /// How it was brought about.
    pub mode: Mode,
    /// The server's timestamp (TSO) that all reads were pinned to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timestamp: Option<u64>,
    /// What changed while the export ran.
    #[serde(default)]
    pub drift: Drift,
}

/// How an export keeps to one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// All reads were pinned to one timestamp of the server.
    Snapshot,
    /// The keys that were walked define the export; rows are as they were when they were read.
    Walk,
}

/// Changes that were met while the export ran.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Drift {
    /// Ranges that had other keys when their rows were read, and were walked again.
    pub ranges_rewalked: u64,
    /// Keys that were there the second time only.
    pub keys_added: u64,
    /// Keys that were there the first time only.
    pub keys_removed: u64,
}

/// One collection of an archive.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CollectionEntry {
    /// All that Milvus knows of the collection but its rows.
    pub schema: Collection,
    /// The fields that the data files hold, in the order of their columns; [`DYNAMIC_FIELD`] may be one.
    pub exported_fields: Vec<String>,
    /// The number of rows in all files.
    pub rows: u64,
    /// The digests of all rows.
    pub digests: Digests,
    /// What the server answered to `count(*)`, which counts duplicate keys; for information.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server_rows: Option<u64>,
    /// The partitions with their files.
    pub partitions: Vec<Partition>,
}

/// The rows of one partition.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Partition {
    /// The partition's name; null where the collection has a partition key, whose rows are read as one.
    // Without this a name that is missing would read as null.
    #[serde(deserialize_with = "Option::deserialize")]
    pub name: Option<String>,
    /// The number of rows in all files.
    pub rows: u64,
    /// The data files, in the order of their keys.
    pub files: Vec<File>,
}

/// One data file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct File {
    /// The file's path, relative to the archive's folder.
    pub path: String,
    /// Its size.
    pub bytes: u64,
    /// The number of its rows, at least 1.
    pub rows: u64,
    /// SHA-256 of its bytes, as 64 lower-case hexadecimal digits.
    pub sha256: String,
    /// The key of its first row.
    pub first_key: Key,
    /// The key of its last row.
    pub last_key: Key,
    /// The digest of its rows over all fields.
    pub digest: Digest,
}

/// The file of users and roles.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RbacFile {
    /// The file's path, relative to the archive's folder.
    pub path: String,
    /// Its size.
    pub bytes: u64,
    /// SHA-256 of its bytes, as 64 lower-case hexadecimal digits.
    pub sha256: String,
    /// How many users there are, `root` among them.
    pub users: u64,
    /// How many roles.
    pub roles: u64,
    /// How many groups of privileges.
    pub privilege_groups: u64,
    /// How many grants.
    pub grants: u64,
    /// How many users come with a password hash.
    pub password_hashes: u64,
}

/// How much an archive holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Totals {
    /// Rows of all collections.
    pub rows: u64,
    /// Bytes of all data files.
    pub bytes: u64,
    /// Data files.
    pub files: u64,
}

impl std::ops::AddAssign for Drift {
    fn add_assign(&mut self, other: Drift) {
        self.ranges_rewalked += other.ranges_rewalked;
        self.keys_added += other.keys_added;
        self.keys_removed += other.keys_removed;
    }
}

impl Manifest {
    /// Reads a manifest; `uri` is where it came from.
    pub fn parse(uri: &str, json: &[u8]) -> Result<Manifest> {
        #[derive(Deserialize)]
        struct Format {
            format: u64,
        }
        let damaged = |reason: String| Error::Damaged {
            uri: uri.to_owned(),
            reason,
        };
        let Format { format } =
            serde_json::from_slice(json).map_err(|error| damaged(json::unreadable(&error)))?;
        if format > ENCRYPTED_FORMAT {
            return Err(Error::FutureFormat {
                uri: uri.to_owned(),
                found: format,
                known: ENCRYPTED_FORMAT,
            });
        }
        if format != FORMAT {
            return Err(damaged(format!("its format is {format}, not {FORMAT}")));
        }
        let manifest: Manifest =
            serde_json::from_slice(json).map_err(|error| damaged(json::unreadable(&error)))?;
        manifest.check().map_err(damaged)?;
        Ok(manifest)
    }

    /// The manifest as it is stored.
    pub fn to_json(&self) -> Result<Vec<u8>> {
        json::written(self)
    }

    /// How much the archive holds.
    pub fn totals(&self) -> Totals {
        let mut totals = Totals::default();
        for file in self.files() {
            totals.rows = totals.rows.saturating_add(file.rows);
            totals.bytes = totals.bytes.saturating_add(file.bytes);
            totals.files += 1;
        }
        totals
    }

    /// All data files of all collections.
    pub fn files(&self) -> impl Iterator<Item = &File> {
        self.collections.iter().flat_map(CollectionEntry::files)
    }

    /// The paths of all objects that the archive consists of, but the manifest and its checksum.
    pub fn paths(&self) -> impl Iterator<Item = &str> {
        let rbac = self.rbac.iter().map(|file| file.path.as_str());
        self.files().map(|file| file.path.as_str()).chain(rbac)
    }

    /// What a reader relies on before it opens any file.
    fn check(&self) -> Result<(), String> {
        if self.created.parse::<jiff::Timestamp>().is_err() {
            return Err(format!("created is {:?}, which is no time", self.created));
        }
        let mut paths = HashSet::new();
        for path in self.paths() {
            check_path(path)?;
            if !paths.insert(path) {
                return Err(format!("{path} is named twice"));
            }
        }
        let mut names = HashSet::new();
        for entry in &self.collections {
            let name = &entry.schema.name;
            if !names.insert(name) {
                return Err(format!("{name} is named twice"));
            }
            let mut fields = HashSet::new();
            if let Some(twice) = entry
                .exported_fields
                .iter()
                .find(|field| !fields.insert(*field))
            {
                return Err(format!("{name}: field {twice} is exported twice"));
            }
            entry.fields()?;
        }
        Ok(())
    }

    /// Where the manifest's numbers contradict each other; empty in a good one.
    pub fn contradictions(&self) -> Vec<String> {
        let mut found = Vec::new();
        for entry in &self.collections {
            entry.contradictions(&mut found);
        }
        found
    }
}

impl CollectionEntry {
    /// All data files of the collection.
    pub fn files(&self) -> impl Iterator<Item = &File> {
        self.partitions
            .iter()
            .flat_map(|partition| &partition.files)
    }

    /// The exported fields in the order of the columns. Entries of a [`Manifest`] that was read have them all;
    /// else the error says what is missing.
    pub(super) fn fields(&self) -> Result<Vec<Field>, String> {
        let name = &self.schema.name;
        let key = self.key_field()?;
        if !self.exported_fields.contains(key) {
            return Err(format!(
                "{name}: the exported fields lack the primary key {key}"
            ));
        }
        self.exported_fields
            .iter()
            .map(|field| match self.schema.field(field) {
                Some(declared) => match columns::refusal(declared) {
                    None => Ok(declared.clone()),
                    Some(_) => Err(format!(
                        "{name}: exported field {field} is {}, of which there are no columns",
                        columns::type_name(declared)
                    )),
                },
                None if field == DYNAMIC_FIELD => Ok(Field::dynamic()),
                None => Err(format!(
                    "{name}: exported field {field} is not in the schema"
                )),
            })
            .collect()
    }

    /// The name of the primary key.
    pub(super) fn key_field(&self) -> Result<&String, String> {
        let key = self.schema.primary_key().map(|field| &field.name);
        key.ok_or_else(|| format!("{}: the schema has no primary key", self.schema.name))
    }

    fn contradictions(&self, found: &mut Vec<String>) {
        let name = &self.schema.name;
        let mut rows = 0u64;
        for partition in &self.partitions {
            let place = match &partition.name {
                Some(partition) => format!("{name}, partition {partition}"),
                None => name.to_string(),
            };
            let sum = partition
                .files
                .iter()
                .fold(0u64, |sum, file| sum.saturating_add(file.rows));
            if sum != partition.rows {
                found.push(format!(
                    "{place}: {} rows, but its files have {sum}",
                    partition.rows
                ));
            }
            rows = rows.saturating_add(partition.rows);
            for file in &partition.files {
                if file.first_key > file.last_key {
                    found.push(format!("{place}: {} ends before it begins", file.path));
                }
            }
            for pair in partition.files.windows(2) {
                if pair[0].last_key >= pair[1].first_key {
                    found.push(format!(
                        "{place}: the keys of {} do not follow those of {}",
                        pair[1].path, pair[0].path
                    ));
                }
            }
        }
        if rows != self.rows {
            found.push(format!(
                "{name}: {} rows, but its partitions have {rows}",
                self.rows
            ));
        }
        if self.digests.rows != self.rows {
            found.push(format!(
                "{name}: {} rows, but digests of {}",
                self.rows, self.digests.rows
            ));
        }
    }
}

pub(super) fn check_path(path: &str) -> Result<(), String> {
    if path.starts_with("../") {
        return Err(format!(
            "{path} leads into another archive, which is reserved for incremental archives; \
             use a newer milvault if there is one"
        ));
    }
    let plain =
        path.split('/').all(|part| !matches!(part, "" | "." | "..")) && !path.contains('\0');
    if plain {
        Ok(())
    } else {
        Err(format!("{path:?} is no path within the archive"))
    }
}
