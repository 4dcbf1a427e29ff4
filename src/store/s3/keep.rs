//! How objects are kept: class, tags, encryption, locks.

use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::primitives::DateTime;
use aws_sdk_s3::types::{
    DefaultRetention, ObjectLockEnabled, ObjectLockLegalHold, ObjectLockLegalHoldStatus,
    ObjectLockRetention, ObjectLockRetentionMode, ServerSideEncryption, StorageClass,
};

use super::S3Store;
use super::failure::{self, Deed};
use crate::store::{Lock, LockMode, Protection, Role, ServerEncryption, StoreOptions};
use crate::{Error, Result};

/// How many tags an object may have.
const TAGS: usize = 10;

/// Classes whose objects must be thawed for hours before they can be read.
const FROZEN: [&str; 2] = ["GLACIER", "DEEP_ARCHIVE"];

const DAY: jiff::SignedDuration = jiff::SignedDuration::from_hours(24);

/// How an object is kept, in the SDK's words.
pub(super) struct Kept {
    pub class: Option<StorageClass>,
    pub tags: Option<String>,
    pub encryption: Option<ServerSideEncryption>,
    pub kms_key: Option<String>,
}

/// Refuses options that make no sense.
pub(super) fn check(options: &StoreOptions) -> Result<()> {
    let keep = &options.keep;
    let refusal = if let Some(contradiction) = options.contradiction() {
        contradiction.to_owned()
    } else if keep.tags.len() > TAGS {
        format!("S3 objects have at most {TAGS} tags: leave out some --tag")
    } else if let Some(class) = keep.class.as_deref().filter(|class| FROZEN.contains(class)) {
        format!(
            "objects of the storage class {class} cannot be read for hours: use GLACIER_IR, or let a rule of the \
             bucket move old archives"
        )
    } else {
        return Ok(());
    };
    Err(Error::Usage(refusal))
}

impl S3Store {
    /// How an object of a role is kept.
    pub(super) fn kept(&self, role: Role) -> Kept {
        let keep = &self.keep;
        let (encryption, kms_key) = match &keep.encryption {
            None => (None, None),
            Some(ServerEncryption::Service) => (Some(ServerSideEncryption::Aes256), None),
            Some(ServerEncryption::Kms(key)) => (Some(ServerSideEncryption::AwsKms), key.clone()),
        };
        // Cheap classes charge for months, whenever an object is removed.
        let lasting = role != Role::Mark;
        Kept {
            class: keep
                .class
                .as_deref()
                .filter(|_| lasting)
                .map(StorageClass::from),
            tags: keep.tags_in_a_query().filter(|_| lasting),
            encryption,
            kms_key,
        }
    }

    /// Whether the bucket can do what is asked of it: found out before anything is written.
    pub(super) async fn check_fit(&self) -> Result<()> {
        if !self.keep.locks() {
            return Ok(());
        }
        let request = self.client.get_object_lock_configuration();
        let asked = request.bucket(self.bucket()).send().await;
        let found = match asked {
            Ok(answer) => answer.object_lock_configuration,
            Err(error) if failure::is_missing(&error) || failure::is_unknown(&error) => None,
            Err(error) => {
                let deed = Deed {
                    doing: "lock objects in",
                    uri: &self.address.uri(),
                    right: "s3:GetBucketObjectLockConfiguration",
                };
                return Err(deed.failed(&error));
            }
        };
        let found = found
            .filter(|found| found.object_lock_enabled() == Some(&ObjectLockEnabled::Enabled))
            .ok_or_else(|| {
                Error::Usage(format!(
                    "the bucket {} has no Object Lock, which --object-lock and --legal-hold need: turn it on, or name \
                     another bucket",
                    self.bucket()
                ))
            })?;
        let by_itself = found.rule().and_then(|rule| rule.default_retention());
        match (&self.keep.lock, by_itself.and_then(of_default)) {
            (Some(asked), Some(held)) => contradiction(asked, &held, self.bucket())
                .map_or(Ok(()), |why| Err(Error::Usage(why))),
            _ => Ok(()),
        }
    }

