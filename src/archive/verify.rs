//! Checking an archive without any server: every byte, every row.

use std::collections::HashSet;
use std::io;

use futures::{StreamExt, TryStreamExt, stream};
use serde::Serialize;

use super::data_file::{self, DataFileReader, Fault, Flaw};
use super::layout::{
    self, DATA, FORGOTTEN, KEY, MANIFEST, SEALED, SUMMARY, UNFINISHED, VERIFICATIONS,
};
use super::manifest::{CollectionEntry, File};
use super::object::HashedObject;
use super::summary::Summary;
use super::{Archive, Damage};
use crate::columns::digest::{self, Digests};
use crate::model::{CollectionName, Field};
use crate::progress::{Context, Task};
use crate::{Error, Result, compute};

/// What a verification found.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Report {
    /// Data files that were read to their end and are good.
    pub good_files: u64,
    /// The rows in them.
    pub good_rows: u64,
    /// What is damaged, by address. Empty: the archive is what its manifest says.
    pub problems: Vec<Finding>,
    /// What does no harm, by address.
    pub warnings: Vec<Finding>,
}

/// One thing that was found.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Finding {
    /// The object's address.
    pub uri: String,
    /// What kind of damage it is.
    pub damage: Damage,
    /// What does not fit, as a sentence without its subject's address.
    pub reason: String,
}

impl Report {
    /// Whether everything is what the manifest says.
    pub fn is_good(&self) -> bool {
        self.problems.is_empty()
    }
}

/// A data file, with its collection's position in the manifest.
struct Job<'a> {
    position: usize,
    fields: &'a [Field],
    key_field: &'a str,
    file: &'a File,
}

/// Reads everything, `workers` files at a time, and holds it against the manifest. Damage is what the report is
/// about; an error means that the verification itself could not go on.
pub async fn verify(archive: &Archive, context: &Context, workers: usize) -> Result<Report> {
    let mut report = verify_collections(archive, context, workers, &|_| true).await?;
    if let Some(file) = &archive.manifest().rbac
        && let Some(Flaw { damage, reason }) = archive.rbac_flaw(file).await?
    {
        let uri = archive.uri_of(&file.path);
        report.problems.push(Finding {
            uri,
            damage,
            reason,
        });
    }
    if let Some(reason) = summary_flaw(archive).await? {
        report.problems.push(Finding {
            uri: archive.uri_of(SUMMARY),
            damage: Damage::Summary,
            reason,
        });
    }
    let data = archive.uri_of(if archive.is_encrypted() { SEALED } else { DATA });
    // Among the data it may be rows that the manifest has lost; beside them it is somebody's note.
    let (rows, notes): (Vec<_>, Vec<_>) = unlisted(archive)
        .await?
        .into_iter()
        .partition(|found| found.uri.starts_with(&data));
    report.problems.extend(rows);
    report.warnings = notes;
    report.problems.sort_unstable();
    Ok(report)
}

/// The same of those collections alone that are `wanted`, and without a look for objects that the manifest does not
/// name.
pub async fn verify_collections(
    archive: &Archive,
    context: &Context,
    workers: usize,
    wanted: &(dyn Fn(&CollectionName) -> bool + Sync),
) -> Result<Report> {
    let manifest = archive.manifest();
    let wanted = |entry: &CollectionEntry| wanted(&entry.schema.name);
    let rows = manifest
        .collections
        .iter()
        .filter(|entry| wanted(entry))
        .map(|entry| entry.rows)
        .sum();
    let task = context.monitor.begin("verify", &archive.uri(), Some(rows));
    let mut report = Report::default();
    let manifest_uri = archive.uri_of(MANIFEST);
    let envelope = archive.envelope_flaws().await?;
    for reason in manifest.contradictions().into_iter().chain(envelope) {
        report.problems.push(Finding {
            uri: manifest_uri.clone(),
            damage: Damage::Manifest,
            reason,
        });
    }

    let fields: Vec<Vec<Field>> = manifest
        .collections
        .iter()
        .map(|entry| archive.fields(entry))
        .collect::<Result<_>>()?;
    let mut sums: Vec<Option<Digests>> = vec![Some(Digests::default()); fields.len()];
    let jobs = manifest
        .collections
        .iter()
        .zip(&fields)
        .enumerate()
        .filter(|(_, (entry, _))| wanted(entry))
        .flat_map(|(position, (entry, fields))| {
            let key_field = entry.key_field().map_or("", String::as_str);
            entry.files().map(move |file| Job {
                position,
                fields,
                key_field,
                file,
            })
        });
    let mut checked = stream::iter(jobs)
        .map(|job| async {
            let outcome = check(archive, &job, context, &*task).await?;
            Ok::<_, Error>((job, outcome))
        })
        .buffer_unordered(workers.max(1));
    while let Some((job, (digests, flaws))) = checked.try_next().await? {
        if flaws.is_empty() {
            report.good_files += 1;
            report.good_rows += job.file.rows;
        }
        // A collection with a damaged file has no sum: that would only tell the same again.
        let digests = digests.filter(|_| flaws.is_empty());
        let sum = sums[job.position].take();
        sums[job.position] = sum.zip(digests).map(|(mut sum, digests)| {
            sum.merge(&digests);
            sum
        });
        let uri = archive.uri_of(&job.file.path);
        report
            .problems
            .extend(flaws.into_iter().map(|Flaw { damage, reason }| Finding {
                uri: uri.clone(),
                damage,
                reason,
            }));
    }
    drop(checked);

    for (entry, sum) in manifest.collections.iter().zip(sums) {
        if wanted(entry)
            && let Some(reason) = sum.and_then(|sum| difference(entry, &sum))
        {
            report.problems.push(Finding {
                uri: manifest_uri.clone(),
                damage: Damage::Digest,
                reason,
            });
        }
    }
    report.problems.sort_unstable();
    Ok(report)
}

