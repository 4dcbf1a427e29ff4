//! Which storage account is meant, and what opens it.

use std::collections::BTreeMap;
use std::fmt;

use azure_core::http::Url;

use super::shared_key::SharedKey;
use crate::store::AzureOptions;
use crate::{Error, Result};

/// The account and the key of the emulator, which are the same everywhere, and its address.
/// Source: "Use the Azurite emulator", Microsoft.
const EMULATOR: &str = "AccountName=devstoreaccount1;AccountKey=Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==;BlobEndpoint=http://127.0.0.1:10000/devstoreaccount1";

/// A storage account.
#[derive(Debug)]
pub(super) struct Account {
    /// Where its containers are.
    pub endpoint: Url,
    pub access: Access,
}

/// What opens an account.
pub(super) enum Access {
    Key(SharedKey),
    /// A shared access signature: a query.
    Signature(String),
    /// Whatever identity the machine or its user has.
    Identity,
}

impl fmt::Debug for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Access::Key(_) => "Key",
            Access::Signature(_) => "Signature",
            Access::Identity => "Identity",
        })
    }
}

/// What a connection string or the environment says.
#[derive(Default)]
struct Said {
    account: Option<String>,
    key: Option<String>,
    signature: Option<String>,
    endpoint: Option<String>,
}

