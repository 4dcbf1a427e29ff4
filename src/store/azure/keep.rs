//! How objects are kept: tier, tags, encryption, locks.

use std::str::FromStr;

use azure_core::time::OffsetDateTime;
use azure_storage_blob::models::{
    AccessTier, BlobClientGetPropertiesResultHeaders, BlobClientSetImmutabilityPolicyOptions,
    BlobContainerClientGetPropertiesResultHeaders, ImmutabilityPolicyMode,
};

use super::AzureStore;
use super::failure::Deed;
use crate::store::{Lock, LockMode, Protection, Role, ServerEncryption, StoreOptions};
use crate::{Error, Result};

/// How many tags an object may have.
const TAGS: usize = 10;

/// The tiers whose objects can be read at once.
const TIERS: [&str; 3] = ["Hot", "Cool", "Cold"];

/// How an object is kept, in the SDK's words.
pub(super) struct Kept {
    pub tier: Option<AccessTier>,
    pub tags: Option<String>,
    pub scope: Option<String>,
}

/// Refuses options that Azure does not have, or that make no sense.
pub(super) fn check(options: &StoreOptions) -> Result<()> {
    let keep = &options.keep;
    let known = |class: &str| TIERS.iter().any(|tier| tier.eq_ignore_ascii_case(class));
    let refusal = if let Some(contradiction) = options.contradiction() {
        contradiction.to_owned()
    } else if keep.encryption == Some(ServerEncryption::Kms(None)) {
        "Azure keeps keys in encryption scopes: name one with --sse-kms-key".to_owned()
    } else if keep.tags.len() > TAGS {
        format!("blobs have at most {TAGS} tags: leave out some --tag")
    } else if let Some(class) = keep.class.as_deref().filter(|class| !known(class)) {
        if class.eq_ignore_ascii_case("Archive") {
            "blobs of the tier Archive cannot be read for hours: use Cold, or let a rule of the account move old \
             archives"
                .to_owned()
        } else {
            format!(
                "Azure has no access tier {class:?} for blobs: give --storage-class {}",
                TIERS.join(", ")
            )
        }
    } else {
        return Ok(());
    };
    Err(Error::Usage(refusal))
}

impl AzureStore {
    /// How an object of a role is kept.
    pub(super) fn kept(&self, role: Role) -> Kept {
        let keep = &self.keep;
        // Cheap tiers charge for months, whenever an object is removed.
        let lasting = role != Role::Mark;
        let tier = keep.class.as_deref().filter(|_| lasting).and_then(|class| {
            let tier = TIERS.iter().find(|tier| tier.eq_ignore_ascii_case(class))?;
            AccessTier::from_str(tier).ok()
        });
        Kept {
            tier,
            tags: keep.tags_in_a_query().filter(|_| lasting),
            scope: match &keep.encryption {
                Some(ServerEncryption::Kms(scope)) => scope.clone(),
                // All that lies with Azure is encrypted with keys of its own.
                Some(ServerEncryption::Service) | None => None,
            },
        }
    }

    /// Whether the container can do what is asked of it: found out before anything is written.
    pub(super) async fn check_fit(&self) -> Result<()> {
        if !self.keep.locks() {
            return Ok(());
        }
        let uri = format!("az://{}", self.address.bucket);
        let deed = Deed {
            doing: "lock objects in",
            uri: &uri,
            right: "the role Storage Blob Data Reader on the container",
        };
        let asked = self.container.client.get_properties(None).await;
        let found = asked.map_err(|error| deed.failed(&error))?;
        let able = found
            .is_immutable_storage_with_versioning_enabled()
            .map_err(|error| deed.failed(&error))?;
        if able == Some(true) {
            return Ok(());
        }
        Err(Error::Usage(format!(
            "the container {} has no version-level immutability, which --object-lock and --legal-hold need: create one \
             that has, or name another",
            self.address.bucket
        )))
    }

    /// Locks an object as it was asked for.
    pub(super) async fn lock_object(&self, name: &str, uri: &str) -> Result<()> {
        let deed = Deed {
            doing: "lock",
            uri,
            right: "the right to set immutability policies (the role Storage Blob Data Owner, or a signature for i)",
        };
        let blob = self.blob(name);
        let lock = match &self.keep.lock {
            // A policy that is not locked could be shortened.
            Some(asked) => asked.beside(self.properties(name, uri).await?.protection.lock.as_ref()),
            None => None,
        };
        if let Some(lock) = lock {
            let until = OffsetDateTime::from_unix_timestamp(lock.until.as_second())
                .map_err(|error| deed.because(std::io::Error::other(error)))?;
            let options = BlobClientSetImmutabilityPolicyOptions {
                immutability_policy_mode: Some(match lock.mode {
                    LockMode::Compliance => ImmutabilityPolicyMode::Locked,
                    LockMode::Governance => ImmutabilityPolicyMode::Unlocked,
                }),
                ..BlobClientSetImmutabilityPolicyOptions::default()
            };
            let set = blob.set_immutability_policy(&until, Some(options)).await;
            set.map_err(|error| deed.failed(&error))?;
        }
        if self.keep.legal_hold {
            let set = blob.set_legal_hold(true, None).await;
            set.map_err(|error| deed.failed(&error))?;
        }
        Ok(())
    }
}

/// What keeps an object. A policy of the whole container is not told by its objects.
pub(super) fn protection(
    head: &impl BlobClientGetPropertiesResultHeaders,
) -> azure_core::Result<Protection> {
    let until = head.immutability_policy_expires_on()?;
    let mode = match head.immutability_policy_mode()? {
        Some(ImmutabilityPolicyMode::Locked) => LockMode::Compliance,
        _ => LockMode::Governance,
    };
    let until = until.and_then(|until| jiff::Timestamp::from_second(until.unix_timestamp()).ok());
    Ok(Protection {
        lock: until.map(|until| Lock { mode, until }),
        legal_hold: head.legal_hold()?.unwrap_or(false),
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::store::KeepOptions;

    #[test]
    fn what_azure_does_not_have_is_refused_by_name() {
        let refusal = |keep: KeepOptions| {
            let options = StoreOptions {
                keep,
                ..StoreOptions::default()
            };
            check(&options).err().map(|error| error.to_string())
        };
        let class = |name: &str| KeepOptions {
            class: Some(name.to_owned()),
            ..KeepOptions::default()
        };
        assert_eq!(refusal(class("cool")), None);
        assert!(
            refusal(class("GLACIER_IR"))
                .unwrap()
                .contains("Hot, Cool, Cold")
        );
        assert!(refusal(class("Archive")).unwrap().contains("hours"));
        let unnamed = KeepOptions {
            encryption: Some(ServerEncryption::Kms(None)),
            ..KeepOptions::default()
        };
        assert!(refusal(unnamed).unwrap().contains("encryption scopes"));
        let past = KeepOptions {
            lock: Some(Lock {
                mode: LockMode::Compliance,
                until: jiff::Timestamp::now(),
            }),
            ..KeepOptions::default()
        };
        assert!(refusal(past).unwrap().contains("in the past"));
    }
}
