//! The places that one archive is written to at once. One that fails does not take the others with it.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use futures::future::join_all;

use super::claim::Claim;
use crate::store::{ObjectWriter, Role, Store};
use crate::{Error, Result};

/// Places that get the same objects.
#[derive(Clone, Debug)]
pub(super) struct Places(Arc<Vec<Place>>);

#[derive(Debug)]
struct Place {
    claim: Claim,
    /// Why nothing more is written there.
    failed: Mutex<Option<Error>>,
}

impl Place {
    fn failure(&self) -> MutexGuard<'_, Option<Error>> {
        self.failed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_good(&self) -> bool {
        self.failure().is_none()
    }
}

impl Places {
    /// Takes the name in all stores; where one refuses, in none.
    pub(super) async fn take(stores: Vec<Arc<dyn Store>>, name: &str) -> Result<Places> {
        let mut places: Vec<Place> = Vec::with_capacity(stores.len());
        for store in stores {
            match Claim::take(store, name).await {
                Ok(claim) => places.push(Place {
                    claim,
                    failed: Mutex::new(None),
                }),
                Err(error) => {
                    for place in places {
                        // The first error says more than that of a marker that stays.
                        let _ = place.claim.discard().await;
                    }
                    return Err(error);
                }
            }
        }
        Ok(Places(Arc::new(places)))
    }

    /// The addresses of the archive, as far as it could be written.
    pub(super) fn uris(&self) -> Vec<String> {
        let good = self.0.iter().filter(|place| place.is_good());
        good.map(|place| place.claim.uri()).collect()
    }

    /// Does something in each place that has not failed, in all at once. Fails where no place is left.
    pub(super) async fn each<T>(&self, work: impl AsyncFn(&Claim) -> Result<T>) -> Result<Vec<T>> {
        let (work, places) = (&work, self.0.iter().filter(|place| place.is_good()));
        let results = places.map(|place| async move { (place, work(&place.claim).await) });
        let results = join_all(results).await;
        self.settle(results)
    }

    /// Begins an object in each place.
    pub(super) async fn create(&self, path: &str, role: Role) -> Result<PlacedWriter> {
        let places = self.0.iter().enumerate();
        let places = places.filter(|(_, place)| place.is_good());
        let begun = places.map(|(at, place)| async move {
            let path = place.claim.path(path);
            let created = place.claim.store().create(&path, role).await;
            (place, created.map(|writer| (at, writer)))
        });
        let begun = join_all(begun).await;
        let writers = self.settle(begun)?;
        Ok(PlacedWriter {
            places: self.clone(),
            writers,
        })
    }

    /// Creates a small object in each place.
    pub(super) async fn put(&self, path: &str, bytes: Bytes, role: Role) -> Result<()> {
        let mut object = self.create(path, role).await?;
        object.write(bytes).await?;
        object.finish().await
    }

    /// Removes everything that was written, in all places.
    ///
    /// # Errors
    /// The first, after all were tried; [`Error::Exists`] only where there is no other.
    pub(super) async fn discard(&self) -> Result<()> {
        let removing = self.0.iter().map(|place| place.claim.discard());
        let errors = join_all(removing).await.into_iter().filter_map(Result::err);
        let first = errors.min_by_key(|error| matches!(error, Error::Exists { .. }));
        first.map_or(Ok(()), Err)
    }

    /// The places that failed, with what was written removed there as far as that goes.
    pub(super) async fn failures(&self) -> Vec<Failure> {
        let mut failures = Vec::new();
        for place in self.0.iter() {
            let error = place.failure().take();
            let Some(error) = error else { continue };
            failures.push(Failure {
                store: place.claim.store().uri(),
                error,
                left: place.claim.discard().await.err(),
            });
        }
        failures
    }

    /// Keeps the values of places that did well, and why the others failed. Where no place is good any more, that is the
    /// error.
    fn settle<T>(&self, results: Vec<(&Place, Result<T>)>) -> Result<Vec<T>> {
        let mut values = Vec::with_capacity(results.len());
        for (place, result) in results {
            match result {
                Ok(value) => values.push(value),
                Err(error) if self.0.len() == 1 => return Err(error),
                Err(error) => {
                    place.failure().get_or_insert(error);
                }
            }
        }
        if self.0.iter().any(Place::is_good) {
            Ok(values)
        } else {
            Err(self.all_failed())
        }
    }

    fn all_failed(&self) -> Error {
        let uris: Vec<String> = self.0.iter().map(|place| place.claim.uri()).collect();
        let failures = self.0.iter().filter_map(|place| {
            let failure = place.failure();
            failure.as_ref().map(ToString::to_string)
        });
        Error::Store {
            doing: "write to any of",
            uri: uris.join(", "),
            source: io::Error::other(failures.collect::<Vec<_>>().join("; ")),
        }
    }
}

/// A place that an archive could not be written to, while others have it.
#[derive(Debug)]
pub struct Failure {
    /// The store.
    pub store: String,
    /// What went wrong.
    pub error: Error,
    /// Why something unfinished is left there, where it is.
    pub left: Option<Error>,
}

/// One object that is being written to several places. Dropped before it is finished, it leaves nothing.
pub(super) struct PlacedWriter {
    places: Places,
    /// With the position of the place.
    writers: Vec<(usize, Box<dyn ObjectWriter>)>,
}

impl PlacedWriter {
    pub(super) async fn write(&mut self, bytes: Bytes) -> Result<()> {
        let places = &self.places;
        let writers = std::mem::take(&mut self.writers).into_iter();
        let writing = writers.map(|(at, mut writer)| {
            let bytes = bytes.clone();
            async move {
                let written = writer.write(bytes).await;
                (&places.0[at], written.map(|()| (at, writer)))
            }
        });
        let written = join_all(writing).await;
        self.writers = places.settle(written)?;
        Ok(())
    }

    pub(super) async fn finish(self) -> Result<()> {
        let places = &self.places;
        let finishing = self.writers.into_iter();
        let finishing =
            finishing.map(|(at, writer)| async move { (&places.0[at], writer.finish().await) });
        let finished = join_all(finishing).await;
        places.settle(finished).map(|_| ())
    }
}
