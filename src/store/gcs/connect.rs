//! From options to a service with its credentials.

use std::path::Path;
use std::time::Duration;

use google_cloud_auth::credentials::{
    Builder, CacheableResource, Credentials, external_account, impersonated, service_account,
    user_account,
};
use http::{Extensions, HeaderMap};

use crate::store::{GcsOptions, web};
use crate::{Error, Result};

const GOOGLE: &str = "https://storage.googleapis.com";

/// What tokens are to open.
const SCOPE: &str = "https://www.googleapis.com/auth/devstorage.full_control";

/// How long credentials may take: where there are none, a machine's own service is asked, and never answers.
const PATIENCE: Duration = Duration::from_secs(30);

/// A service that speaks the JSON API, and who we are to it.
pub(super) struct Service {
    pub client: reqwest::Client,
    /// Without a trailing slash.
    pub endpoint: String,
    /// `None`: nobody.
    credentials: Option<Credentials>,
    /// Which credentials were asked for, to tell one service from another.
    pub identity: GcsOptions,
}

impl Service {
    pub(super) fn connect(
        options: &GcsOptions,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<Service> {
        let emulator = variable("STORAGE_EMULATOR_HOST").filter(|_| options.endpoint.is_none());
        let anonymous = options.anonymous || emulator.is_some();
        let endpoint = match (&options.endpoint, emulator) {
            (Some(endpoint), _) => address(endpoint)?,
            // Google's own libraries take it with and without a scheme.
            (None, Some(host)) if host.contains("://") => address(&host)?,
            (None, Some(host)) => address(&format!("http://{host}"))?,
            (None, None) => GOOGLE.to_owned(),
        };
        let client = web::client()?;
        let credentials = match (anonymous, &options.credentials_file) {
            (true, _) => None,
            (false, Some(file)) => Some(from_file(file)?),
            (false, None) => Some(usual()?),
        };
        Ok(Service {
            client,
            endpoint,
            credentials,
            identity: options.clone(),
        })
    }

    /// The headers that say who we are; fetched before they end, and kept meanwhile.
    pub(super) async fn authorization(&self) -> std::result::Result<HeaderMap, String> {
        let Some(credentials) = &self.credentials else {
            return Ok(HeaderMap::new());
        };
        let asked = credentials.headers(Extensions::new());
        match tokio::time::timeout(PATIENCE, asked).await {
            Ok(Ok(CacheableResource::New { data, .. })) => Ok(data),
            // Only who names what he has is answered so.
            Ok(Ok(CacheableResource::NotModified)) => Ok(HeaderMap::new()),
            Ok(Err(error)) => Err(web::causes(&error)),
            Err(_) => Err("no service for credentials answers".to_owned()),
        }
    }
}

/// An address of the service, which must be plain: whatever stands before an @ may be a secret, and is not repeated.
fn address(text: &str) -> Result<String> {
    let plain = text.parse::<http::Uri>().is_ok_and(|uri| {
        matches!(uri.scheme_str(), Some("http" | "https"))
            && uri.host().is_some()
            && uri.query().is_none()
    });
    if plain && !text.contains('@') {
        return Ok(text.trim_end_matches('/').to_owned());
    }
    Err(Error::Usage(
        "--gcs-endpoint (or MILVAULT_GCS_ENDPOINT, or STORAGE_EMULATOR_HOST) is no address: write http[s]://host[:port]"
            .to_owned(),
    ))
}

fn usual() -> Result<Credentials> {
    Builder::default()
        .with_scopes([SCOPE])
        .build()
        .map_err(|error| {
            Error::Usage(format!(
                "Google's application default credentials cannot be used: {}; give --gcs-credentials-file, or run \
                 `gcloud auth application-default login`",
                web::causes(&error)
            ))
        })
}

/// Credentials as Google's console and `gcloud` write them.
fn from_file(file: &Path) -> Result<Credentials> {
    let content = std::fs::read(file).map_err(|source| Error::Store {
        doing: "read",
        uri: file.display().to_string(),
        source,
    })?;
    // What is in the file is secret: errors do not quote it.
    let none = |why: &str| {
        Error::Usage(format!(
            "{} holds no credentials ({why}): give the JSON file of a service account, of `gcloud`, or of a workload \
             identity",
            file.display()
        ))
    };
    let json: serde_json::Value =
        serde_json::from_slice(&content).map_err(|_| none("it is no JSON"))?;
    let kind = json
        .get("type")
        .and_then(|kind| kind.as_str())
        .unwrap_or_default()
        .to_owned();
    let built = match kind.as_str() {
        "service_account" => service_account::Builder::new(json)
            .with_access_specifier(service_account::AccessSpecifier::from_scopes([SCOPE]))
            .build(),
        "authorized_user" => user_account::Builder::new(json)
            .with_scopes([SCOPE])
            .build(),
        "external_account" => external_account::Builder::new(json)
            .with_scopes([SCOPE])
            .build(),
        "impersonated_service_account" => impersonated::Builder::new(json)
            .with_scopes([SCOPE])
            .build(),
        _ => return Err(none("its type is none that is known")),
    };
    built.map_err(|_| none(&format!("something in it is not as {kind} has it")))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn refusal(options: GcsOptions) -> String {
        match Service::connect(&options, |_| None) {
            Err(error @ Error::Usage(_)) => error.to_string(),
            Err(error) => panic!("{error}"),
            Ok(_) => panic!("not refused"),
        }
    }

    #[test]
    fn an_emulator_is_nobodys() {
        for host in ["127.0.0.1:4443", "http://127.0.0.1:4443/"] {
            let found = Service::connect(&GcsOptions::default(), |name| {
                (name == "STORAGE_EMULATOR_HOST").then(|| host.to_owned())
            });
            let found = found.unwrap();
            assert_eq!(found.endpoint, "http://127.0.0.1:4443");
            assert!(found.credentials.is_none());
        }
    }

    #[test]
    fn what_opens_nothing_is_refused_without_being_repeated() {
        let endpoint = |endpoint: &str| GcsOptions {
            endpoint: Some(endpoint.to_owned()),
            anonymous: true,
            ..GcsOptions::default()
        };
        for bad in [
            "host:1",
            "ftp://host",
            "http://user:secret@host",
            "http://host?sig=secret",
        ] {
            assert!(!refusal(endpoint(bad)).contains("secret"), "{bad}");
        }
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("key.json");
        for content in [
            "secret",
            "{\"type\": \"secret\"}",
            "{\"type\": \"service_account\", \"private_key\": \"secret\"}",
        ] {
            std::fs::write(&file, content).unwrap();
            let options = GcsOptions {
                credentials_file: Some(file.clone()),
                ..GcsOptions::default()
            };
            let words = refusal(options);
            assert!(
                words.contains("holds no credentials") && !words.contains("secret"),
                "{words}"
            );
        }
    }
}
