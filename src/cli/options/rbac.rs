//! How users and roles are restored.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use clap::Args;
use milvault::progress::Context;
use milvault::rbac::{Passwords, RbacOptions};
use milvault::{Error, Result};

/// How users and roles are restored.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Users and roles")]
pub struct RbacArguments {
    /// Restore users, roles and grants, too: what the target lacks of them; nothing there is changed
    #[arg(long)]
    rbac: bool,

    /// Lines of user:password (chmod 600), for users that are to be made and whose password the source does not tell
    #[arg(long, value_name = "FILE", requires = "rbac")]
    rbac_passwords: Option<PathBuf>,

    /// Leave out privileges that the target does not know, instead of refusing to restore
    #[arg(long, requires = "rbac")]
    rbac_skip_unknown: bool,
}

impl RbacArguments {
    /// What was asked for, if it was.
    pub fn options(&self, ctx: &Context) -> Result<Option<RbacOptions>> {
        if !self.rbac {
            return Ok(None);
        }
        let passwords = match &self.rbac_passwords {
            Some(file) => passwords(file, ctx)?,
            None => Passwords::default(),
        };
        Ok(Some(RbacOptions {
            passwords,
            skip_unknown: self.rbac_skip_unknown,
        }))
    }
}

fn passwords(file: &Path, ctx: &Context) -> Result<Passwords> {
    let unreadable = |source| Error::Store {
        doing: "read",
        uri: file.display().to_string(),
        source,
    };
    let text = std::fs::read_to_string(file).map_err(unreadable)?;
    let mode = std::fs::metadata(file).map_err(unreadable)?.permissions();
    if mode.mode() & 0o077 != 0 {
        ctx.monitor.warn(&format!(
            "others may read the passwords in {0}; chmod 600 {0}",
            file.display()
        ));
    }
    Passwords::parse(&file.display().to_string(), &text)
}
