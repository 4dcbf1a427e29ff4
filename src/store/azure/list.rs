//! Listing names. The SDK lists all that is below a prefix, however deep; folders need a request of our own.

use azure_core::http::headers::{ACCEPT, HeaderName};
use azure_core::http::{Context, Method, Request, UrlExt};
use azure_core::xml::from_xml;
use percent_encoding::percent_decode_str;
use serde::Deserialize;

use super::AzureStore;
use super::failure::Deed;
use crate::Result;

/// The version of the REST API whose answers these are.
const VERSION: &str = "2021-12-02";

/// A page of names.
#[derive(Deserialize)]
struct Page {
    #[serde(rename = "Blobs", default)]
    blobs: Blobs,
    #[serde(rename = "NextMarker", default)]
    next: Option<String>,
}

#[derive(Default, Deserialize)]
struct Blobs {
    #[serde(rename = "$value", default)]
    items: Vec<Item>,
}

#[derive(Deserialize)]
enum Item {
    Blob(Entry),
    BlobPrefix(Entry),
}

#[derive(Deserialize)]
struct Entry {
    #[serde(rename = "Name")]
    name: Name,
}

/// Names with characters that XML does not have are percent-encoded as a whole.
#[derive(Deserialize)]
struct Name {
    #[serde(rename = "@Encoded", default)]
    encoded: bool,
    #[serde(rename = "$text", default)]
    text: String,
}

impl Name {
    fn decode(self) -> String {
        if !self.encoded {
            return self.text;
        }
        percent_decode_str(&self.text)
            .decode_utf8_lossy()
            .into_owned()
    }
}

impl AzureStore {
    /// The names directly below a prefix, which is empty or ends in a slash.
    pub(super) async fn names(&self, prefix: &str, uri: &str) -> Result<Vec<String>> {
        let mut names = Vec::new();
        let mut marker = None;
        loop {
            let page = self.page(prefix, uri, Some("/"), marker).await?;
            for item in page.blobs.items {
                let (Item::Blob(entry) | Item::BlobPrefix(entry)) = item;
                let name = entry.name.decode();
                // The mark of a folder, which other tools make, is no object below it.
                if let Some(name) = name.strip_prefix(prefix).filter(|name| !name.is_empty()) {
                    names.push(name.to_owned());
                }
            }
            match page.next.filter(|next| !next.is_empty()) {
                Some(next) => marker = Some(next),
                None => break,
            }
        }
        names.sort_unstable();
        names.dedup();
        Ok(names)
    }

    /// The next names of objects below a prefix, however deep, and where the rest begins.
    pub(super) async fn below(
        &self,
        prefix: &str,
        uri: &str,
        marker: Option<String>,
    ) -> Result<(Vec<String>, Option<String>)> {
        let page = self.page(prefix, uri, None, marker).await?;
        let names = page.blobs.items.into_iter().filter_map(|item| match item {
            Item::Blob(entry) => Some(entry.name.decode()),
            Item::BlobPrefix(_) => None,
        });
        let names = names.collect();
        Ok((names, page.next.filter(|next| !next.is_empty())))
    }

    async fn page(
        &self,
        prefix: &str,
        uri: &str,
        delimiter: Option<&str>,
        marker: Option<String>,
    ) -> Result<Page> {
        let deed = Deed {
            doing: "list",
            uri,
            right: "the role Storage Blob Data Reader, or a signature for listing (l)",
        };
        let mut url = self.container.url.clone();
        let mut query = url.query_builder();
        query.set_pair("restype", "container");
        query.set_pair("comp", "list");
        if !prefix.is_empty() {
            query.set_pair("prefix", prefix.to_owned());
        }
        if let Some(delimiter) = delimiter {
            query.set_pair("delimiter", delimiter.to_owned());
        }
        if let Some(marker) = marker {
            query.set_pair("marker", marker);
        }
        query.build();
        let mut request = Request::new(url, Method::Get);
        request.insert_header(ACCEPT, "application/xml");
        request.insert_header(HeaderName::from_static("x-ms-version"), VERSION);
        let context = Context::new();
        let sent = self.container.pipeline.send(&context, &mut request, None);
        let answer = sent.await.map_err(|error| deed.failed(&error))?;
        let (_, _, body) = answer.deconstruct();
        from_xml(&body).map_err(|error| deed.failed(&error))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_page_holds_objects_and_folders_in_any_order() {
        let body = "<?xml version=\"1.0\" encoding=\"utf-8\"?><EnumerationResults ContainerName=\"c\"><Prefix>p/</Prefix>\
                    <Blobs><Blob><Name>p/a &amp; b</Name><Properties><Etag>1</Etag></Properties></Blob>\
                    <BlobPrefix><Name>p/d/</Name></BlobPrefix><Blob><Name Encoded=\"true\">p%2Fe%EF%BF%BE</Name></Blob>\
                    <BlobPrefix><Name>p/z/</Name></BlobPrefix></Blobs><NextMarker>more</NextMarker></EnumerationResults>";
        let page: Page = from_xml(body.as_bytes()).unwrap();
        let names: Vec<String> = page
            .blobs
            .items
            .into_iter()
            .map(|(Item::Blob(entry) | Item::BlobPrefix(entry))| entry.name.decode())
            .collect();
        assert_eq!(names, ["p/a & b", "p/d/", "p/e\u{fffe}", "p/z/"]);
        assert_eq!(page.next.as_deref(), Some("more"));
        let last: Page =
            from_xml("<EnumerationResults><Blobs/><NextMarker/></EnumerationResults>".as_bytes())
                .unwrap();
        assert!(last.blobs.items.is_empty() && last.next.is_none_or(|next| next.is_empty()));
    }
}
