//! How stores are reached, and how they keep what is put into them.

use std::path::{Path, PathBuf};

use clap::builder::BoolishValueParser;
use clap::{Args, ValueEnum};
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp, ToSpan};
use milvault::store::{
    AzureOptions, CustomerKey, GcsOptions, KeepOptions, Lock, LockMode, S3Options,
    ServerEncryption, StoreOptions,
};
use milvault::{Error, Result};
use serde::Deserialize;

/// How stores are reached; as a table of `milvault.toml`, how a store is that has a name.
#[derive(Args, Clone, Debug, Default, Deserialize)]
#[command(next_help_heading = "Store")]
#[serde(default, deny_unknown_fields, expecting = "a table")]
pub struct StoreArguments {
    /// The address of a store that has a name.
    #[arg(skip)]
    address: String,

    /// Address of an S3 service that is not AWS: http[s]://host[:port]
    #[arg(long, value_name = "URL", env = "MILVAULT_S3_ENDPOINT")]
    s3_endpoint: Option<String>,

    /// Region of the S3 bucket [default: as for AWS's own tools]
    #[arg(long, value_name = "REGION", env = "MILVAULT_S3_REGION")]
    s3_region: Option<String>,

    /// Profile of AWS's configuration files [default: as for AWS's own tools]
    #[arg(long, value_name = "NAME", env = "MILVAULT_S3_PROFILE")]
    s3_profile: Option<String>,

    /// Name the S3 bucket in the path, not in the host's name: MinIO and others want it so
    #[arg(long, env = "MILVAULT_S3_PATH_STYLE", value_parser = BoolishValueParser::new())]
    s3_path_style: bool,

    /// PEM file of an authority that may sign the S3 service's certificate; AWS_CA_BUNDLE means the same
    #[arg(long, value_name = "FILE", env = "MILVAULT_S3_CA_FILE")]
    s3_ca_file: Option<PathBuf>,

    /// Look for an object before it is written, where the S3 service has no conditional writes; only one export at a
    /// time may then write to the store
    #[arg(long, env = "MILVAULT_S3_NO_CONDITIONAL_WRITES", value_parser = BoolishValueParser::new())]
    s3_no_conditional_writes: bool,

    /// Azure storage account [default: AZURE_STORAGE_ACCOUNT, or that of the connection string]
    #[arg(long, value_name = "NAME", env = "MILVAULT_AZURE_ACCOUNT")]
    azure_account: Option<String>,

    /// Address of Azure Blob Storage where it is not the account's usual one: http[s]://host[:port][/account]
    #[arg(long, value_name = "URL", env = "MILVAULT_AZURE_ENDPOINT")]
    azure_endpoint: Option<String>,

    /// File that holds an Azure connection string [default: Azure's own variables]
    #[arg(long, value_name = "FILE", env = "MILVAULT_AZURE_CONNECTION_FILE")]
    azure_connection_file: Option<PathBuf>,

    /// Address of Google Cloud Storage where it is not Google's: http[s]://host[:port]
    #[arg(long, value_name = "URL", env = "MILVAULT_GCS_ENDPOINT")]
    gcs_endpoint: Option<String>,

    /// File that holds Google credentials [default: Google's application default credentials]
    #[arg(long, value_name = "FILE", env = "MILVAULT_GCS_CREDENTIALS_FILE")]
    gcs_credentials_file: Option<PathBuf>,

    /// Give Google Cloud Storage no credentials, as for emulators and public buckets
    #[arg(long, env = "MILVAULT_GCS_ANONYMOUS", value_parser = BoolishValueParser::new())]
    gcs_anonymous: bool,

    /// File that holds the key with which the service encrypts and decrypts the objects (SSE-C): 32 bytes, or their
    /// base64 or hexadecimal digits
    #[arg(long, value_name = "FILE", env = "MILVAULT_SSE_CUSTOMER_KEY_FILE")]
    sse_customer_key_file: Option<PathBuf>,
}

/// How a store keeps what is put into it.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Keeping")]
pub struct KeepArguments {
    /// Lock the archive in the store: `compliance` until its end whoever asks, `governance` but for those who have a
    /// right of their own to lift it
    #[arg(long, value_name = "MODE")]
    object_lock: Option<Mode>,

    /// When the object lock ends: 2033-12-31, the end of that day in UTC, or a time as 2033-12-31T18:00:00Z
    #[arg(long, value_name = "DATE", requires = "object_lock", value_parser = date)]
    retain_until: Option<Timestamp>,

    /// How long the object lock lasts from now on: 7y, 18mo, 6w, 90d, 12h, 30min
    #[arg(long, value_name = "TIME", requires = "object_lock", conflicts_with = "retain_until", value_parser = span)]
    retain: Option<Span>,

    /// Keep the archive until somebody lifts the hold in the store
    #[arg(long)]
    legal_hold: bool,

    /// Which key of its own the service encrypts with [default: what the bucket says]
    #[arg(long, value_name = "KIND", env = "MILVAULT_SSE")]
    sse: Option<Sse>,

