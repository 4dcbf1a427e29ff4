//! The commands and the options that all of them share.

use std::path::PathBuf;

use clap::{ArgAction, Parser, Subcommand};

use super::{
    compare, completions, copy, demo, export, forget, ls, man, migrate, restore, show, verify,
};

const AFTER_HELP: &str = "\
A CLUSTER is http[s]://[user:password@]host[:port][/database], or the path of a milvus-lite database (a name \
that ends in .db, or its folder), which is then served for the length of the run, or the name of a profile, which \
a /DATABASE may follow. A STORE is a folder, s3://bucket/prefix, az://container/prefix, gs://bucket/prefix, or the \
name of a store and a colon (NAME:, or NAME:PATH for what is below it); an ARCHIVE is a store, a slash and a name, or \
NAME:ARCHIVE.

Profiles are kept in the file that --config names, else in ./milvault.toml, else in milvault/milvault.toml in \
$XDG_CONFIG_HOME or ~/.config:

  [profiles.prod]
  address = \"https://milvus.example:19530\"
  user = \"backup\"
  password_file = \"prod.password\"

Its other keys are password_env, token_file and token_env (…_env names a variable that holds the secret), tls_ca, \
tls_cert, tls_key, tls_server_name and timeout. Paths start at the file's folder. No key takes a password itself, \
because such files get copied and shared. Where a folder could be meant as well, the profile is; write ./NAME \
or ./NAME/ARCHIVE for what is in the folder.

The same file names stores, and how each is reached:

  [stores.vault]
  address = \"s3://backups/prod\"
  s3_endpoint = \"https://minio.example:9000\"
  s3_path_style = true
  s3_profile = \"vault\"

Its keys are those of the options under Store (s3_…, azure_…, gcs_…, sse_customer_key_file), which are not for stores \
with names. So a copy, an export to several stores, or a bulk import may have different services at its ends.

Who we are at a cluster: its address says so, else the options --user with --password-file, or --token-file, \
else its profile, else the environment. MILVAULT_FROM_USER, MILVAULT_FROM_PASSWORD and MILVAULT_FROM_TOKEN are \
for the cluster that is read or listed (the first of a comparison), MILVAULT_TO_… for the one that is written (the second), \
and MILVAULT_USER, MILVAULT_PASSWORD and MILVAULT_TOKEN for any. Options are for both clusters of a comparison, \
and go before what a profile says of TLS and timeout, too.

Masks (--mask FIELD=HOW) replace values on their way: null for nullable fields, hash for texts, whole numbers and \
(in clusters) keys, constant:VALUE for scalars, noise:SIGMA for floats and vectors of them; $meta is the dynamic \
field, $meta.key one of its keys. Hashes and noise need a secret, in --mask-key-file or MILVAULT_MASK_KEY.

Encrypted archives (export --encrypt) are opened with --identity FILE, a file as age-keygen writes it, or with the \
passphrase in --passphrase-file, or with MILVAULT_IDENTITY, MILVAULT_PASSPHRASE_FILE or MILVAULT_PASSPHRASE.

Exit codes: 0 done; 1 failed; 2 the request makes no sense; 3 done, but differences or damage were found; \
4 stopped by Ctrl-C or SIGTERM, with everything left clean (a second one ends at once, with 130).";

/// Export Milvus into archives that can be verified, and restore them into any Milvus.
#[derive(Debug, Parser)]
#[command(name = "milvault", version, after_help = AFTER_HELP, propagate_version = true)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,

    /// Print one JSON document on stdout; on failure {"error":{"kind","message"}}
    #[arg(long, global = true)]
    pub json: bool,

    /// Show no progress and no notes; warnings and errors remain
    #[arg(short, long, global = true)]
    pub quiet: bool,

    /// The file of profiles [default: ./milvault.toml, else milvault/milvault.toml in your configuration folder]
    #[arg(long, global = true, value_name = "FILE", env = "MILVAULT_CONFIG")]
    pub config: Option<PathBuf>,

    #[command(flatten)]
    pub keys: super::options::KeyArguments,

    /// Trace what happens on stderr; twice for more
    #[arg(short, long, global = true, action = ArgAction::Count)]
    pub verbose: u8,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Export collections of a cluster into a new archive
    Export(export::Arguments),
    /// Restore collections of an archive into a cluster
    Restore(restore::Arguments),
    /// Migrate collections of a cluster into another, with no archive in between
    Migrate(migrate::Arguments),
    /// Check every byte and every row of an archive, without any server
    Verify(verify::Arguments),
    /// Compare the collections of two places, each a cluster or an archive
    Compare(compare::Arguments),
    /// List the collections of a cluster, or the archives of a store
    Ls(ls::Arguments),
    /// Show what an archive holds
    Show(show::Arguments),
    /// Copy an archive into another store
    Copy(copy::Arguments),
    /// Remove archives of a store that rules such as --keep-daily do not keep
    Forget(forget::Arguments),
    /// Try it all: a real embedded Milvus, sample data, export, verify, restore, compare
    Demo(demo::Arguments),
    /// Print a completion script for a shell
    Completions(completions::Arguments),
    /// Print the manual page, or write those of all commands into a folder
    Man(man::Arguments),
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_definition_holds_no_contradictions() {
        Cli::command().debug_assert();
    }

    #[test]
    fn shared_options_stand_before_and_behind_the_command() {
        for line in [
            ["milvault", "--json", "verify", "a"],
            ["milvault", "verify", "--json", "a"],
            ["milvault", "verify", "a", "--json"],
        ] {
            assert!(Cli::try_parse_from(line).unwrap().json, "{line:?}");
        }
    }
}
