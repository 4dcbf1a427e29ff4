//! Who we are to Azure, where neither a key nor a signature says so: the identity that the machine or its user has.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use async_trait::async_trait;
use azure_core::credentials::{AccessToken, Secret, TokenCredential, TokenRequestOptions};
use azure_core::error::ErrorKind;
use azure_core::http::{ClientOptions, ExponentialRetryOptions, RetryOptions, Transport};
use azure_identity::{
    AzureCliCredential, ClientAssertionCredentialOptions, ClientSecretCredential,
    ClientSecretCredentialOptions, ManagedIdentityCredential, ManagedIdentityCredentialOptions,
    UserAssignedId, WorkloadIdentityCredential, WorkloadIdentityCredentialOptions,
};

use super::transport::Wire;
use crate::Result;
use crate::store::web;

/// How long the service of virtual machines has to answer: where there is none, nobody does.
const MACHINE: Duration = Duration::from_secs(2);

/// The first of these that gives a token, in the order of Azure's other SDKs: a secret in the environment, Kubernetes'
/// workload identity, and the machine's managed identity where the environment tells of one; then the login of `az`, and
/// last the service of virtual machines, which is waited for where there is none.
#[derive(Debug)]
pub(super) struct Identity {
    sources: Vec<(&'static str, Arc<dyn TokenCredential>)>,
    /// Which one has given a token.
    found: OnceLock<usize>,
}

impl Identity {
    pub(super) fn new() -> Result<Identity> {
        let usual = client_options(web::client()?, 5);
        let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let (tenant, client) = (variable("AZURE_TENANT_ID"), variable("AZURE_CLIENT_ID"));
        let mut sources: Vec<(&'static str, Arc<dyn TokenCredential>)> = Vec::new();
        if let (Some(tenant), Some(client), Some(secret)) =
            (&tenant, &client, variable("AZURE_CLIENT_SECRET"))
        {
            let options = ClientSecretCredentialOptions {
                client_options: usual.clone(),
            };
            let made = ClientSecretCredential::new(
                tenant,
                client.clone(),
                Secret::new(secret),
                Some(options),
            );
            if let Ok(source) = made {
                sources.push(("AZURE_CLIENT_SECRET", source));
            }
        }
        let options = WorkloadIdentityCredentialOptions {
            credential_options: ClientAssertionCredentialOptions {
                client_options: usual.clone(),
            },
            ..WorkloadIdentityCredentialOptions::default()
        };
        if let Ok(source) = WorkloadIdentityCredential::new(Some(options)) {
            sources.push(("workload identity", source));
        }
        // App Service, Azure Arc and their like name their services; a virtual machine's is at a fixed address.
        let told = variable("IDENTITY_ENDPOINT")
            .or(variable("MSI_ENDPOINT"))
            .is_some();
        let managed = |client_options| {
            ManagedIdentityCredential::new(Some(ManagedIdentityCredentialOptions {
                user_assigned_id: client.clone().map(UserAssignedId::ClientId),
                client_options,
            }))
        };
        if told && let Ok(source) = managed(usual) {
            sources.push(("managed identity", source));
        }
        if let Ok(source) = AzureCliCredential::new(None) {
            sources.push(("az", source));
        }
        let quick = client_options(web::client_that_waits(MACHINE)?, 1);
        if !told && let Ok(source) = managed(quick) {
            sources.push(("the virtual machine", source));
        }
        Ok(Identity {
            sources,
            found: OnceLock::new(),
        })
    }
}

#[async_trait]
impl TokenCredential for Identity {
    async fn get_token(
        &self,
        scopes: &[&str],
        options: Option<TokenRequestOptions<'_>>,
    ) -> azure_core::Result<AccessToken> {
        if let Some((_, source)) = self.found.get().and_then(|&found| self.sources.get(found)) {
            return source.get_token(scopes, options).await;
        }
        let mut reasons = Vec::new();
        for (number, (name, source)) in self.sources.iter().enumerate() {
            match source.get_token(scopes, options.clone()).await {
                Ok(token) => {
                    // Another request may have found one at the same time.
                    let _ = self.found.set(number);
                    return Ok(token);
                }
                Err(error) => {
                    reasons.push(format!("{name}: {}", web::one_line(&error.to_string())))
                }
            }
        }
        Err(azure_core::Error::with_message(
            ErrorKind::Credential,
            format!("no identity opens the account ({})", reasons.join("; ")),
        ))
    }
}

fn client_options(client: reqwest::Client, max_retries: u32) -> ClientOptions {
    ClientOptions {
        transport: Some(Transport::new(Arc::new(Wire(client)))),
        retry: RetryOptions::exponential(ExponentialRetryOptions {
            max_retries,
            ..ExponentialRetryOptions::default()
        }),
        ..ClientOptions::default()
    }
}
