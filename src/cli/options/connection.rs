//! How clusters are reached, and who we are there.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use milvault::milvus::{ConnectOptions, Credentials, Tls};
use milvault::{Error, Result};

use super::Profile;

/// How clusters are reached, and who we are there.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Connection")]
pub struct ConnectionArguments {
    /// User name; the password comes from --password-file or MILVAULT_PASSWORD
    #[arg(long, value_name = "NAME", conflicts_with = "token_file")]
    user: Option<String>,

    /// File that holds the password; else MILVAULT_[FROM_|TO_]PASSWORD, with MILVAULT_[FROM_|TO_]USER
    #[arg(long, value_name = "FILE", conflicts_with = "token_file")]
    password_file: Option<PathBuf>,

    /// File that holds an API key or token; else MILVAULT_[FROM_|TO_]TOKEN
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,

    /// PEM file of the authority that signed the server's certificate [default: the system's]
    #[arg(long, value_name = "FILE")]
    tls_ca: Option<PathBuf>,

    /// PEM file of our certificate, for mutual TLS
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,

    /// PEM file of our certificate's key
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,

    /// Name to expect in the server's certificate, where it is not the host
    #[arg(long, value_name = "NAME")]
    tls_server_name: Option<String>,

    /// How long one call may take [default: 300]
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    timeout: Option<Duration>,
}

/// What a cluster is to a command: it decides which variables of the environment are for it, as the help says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// It is read, or the first of two.
    From,
    /// It is written, or the second of two.
    To,
}

impl ConnectionArguments {
    /// How to connect: as the options say, else the profile, else the environment. Where `own` is set, the
    /// address brings its credentials.
    pub fn options(
        &self,
        role: Role,
        own: bool,
        profile: Option<&Profile>,
    ) -> Result<ConnectOptions> {
        let named = profile.map(|profile| Tls {
            ca: profile.tls_ca.clone(),
            identity: profile.tls_cert.clone().zip(profile.tls_key.clone()),
            server_name: profile.tls_server_name.clone(),
        });
        let named = named.unwrap_or_default();
        let identity = self.tls_cert.clone().zip(self.tls_key.clone());
        let mut options = ConnectOptions {
            tls: Tls {
                ca: self.tls_ca.clone().or(named.ca),
                identity: identity.or(named.identity),
                server_name: self.tls_server_name.clone().or(named.server_name),
            },
            ..ConnectOptions::default()
        };
        let timeout = self
            .timeout
            .or_else(|| profile.and_then(|profile| profile.timeout));
        if let Some(timeout) = timeout {
            options.call_timeout = timeout;
            options.connect_timeout = options.connect_timeout.min(timeout);
        }
        if !own {
            options.credentials =
                self.credentials(role, profile, &|name| std::env::var(name).ok())?;
        }
        Ok(options)
    }

    fn credentials(
        &self,
        role: Role,
        profile: Option<&Profile>,
        environment: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Option<Credentials>> {
        let prefixes: &[&str] = match role {
            Role::From => &["MILVAULT_FROM_", "MILVAULT_"],
            Role::To => &["MILVAULT_TO_", "MILVAULT_"],
        };
        let read = |name: &str, prefix: &str| {
            environment(&format!("{prefix}{name}")).filter(|value| !value.is_empty())
        };
        let first = |name| prefixes.iter().find_map(|prefix| read(name, prefix));
        if let Some(file) = &self.token_file {
            return Ok(Some(Credentials::Token(secret(file)?)));
        }
        if self.user.is_none()
            && self.password_file.is_none()
            && let Some(profile) = profile
            && let Some(token) = profile.token(environment)?
        {
            return Ok(Some(Credentials::Token(token)));
        }
        let named = profile.and_then(|profile| profile.user.as_ref());
        let user = self.user.as_ref().or(named).cloned();
        let password = match (&self.password_file, profile) {
            (Some(file), _) => Some(secret(file)?),
            // A profile's password is that of its user, not of another.
            (None, Some(profile)) if named.is_none() || named == user.as_ref() => {
                profile.password(environment)?
            }
            (None, _) => None,
        };
        if user.is_some() || password.is_some() {
            return both(
                user.or_else(|| first("USER")),
                password.or_else(|| first("PASSWORD")),
            );
        }
        for prefix in prefixes {
            if let Some(token) = read("TOKEN", prefix) {
                return Ok(Some(Credentials::Token(token)));
            }
            let (user, password) = (read("USER", prefix), read("PASSWORD", prefix));
            if user.is_some() || password.is_some() {
                return both(
                    user.or_else(|| first("USER")),
                    password.or_else(|| first("PASSWORD")),
                );
            }
        }
        Ok(None)
    }
}

fn both(user: Option<String>, password: Option<String>) -> Result<Option<Credentials>> {
    match (user, password) {
        (Some(user), Some(password)) => Ok(Some(Credentials::Password { user, password })),
        (None, _) => Err(Error::Usage(
            "there is a password, but no user; give --user or MILVAULT_USER".to_owned(),
        )),
        (Some(user), None) => Err(Error::Usage(format!(
            "there is no password for user {user:?}; give --password-file or MILVAULT_PASSWORD"
        ))),
    }
}

/// A file's text without the newline at its end.
pub(super) fn secret(file: &Path) -> Result<String> {
    let text = std::fs::read_to_string(file).map_err(|source| Error::Store {
        doing: "read",
        uri: file.display().to_string(),
        source,
    })?;
    let text = text.trim_end_matches(['\r', '\n']);
    if text.is_empty() {
        return Err(Error::Usage(format!("{} is empty", file.display())));
    }
    Ok(text.to_owned())
}

pub(super) fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: Option<f64> = text.parse().ok();
    seconds
        .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
        .filter(|time| !time.is_zero())
        .ok_or_else(|| "write a number of seconds".to_owned())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn from(
        arguments: &ConnectionArguments,
        role: Role,
        variables: &[(&str, &str)],
    ) -> Result<Option<Credentials>> {
        through(arguments, None, role, variables)
    }

