//! Which archives a store holds.

use std::sync::Arc;

use futures::{StreamExt, stream};
use serde::Serialize;

use super::Archive;
use super::layout::{self, MANIFEST};
use crate::store::Store;
use crate::{Error, Result};

/// How many manifests are read at a time.
const READS: usize = 8;

/// The archives of a store.
#[derive(Debug, Default)]
pub struct Listing {
    /// Those that are whole and can be read, newest first.
    pub archives: Vec<Summary>,
    /// Why each of the others cannot be read, by name.
    pub unreadable: Vec<Error>,
}

/// One archive in a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// Its name in the store.
    pub name: String,
    /// Its address.
    pub uri: String,
    /// When its export began, in UTC as RFC 3339.
    pub created: String,
    /// Its rows.
    pub rows: u64,
    /// The bytes of its data files.
    pub bytes: u64,
    /// The number of its collections.
    pub collections: usize,
}

/// Lists the archives of a store. Unfinished ones are none; one bad manifest does not hide the others.
pub async fn list(store: &Arc<dyn Store>) -> Result<Listing> {
    let folders = store.list("").await?;
    let names = folders.iter().filter_map(|name| name.strip_suffix('/'));
    // Folders that no archive can be named after are somebody else's.
    let names = names.filter(|name| layout::check_name(name).is_ok());
    let mut opened = stream::iter(names)
        .map(|name| async move {
            match store.size(&format!("{name}/{MANIFEST}")).await {
                Err(Error::Missing { .. }) => None,
                Err(error) => Some(Err(error)),
                Ok(_) => Some(Archive::open(store.clone(), name).await),
            }
        })
        .buffered(READS);
    let mut listing = Listing::default();
    let mut archives = Vec::new();
    while let Some(opened) = opened.next().await {
        match opened {
            None => {}
            Some(Err(error)) => listing.unreadable.push(error),
            Some(Ok(archive)) => archives.push((archive.created(), summary(&archive))),
        }
    }
    archives.sort_by(|(left, a), (right, b)| right.cmp(left).then_with(|| a.name.cmp(&b.name)));
    listing.archives = archives.into_iter().map(|(_, summary)| summary).collect();
    Ok(listing)
}

fn summary(archive: &Archive) -> Summary {
    let manifest = archive.manifest();
    let totals = manifest.totals();
    Summary {
        // A folder may have been renamed: what counts is where it is now.
        name: archive.place().1.to_owned(),
        uri: archive.uri(),
        created: manifest.created.clone(),
        rows: totals.rows,
        bytes: totals.bytes,
        collections: manifest.collections.len(),
    }
}
