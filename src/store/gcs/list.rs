//! Listing names.

use reqwest::Method;
use serde::Deserialize;

use super::GcsStore;
use super::failure::Deed;
use crate::Result;

/// A page of names.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Page {
    #[serde(default)]
    items: Vec<Item>,
    #[serde(default)]
    prefixes: Vec<String>,
    next_page_token: Option<String>,
}

#[derive(Deserialize)]
struct Item {
    name: String,
}

impl GcsStore {
    /// The names directly below a prefix, which is empty or ends in a slash.
    pub(super) async fn names(&self, prefix: &str, uri: &str) -> Result<Vec<String>> {
        let mut names = Vec::new();
        let mut token = None;
        loop {
            let page = self.page(prefix, uri, Some("/"), token).await?;
            let items = page.items.into_iter().map(|item| item.name);
            for name in items.chain(page.prefixes) {
                // The mark of a folder, which other tools make, is no object below it.
                if let Some(name) = name.strip_prefix(prefix).filter(|name| !name.is_empty()) {
                    names.push(name.to_owned());
                }
            }
            token = page.next_page_token.filter(|token| !token.is_empty());
            if token.is_none() {
                break;
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
        token: Option<String>,
    ) -> Result<(Vec<String>, Option<String>)> {
        let page = self.page(prefix, uri, None, token).await?;
        let names = page.items.into_iter().map(|item| item.name).collect();
        let rest = page.next_page_token.filter(|token| !token.is_empty());
        Ok((names, rest))
    }

    async fn page(
        &self,
        prefix: &str,
        uri: &str,
        delimiter: Option<&str>,
        token: Option<String>,
    ) -> Result<Page> {
        let mut query = vec![
            ("prefix", prefix),
            ("maxResults", "1000"),
            ("fields", "items(name),prefixes,nextPageToken"),
        ];
        query.extend(delimiter.map(|delimiter| ("delimiter", delimiter)));
        query.extend(token.as_deref().map(|token| ("pageToken", token)));
        let request = self.service.request(Method::GET, &self.path(None), &query);
        let answer = self.service.send(request).await;
        answer.and_then(|answer| answer.parse()).map_err(|failure| {
            let deed = Deed {
                doing: "list",
                uri,
                right: "storage.objects.list",
            };
            deed.failed(failure)
        })
    }
}
