//! Which archives a store holds.

use std::sync::Arc;

use futures::{StreamExt, stream};
use serde::{Deserialize, Serialize};

use super::layout::{self, FORGOTTEN, MANIFEST, UNFINISHED};
use super::{Archive, Summary};
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
    /// Why each of the others cannot be read, by name.
    pub unreadable: Vec<Error>,
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
    /// Its rows.
    pub rows: u64,
    /// The bytes of its data files.
    pub bytes: u64,
    /// The number of its data files.
    pub files: u64,
    /// The number of its collections.
    pub collections: u64,
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
}

/// What is read of the markers of archives that are not whole.
#[derive(Deserialize)]
struct Marker {
    started: String,
}

/// What one folder of a store is.
enum Folder {
    Archive(Summary),
    Unfinished(Unfinished),
    /// Of somebody else.
    Other,
}

/// Lists the archives of a store: one object is read of each, where it has a summary. One bad archive does not hide the
/// others.
pub async fn list(store: &Arc<dyn Store>) -> Result<Listing> {
    let folders = store.list("").await?;
    let names = folders
        .iter()
        .filter_map(|folder| layout::archive_name(folder));
    let mut looked_at = stream::iter(names)
        .map(|name| async move { (name, look(store, name).await) })
        .buffered(READS);
    let mut listing = Listing::default();
    let mut archives = Vec::new();
    while let Some((name, found)) = looked_at.next().await {
        match found {
            Ok(Folder::Archive(summary)) => {
                archives.push((summary.time(), listed(store, name, summary)));
            }
            Ok(Folder::Unfinished(unfinished)) => listing.unfinished.push(unfinished),
            Ok(Folder::Other) => {}
            Err(error) => listing.unreadable.push(error),
        }
    }
    archives.sort_by(|(left, a), (right, b)| right.cmp(left).then_with(|| a.name.cmp(&b.name)));
    listing.archives = archives.into_iter().map(|(_, listed)| listed).collect();
    Ok(listing)
}

async fn look(store: &Arc<dyn Store>, name: &str) -> Result<Folder> {
    if let Some(summary) = Summary::read(&**store, name).await? {
        return Ok(Folder::Archive(summary));
    }
    match store.size(&format!("{name}/{MANIFEST}")).await {
        Ok(_) => Archive::open(store.clone(), name)
            .await
            .map(|archive| Folder::Archive(archive.summary())),
        Err(Error::Missing { .. }) => unfinished(&**store, name).await,
        Err(error) => Err(error),
    }
}

/// What a folder without a manifest is.
async fn unfinished(store: &dyn Store, name: &str) -> Result<Folder> {
    for (marker, forgotten) in [(FORGOTTEN, true), (UNFINISHED, false)] {
        let json = match store.read(&format!("{name}/{marker}")).await {
            Err(Error::Missing { .. }) => continue,
            read => read?,
        };
        let marker = serde_json::from_slice::<Marker>(&json).ok();
        let started = marker.map(|marker| marker.started);
        return Ok(Folder::Unfinished(Unfinished {
            name: name.to_owned(),
            uri: format!("{}/{name}", store.uri()),
            forgotten,
            started: started.filter(|text| text.parse::<jiff::Timestamp>().is_ok()),
        }));
    }
    Ok(Folder::Other)
}

fn listed(store: &Arc<dyn Store>, name: &str, summary: Summary) -> Listed {
    Listed {
        name: name.to_owned(),
        uri: format!("{}/{name}", store.uri()),
        created: summary.created,
        format: summary.format,
        tool: format!("{} {}", summary.tool.name, summary.tool.version),
        source: summary.source.map(|source| source.address),
        rows: summary.rows,
        bytes: summary.bytes,
        files: summary.files,
        collections: summary.collections,
    }
}