/// Reads one file to its end: the digests of its rows, if all could be read, and what is wrong with it.
async fn check(
    archive: &Archive,
    job: &Job<'_>,
    context: &Context,
    task: &dyn Task,
) -> Result<(Option<Digests>, Vec<Flaw>)> {
    match read(archive, job, context, task).await {
        Ok((digests, flaws)) => Ok((Some(digests), flaws)),
        Err(Fault::Flaw(flaw)) if flaw.damage == Damage::Unreadable => {
            // Whether the bytes changed, or were bad from the beginning, is what the reader will want to know.
            let flaw = rehash(archive, job.file).await.unwrap_or(flaw);
            Ok((None, vec![flaw]))
        }
        Err(Fault::Flaw(flaw)) => Ok((None, vec![flaw])),
        Err(Fault::Failed(Error::Missing { .. })) => {
            Ok((None, vec![Flaw::new(Damage::Missing, "it is missing")]))
        }
        // A service that cannot be asked just now, or refuses us, says nothing of the file.
        Err(Fault::Failed(Error::Store { source, .. })) if is_of_the_file(&source) => {
            let reason = format!("it cannot be read: {source}");
            Ok((None, vec![Flaw::new(Damage::Unreadable, reason)]))
        }
        Err(Fault::Failed(error)) => Err(error),
    }
}

/// Whether a read failed for what the file is, or the disk below it.
fn is_of_the_file(error: &io::Error) -> bool {
    use io::ErrorKind::{InvalidData, UnexpectedEof};
    // The disk's own answer has a number (EIO and its like); clouds' have none.
    let of_disk = error.raw_os_error().is_some() && error.kind() != io::ErrorKind::PermissionDenied;
    of_disk || matches!(error.kind(), InvalidData | UnexpectedEof)
}

async fn read(
    archive: &Archive,
    job: &Job<'_>,
    context: &Context,
    task: &dyn Task,
) -> Result<(Digests, Vec<Flaw>), Fault> {
    let objects = archive.objects();
    let mut reader = DataFileReader::open(objects, job.file, job.fields, job.key_field).await?;
    let mut digests = Digests::default();
    let mut bytes = 0;
    loop {
        if context.cancel.is_cancelled() {
            return Err(Fault::Failed(Error::Stopped(format!(
                "verifying {}",
                archive.uri()
            ))));
        }
        let batch = match reader.next().await? {
            (next, Some(batch)) => {
                reader = next;
                batch
            }
            (ended, None) => {
                reader = ended;
                break;
            }
        };
        let (fields, key_field) = (job.fields.to_vec(), job.key_field.to_owned());
        let rows = batch.num_rows() as u64;
        let part = compute::run(move || digest::digest(&fields, &batch, &key_field)).await;
        // Values that no column of the field may have: a null, text that is not UTF-8.
        digests.merge(
            &part.map_err(|error| Fault::Flaw(Flaw::new(Damage::Unreadable, error.to_string())))?,
        );
        // By rows, because the decoder reads bytes ahead.
        let share =
            (job.file.bytes as u128 * digests.rows as u128 / job.file.rows.max(1) as u128) as u64;
        let share = share.min(job.file.bytes);
        task.advance(rows, share.saturating_sub(bytes));
        bytes = share;
    }
    let mut flaws = reader.audit(job.file).await?;
    if flaws.is_empty() && digests.all != job.file.digest {
        flaws.push(Flaw::new(
            Damage::Digest,
            "its rows are not those of the manifest's digest",
        ));
    }
    Ok((digests, flaws))
}

