//! What is put in place of values.

use std::path::PathBuf;

use clap::Args;
use milvault::Result;
use milvault::masking::{self, MaskKey};
use milvault::model::Mask;

use super::connection::secret;

/// The variable that holds the secret.
const VARIABLE: &str = "MILVAULT_MASK_KEY";

/// What is put in place of values.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Masks")]
pub struct MaskArguments {
    /// Replace values: `[[database.]collection.]field=null`, `=hash`, `=constant:VALUE` or `=noise:SIGMA`, where the
    /// field may be `$meta` or `$meta.key`; repeatable
    #[arg(long = "mask", value_name = "FIELD=HOW")]
    pub masks: Vec<Mask>,

    /// File that holds the secret for hashes and noise; else MILVAULT_MASK_KEY. The same secret gives the same values
    #[arg(long, value_name = "FILE")]
    mask_key_file: Option<PathBuf>,
}

impl MaskArguments {
    /// The secret, if there is one; there must be where a mask needs it.
    pub fn key(&self) -> Result<Option<MaskKey>> {
        let text = match &self.mask_key_file {
            Some(file) => Some(secret(file)?),
            None => std::env::var(VARIABLE).ok().filter(|text| !text.is_empty()),
        };
        let key = text.map(|text| MaskKey::new(text.as_bytes())).transpose()?;
        masking::check_secret(&self.masks, key.as_ref())?;
        Ok(key)
    }
}
