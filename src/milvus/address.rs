//! Where a server is and how to talk to it.

use std::fmt;
use std::path::PathBuf;

use percent_encoding::percent_decode_str;

use crate::error::{Error, Result};

/// A parsed `http[s]://[user:password@]host[:port][/database]`.
#[derive(Clone, PartialEq, Eq)]
pub struct Address {
    /// Whether the connection is encrypted.
    pub tls: bool,
    /// Host name or IP address.
    pub host: String,
    /// TCP port; 19530 where `http` names none, 443 where `https` names none.
    pub port: u16,
    /// The database that the address names.
    pub database: Option<String>,
    /// User and password, where the address carries them.
    pub credentials: Option<Credentials>,
}

/// How a client proves who it is. Never printed.
#[derive(Clone, PartialEq, Eq)]
pub enum Credentials {
    /// A user and a password.
    Password {
        /// The user's name.
        user: String,
        /// The password.
        password: String,
    },
    /// An API key, or `user:password` in one.
    Token(String),
}

/// Certificates, as PEM files.
#[derive(Clone, Debug, Default)]
pub struct Tls {
    /// The authority that signed the server's certificate; the system's own where there is none.
    pub ca: Option<PathBuf>,
    /// The client's certificate and its key, for mutual TLS.
    pub identity: Option<(PathBuf, PathBuf)>,
    /// The name to expect in the server's certificate, where it is not the host.
    pub server_name: Option<String>,
}

impl Address {
    /// Reads an address as users type it. The error never repeats a password.
    pub fn parse(text: &str) -> Result<Address> {
        let bad = |reason: &str| {
            let shown = match text.rsplit_once('@') {
                Some((_, rest)) => format!("…@{rest}"),
                None => text.to_owned(),
            };
            Error::Usage(format!(
                "{shown:?} is not a cluster: {reason}; write http[s]://[user:password@]host[:port][/database]"
            ))
        };
        let (scheme, rest) = text
            .split_once("://")
            .ok_or_else(|| bad("it has no scheme"))?;
        let tls = match scheme {
            "http" | "tcp" => false,
            "https" => true,
            _ => return Err(bad("the scheme is neither http nor https")),
        };
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let (credentials, host_port) = match authority.rsplit_once('@') {
            Some((userinfo, host_port)) => {
                let (user, password) = userinfo
                    .split_once(':')
                    .ok_or_else(|| bad("the user has no password"))?;
                let credentials = Credentials::Password {
                    user: decode(user).ok_or_else(|| bad("the user is not UTF-8"))?,
                    password: decode(password).ok_or_else(|| bad("the password is not UTF-8"))?,
                };
                (Some(credentials), host_port)
            }
            None => (None, authority),
        };
        let (host, port) =
            split_port(host_port).ok_or_else(|| bad("the port is not a number from 1 to 65535"))?;
        if host.is_empty() {
            return Err(bad("it names no host"));
        }
        if !host
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "-._[]:".contains(c))
        {
            return Err(bad("the host has characters that no host name has"));
        }
        let database = path.trim_end_matches('/');
        if database.contains('/') {
            return Err(bad("the path holds more than a database"));
        }
        Ok(Address {
            tls,
            host: host.to_owned(),
            port: port.unwrap_or(if tls { 443 } else { 19530 }),
            database: (!database.is_empty()).then(|| database.to_owned()),
            credentials,
        })
    }
}

fn decode(text: &str) -> Option<String> {
    percent_decode_str(text).decode_utf8().ok().map(Into::into)
}

/// Splits off a port, minding the colons of `[::1]`.
fn split_port(text: &str) -> Option<(&str, Option<u16>)> {
    let (host, port) = match text.rfind(':') {
        Some(colon) if !text[colon..].contains(']') => (&text[..colon], &text[colon + 1..]),
        _ => return Some((text, None)),
    };
    match port.parse() {
        Ok(0) | Err(_) => None,
        Ok(port) => Some((host, Some(port))),
    }
}

/// `http://host:port`, without credentials and database.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.tls { "https" } else { "http" };
        write!(f, "{scheme}://{}:{}", self.host, self.port)
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Address({self})")
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credentials(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn address_parts_are_found() {
        let address =
            Address::parse("https://root:p%40ss%3Aword@milvus.example:19531/prod").unwrap();
        assert!(address.tls);
        assert_eq!(
            (address.host.as_str(), address.port),
            ("milvus.example", 19531)
        );
        assert_eq!(address.database.as_deref(), Some("prod"));
        let expected = Credentials::Password {
            user: "root".into(),
            password: "p@ss:word".into(),
        };
        assert_eq!(address.credentials, Some(expected));
        assert_eq!(address.to_string(), "https://milvus.example:19531");
    }

    #[test]
    fn ports_have_defaults_and_ipv6_hosts_keep_their_colons() {
        assert_eq!(Address::parse("http://h").unwrap().port, 19530);
        assert_eq!(Address::parse("https://h").unwrap().port, 443);
        let v6 = Address::parse("http://[::1]:5").unwrap();
        assert_eq!((v6.host.as_str(), v6.port), ("[::1]", 5));
    }

    #[test]
    fn nonsense_is_a_usage_error_that_hides_the_password() {
        for text in [
            "localhost:19530",
            "ftp://h",
            "http://",
            "http://h:0",
            "http://h:x",
            "http://h/a/b",
            "http://u@h",
        ] {
            assert!(
                matches!(Address::parse(text), Err(Error::Usage(_))),
                "{text}"
            );
        }
        let error = Address::parse("http://root:secret@h:bad")
            .unwrap_err()
            .to_string();
        assert!(!error.contains("secret"), "{error}");
    }
}
