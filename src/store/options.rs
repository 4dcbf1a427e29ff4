//! How a store is reached, and how the objects that are put into it are kept.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::Lock;
use crate::{Error, Result};

/// How a store is reached, and how it keeps what is put into it.
#[derive(Clone, Debug, Default)]
pub struct StoreOptions {
    /// How S3 and its like are reached.
    pub s3: S3Options,
    /// How Azure Blob Storage is reached.
    pub azure: AzureOptions,
    /// How Google Cloud Storage is reached.
    pub gcs: GcsOptions,
    /// The key with which the service encrypts and decrypts all objects; it stores none itself.
    pub customer_key: Option<CustomerKey>,
    /// How new objects are kept.
    pub keep: KeepOptions,
}

/// How S3 and its like are reached. What is left open is for the usual places of AWS to say: its environment
/// variables, its configuration files, the machine.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct S3Options {
    /// The service's address, `http[s]://host[:port]`, where it is not AWS.
    pub endpoint: Option<String>,
    /// The region of the bucket.
    pub region: Option<String>,
    /// Whether the bucket is the first part of the path rather than of the host's name.
    pub path_style: bool,
    /// The profile of AWS's configuration files.
    pub profile: Option<String>,
    /// Who we are there, where it is not for AWS's usual places to say.
    pub credentials: Option<S3Credentials>,
    /// A PEM file of authorities that may sign the service's certificate, besides the system's.
    pub ca_file: Option<PathBuf>,
    /// Whether to look for an object before it is written, because the service has no conditional writes. Two that
    /// write one object at the same moment may then both take it for theirs.
    pub no_conditional_writes: bool,
}

/// A key of S3's.
#[derive(Clone, PartialEq, Eq)]
pub struct S3Credentials {
    /// The key's name.
    pub access_key: String,
    /// The key itself.
    pub secret_key: String,
}

impl fmt::Debug for S3Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("S3Credentials(…)")
    }
}

/// How Azure Blob Storage is reached. What is left open is for Azure's own variables to say: AZURE_STORAGE_ACCOUNT with
/// AZURE_STORAGE_KEY or AZURE_STORAGE_SAS_TOKEN, or AZURE_STORAGE_CONNECTION_STRING; where they name no secret, for the
/// identity of the machine or its user.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AzureOptions {
    /// The storage account.
    pub account: Option<String>,
    /// The service's address, `http[s]://host[:port][/account]`, where it is not the account's usual one.
    pub endpoint: Option<String>,
    /// A file that holds a connection string.
    pub connection_file: Option<PathBuf>,
}

/// How Google Cloud Storage is reached.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GcsOptions {
    /// The service's address, `http[s]://host[:port]`, where it is not Google's; by default what STORAGE_EMULATOR_HOST
    /// says.
    pub endpoint: Option<String>,
    /// A file with credentials, as Google's console and `gcloud` write it; by default Google's application default
    /// credentials: GOOGLE_APPLICATION_CREDENTIALS, the login of `gcloud`, or the machine's own.
    pub credentials_file: Option<PathBuf>,
    /// Whether to give no credentials at all, as for emulators and public buckets.
    pub anonymous: bool,
}

/// How new objects are kept. Marks, which are removed again, are kept plainly.
#[derive(Clone, Debug, Default)]
pub struct KeepOptions {
    /// Until when nobody may remove or change them.
    pub lock: Option<Lock>,
    /// Whether they are kept until somebody lifts the hold.
    pub legal_hold: bool,
    /// Which key of its own the service encrypts them with; by default what the bucket says.
    pub encryption: Option<ServerEncryption>,
    /// The storage class, in the service's words; by default what the bucket says.
    pub class: Option<String>,
    /// Tags, by which rules and bills can go.
    pub tags: BTreeMap<String, String>,
}

/// A key that the service holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ServerEncryption {
    /// The service's own (SSE-S3).
    Service,
    /// One of its key management (SSE-KMS), by its name; the bucket's where none is given.
    Kms(Option<String>),
}