impl Account {
    /// Finds the account: what `options` leave open, Azure's own variables say. A connection string comes before a
    /// name with a key, that before a signature, that before identities.
    pub(super) fn find(
        options: &AzureOptions,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<Account> {
        let said = match &options.connection_file {
            Some(file) => {
                let content = std::fs::read_to_string(file).map_err(|source| Error::Store {
                    doing: "read",
                    uri: file.display().to_string(),
                    source,
                })?;
                connection(content.trim(), &file.display().to_string())?
            }
            None => match variable("AZURE_STORAGE_CONNECTION_STRING") {
                Some(words) => connection(&words, "AZURE_STORAGE_CONNECTION_STRING")?,
                None => Said {
                    account: variable("AZURE_STORAGE_ACCOUNT"),
                    key: variable("AZURE_STORAGE_KEY"),
                    signature: variable("AZURE_STORAGE_SAS_TOKEN"),
                    endpoint: None,
                },
            },
        };
        let account = options.account.clone().or(said.account.clone());
        if let (Some(asked), Some(known)) = (&options.account, &said.account)
            && asked != known
            && said.endpoint.is_some()
        {
            return Err(Error::Usage(format!(
                "the connection string is for the account {known}, not for {asked}: leave --azure-account out, or give \
                 the other one's string"
            )));
        }
        let endpoint = match (options.endpoint.clone().or(said.endpoint), &account) {
            (Some(endpoint), _) => endpoint,
            (None, Some(account)) => format!("https://{account}.blob.core.windows.net"),
            (None, None) => {
                return Err(Error::Usage(
                    "the storage account is not known: give --azure-account, or set AZURE_STORAGE_ACCOUNT or \
                     AZURE_STORAGE_CONNECTION_STRING"
                        .to_owned(),
                ));
            }
        };
        let endpoint = address(&endpoint)?;
        let access = match (said.key, said.signature) {
            (Some(key), _) => {
                let account = account.ok_or_else(|| {
                    Error::Usage(
                        "a key needs the name of its account: give --azure-account, or set AZURE_STORAGE_ACCOUNT"
                            .to_owned(),
                    )
                })?;
                Access::Key(SharedKey::new(&account, &key).ok_or_else(|| {
                    Error::Usage(
                        "the account's key is no base64: copy it again from the account's access keys".to_owned(),
                    )
                })?)
            }
            (None, Some(signature)) => {
                Access::Signature(signature.trim().trim_start_matches('?').to_owned())
            }
            (None, None) => Access::Identity,
        };
        if matches!(access, Access::Identity) && endpoint.scheme() != "https" {
            return Err(Error::Usage(
                "identities need https: give --azure-endpoint https://…, or set AZURE_STORAGE_KEY"
                    .to_owned(),
            ));
        }
        Ok(Account { endpoint, access })
    }
}

/// An address of the service, which must be plain: whatever stands before an @ or behind a ? may be a secret, and is not
/// repeated.
fn address(text: &str) -> Result<Url> {
    let refusal = || {
        Error::Usage(
            "--azure-endpoint (or MILVAULT_AZURE_ENDPOINT, or BlobEndpoint in the connection string) is no address: \
             write http[s]://host[:port][/account]"
                .to_owned(),
        )
    };
    let url: Url = text.parse().map_err(|_| refusal())?;
    let plain = matches!(url.scheme(), "http" | "https")
        && url.has_host()
        && !text.contains(['@', '?', '#']);
    if plain { Ok(url) } else { Err(refusal()) }
}

/// Reads a connection string; `place` says where it stands, for it is a secret as a whole.
fn connection(words: &str, place: &str) -> Result<Said> {
    let mut parts: BTreeMap<String, &str> = BTreeMap::new();
    for part in words.split(';').filter(|part| !part.trim().is_empty()) {
        let Some((name, value)) = part.split_once('=') else {
            return Err(Error::Usage(format!(
                "{place} holds no connection string: it has NAME=VALUE parts, with semicolons between"
            )));
        };
        parts.insert(name.trim().to_ascii_lowercase(), value.trim());
    }
    if parts.get("usedevelopmentstorage") == Some(&"true") {
        return connection(EMULATOR, place);
    }
    let part = |name: &str| parts.get(name).map(|value| (*value).to_owned());
    let account = part("accountname");
    let endpoint = part("blobendpoint").or_else(|| {
        let scheme = part("defaultendpointsprotocol").unwrap_or_else(|| "https".to_owned());
        let suffix = part("endpointsuffix").unwrap_or_else(|| "core.windows.net".to_owned());
        let account = account.as_ref()?;
        Some(format!("{scheme}://{account}.blob.{suffix}"))
    });
    if endpoint.is_none() {
        return Err(Error::Usage(format!(
            "the connection string in {place} names neither AccountName nor BlobEndpoint"
        )));
    }
    Ok(Said {
        account,
        key: part("accountkey"),
        signature: part("sharedaccesssignature"),
        endpoint,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn find(options: &AzureOptions, variables: &[(&str, &str)]) -> Result<Account> {
        Account::find(options, |name| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn azures_own_variables_name_the_account() {
        let account = |variables: &[(&str, &str)]| {
            let found = find(&AzureOptions::default(), variables).unwrap();
            (found.endpoint.to_string(), format!("{:?}", found.access))
        };
        let name = ("AZURE_STORAGE_ACCOUNT", "backups");
        let at_home = "https://backups.blob.core.windows.net/".to_owned();
        assert_eq!(account(&[name]), (at_home.clone(), "Identity".to_owned()));
        let key = ("AZURE_STORAGE_KEY", "c2VjcmV0");
        let signature = ("AZURE_STORAGE_SAS_TOKEN", "?sv=1&sig=x");
        assert_eq!(
            account(&[name, key, signature]),
            (at_home.clone(), "Key".to_owned())
        );
        assert_eq!(
            account(&[name, signature]),
            (at_home, "Signature".to_owned())
        );
        let string = (
            "AZURE_STORAGE_CONNECTION_STRING",
            "DefaultEndpointsProtocol=https;AccountName=a;AccountKey=c2VjcmV0;EndpointSuffix=core.chinacloudapi.cn",
        );
        assert_eq!(
            account(&[name, string]),
            (
                "https://a.blob.core.chinacloudapi.cn/".to_owned(),
                "Key".to_owned()
            )
        );
        let emulator = (
            "AZURE_STORAGE_CONNECTION_STRING",
            "UseDevelopmentStorage=true",
        );
        assert_eq!(
            account(&[emulator]),
            (
                "http://127.0.0.1:10000/devstoreaccount1".to_owned(),
                "Key".to_owned()
            )
        );
    }

    #[test]
    fn what_names_no_account_is_refused_without_repeating_secrets() {
        let named = AzureOptions {
            account: Some("other".to_owned()),
            ..AzureOptions::default()
        };
        let to = |endpoint: &str| AzureOptions {
            endpoint: Some(endpoint.to_owned()),
            ..AzureOptions::default()
        };
        let string = |value| [("AZURE_STORAGE_CONNECTION_STRING", value)];
        for refused in [
            find(&AzureOptions::default(), &[]),
            find(&AzureOptions::default(), &string("secret")),
            find(&AzureOptions::default(), &string("AccountKey=secret")),
            find(
                &AzureOptions::default(),
                &string("AccountName=a;AccountKey=se cret!"),
            ),
            find(&named, &string("AccountName=a;AccountKey=secret")),
            find(&to("http://user:secret@host"), &[]),
            find(&to("https://host/c?sig=secret"), &[]),
            find(&to("http://host"), &[("AZURE_STORAGE_ACCOUNT", "a")]),
            find(&to("host"), &[]),
        ] {
            let refusal = refused.unwrap_err();
            assert!(matches!(refusal, Error::Usage(_)), "{refusal}");
            assert!(!refusal.to_string().contains("secret"), "{refusal}");
        }
    }
}
