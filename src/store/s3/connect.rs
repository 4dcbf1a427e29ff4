//! From options to a client.

use std::time::Duration;

use aws_config::environment::EnvironmentVariableRegionProvider;
use aws_config::meta::region::RegionProviderChain;
use aws_config::profile::{ProfileFileCredentialsProvider, ProfileFileRegionProvider};
use aws_config::provider_config::ProviderConfig;
use aws_config::{AppName, BehaviorVersion, Region};
use aws_sdk_s3::Client;
use aws_sdk_s3::config::interceptors::{
    BeforeDeserializationInterceptorContextMut, InterceptorContext,
};
use aws_sdk_s3::config::retry::{ClassifyRetry, RetryAction, RetryConfig};
use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_sdk_s3::config::{ConfigBag, Credentials, Intercept, RuntimeComponents, SharedHttpClient};
use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore, rustls_provider::CryptoMode};
use aws_smithy_http_client::{Builder, Connector};
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use crate::store::{S3Credentials, S3Options};
use crate::{Error, Result};

/// How often a request is tried in all. Waits in between double from a second on, with jitter, up to 20 seconds.
const ATTEMPTS: u32 = 6;
const CONNECT: Duration = Duration::from_secs(10);

/// How long an answer may take to begin, from the begin of a request on: large parts take minutes to send.
const ANSWER: Duration = Duration::from_secs(300);

/// Where AWS's own variables name a service that is not AWS.
const ENDPOINTS: [&str; 2] = ["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"];

/// Makes a client, and tells which service it is of; nothing but the machine's own services for credentials and regions is
/// asked yet.
pub(super) async fn connect(options: &S3Options) -> Result<(Client, String)> {
    check_endpoint(options)?;
    let variable = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
    let endpoint = options.endpoint.clone();
    let endpoint = endpoint.or_else(|| ENDPOINTS.into_iter().find_map(variable));
    let elsewhere = endpoint.is_some();
    let http = http_client(options)?;
    let mut loader = aws_config::defaults(BehaviorVersion::v2026_01_12())
        .http_client(http.clone())
        .retry_config(RetryConfig::standard().with_max_attempts(ATTEMPTS))
        .timeout_config(
            TimeoutConfig::builder()
                .connect_timeout(CONNECT)
                .read_timeout(ANSWER)
                .build(),
        );
    if elsewhere {
        loader = loader.region(region_elsewhere(options));
    } else if let Some(region) = &options.region {
        loader = loader.region(Region::new(region.clone()));
    }
    if let Ok(name) = AppName::new("milvault") {
        loader = loader.app_name(name);
    }
    if let Some(profile) = &options.profile {
        loader = loader.profile_name(profile);
    }
    if let Some(S3Credentials {
        access_key,
        secret_key,
    }) = &options.credentials
    {
        let given = Credentials::new(access_key, secret_key, None, None, "milvault");
        loader = loader.credentials_provider(given);
    } else if let Some(profile) = &options.profile {
        // Who names one means it, whatever the environment holds.
        let files = ProviderConfig::default()
            .with_behavior_version(Some(BehaviorVersion::v2026_01_12()))
            .with_http_client(http.clone())
            .with_region(region_elsewhere(options).region().await);
        let named = ProfileFileCredentialsProvider::builder().configure(&files);
        loader = loader.credentials_provider(named.profile_name(profile).build());
    }
    if let Some(endpoint) = &options.endpoint {
        loader = loader.endpoint_url(endpoint);
    }
    let shared = loader.load().await;
    if shared.region().is_none() {
        return Err(Error::Usage(
            "the bucket's region is not known: give --s3-region, or set AWS_REGION".to_owned(),
        ));
    }
    let endpoint = endpoint.or_else(|| shared.endpoint_url().map(str::to_owned));
    let service = service(endpoint.as_deref(), options.profile.as_deref());
    let config = aws_sdk_s3::config::Builder::from(&shared)
        .force_path_style(options.path_style)
        .retry_classifier(TooMany)
        .interceptor(SaidTwice)
        .build();
    Ok((Client::from_conf(config), service))
}

/// What tells a service from others: its address as all would write it. Without one it is AWS, unless a profile names an
/// endpoint of S3 alone: so profiles are told apart.
fn service(endpoint: Option<&str>, profile: Option<&str>) -> String {
    let Some(endpoint) = endpoint else {
        return format!("AWS {}", profile.unwrap_or_default());
    };
    let Ok(uri) = endpoint.parse::<http::Uri>() else {
        return endpoint.to_owned();
    };
    let scheme = uri.scheme_str().unwrap_or("https");
    let port = uri.port_u16().unwrap_or(match scheme {
        "http" => 80,
        _ => 443,
    });
    format!(
        "{scheme}://{}:{port}{}",
        uri.host().unwrap_or_default().to_ascii_lowercase(),
        uri.path().trim_end_matches('/')
    )
}

/// The region of a service that is not AWS: as given, else as AWS's environment and files say. The machine is not asked for
/// one, and mostly it does not matter.
fn region_elsewhere(options: &S3Options) -> RegionProviderChain {
    let mut files = ProfileFileRegionProvider::builder();
    if let Some(profile) = &options.profile {
        files = files.profile_name(profile);
    }
    RegionProviderChain::first_try(options.region.clone().map(Region::new))
        .or_else(EnvironmentVariableRegionProvider::new())
        .or_else(files.build())
        .or_else(Region::from_static("us-east-1"))
}

