//! From what a user types to a store.

use std::sync::Arc;

use percent_encoding::percent_decode_str;

use super::{AzureStore, GcsStore, LocalStore, S3Store, Store, StoreOptions};
use crate::{Error, Result};

/// Opens the store that `uri` names: a folder's path or `file://` URL, `s3://BUCKET/PREFIX`, `az://CONTAINER/PREFIX`
/// or `gs://BUCKET/PREFIX`. Touches nothing yet.
///
/// # Errors
/// [`Error::Usage`] for an address that is none, and for options that a store of that kind does not have.
pub async fn open(uri: &str, options: &StoreOptions) -> Result<Arc<dyn Store>> {
    if uri.starts_with("s3://") {
        return Ok(Arc::new(S3Store::open(uri, options).await?));
    }
    if uri.starts_with("az://") {
        return Ok(Arc::new(AzureStore::open(uri, options)?));
    }
    if uri.starts_with("gs://") {
        return Ok(Arc::new(GcsStore::open(uri, options)?));
    }
    let folder = folder(uri)?;
    options.keep.refuse("a folder")?;
    if options.customer_key.is_some() {
        return Err(Error::Usage(
            "a folder encrypts nothing (--sse-customer-key-file): leave the option out, or choose another store"
                .to_owned(),
        ));
    }
    Ok(Arc::new(LocalStore::new(folder)))
}

/// Splits the address of an archive into its store's and its name: `backups/prod` → (`backups`, `prod`).
pub fn split_archive(uri: &str) -> Result<(String, String)> {
    let no_name = || {
        Error::Usage(format!(
            "{uri:?} names no archive: give a store, a slash and the archive's name"
        ))
    };
    let (scheme, path) = match uri.split_once("://") {
        Some((scheme, path)) => (format!("{scheme}://"), path),
        None => (String::new(), uri),
    };
    let path = path.trim_end_matches('/');
    let (store, name) = match path.rsplit_once('/') {
        // The root folder keeps its slash.
        Some(("", name)) => ("/", name),
        Some((store, name)) => (store, name),
        // Behind a scheme the first part is a bucket, not an archive.
        None if scheme.is_empty() => (".", path),
        None => return Err(no_name()),
    };
    if name.is_empty() || name == "." || name == ".." {
        return Err(no_name());
    }
    let name = if scheme == "file://" {
        decode(uri, name)?
    } else {
        name.to_owned()
    };
    Ok((format!("{scheme}{store}"), name))
}

fn folder(uri: &str) -> Result<String> {
    let Some((scheme, rest)) = uri.split_once("://") else {
        if uri.is_empty() {
            return Err(Error::Usage(
                "the store's address is empty: give a folder".to_owned(),
            ));
        }
        return Ok(uri.to_owned());
    };
    match scheme {
        "file" => {
            let path = rest.strip_prefix("localhost").unwrap_or(rest);
            if !path.starts_with('/') {
                return Err(Error::Usage(format!(
                    "{uri:?} names a host: a file URL has three slashes, as in file:///srv/backups"
                )));
            }
            decode(uri, path)
        }
        _ => Err(Error::Usage(format!(
            "{uri:?} is no store: {scheme}:// is unknown; give a folder's path, a file:// URL, \
             s3://bucket/prefix, az://container/prefix or gs://bucket/prefix"
        ))),
    }
}

fn decode(uri: &str, text: &str) -> Result<String> {
    percent_decode_str(text)
        .decode_utf8()
        .map(|text| text.into_owned())
        .map_err(|_| Error::Usage(format!("{uri:?} does not decode to UTF-8")))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn split(uri: &str) -> (String, String) {
        split_archive(uri).unwrap()
    }

    fn pair(store: &str, name: &str) -> (String, String) {
        (store.to_owned(), name.to_owned())
    }

    #[test]
    fn an_archive_is_a_store_and_a_name() {
        assert_eq!(split("backups/prod"), pair("backups", "prod"));
        assert_eq!(split("/srv/backups/prod/"), pair("/srv/backups", "prod"));
        assert_eq!(split("prod"), pair(".", "prod"));
        assert_eq!(split("/prod"), pair("/", "prod"));
        assert_eq!(split("s3://bucket/a/prod"), pair("s3://bucket/a", "prod"));
        assert_eq!(split("s3://bucket/prod"), pair("s3://bucket", "prod"));
        assert_eq!(
            split("file:///srv/a%20b"),
            pair("file:///srv", "a b").clone()
        );
        assert_eq!(split("file:///prod"), pair("file:///", "prod"));
    }

    #[test]
    fn an_address_without_a_name_is_refused() {
        for uri in [
            "",
            "/",
            "s3://bucket",
            "s3://bucket/",
            "file://",
            "..",
            "a/..",
        ] {
            assert!(matches!(split_archive(uri), Err(Error::Usage(_))), "{uri}");
        }
    }

    async fn opened(uri: &str) -> Result<String> {
        let store = open(uri, &StoreOptions::default()).await?;
        Ok(store.uri())
    }

    #[tokio::test]
    async fn unknown_stores_are_refused_by_name() {
        for uri in [
            "ftp://host/x",
            "file://host/x",
            "s3://",
            "az://",
            "gs:///x",
            "",
        ] {
            assert!(matches!(opened(uri).await, Err(Error::Usage(_))), "{uri}");
        }
    }

    #[tokio::test]
    async fn stores_open_without_being_touched() {
        assert_eq!(opened("backups/").await.unwrap(), "backups");
        let folder = opened("file:///srv/my%20backups").await.unwrap();
        assert_eq!(folder, "/srv/my backups");
        let mut options = StoreOptions::default();
        options.s3.region = Some("eu-central-1".to_owned());
        let store = open("s3://bucket/a b/", &options).await.unwrap();
        assert_eq!(store.uri(), "s3://bucket/a b");
        options.azure.account = Some("account".to_owned());
        let store = open("az://container/a b/", &options).await.unwrap();
        assert_eq!(store.uri(), "az://container/a b");
        options.gcs.anonymous = true;
        let store = open("gs://bucket/a b/", &options).await.unwrap();
        assert_eq!(store.uri(), "gs://bucket/a b");
    }

    #[tokio::test]
    async fn a_folder_takes_no_options_of_clouds() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().to_str().unwrap();
        let mut options = StoreOptions::default();
        options.keep.legal_hold = true;
        assert!(matches!(open(path, &options).await, Err(Error::Usage(_))));
        let options = StoreOptions {
            customer_key: Some(crate::store::CustomerKey::new([7; 32])),
            ..StoreOptions::default()
        };
        assert!(matches!(open(path, &options).await, Err(Error::Usage(_))));
    }
}
