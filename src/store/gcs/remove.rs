//! Removing objects.

use futures::{TryStreamExt, stream};
use reqwest::Method;

use super::GcsStore;
use super::failure::Deed;
use crate::Result;

/// How many are removed at once.
const AT_ONCE: usize = 16;

impl GcsStore {
    pub(super) async fn remove_object(&self, name: &str, uri: &str) -> Result<()> {
        let request = self
            .service
            .request(Method::DELETE, &self.path(Some(name)), &[]);
        match self.service.send(request).await {
            Ok(_) => Ok(()),
            Err(failure) if failure.is_missing() => Ok(()),
            Err(failure) => {
                let deed = Deed {
                    doing: "remove",
                    uri,
                    right: "storage.objects.delete",
                };
                Err(deed.failed(failure))
            }
        }
    }

    pub(super) async fn remove_below(&self, prefix: &str, uri: &str) -> Result<()> {
        let mut token = None;
        loop {
            let (names, rest) = self.below(prefix, uri, token).await?;
            stream::iter(names.iter().map(Ok))
                .try_for_each_concurrent(AT_ONCE, |name| async move {
                    let below = name.strip_prefix(prefix).unwrap_or(name);
                    let uri = format!("{}/{below}", uri.trim_end_matches('/'));
                    self.remove_object(name, &uri).await
                })
                .await?;
            match rest {
                Some(rest) => token = Some(rest),
                None => return Ok(()),
            }
        }
    }
}