fn check_endpoint(options: &S3Options) -> Result<()> {
    let Some(endpoint) = &options.endpoint else {
        return Ok(());
    };
    let plain = endpoint.parse::<http::Uri>().is_ok_and(|uri| {
        matches!(uri.scheme_str(), Some("http" | "https")) && uri.host().is_some()
    });
    // Whatever stands before an @ may be a password, and is not repeated.
    if plain && !endpoint.contains('@') {
        return Ok(());
    }
    Err(Error::Usage(
        "--s3-endpoint (or MILVAULT_S3_ENDPOINT) is no address: write http[s]://host[:port]"
            .to_owned(),
    ))
}

fn http_client(options: &S3Options) -> Result<SharedHttpClient> {
    let mut trust = TrustStore::default();
    if let Some(file) = &options.ca_file {
        trust = trust.with_pem_certificate(authorities(file)?);
    }
    let tls = TlsContext::builder()
        .with_trust_store(trust)
        .build()
        .map_err(|error| Error::Program {
            doing: "set up TLS".to_owned(),
            reason: error.to_string(),
        })?;
    Ok(
        Builder::new().build_with_connector_fn(move |settings, components| {
            let mut connector = Connector::builder().proxy_config(ProxyConfig::from_env());
            connector.set_connector_settings(settings.cloned());
            if let Some(components) = components {
                connector.set_sleep_impl(components.sleep_impl());
            }
            connector
                .tls_provider(Provider::Rustls(CryptoMode::Ring))
                .tls_context(tls.clone())
                .build()
        }),
    )
}

/// The file's content, which must be certificates: the client would only notice at its first request, by a panic.
fn authorities(file: &std::path::Path) -> Result<Vec<u8>> {
    let content = std::fs::read(file).map_err(|source| Error::Store {
        doing: "read",
        uri: file.display().to_string(),
        source,
    })?;
    match certificates(&content) {
        Some(number) if number > 0 => Ok(content),
        _ => Err(Error::Usage(format!(
            "{} holds no certificates: give a PEM file with --s3-ca-file or AWS_CA_BUNDLE",
            file.display()
        ))),
    }
}

/// How many certificates a PEM file holds; `None` where one of them is broken.
fn certificates(content: &[u8]) -> Option<usize> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(content) {
        roots.add(certificate.ok()?).ok()?;
    }
    Some(roots.len())
}

/// Has requests sent again that the service had too many of: AWS says 503, others 429.
#[derive(Debug)]
struct TooMany;

impl ClassifyRetry for TooMany {
    fn classify_retry(&self, context: &InterceptorContext) -> RetryAction {
        match context
            .response()
            .map(|response| response.status().as_u16())
        {
            Some(429) => RetryAction::throttling_error(),
            _ => RetryAction::NoActionIndicated,
        }
    }

    fn name(&self) -> &'static str {
        "too many requests"
    }
}

/// SeaweedFS (4.48) says twice which customer's key an object has; the SDK takes that for no answer.
#[derive(Debug)]
struct SaidTwice;

impl Intercept for SaidTwice {
    fn name(&self) -> &'static str {
        "headers said twice"
    }

    fn modify_before_deserialization(
        &self,
        context: &mut BeforeDeserializationInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        let headers = context.response_mut().headers_mut();
        for name in [
            "x-amz-server-side-encryption-customer-algorithm",
            "x-amz-server-side-encryption-customer-key-md5",
        ] {
            if let Some(first) = headers.get(name).map(str::to_owned) {
                headers.insert(name, first);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn services_are_told_apart_by_their_addresses() {
        let one = service(Some("http://Minio-A:80/"), None);
        assert_eq!(one, service(Some("http://minio-a"), Some("x")));
        for other in ["https://minio-a", "http://minio-a:9000", "http://minio-b"] {
            assert_ne!(one, service(Some(other), None));
        }
        assert_eq!(service(None, None), service(None, None));
        assert_ne!(service(None, None), service(None, Some("x")));
    }

    #[tokio::test]
    async fn an_endpoint_that_is_none_is_refused_without_being_repeated() {
        for endpoint in ["minio:9000", "ftp://host", "https://user:secret@host", ""] {
            let options = S3Options {
                endpoint: Some(endpoint.to_owned()),
                ..S3Options::default()
            };
            let refusal = connect(&options).await.unwrap_err();
            assert!(matches!(refusal, Error::Usage(_)), "{refusal}");
            assert!(!refusal.to_string().contains("secret"), "{refusal}");
        }
    }

    #[test]
    fn a_file_of_authorities_must_hold_certificates() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("ca.pem");
        for content in [
            "",
            "nonsense",
            "-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n",
        ] {
            std::fs::write(&file, content).unwrap();
            let refusal = authorities(&file).unwrap_err();
            assert!(matches!(refusal, Error::Usage(_)), "{refusal}");
        }
        assert!(matches!(
            authorities(&folder.path().join("none")),
            Err(Error::Store { .. })
        ));
    }
}
