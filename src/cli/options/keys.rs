//! Keys of encrypted archives: files and variables, never the command line.

use std::fs;
use std::path::{Path, PathBuf};

use clap::Args;
use milvault::archive::{Keys, Recipients};
use milvault::{Error, Result};

/// What opens encrypted archives. Shared by all commands, because any may be given one.
#[derive(Args, Clone, Debug, Default)]
pub struct KeyArguments {
    /// Open encrypted archives with the age keys in this file
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        env = "MILVAULT_IDENTITY",
        hide_env_values = true
    )]
    identity: Vec<PathBuf>,

    /// The file with the passphrase of encrypted archives, or else MILVAULT_PASSPHRASE holds it
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        env = "MILVAULT_PASSPHRASE_FILE",
        hide_env_values = true
    )]
    passphrase_file: Option<PathBuf>,
}

/// Whether and to whom an archive is encrypted.
#[derive(Args, Debug)]
pub struct EncryptArguments {
    /// Encrypt everything before it leaves this machine, to the recipients or else with the passphrase
    #[arg(long)]
    encrypt: bool,

    /// An age recipient (age1…) whose key opens the archive; several times for several
    #[arg(long, value_name = "RECIPIENT", requires = "encrypt")]
    recipient: Vec<String>,

    /// A file of age recipients, one a line
    #[arg(long, value_name = "FILE", requires = "encrypt")]
    recipients_file: Vec<PathBuf>,
}

impl KeyArguments {
    /// Reads the keys.
    pub fn keys(&self) -> Result<Keys> {
        let mut keys = Keys::default();
        for path in &self.identity {
            let name = path.display().to_string();
            if name.to_ascii_uppercase().starts_with("AGE-SECRET-KEY-") {
                // Not quoted: it is a secret.
                return Err(Error::Usage(
                    "--identity and MILVAULT_IDENTITY name a file with the key, not the key itself, which others could \
                     read there"
                        .to_owned(),
                ));
            }
            // What is no text is no key either, and is refused as that.
            keys.add_identities(&name, &String::from_utf8_lossy(&read(path)?))?;
        }
        if let Some(passphrase) = self.passphrase()? {
            keys.set_passphrase(&passphrase);
        }
        Ok(keys)
    }

    /// Whether this command, and not the environment, names a file with a passphrase.
    fn is_passphrase_asked(&self) -> bool {
        let held = std::env::var_os("MILVAULT_PASSPHRASE_FILE").map(PathBuf::from);
        self.passphrase_file.is_some() && self.passphrase_file != held
    }

    /// Whether there is a passphrase, of the command or of the environment.
    pub fn has_passphrase(&self) -> bool {
        self.passphrase_file.is_some()
            || std::env::var_os("MILVAULT_PASSPHRASE").is_some_and(|held| !held.is_empty())
    }

    fn passphrase(&self) -> Result<Option<String>> {
        let Some(path) = &self.passphrase_file else {
            let held = std::env::var("MILVAULT_PASSPHRASE").unwrap_or_default();
            // As of a file: secrets often come with the line's end.
            let first = held.lines().next().unwrap_or_default();
            if held.lines().nth(1).is_some() {
                return Err(Error::Usage(
                    "MILVAULT_PASSPHRASE has more than one line".to_owned(),
                ));
            }
            return Ok(Some(first.to_owned()).filter(|text| !text.is_empty()));
        };
        let no_text = |_| Error::Usage(format!("{} is no UTF-8 text", path.display()));
        let text = String::from_utf8(read(path)?).map_err(no_text)?;
        let passphrase = text.lines().next().unwrap_or_default();
        if passphrase.is_empty() {
            return Err(Error::Usage(format!(
                "{} has no passphrase in its first line",
                path.display()
            )));
        }
        Ok(Some(passphrase.to_owned()))
    }
}

impl EncryptArguments {
    /// To whom the archive is encrypted, if it is.
    pub fn recipients(&self, keys: &KeyArguments) -> Result<Option<Recipients>> {
        if !self.encrypt {
            return match keys.is_passphrase_asked() {
                true => Err(Error::Usage(
                    "--passphrase-file alone encrypts nothing: give --encrypt as well, or leave it out"
                        .to_owned(),
                )),
                false => Ok(None),
            };
        }
        let named = |text: &String| ("what --recipient gives".to_owned(), text.clone());
        let mut recipients: Vec<(String, String)> = self.recipient.iter().map(named).collect();
        for path in &self.recipients_file {
            let text = read(path)?;
            let text = String::from_utf8_lossy(&text);
            let lines = text.lines().map(str::trim).enumerate();
            let lines = lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
            let named = lines.map(|(number, line)| {
                let name = format!("line {} of {}", number + 1, path.display());
                (name, line.to_owned())
            });
            recipients.extend(named);
        }
        if !recipients.is_empty() || !self.recipients_file.is_empty() {
            return Recipients::keys(&recipients).map(Some);
        }
        match keys.passphrase()? {
            Some(passphrase) => Recipients::passphrase(&passphrase).map(Some),
            None => Err(Error::Usage(
                "--encrypt needs to know who may read the archive: give --recipient, --recipients-file or \
                 --passphrase-file, or set MILVAULT_PASSPHRASE"
                    .to_owned(),
            )),
        }
    }
}

fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).map_err(|source| Error::Store {
        doing: "read",
        uri: path.display().to_string(),
        source,
    })
}
