//! To whom an archive is encrypted, who opens it, and the key that is its own.

use std::fmt;
use std::io::{Read, Write};

use age::secrecy::{ExposeSecret, SecretString};
use age::{Decryptor, Encryptor, Identity, Recipient, scrypt, x25519};
use ring::{hkdf, hmac};

use crate::archive::encoder::hex;
use crate::{Error, Result};

/// What the keys of an archive are derived for.
const SALT: &[u8] = b"milvault archive format 2";
const NAMES: &[u8] = b"names of objects";
const MANIFEST: &[u8] = b"manifest";

/// How hard a passphrase is to try, and how hard it may be, as powers of two: as in the `age` program. The crate would
/// measure this machine, and take less where it is busy.
const WORK: u8 = 18;
const MOST_WORK: u8 = 22;

/// To whom an archive is encrypted: holders of age keys, or whoever knows a passphrase.
#[derive(Clone)]
pub struct Recipients(To);

#[derive(Clone)]
enum To {
    Keys(Vec<x25519::Recipient>),
    Passphrase(SecretString),
}

impl Recipients {
    /// The holders of the keys to these recipients (`age1…`), each given with what names it in errors: it may be a secret
    /// that was taken for a recipient, so it is never quoted.
    pub fn keys(given: &[(String, String)]) -> Result<Recipients> {
        let parse = |(name, text): &(String, String)| {
            text.parse::<x25519::Recipient>()
                .map_err(|_| Error::Usage(format!("{name} {}", no_recipient(text))))
        };
        let keys: Vec<_> = given.iter().map(parse).collect::<Result<_>>()?;
        if keys.is_empty() {
            return Err(Error::Usage(
                "there are no recipients: nobody could ever open the archive".to_owned(),
            ));
        }
        Ok(Recipients(To::Keys(keys)))
    }

    /// Whoever knows the passphrase.
    pub fn passphrase(text: &str) -> Result<Recipients> {
        if text.is_empty() {
            return Err(Error::Usage("the passphrase is empty".to_owned()));
        }
        // Nobody could type them again.
        if text.contains(char::is_control) {
            return Err(Error::Usage(
                "the passphrase has line breaks or other control characters in it".to_owned(),
            ));
        }
        Ok(Recipients(To::Passphrase(SecretString::from(
            text.to_owned(),
        ))))
    }
}

impl fmt::Display for Recipients {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            To::Keys(keys) if keys.len() == 1 => f.write_str("to 1 recipient"),
            To::Keys(keys) => write!(f, "to {} recipients", keys.len()),
            To::Passphrase(_) => f.write_str("with a passphrase"),
        }
    }
}

impl fmt::Debug for Recipients {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// What encrypted archives are opened with.
#[derive(Clone, Default)]
pub struct Keys {
    identities: Vec<x25519::Identity>,
    passphrase: Option<SecretString>,
}

impl Keys {
    /// Adds the keys of an identity file, as `age-keygen` writes it; `uri` is where the text came from.
    pub fn add_identities(&mut self, uri: &str, text: &str) -> Result<()> {
        let before = self.identities.len();
        for (number, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            // The line is a secret, or nobody knows what: it is not quoted.
            let identity = line.parse().map_err(|_| no_identity(uri, number + 1, line));
            self.identities.push(identity?);
        }
        if self.identities.len() == before {
            return Err(Error::Usage(format!("{uri} has no age identity in it")));
        }
        Ok(())
    }

    /// Adds a passphrase.
    pub fn set_passphrase(&mut self, text: &str) {
        self.passphrase = Some(SecretString::from(text.to_owned()));
    }

    /// Whether they open nothing.
    pub fn is_empty(&self) -> bool {
        self.identities.is_empty() && self.passphrase.is_none()
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} identities", self.identities.len())
    }
}

/// What a text is that is no recipient, as the end of a sentence.
fn no_recipient(text: &str) -> String {
    const MAKE: &str = "`age-keygen` makes a key, whose recipient begins with age1";
    // Of the prefix no more than a name: data have no 1.
    let plugin = text
        .strip_prefix("age1")
        .and_then(|rest| rest.rsplit_once('1'));
    if is_secret(text) {
        "is a secret key, not a recipient; `age-keygen -y` tells its recipient, which begins with age1".to_owned()
    } else if is_ssh(text) {
        format!("is an SSH key, which cannot be used here; {MAKE}")
    } else if plugin.is_some() {
        format!("is a recipient of a plugin or of a newer kind, which cannot be used here; {MAKE}")
    } else {
        format!("is no age recipient; {MAKE}")
    }
}

/// What a line is that is no identity.
fn no_identity(uri: &str, line: usize, text: &str) -> Error {
    const GIVE: &str = "give a file as `age-keygen` writes it";
    Error::Usage(
        if text.starts_with("age-encryption.org/") || text.starts_with("-----BEGIN AGE ") {
            format!("{uri} is encrypted; decrypt it with `age --decrypt` first")
        } else if is_ssh(text) {
            format!("{uri} is an SSH key, which cannot be used here; {GIVE}")
        } else if text.starts_with("AGE-PLUGIN-") {
            format!(
                "{uri} has in line {line} an identity of a plugin, which cannot be used here; {GIVE}"
            )
        } else if text.starts_with("age1") {
            format!("{uri} has in line {line} a recipient, which only encrypts; {GIVE}")
        } else {
            format!("{uri} has no age identity in line {line}; {GIVE}")
        },
    )
}