async fn rehash(archive: &Archive, file: &File) -> Option<Flaw> {
    let object = archive.objects().open(&file.path).await.ok()?;
    let object = HashedObject::open(object).await.ok()?;
    data_file::checksum(object, file).await.ok()?
}

/// How the rows that were read differ from those that the manifest describes.
fn difference(entry: &CollectionEntry, sum: &Digests) -> Option<String> {
    if *sum == entry.digests {
        return None;
    }
    let name = &entry.schema.name;
    let others: Vec<&str> = entry
        .exported_fields
        .iter()
        .filter(|field| sum.fields.get(*field) != entry.digests.fields.get(*field))
        .map(String::as_str)
        .collect();
    Some(if sum.rows != entry.digests.rows {
        format!(
            "{name}: its files have {} rows, its digests are of {}",
            sum.rows, entry.digests.rows
        )
    } else if others.is_empty() {
        format!("{name}: the rows of its files have other digests")
    } else {
        format!(
            "{name}: the rows of its files have other digests, in {}",
            others.join(", ")
        )
    })
}

impl Archive {
    /// In what that which is told without a key differs from that which is told with it.
    async fn envelope_flaws(&self) -> Result<Vec<String>> {
        let Some(envelope) = self.envelope() else {
            return Ok(Vec::new());
        };
        let mut flaws = envelope.contradictions(self.manifest());
        let objects = self.objects();
        let paths = self.manifest().paths().chain([MANIFEST]);
        let mut paths: HashSet<String> = paths.map(|path| objects.place(path)).collect();
        paths.insert(KEY.to_owned());
        let told = envelope.objects.iter().map(|object| object.path.clone());
        if told.collect::<HashSet<String>>() != paths {
            let reason = "the objects that it names are not those of the encrypted manifest";
            flaws.push(reason.to_owned());
        }
        // All others are shown to be what was written by what is in them.
        let (store, name) = self.place();
        let key = store.read(&format!("{name}/{KEY}")).await?;
        let mut told = envelope.objects.iter();
        let told = told.find(|object| object.path == KEY);
        if told.is_some_and(|told| told.sha256 != layout::sha256(&key)) {
            flaws.push(format!(
                "its SHA-256 of {KEY} is another: the key was encrypted anew"
            ));
        }
        Ok(flaws)
    }
}

/// What is wrong with the summary. The first versions wrote none.
async fn summary_flaw(archive: &Archive) -> Result<Option<String>> {
    let (store, name) = archive.place();
    let found = match Summary::read(&**store, name).await {
        Ok(None) => return Ok(None),
        Ok(Some(found)) => found,
        Err(Error::Damaged { reason, .. }) => return Ok(Some(reason)),
        Err(error @ Error::FutureFormat { .. }) => return Ok(Some(error.to_string())),
        Err(Error::Store { source, .. }) => {
            return Ok(Some(format!("it cannot be read: {source}")));
        }
        Err(error) => return Err(error),
    };
    Ok((found != archive.summary()).then(|| "it does not say what the manifest says".to_owned()))
}

/// Objects that the manifest does not name.
async fn unlisted(archive: &Archive) -> Result<Vec<Finding>> {
    let (store, name) = archive.place();
    let own = archive.places().into_iter().chain([SUMMARY.to_owned()]);
    let named: HashSet<String> = own.collect();
    let mut found = Vec::new();
    for path in layout::objects_below(&**store, name).await? {
        if named.contains(&path) || path.starts_with(VERIFICATIONS) {
            continue;
        }
        let reason = match path.as_str() {
            UNFINISHED => "it was left behind when the archive was completed, and can be removed",
            FORGOTTEN => "somebody began to remove the archive, and removed nothing",
            _ => "the manifest does not name it",
        };
        found.push(Finding {
            uri: archive.uri_of(&path),
            damage: Damage::Unlisted,
            reason: reason.to_owned(),
        });
    }
    found.sort_unstable();
    Ok(found)
}
