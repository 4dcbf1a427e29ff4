//! Where a store in a cloud lies.

use super::check_path;
use crate::{Error, Result};

/// A bucket, as Azure calls a container, and what comes before the paths of objects in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Address {
    scheme: &'static str,
    pub bucket: String,
    /// Empty, or ends in a slash.
    pub prefix: String,
}

impl Address {
    /// Reads `SCHEME://BUCKET[/PREFIX]`; `kind` is what the service calls a bucket.
    pub(super) fn parse(scheme: &'static str, kind: &str, uri: &str) -> Result<Address> {
        let wrong = |why: &str| {
            Error::Usage(format!(
                "{uri:?} is no store: {why}; write {scheme}://{kind}/prefix"
            ))
        };
        let rest = uri
            .strip_prefix(scheme)
            .and_then(|rest| rest.strip_prefix("://"))
            .ok_or_else(|| wrong(&format!("it does not begin with {scheme}://")))?;
        let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        if bucket.is_empty() {
            return Err(wrong(&format!("it names no {kind}")));
        }
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._$:".contains(&byte);
        if !bucket.bytes().all(plain) {
            return Err(wrong(&format!(
                "the name of a {kind} has letters, digits, dashes and dots"
            )));
        }
        let prefix = prefix.trim_end_matches('/');
        if !prefix.is_empty() {
            check_path(prefix)?;
        }
        let slash = if prefix.is_empty() { "" } else { "/" };
        Ok(Address {
            scheme,
            bucket: bucket.to_owned(),
            prefix: format!("{prefix}{slash}"),
        })
    }

    /// The store's own address.
    pub(super) fn uri(&self) -> String {
        self.uri_of("").trim_end_matches('/').to_owned()
    }

    /// An object's name in the bucket, and the address by which errors call it.
    pub(super) fn locate(&self, path: &str) -> Result<(String, String)> {
        check_path(path)?;
        Ok((format!("{}{path}", self.prefix), self.uri_of(path)))
    }

    /// What the names of all that is below a path begin with, and its address.
    pub(super) fn locate_below(&self, path: &str) -> Result<(String, String)> {
        if path.is_empty() {
            return Ok((self.prefix.clone(), self.uri()));
        }
        let (name, uri) = self.locate(path)?;
        Ok((format!("{name}/"), uri))
    }

    fn uri_of(&self, path: &str) -> String {
        format!("{}://{}/{}{path}", self.scheme, self.bucket, self.prefix)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_bucket_may_have_a_prefix() {
        let plain = Address::parse("gs", "bucket", "gs://backups").unwrap();
        assert_eq!(plain.uri(), "gs://backups");
        assert_eq!(plain.locate("a/b").unwrap().0, "a/b");
        assert_eq!(plain.locate_below("").unwrap().0, "");
        let deep = Address::parse("gs", "bucket", "gs://backups/of/prod/").unwrap();
        assert_eq!(deep.uri(), "gs://backups/of/prod");
        assert_eq!(
            deep.locate("a b").unwrap(),
            ("of/prod/a b".into(), "gs://backups/of/prod/a b".into())
        );
        assert_eq!(deep.locate_below("a").unwrap().0, "of/prod/a/");
        assert!(deep.locate("../x").is_err());
    }

    #[test]
    fn names_of_buckets_and_prefixes_are_taken_as_they_are() {
        let odd = Address::parse("s3", "bucket", "s3://b-1.x/a/ü %/").unwrap();
        assert_eq!(
            (odd.bucket.as_str(), odd.prefix.as_str()),
            ("b-1.x", "a/ü %/")
        );
        assert!(Address::parse("s3", "bucket", "s3://k:s@b/x").is_err());
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for uri in [
            "az://",
            "az:///x",
            "gs://x",
            "az://user@x",
            "az://x/../y",
            "az://x//y",
        ] {
            let refusal = Address::parse("az", "container", uri).unwrap_err();
            assert!(matches!(refusal, Error::Usage(_)), "{uri}");
        }
    }
}
