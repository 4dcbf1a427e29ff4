//! From options to clients.

use std::sync::Arc;

use azure_core::credentials::TokenCredential;
use azure_core::http::policies::Policy;
use azure_core::http::policies::auth::BearerTokenAuthorizationPolicy;
use azure_core::http::{
    ClientOptions, ExponentialRetryOptions, Pipeline, RetryOptions, Transport, Url,
};
use azure_core::time::Duration;
use azure_storage_blob::{BlobContainerClient, BlobContainerClientOptions};

use super::account::{Access, Account};
use super::checked::Checked;
use super::identity::Identity;
use super::transport::Wire;
use crate::store::web;
use crate::{Error, Result};

/// How often a request is sent again. Waits in between double, with jitter.
const RETRIES: u32 = 5;
const FIRST_WAIT: Duration = Duration::milliseconds(800);
const LONGEST_WAIT: Duration = Duration::seconds(20);
const LONGEST: Duration = Duration::seconds(180);

/// What asks for tokens that open any account.
const SCOPE: &str = "https://storage.azure.com/.default";

/// A container, and what sends the requests that the SDK does not make.
pub(super) struct Container {
    pub client: BlobContainerClient,
    pub pipeline: Pipeline,
    /// The container's address; signed, where signatures open it.
    pub url: Url,
}

/// Makes clients; nothing is asked yet.
pub(super) fn connect(account: Account, container: &str) -> Result<Container> {
    let mut url = account.endpoint;
    match url.path_segments_mut() {
        Ok(mut segments) => segments.pop_if_empty().push(container),
        Err(()) => return Err(unusable(&"the endpoint is no address")),
    };
    let mut options = ClientOptions {
        transport: Some(Transport::new(Arc::new(Wire(web::client()?)))),
        retry: RetryOptions::exponential(ExponentialRetryOptions {
            initial_delay: FIRST_WAIT,
            max_retries: RETRIES,
            max_total_elapsed: LONGEST,
            max_delay: LONGEST_WAIT,
        }),
        per_call_policies: vec![Arc::new(Checked)],
        ..ClientOptions::default()
    };
    let mut credential: Option<Arc<dyn TokenCredential>> = None;
    let mut authorize: Vec<Arc<dyn Policy>> = Vec::new();
    match account.access {
        Access::Key(key) => options.per_try_policies.push(Arc::new(key)),
        Access::Signature(signature) => url.set_query(Some(&signature)),
        Access::Identity => {
            let identity: Arc<dyn TokenCredential> = Arc::new(Identity::new()?);
            authorize.push(Arc::new(BearerTokenAuthorizationPolicy::new(
                identity.clone(),
                vec![SCOPE],
            )));
            credential = Some(identity);
        }
    }
    let pipeline = Pipeline::new(
        option_env!("CARGO_PKG_NAME"),
        option_env!("CARGO_PKG_VERSION"),
        options.clone(),
        Vec::new(),
        authorize,
        None,
    );
    let client_options = BlobContainerClientOptions {
        client_options: options,
        ..BlobContainerClientOptions::default()
    };
    let client = BlobContainerClient::new(url.clone(), credential, Some(client_options))
        .map_err(|error| unusable(&error))?;
    Ok(Container {
        client,
        pipeline,
        url,
    })
}

fn unusable(reason: &dyn std::fmt::Display) -> Error {
    Error::Program {
        doing: "set up the connection to Azure".to_owned(),
        reason: web::one_line(&reason.to_string()),
    }
}