    fn through(
        arguments: &ConnectionArguments,
        profile: Option<&str>,
        role: Role,
        variables: &[(&str, &str)],
    ) -> Result<Option<Credentials>> {
        let profile: Option<Profile> =
            profile.map(|keys| toml::from_str(&format!("address = 'http://h'\n{keys}")).unwrap());
        arguments.credentials(role, profile.as_ref(), &|name| {
            let found = variables.iter().find(|(variable, _)| *variable == name);
            found.map(|(_, value)| value.to_string())
        })
    }

    fn login(user: &str, password: &str) -> Option<Credentials> {
        Some(Credentials::Password {
            user: user.into(),
            password: password.into(),
        })
    }

    const BOTH: [(&str, &str); 4] = [
        ("MILVAULT_USER", "any"),
        ("MILVAULT_PASSWORD", "p"),
        ("MILVAULT_TO_USER", "writer"),
        ("MILVAULT_TO_PASSWORD", "q"),
    ];

    #[test]
    fn each_cluster_has_its_own_variables() {
        let none = ConnectionArguments::default();
        assert_eq!(from(&none, Role::From, &BOTH).unwrap(), login("any", "p"));
        assert_eq!(from(&none, Role::To, &BOTH).unwrap(), login("writer", "q"));
        let token = [("MILVAULT_FROM_TOKEN", "t"), ("MILVAULT_USER", "any")];
        let expected = Some(Credentials::Token("t".into()));
        assert_eq!(from(&none, Role::From, &token).unwrap(), expected);
        assert_eq!(from(&none, Role::To, &[]).unwrap(), None);
    }

    #[test]
    fn options_go_before_the_environment() {
        let user = ConnectionArguments {
            user: Some("me".into()),
            ..ConnectionArguments::default()
        };
        assert_eq!(from(&user, Role::From, &BOTH).unwrap(), login("me", "p"));

        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "s3cret \n").unwrap();
        let token = ConnectionArguments {
            token_file: Some(file.path().to_owned()),
            ..ConnectionArguments::default()
        };
        let expected = Some(Credentials::Token("s3cret ".into()));
        assert_eq!(from(&token, Role::From, &BOTH).unwrap(), expected);
    }

    #[test]
    fn a_profile_stands_between_the_options_and_the_environment() {
        let profile = Some("user = 'named'\npassword_env = 'SECRET'");
        let variables = [&BOTH[..], &[("SECRET", "s")]].concat();
        let as_is = ConnectionArguments::default();
        let found = through(&as_is, profile, Role::To, &variables);
        assert_eq!(found.unwrap(), login("named", "s"));

        let user = |name: &str| ConnectionArguments {
            user: Some(name.into()),
            ..ConnectionArguments::default()
        };
        let same = through(&user("named"), profile, Role::From, &variables);
        assert_eq!(same.unwrap(), login("named", "s"));
        let other = through(&user("other"), profile, Role::From, &variables);
        assert_eq!(other.unwrap(), login("other", "p"));

        let token = Some("token_env = 'SECRET'");
        let found = through(&as_is, token, Role::From, &variables);
        assert_eq!(found.unwrap(), Some(Credentials::Token("s".into())));
        let other = through(&user("other"), token, Role::From, &variables);
        assert_eq!(other.unwrap(), login("other", "p"));

        // A profile that says nothing of logins leaves them to the environment.
        let silent = through(&as_is, Some(""), Role::To, &variables);
        assert_eq!(silent.unwrap(), login("writer", "q"));
    }

    #[test]
    fn half_a_login_is_refused() {
        let none = ConnectionArguments::default();
        for half in [("MILVAULT_USER", "u"), ("MILVAULT_PASSWORD", "p")] {
            let refused = from(&none, Role::From, &[half]);
            assert!(matches!(refused, Err(Error::Usage(_))), "{half:?}");
        }
    }

    #[test]
    fn timeouts_are_positive_numbers() {
        assert_eq!(seconds("0.5"), Ok(Duration::from_millis(500)));
        for text in ["0", "-1", "nan", "inf", "", "5s"] {
            assert!(seconds(text).is_err(), "{text}");
        }
    }
}