    /// The key of the service's key management, with --sse kms [default: the bucket's]
    #[arg(long, value_name = "KEY", env = "MILVAULT_SSE_KMS_KEY")]
    sse_kms_key: Option<String>,

    /// Storage class of the archive's objects, such as STANDARD_IA or GLACIER_IR
    #[arg(long, value_name = "CLASS", env = "MILVAULT_STORAGE_CLASS")]
    storage_class: Option<String>,

    /// Tag of the archive's objects; may be repeated
    #[arg(long = "tag", value_name = "NAME=VALUE", value_parser = tag)]
    tags: Vec<(String, String)>,
}

/// How firmly objects are locked.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Mode {
    Compliance,
    Governance,
}

/// Which key of its own the service encrypts with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Sse {
    S3,
    Kms,
}

impl StoreArguments {
    /// Of a table of `milvault.toml`: takes paths from the folder of the file, and refuses what names no store.
    pub fn named(mut self, folder: &Path) -> Result<StoreArguments, String> {
        let paths = [
            &mut self.s3_ca_file,
            &mut self.azure_connection_file,
            &mut self.gcs_credentials_file,
            &mut self.sse_customer_key_file,
        ];
        for path in paths.into_iter().flatten() {
            *path = folder.join(&*path);
        }
        if self.address.is_empty() {
            return Err(
                "it has no address: a folder, s3://bucket/prefix, az://… or gs://…".to_owned(),
            );
        }
        if self.address.contains('@') && self.address.contains("://") {
            return Err("the address holds an @: credentials are not written into it".to_owned());
        }
        if !self.address.contains("://") {
            let path = folder.join(&self.address);
            let text = path.to_str().ok_or("the address is no UTF-8")?;
            self.address = text.to_owned();
        }
        Ok(self)
    }

    /// The address of what is at a path below a store that has a name.
    pub fn below(&self, path: &str) -> String {
        match (self.address.trim_end_matches('/'), path.trim_matches('/')) {
            (_, "") => self.address.clone(),
            (address, path) => format!("{address}/{path}"),
        }
    }

    /// How to reach a store that is only read.
    pub fn options(&self) -> Result<StoreOptions> {
        Ok(StoreOptions {
            s3: S3Options {
                endpoint: given(&self.s3_endpoint),
                region: given(&self.s3_region),
                path_style: self.s3_path_style,
                profile: given(&self.s3_profile),
                credentials: None,
                ca_file: self.ca_file(),
                no_conditional_writes: self.s3_no_conditional_writes,
            },
            azure: AzureOptions {
                account: given(&self.azure_account),
                endpoint: given(&self.azure_endpoint),
                connection_file: self.azure_connection_file.clone(),
            },
            gcs: GcsOptions {
                endpoint: given(&self.gcs_endpoint),
                credentials_file: self.gcs_credentials_file.clone(),
                anonymous: self.gcs_anonymous,
            },
            customer_key: self
                .sse_customer_key_file
                .as_deref()
                .map(customer_key)
                .transpose()?,
            keep: KeepOptions::default(),
        })
    }

    /// How to reach a store that is written.
    pub fn writing(&self, keep: &KeepArguments) -> Result<StoreOptions> {
        Ok(StoreOptions {
            keep: keep.options(Timestamp::now())?,
            ..self.options()?
        })
    }

    /// AWS's tools take the file from the same variable; its SDK for Rust does not.
    fn ca_file(&self) -> Option<PathBuf> {
        let bundle = || std::env::var_os("AWS_CA_BUNDLE").filter(|value| !value.is_empty());
        self.s3_ca_file
            .clone()
            .or_else(|| bundle().map(PathBuf::from))
    }
}

impl KeepArguments {
    fn options(&self, now: Timestamp) -> Result<KeepOptions> {
        Ok(KeepOptions {
            lock: self.lock(now)?,
            legal_hold: self.legal_hold,
            encryption: self.encryption()?,
            class: given(&self.storage_class),
            tags: self.tags.iter().cloned().collect(),
        })
    }

    fn lock(&self, now: Timestamp) -> Result<Option<Lock>> {
        let Some(mode) = self.object_lock else {
            return Ok(None);
        };
        let until = match (self.retain_until, self.retain) {
            (Some(until), _) => until,
            (None, Some(span)) => now
                .to_zoned(TimeZone::UTC)
                .checked_add(span)
                .map_err(|_| Error::Usage("--retain reaches beyond the year 9999".to_owned()))?
                .timestamp(),
            (None, None) => {
                return Err(Error::Usage(
                    "--object-lock needs an end: give --retain-until DATE or --retain TIME, such as 7y".to_owned(),
                ));
            }
        };
        if until <= now {
            return Err(Error::Usage(format!(
                "--retain-until {until} is in the past: give a later one"
            )));
        }
        Ok(Some(Lock {
            mode: match mode {
                Mode::Compliance => LockMode::Compliance,
                Mode::Governance => LockMode::Governance,
            },
            until,
        }))
    }

