//! The secret without which masked values tell nothing.

use std::fmt;

use ring::hmac;

use crate::error::{Error, Result};

/// How long a secret must be, in bytes: shorter ones can be guessed.
const LEAST: usize = 16;

/// A secret that keys hashes and noise: the same one gives the same masked values, run after run.
#[derive(Clone)]
pub struct MaskKey(hmac::Key);

impl MaskKey {
    /// Takes a secret of at least 16 bytes.
    ///
    /// # Errors
    /// [`Error::Usage`] where it is shorter.
    pub fn new(secret: &[u8]) -> Result<MaskKey> {
        if secret.len() < LEAST {
            return Err(Error::Usage(format!(
                "the secret of the masks has {} bytes; it needs at least {LEAST}, such as `openssl rand -hex 32` makes",
                secret.len()
            )));
        }
        Ok(MaskKey(hmac::Key::new(hmac::HMAC_SHA256, secret)))
    }

    /// HMAC-SHA256 of the parts, one after the other; `use_` keeps different uses apart.
    pub(super) fn hash(&self, use_: &str, parts: &[&[u8]]) -> [u8; 32] {
        let mut context = hmac::Context::with_key(&self.0);
        context.update(use_.as_bytes());
        for part in parts {
            context.update(&[0]);
            context.update(part);
        }
        let mut hash = [0; 32];
        hash.copy_from_slice(context.sign().as_ref());
        hash
    }

    /// The same as a number.
    pub(super) fn number(&self, use_: &str, parts: &[&[u8]]) -> u64 {
        let hash = self.hash(use_, parts);
        let mut first = [0; 8];
        first.copy_from_slice(&hash[..8]);
        u64::from_le_bytes(first)
    }
}

impl fmt::Debug for MaskKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MaskKey(…)")
    }
}
