//! Encrypted archives: age files under opaque names, which one key per archive opens. `formats/v2.md` specifies them.

mod cipher;
mod envelope;
mod key;
mod sealing;

pub(super) use cipher::Decrypting;
pub(super) use envelope::Envelope;
#[cfg(test)]
pub(super) use envelope::SealedObject;
pub(super) use key::{ArchiveKey, NotOpened};
pub use key::{Keys, Recipients};
pub(super) use sealing::{PartWriter, Sealing};

#[cfg(test)]
mod tests;