    /// Locks an object as it was asked for.
    pub(super) async fn lock_object(&self, key: &str, uri: &str) -> Result<()> {
        let deed = |right| Deed {
            doing: "lock",
            uri,
            right,
        };
        if let Some(lock) = self.lock_to_set(key, uri).await? {
            let retention = ObjectLockRetention::builder()
                .mode(match lock.mode {
                    LockMode::Compliance => ObjectLockRetentionMode::Compliance,
                    LockMode::Governance => ObjectLockRetentionMode::Governance,
                })
                .retain_until_date(DateTime::from_secs(lock.until.as_second()))
                .build();
            let request = self.client.put_object_retention().retention(retention);
            let sent = request.bucket(self.bucket()).key(key).send().await;
            let right = "s3:PutObjectRetention, and s3:GetObjectRetention where the bucket locks by itself; an object that is \
                         locked in governance mode already may not be changeable without s3:BypassGovernanceRetention, \
                         which milvault does not use";
            sent.map_err(|error| deed(right).failed(&error))?;
        }
        if self.keep.legal_hold {
            let hold = ObjectLockLegalHold::builder()
                .status(ObjectLockLegalHoldStatus::On)
                .build();
            let request = self.client.put_object_legal_hold().legal_hold(hold);
            let sent = request.bucket(self.bucket()).key(key).send().await;
            sent.map_err(|error| deed("s3:PutObjectLegalHold").failed(&error))?;
        }
        Ok(())
    }

    /// The lock that an object is to get, where it has none that is as much already: a bucket may lock all that is put
    /// into it, for longer or more strictly, and no service takes a lock that weakens another.
    async fn lock_to_set(&self, key: &str, uri: &str) -> Result<Option<Lock>> {
        let Some(asked) = &self.keep.lock else {
            return Ok(None);
        };
        let request = self.client.get_object_retention();
        let held = match request.bucket(self.bucket()).key(key).send().await {
            Ok(answer) => answer.retention.as_ref().and_then(lock),
            Err(error) if is_no_object(&error) => return Err(missing(uri)),
            Err(error) if failure::is_missing(&error) || bucket_without_locks(&error) => None,
            // Who may lock need not be one who may ask, and mostly there is none.
            Err(error) if failure::is_forbidden(&error) => None,
            Err(error) => {
                let deed = Deed {
                    doing: "lock",
                    uri,
                    right: "s3:GetObjectRetention",
                };
                return Err(deed.failed(&error));
            }
        };
        Ok(asked.beside(held.as_ref()))
    }

    /// What keeps an object. Asked for by name, because the headers of the object leave it out where a right is
    /// missing.
    pub(super) async fn protection_of(&self, key: &str, uri: &str) -> Result<Protection> {
        if self.known.no_locks.initialized() {
            return Ok(Protection::default());
        }
        let deed = |right| Deed {
            doing: "read the lock of",
            uri,
            right,
        };
        let retention = self.client.get_object_retention();
        let retention = retention.bucket(self.bucket()).key(key).send();
        let hold = self.client.get_object_legal_hold();
        let hold = hold.bucket(self.bucket()).key(key).send();
        let (retention, hold) = tokio::join!(retention, hold);
        let retention = match retention {
            Ok(answer) => answer.retention,
            Err(error) if bucket_without_locks(&error) => {
                // Only the first finds it out.
                let _ = self.known.no_locks.set(());
                return Ok(Protection::default());
            }
            Err(error) if is_no_object(&error) => return Err(missing(uri)),
            // Services have several codes for an object without a lock.
            Err(error) if failure::is_missing(&error) => None,
            Err(error) => return Err(deed("s3:GetObjectRetention").failed(&error)),
        };
        let hold = match hold {
            Ok(answer) => answer.legal_hold,
            Err(error) if failure::is_missing(&error) || bucket_without_locks(&error) => None,
            Err(error) => return Err(deed("s3:GetObjectLegalHold").failed(&error)),
        };
        Ok(Protection {
            lock: retention.and_then(|retention| lock(&retention)),
            legal_hold: hold
                .is_some_and(|hold| hold.status() == Some(&ObjectLockLegalHoldStatus::On)),
        })
    }
}

fn lock(retention: &ObjectLockRetention) -> Option<Lock> {
    let until = jiff::Timestamp::from_second(retention.retain_until_date()?.secs()).ok()?;
    Some(Lock {
        mode: mode(retention.mode()?),
        until,
    })
}

fn mode(mode: &ObjectLockRetentionMode) -> LockMode {
    match mode {
        ObjectLockRetentionMode::Compliance => LockMode::Compliance,
        _ => LockMode::Governance,
    }
}

/// The lock that an object gets which is put into a bucket now.
fn of_default(default: &DefaultRetention) -> Option<Lock> {
    let span = match (default.days(), default.years()) {
        (Some(days), _) => jiff::Span::new().try_days(days),
        (None, years) => jiff::Span::new().try_years(years?),
    };
    let now = jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC);
    Some(Lock {
        mode: mode(default.mode()?),
        until: now.checked_add(span.ok()?).ok()?.timestamp(),
    })
}