impl StoreOptions {
    /// What makes no sense on any store.
    pub(super) fn contradiction(&self) -> Option<&'static str> {
        let keep = &self.keep;
        if self.customer_key.is_some() && keep.encryption.is_some() {
            return Some(
                "--sse and --sse-customer-key-file exclude each other: one key encrypts an object",
            );
        }
        let past = |lock: &Lock| lock.until <= jiff::Timestamp::now();
        keep.lock
            .as_ref()
            .is_some_and(past)
            .then_some("the object lock would end in the past: give a later --retain-until")
    }
}

impl KeepOptions {
    /// Whether objects are to be locked or held.
    pub(super) fn locks(&self) -> bool {
        self.lock.is_some() || self.legal_hold
    }

    /// The tags as a header of S3 and Azure takes them; `None` where there are none.
    pub(super) fn tags_in_a_query(&self) -> Option<String> {
        let encode = |text| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
        let tags: Vec<String> = self
            .tags
            .iter()
            .map(|(name, value)| format!("{}={}", encode(name), encode(value)))
            .collect();
        (!tags.is_empty()).then(|| tags.join("&"))
    }

    /// Refuses what was asked for and `store`, such as "a folder", does not have.
    pub(super) fn refuse(&self, store: &str) -> Result<()> {
        let asked = [
            ("object locks (--object-lock)", self.lock.is_some()),
            ("legal holds (--legal-hold)", self.legal_hold),
            ("encryption of its own (--sse)", self.encryption.is_some()),
            ("storage classes (--storage-class)", self.class.is_some()),
            ("tags (--tag)", !self.tags.is_empty()),
        ];
        match asked.iter().find(|(_, asked)| *asked) {
            None => Ok(()),
            Some((what, _)) => Err(Error::Usage(format!(
                "{store} has no {what}: leave the option out, or choose another store"
            ))),
        }
    }
}

/// A secret key of 32 bytes (AES-256) that travels with each request.
#[derive(Clone, PartialEq, Eq)]
pub struct CustomerKey([u8; 32]);

impl CustomerKey {
    /// Takes 32 bytes.
    pub fn new(key: [u8; 32]) -> CustomerKey {
        CustomerKey(key)
    }

    /// Reads what a key file holds: 32 bytes, or their base64 or hexadecimal digits.
    pub fn parse(content: &[u8]) -> Option<CustomerKey> {
        use base64::Engine;
        use base64::engine::general_purpose::STANDARD;

        if let Ok(key) = content.try_into() {
            return Some(CustomerKey(key));
        }
        let text = std::str::from_utf8(content).ok()?.trim();
        if text.len() == 64 {
            let mut key = [0; 32];
            for (byte, digits) in key.iter_mut().zip(text.as_bytes().chunks(2)) {
                *byte = u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
            }
            return Some(CustomerKey(key));
        }
        STANDARD.decode(text).ok()?.try_into().ok().map(CustomerKey)
    }

    pub(super) fn bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for CustomerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CustomerKey(…)")
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_key_is_read_as_bytes_base64_or_digits() {
        let key = CustomerKey::new(*b"0123456789abcdef0123456789abcdef");
        for content in [
            "0123456789abcdef0123456789abcdef",
            "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=\n",
            "3031323334353637383961626364656630313233343536373839616263646566\n",
        ] {
            assert_eq!(
                CustomerKey::parse(content.as_bytes()),
                Some(key.clone()),
                "{content}"
            );
        }
        for content in ["", "short", "MDEy", &"g".repeat(64), &"0".repeat(33)] {
            assert_eq!(CustomerKey::parse(content.as_bytes()), None, "{content}");
        }
        assert!(!format!("{key:?}").contains("48"));
    }

    #[test]
    fn what_a_store_does_not_have_is_refused_by_name() {
        assert!(KeepOptions::default().refuse("a folder").is_ok());
        let keep = KeepOptions {
            legal_hold: true,
            ..KeepOptions::default()
        };
        let refusal = keep.refuse("a folder").unwrap_err();
        assert!(matches!(refusal, Error::Usage(_)));
        assert_eq!(
            refusal.to_string(),
            "a folder has no legal holds (--legal-hold): leave the option out, or choose another store"
        );
    }
}