fn is_secret(text: &str) -> bool {
    let text = text.to_ascii_uppercase();
    text.starts_with("AGE-SECRET-KEY-") || text.starts_with("AGE-PLUGIN-")
}

fn is_ssh(text: &str) -> bool {
    let public = ["ssh-", "ecdsa-sha2-", "sk-ssh-", "sk-ecdsa-"];
    // Keys of SSH had many formats, and not all of them say SSH.
    let private = text.starts_with("-----BEGIN ") && text.contains("PRIVATE KEY");
    private || public.iter().any(|prefix| text.starts_with(prefix))
}

/// Why a wrapped key was not opened.
pub(in crate::archive) enum NotOpened {
    /// It is for others.
    OtherKey,
    /// It is none.
    Damaged,
}

/// The key of one archive. All its objects are encrypted to it, and it is encrypted to the recipients.
#[derive(Clone)]
pub(in crate::archive) struct ArchiveKey {
    identity: x25519::Identity,
    names: hmac::Key,
    manifest: hmac::Key,
}

impl fmt::Debug for ArchiveKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }
}

impl ArchiveKey {
    /// A new key.
    pub(in crate::archive) fn generate() -> Result<ArchiveKey> {
        ArchiveKey::of(x25519::Identity::generate())
    }

    fn of(identity: x25519::Identity) -> Result<ArchiveKey> {
        let text = identity.to_string();
        let secret =
            hkdf::Salt::new(hkdf::HKDF_SHA256, SALT).extract(text.expose_secret().as_bytes());
        let derive = |purpose: &[u8]| {
            let purpose = [purpose];
            let derived = secret.expand(&purpose, hmac::HMAC_SHA256);
            derived.map(hmac::Key::from).map_err(|_| failed("no key"))
        };
        Ok(ArchiveKey {
            names: derive(NAMES)?,
            manifest: derive(MANIFEST)?,
            identity,
        })
    }

    /// The key, encrypted to recipients. With a passphrase this takes a second and 256 MiB, on purpose.
    pub(in crate::archive) fn wrap(&self, recipients: &Recipients) -> Result<Vec<u8>> {
        let text = self.identity.to_string();
        let text = format!(
            "# the key of a milvault archive\n{}\n",
            text.expose_secret()
        );
        let encryptor = match &recipients.0 {
            To::Keys(keys) => {
                Encryptor::with_recipients(keys.iter().map(|key| key as &dyn Recipient))
            }
            To::Passphrase(passphrase) => {
                let mut recipient = scrypt::Recipient::new(passphrase.clone());
                recipient.set_work_factor(WORK);
                Encryptor::with_recipients(std::iter::once(&recipient as &dyn Recipient))
            }
        };
        let encryptor = encryptor.map_err(failed)?;
        let mut writer = encryptor.wrap_output(Vec::new()).map_err(failed)?;
        writer.write_all(text.as_bytes()).map_err(failed)?;
        writer.finish().map_err(failed)
    }

    /// The key that was wrapped, if one of the keys opens it.
    pub(in crate::archive) fn unwrap(wrapped: &[u8], keys: &Keys) -> Result<ArchiveKey, NotOpened> {
        let decryptor = Decryptor::new_buffered(wrapped).map_err(|_| NotOpened::Damaged)?;
        let passphrase = keys.passphrase.clone().map(|passphrase| {
            let mut identity = scrypt::Identity::new(passphrase);
            identity.set_max_work_factor(MOST_WORK);
            identity
        });
        let identities = keys.identities.iter().map(|one| one as &dyn Identity);
        let passphrases = passphrase.iter().map(|one| one as &dyn Identity);
        let opened = decryptor.decrypt(identities.chain(passphrases));
        let mut reader = opened.map_err(|error| match error {
            age::DecryptError::NoMatchingKeys
            | age::DecryptError::DecryptionFailed
            | age::DecryptError::KeyDecryptionFailed
            | age::DecryptError::ExcessiveWork { .. } => NotOpened::OtherKey,
            _ => NotOpened::Damaged,
        })?;
        let mut text = String::new();
        let read = reader.read_to_string(&mut text);
        read.map_err(|_| NotOpened::Damaged)?;
        let identity = text.lines().find(|line| !line.starts_with('#'));
        let identity = identity.and_then(|line| line.trim().parse().ok());
        let key = identity.map(ArchiveKey::of).and_then(Result::ok);
        key.ok_or(NotOpened::Damaged)
    }

    /// Where the object that a path names is: a name that tells nothing without the key.
    pub(in crate::archive) fn place(&self, path: &str) -> String {
        let name = hex(hmac::sign(&self.names, path.as_bytes()).as_ref());
        format!("objects/{}.age", &name[..32])
    }

    /// What proves that the manifest was written by whoever had this key.
    pub(in crate::archive) fn mac(&self, manifest: &[u8]) -> String {
        format!("{}\n", hex(hmac::sign(&self.manifest, manifest).as_ref()))
    }

    /// To whom the archive's objects are encrypted.
    pub(super) fn recipient(&self) -> x25519::Recipient {
        self.identity.to_public()
    }

    /// What opens them.
    pub(super) fn identity(&self) -> &x25519::Identity {
        &self.identity
    }
}

pub(super) fn failed(reason: impl fmt::Display) -> Error {
    Error::Program {
        doing: "encrypt the archive".to_owned(),
        reason: reason.to_string(),
    }
}
