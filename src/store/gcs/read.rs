//! Reading objects, and what is known about them.

use std::ops::Range;

use bytes::Bytes;
use reqwest::Method;

use super::GcsStore;
use super::failure::{Deed, Failure};
use super::object::Resource;
use crate::{Error, Result};

impl GcsStore {
    /// Reads an object, or a part of it that is not empty, in one request.
    pub(super) async fn get(
        &self,
        name: &str,
        uri: &str,
        range: Option<Range<u64>>,
    ) -> Result<Bytes> {
        let path = self.path(Some(name));
        let request = self
            .service
            .request(Method::GET, &path, &[("alt", "media")]);
        let mut request = self.with_customer_key(request);
        if let Some(range) = range {
            request = request.header("range", format!("bytes={}-{}", range.start, range.end - 1));
        }
        let answer = self.service.send(request).await;
        Ok(answer.map_err(|failure| deed(uri).failed(failure))?.body)
    }

    pub(super) async fn resource(&self, name: &str, uri: &str) -> Result<Resource> {
        let request = self
            .service
            .request(Method::GET, &self.path(Some(name)), &[]);
        let answer = self.service.send(self.with_customer_key(request)).await;
        answer
            .and_then(|answer| answer.parse())
            .map_err(|failure| deed(uri).failed(failure))
    }

    /// Fails where a name is taken. The service tells that only when all bytes are there, and fake-gcs-server of large
    /// objects and of copies not at all.
    pub(super) async fn look_first(&self, name: &str) -> Result<(), Failure> {
        let path = self.path(Some(name));
        let request = self.service.request(Method::GET, &path, &[]);
        match self.service.send(self.with_customer_key(request)).await {
            Ok(_) => Err(Failure::Refused {
                status: 412,
                message: "the name is taken".to_owned(),
            }),
            Err(failure) if failure.is_missing() => Ok(()),
            Err(failure) => Err(failure),
        }
    }

    /// Whether the object was made by the writer of this mark; `None` where there is none.
    pub(super) async fn made_by(&self, name: &str, uri: &str, mark: &str) -> Result<Option<bool>> {
        match self.resource(name, uri).await {
            Ok(found) => Ok(Some(found.writer() == Some(mark))),
            Err(Error::Missing { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

fn deed(uri: &str) -> Deed<'_> {
    Deed {
        doing: "read",
        uri,
        right: "storage.objects.get",
    }
}