/// Why a lock cannot be had in a bucket that locks all by itself: together the two would be more than either asks for. A
/// day is no contradiction, because time goes on until objects are locked.
fn contradiction(asked: &Lock, held: &Lock, bucket: &str) -> Option<String> {
    let (words, way_out) = match (asked.mode, held.mode) {
        (LockMode::Compliance, LockMode::Governance) if held.until > asked.until + DAY => (
            "governance",
            "give a later end, or --object-lock governance",
        ),
        (LockMode::Governance, LockMode::Compliance) if asked.until > held.until + DAY => (
            "compliance",
            "give --object-lock compliance, or an earlier end",
        ),
        _ => return None,
    };
    Some(format!(
        "the bucket {bucket} locks all that is put into it in {words} mode, now until {}, which a lock in another mode \
         until {} contradicts: {way_out}",
        held.until.strftime("%Y-%m-%d"),
        asked.until.strftime("%Y-%m-%d"),
    ))
}

fn missing(uri: &str) -> Error {
    Error::Missing {
        uri: uri.to_owned(),
        hint: String::new(),
    }
}

fn is_no_object<E: ProvideErrorMetadata>(error: &SdkError<E, HttpResponse>) -> bool {
    failure::answer(error).is_some_and(|answer| answer.code == "NoSuchKey")
}

/// AWS says "Bucket is missing Object Lock Configuration" under the code of all bad requests.
fn bucket_without_locks<E: ProvideErrorMetadata>(error: &SdkError<E, HttpResponse>) -> bool {
    failure::is_unknown(error)
        || failure::answer(error).is_some_and(|answer| {
            answer.status == 405 || (answer.status == 400 && answer.code == "InvalidRequest")
        })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::store::{CustomerKey, KeepOptions};

    #[test]
    fn a_lock_that_contradicts_the_buckets_own_is_refused() {
        use LockMode::{Compliance, Governance};
        let years = |mode, years| {
            let default = DefaultRetention::builder();
            let mode = match mode {
                Compliance => ObjectLockRetentionMode::Compliance,
                Governance => ObjectLockRetentionMode::Governance,
            };
            of_default(&default.mode(mode).years(years).build()).unwrap()
        };
        let asked = |mode, days: i32| {
            let default = DefaultRetention::builder().days(days);
            let mut lock =
                of_default(&default.mode(ObjectLockRetentionMode::Governance).build()).unwrap();
            lock.mode = mode;
            lock
        };
        for (mode, days, held) in [
            (Compliance, 30, years(Governance, 7)),
            (Governance, 10_000, years(Compliance, 7)),
        ] {
            let why = contradiction(&asked(mode, days), &held, "b").unwrap();
            assert!(why.contains("the bucket b locks all"), "{why}");
        }
        for (mode, days, held) in [
            (Compliance, 30, years(Compliance, 7)),
            (Compliance, 10_000, years(Compliance, 7)),
            (Governance, 30, years(Compliance, 7)),
            (Governance, 30, years(Governance, 7)),
            (Compliance, 10_000, years(Governance, 7)),
        ] {
            assert_eq!(contradiction(&asked(mode, days), &held, "b"), None);
        }
        let seven = years(Compliance, 7);
        let same = Lock {
            mode: Governance,
            ..seven.clone()
        };
        assert_eq!(contradiction(&seven, &same, "b"), None);
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        let options = |keep: KeepOptions| StoreOptions {
            keep,
            ..StoreOptions::default()
        };
        assert!(check(&StoreOptions::default()).is_ok());
        let class = |name: &str| KeepOptions {
            class: Some(name.to_owned()),
            ..KeepOptions::default()
        };
        assert!(check(&options(class("GLACIER_IR"))).is_ok());
        assert!(check(&options(class("DEEP_ARCHIVE"))).is_err());
        let past = Lock {
            mode: LockMode::Governance,
            until: jiff::Timestamp::now(),
        };
        let keep = KeepOptions {
            lock: Some(past),
            ..KeepOptions::default()
        };
        assert!(check(&options(keep)).is_err());
        let keep = KeepOptions {
            encryption: Some(ServerEncryption::Service),
            ..KeepOptions::default()
        };
        let mut both = options(keep);
        assert!(check(&both).is_ok());
        both.customer_key = Some(CustomerKey::new([1; 32]));
        assert!(matches!(check(&both), Err(Error::Usage(_))));
        let tags = (0..11).map(|number| (number.to_string(), String::new()));
        let keep = KeepOptions {
            tags: tags.collect(),
            ..KeepOptions::default()
        };
        assert!(check(&options(keep)).is_err());
    }
}