    fn encryption(&self) -> Result<Option<ServerEncryption>> {
        let key = given(&self.sse_kms_key);
        match self.sse {
            Some(Sse::Kms) => Ok(Some(ServerEncryption::Kms(key))),
            _ if key.is_some() => Err(Error::Usage("--sse-kms-key goes with --sse kms".to_owned())),
            Some(Sse::S3) => Ok(Some(ServerEncryption::Service)),
            None => Ok(None),
        }
    }
}

/// An empty variable means nothing.
fn given(text: &Option<String>) -> Option<String> {
    text.clone().filter(|text| !text.is_empty())
}

fn customer_key(file: &Path) -> Result<CustomerKey> {
    let content = std::fs::read(file).map_err(|source| Error::Store {
        doing: "read",
        uri: file.display().to_string(),
        source,
    })?;
    CustomerKey::parse(&content).ok_or_else(|| {
        Error::Usage(format!(
            "{} holds no key: it takes 32 bytes, or their base64 or hexadecimal digits, as `openssl rand -hex 32` makes \
             them",
            file.display()
        ))
    })
}

fn date(text: &str) -> Result<Timestamp, String> {
    if let Ok(moment) = text.parse::<Timestamp>() {
        return Ok(moment);
    }
    let end = |day: Date| -> Result<DateTime, jiff::Error> { Ok(day.checked_add(1.day())?.into()) };
    text.parse::<Date>()
        .and_then(end)
        .and_then(|midnight| midnight.to_zoned(TimeZone::UTC))
        .map(|end| end.timestamp())
        .map_err(|_| "write a day as 2033-12-31, or a time as 2033-12-31T18:00:00Z".to_owned())
}

fn span(text: &str) -> Result<Span, String> {
    let wrong = || "write a number and y, mo, w, d, h or min, such as 7y or 90d".to_owned();
    let unit = text.trim_start_matches(|c: char| c.is_ascii_digit());
    let number: i64 = text[..text.len() - unit.len()]
        .parse()
        .map_err(|_| wrong())?;
    let span = match unit {
        "y" => Span::new().try_years(number),
        "mo" => Span::new().try_months(number),
        "w" => Span::new().try_weeks(number),
        "d" => Span::new().try_days(number),
        "h" => Span::new().try_hours(number),
        "min" => Span::new().try_minutes(number),
        // Of `forget` it is months: a lock must not be shorter than it was meant.
        "m" => return Err("m may be minutes or months: write min or mo".to_owned()),
        _ => return Err(wrong()),
    };
    match span {
        Ok(span) if number > 0 => Ok(span),
        _ => Err(wrong()),
    }
}

fn tag(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("write NAME=VALUE".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn locked(retain_until: Option<&str>, retain: Option<&str>) -> Result<Option<Lock>> {
        let arguments = KeepArguments {
            object_lock: Some(Mode::Compliance),
            retain_until: retain_until.map(|text| date(text).unwrap()),
            retain: retain.map(|text| span(text).unwrap()),
            ..KeepArguments::default()
        };
        arguments.lock("2024-02-29T12:00:00Z".parse().unwrap())
    }

    #[test]
    fn locks_end_by_the_calendar() {
        let until = |lock: Option<Lock>| lock.unwrap().until.to_string();
        let after = |span| until(locked(None, Some(span)).unwrap());
        assert_eq!(after("7y"), "2031-02-28T12:00:00Z");
        assert_eq!(after("1mo"), "2024-03-29T12:00:00Z");
        assert_eq!(after("2w"), "2024-03-14T12:00:00Z");
        assert_eq!(after("90d"), "2024-05-29T12:00:00Z");
        assert_eq!(after("12h"), "2024-03-01T00:00:00Z");
        let by = |date| until(locked(Some(date), None).unwrap());
        assert_eq!(by("2033-12-31"), "2034-01-01T00:00:00Z");
        assert_eq!(by("2033-12-31T18:00:00+02:00"), "2033-12-31T16:00:00Z");
    }

    #[test]
    fn a_lock_without_an_end_to_come_is_refused() {
        assert!(matches!(locked(None, None), Err(Error::Usage(_))));
        assert!(matches!(
            locked(Some("2024-02-28"), None),
            Err(Error::Usage(_))
        ));
        assert!(matches!(locked(None, Some("9999y")), Err(Error::Usage(_))));
    }

    #[test]
    fn what_is_no_time_or_tag_is_refused() {
        for text in [
            "",
            "7",
            "y",
            "0d",
            "-1d",
            "7 y",
            "1.5y",
            "7Y",
            "99999999999y",
        ] {
            assert!(span(text).is_err(), "{text}");
        }
        for text in ["", "31.12.2033", "2033-13-01", "9999-12-31"] {
            assert!(date(text).is_err(), "{text}");
        }
        assert_eq!(tag("a=b=c").unwrap(), ("a".to_owned(), "b=c".to_owned()));
        assert!(tag("=b").is_err() && tag("a").is_err());
    }
}
