//! Which archives a store holds.

use std::sync::Arc;

use bytes::Bytes;
use futures::{StreamExt, stream};
use serde::{Deserialize, Serialize};

use super::layout::{self, CHECKSUM, DATA, FORGOTTEN, KEY, MANIFEST, SEALED, SUMMARY, UNFINISHED};
use super::{Inventory, Summary};
use crate::store::Store;
use crate::{Error, Result};

/// How many archives are looked at at a time.
const READS: usize = 32;

/// The archives of a store.
#[derive(Debug, Default)]
pub struct Listing {
    /// Those that are whole and can be read, newest first.
    pub archives: Vec<Listed>,
    /// Those that are not whole: yet, or no more.
    pub unfinished: Vec<Unfinished>,
    /// Why each of the others cannot be read, with its name in the store.
    pub unreadable: Vec<(String, Error)>,
}

/// One archive in a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Listed {
    /// Its name in the store. A folder may have been renamed: what counts is where it is now.
    pub name: String,
    /// Its address.
    pub uri: String,
    /// When its export began, in UTC as RFC 3339.
    pub created: String,
    /// The version of its format.
    pub format: u64,
    /// The program that wrote it, and its version.
    pub tool: String,
    /// The cluster that it comes from.
    pub source: Option<String>,
    /// Whether its objects are encrypted.
    pub encrypted: bool,
    /// Its rows.
    pub rows: u64,
    /// The bytes of its data files.
    pub bytes: u64,
    /// The number of its data files.
    pub files: u64,
    /// The number of its collections.
    pub collections: u64,
}

impl Listed {
    /// When its export began.
    pub fn time(&self) -> jiff::Timestamp {
        // Reading the summary has shown that it is a time.
        self.created.parse().unwrap_or_default()
    }
}

/// A folder of an archive that is not whole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Unfinished {
    /// Its name in the store.
    pub name: String,
    /// Its address.
    pub uri: String,
    /// Whether it is no more, because its removal was begun, rather than not yet.
    pub forgotten: bool,
    /// When it was begun, in UTC as RFC 3339, where its marker can be read.
    pub started: Option<String>,
    /// Its marker, by which it is known whether it still is what was found.
    #[serde(skip)]
    pub(crate) marker: Bytes,
}

/// What is read of the markers of archives that are not whole.
#[derive(Deserialize)]
struct Marker {
    started: String,
}

/// What one folder of a store is.
enum Folder<T> {
    Archive(T),
    Unfinished(Unfinished),
    /// Of somebody else.
    Other,
}

/// Lists the archives of a store: of each its folder is listed and one object read, where it has a summary. One bad archive
/// does not hide the others.
pub async fn list(store: &Arc<dyn Store>) -> Result<Listing> {
    let look = async |name: &str, held: &[String]| {
        let read = async {
            let summary = holds(held, SUMMARY).then(|| Summary::read(&**store, name));
            match summary {
                Some(summary) => summary.await,
                None => Ok(None),
            }
        };
        match read.await? {
            Some(summary) => Ok((summary, ())),
            None => Inventory::open(store.clone(), name)
                .await
                .map(|inventory| (inventory.summary(), ())),
        }
    };
    let found = all(store, look).await?;
    Ok(Listing {
        archives: found.archives.into_iter().map(|(one, ())| one).collect(),
        unfinished: found.unfinished,
        unreadable: found.unreadable,
    })
}

/// All archives of a store, of which every manifest was read, and is sound.
#[derive(Debug)]
pub struct Survey<T> {
    /// Those that are whole, newest first, with what was wanted of each.
    pub archives: Vec<(Listed, T)>,
    /// Those that are not whole: yet, or no more.
    pub unfinished: Vec<Unfinished>,
    /// Why each of the others cannot be read, by its name in the store.
    pub unreadable: Vec<(String, Error)>,
}

/// As [`list`], but every manifest is read: for those who decide what becomes of archives.
pub async fn survey<T>(
    store: &Arc<dyn Store>,
    wanted: impl Fn(&Inventory) -> T,
) -> Result<Survey<T>> {
    all(store, async |name: &str, _: &[String]| {
        let inventory = Inventory::open(store.clone(), name).await?;
        let wanted = wanted(&inventory);
        Ok((inventory.summary(), wanted))
    })
    .await
}

