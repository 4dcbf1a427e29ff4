//! Copies within the service, without the bytes passing through here.

use reqwest::Method;
use serde::Deserialize;

use super::GcsStore;
use super::failure::Deed;
use super::object::Resource;
use super::writer::taken;
use crate::Result;
use crate::store::{Role, Told};

/// What the service tells of a copy: large ones between places are asked for again until they are done.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Copied {
    done: bool,
    rewrite_token: Option<String>,
    /// Of a copy that is done.
    resource: Option<Resource>,
}

impl GcsStore {
    /// `None` where the service would not copy between the two: other credentials may be needed on either side.
    pub(super) async fn copy_from(
        &self,
        source: &GcsStore,
        from: &str,
        name: &str,
        uri: &str,
        role: Role,
    ) -> Result<Option<Told>> {
        let one_service = source.service.endpoint == self.service.endpoint
            && source.service.identity == self.service.identity;
        if !one_service {
            return Ok(None);
        }
        let deed = Deed {
            doing: "write",
            uri,
            right: "storage.objects.create, and storage.objects.get on the source",
        };
        let (from_name, from_uri) = source.address.locate(from)?;
        let held = source.resource(&from_name, &from_uri).await?;
        let mark = super::mark()?;
        let resource = self.new_resource(name, role, &mark);
        let body = serde_json::to_vec(&resource).map_err(|error| deed.because(error.into()))?;
        let path = source.rewrite_path(&from_name, self, name);
        match self.look_first(name).await {
            Err(failure) if failure.is_taken() => return Err(taken(uri)),
            looked => looked.map_err(|failure| deed.failed(failure))?,
        }
        let mut token: Option<String> = None;
        loop {
            let mut query = vec![("ifGenerationMatch", "0")];
            query.extend(self.kms_key().map(|key| ("destinationKmsKeyName", key)));
            query.extend(token.as_deref().map(|token| ("rewriteToken", token)));
            let request = self.service.request(Method::POST, &path, &query);
            let request = request
                .header("content-type", "application/json")
                .body(body.clone());
            let mut request = self.with_customer_key(request);
            if let Some(key) = &source.customer_key {
                request = key.add(request, "x-goog-copy-source-encryption");
            }
            let answer = self.service.send(request).await;
            let copied: Copied = match answer.and_then(|answer| answer.parse()) {
                Ok(copied) => copied,
                // Of a request that was sent again, the first may have done its work.
                Err(failure) if failure.is_taken() => {
                    return match self.made_by(name, uri, &mark).await? {
                        Some(true) => Ok(Some(told(held.crc32c, None))),
                        Some(false) => Err(taken(uri)),
                        None => Err(deed.failed(failure)),
                    };
                }
                Err(failure) => return Err(deed.failed(failure)),
            };
            if copied.done {
                return Ok(Some(told(held.crc32c, copied.resource)));
            }
            token = copied.rewrite_token;
        }
    }
}

fn told(source: Option<String>, copy: Option<Resource>) -> Told {
    match (source, copy.and_then(|copy| copy.crc32c)) {
        (Some(source), Some(copy)) => Told::Checksums {
            kind: "CRC32C",
            source,
            copy,
        },
        _ => Told::Size,
    }
}