/// Looks at all folders of a store, many at a time; `read` reads an archive, given its name and what is in its folder.
async fn all<T>(
    store: &Arc<dyn Store>,
    read: impl AsyncFn(&str, &[String]) -> Result<(Summary, T)>,
) -> Result<Survey<T>> {
    let folders = store.list("").await?;
    let names = folders
        .iter()
        .filter_map(|folder| layout::archive_name(folder));
    let read = &read;
    let look = async |name: &str| inspect(store, name, read).await;
    let look = &look;
    let mut looked_at = stream::iter(names)
        .map(|name| async move { (name, look(name).await) })
        .buffered(READS);
    let (mut archives, mut unfinished, mut unreadable) = (Vec::new(), Vec::new(), Vec::new());
    while let Some((name, found)) = looked_at.next().await {
        match found {
            Ok(Folder::Archive((summary, wanted))) => {
                archives.push((summary.time(), listed(store, name, summary), wanted));
            }
            Ok(Folder::Unfinished(one)) => unfinished.push(one),
            Ok(Folder::Other) => {}
            Err(error) => unreadable.push((name.to_owned(), error)),
        }
    }
    archives
        .sort_by(|(left, a, _), (right, b, _)| right.cmp(left).then_with(|| a.name.cmp(&b.name)));
    Ok(Survey {
        archives: archives
            .into_iter()
            .map(|(_, listed, wanted)| (listed, wanted))
            .collect(),
        unfinished,
        unreadable,
    })
}

/// What a folder is, by what is in it.
async fn inspect<T>(
    store: &Arc<dyn Store>,
    name: &str,
    read: &impl AsyncFn(&str, &[String]) -> Result<T>,
) -> Result<Folder<T>> {
    let held = store.list(name).await?;
    // One that is being removed is none any more, whatever of it is there yet.
    for (marker, forgotten) in [(FORGOTTEN, true), (UNFINISHED, false)] {
        if !holds(&held, marker) || (!forgotten && holds(&held, MANIFEST)) {
            continue;
        }
        match store.read(&format!("{name}/{marker}")).await {
            Ok(json) => {
                let unfinished = unfinished(&**store, name, forgotten, json);
                return Ok(Folder::Unfinished(unfinished));
            }
            // It has come to its end since.
            Err(Error::Missing { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    if holds(&held, MANIFEST) {
        return read(name, &held).await.map(Folder::Archive);
    }
    if !is_remains(&**store, name, &held).await? {
        return Ok(Folder::Other);
    }
    // What was being written may be whole by now, and what was being removed gone.
    match store.size(&format!("{name}/{MANIFEST}")).await {
        Ok(_) => return read(name, &held).await.map(Folder::Archive),
        Err(Error::Missing { .. }) => {}
        Err(error) => return Err(error),
    }
    // Some services name folders for a while that have become empty.
    if layout::objects_below(&**store, name).await?.is_empty() {
        return Ok(Folder::Other);
    }
    Err(Error::Damaged {
        uri: format!("{}/{name}", store.uri()),
        reason: format!(
            "it has no {MANIFEST}, which was lost, or never written; bring it back from another copy with `milvault copy`, \
             or remove the rest with `milvault forget {} {name}`",
            store.uri()
        ),
    })
}

fn holds(held: &[String], wanted: &str) -> bool {
    held.iter().any(|object| object == wanted)
}

/// Whether a folder without manifest and marker has parts of an archive.
async fn is_remains(store: &dyn Store, name: &str, held: &[String]) -> Result<bool> {
    if [SUMMARY, CHECKSUM, KEY, DATA]
        .iter()
        .any(|part| holds(held, part))
    {
        return Ok(true);
    }
    if !holds(held, SEALED) {
        return Ok(false);
    }
    // Others have folders of that name, too.
    let sealed = format!("{name}/{}", SEALED.trim_end_matches('/'));
    let sealed = store.list(&sealed).await?;
    Ok(sealed.iter().any(|object| object.ends_with(".age")))
}

fn unfinished(store: &dyn Store, name: &str, forgotten: bool, json: Bytes) -> Unfinished {
    let marker = serde_json::from_slice::<Marker>(&json).ok();
    let started = marker.map(|marker| marker.started);
    Unfinished {
        name: name.to_owned(),
        uri: format!("{}/{name}", store.uri()),
        forgotten,
        started: started.filter(|text| text.parse::<jiff::Timestamp>().is_ok()),
        marker: json,
    }
}

fn listed(store: &Arc<dyn Store>, name: &str, summary: Summary) -> Listed {
    Listed {
        name: name.to_owned(),
        uri: format!("{}/{name}", store.uri()),
        created: summary.created,
        format: summary.format,
        tool: format!("{} {}", summary.tool.name, summary.tool.version),
        source: summary.source.map(|source| source.address),
        encrypted: summary.encrypted,
        rows: summary.rows,
        bytes: summary.bytes,
        files: summary.files,
        collections: summary.collections,
    }
}
