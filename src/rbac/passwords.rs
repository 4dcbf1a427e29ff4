//! Passwords that an operator gives, because no server tells them.

use std::collections::BTreeMap;
use std::fmt;

use crate::error::{Error, Result};
use crate::model::Rbac;

/// Passwords by user. They are shown nowhere.
#[derive(Clone, Default)]
pub struct Passwords(BTreeMap<String, String>);

impl fmt::Debug for Passwords {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Passwords of {:?}", self.0.keys())
    }
}

impl Passwords {
    /// Reads lines of `user:password`; the password is all after the first colon. Empty lines and those that begin
    /// with `#` are passed over. `file` names where they are from.
    ///
    /// # Errors
    /// A usage error that names the line, and never what is in it.
    pub fn parse(file: &str, text: &str) -> Result<Passwords> {
        let mut passwords = BTreeMap::new();
        for (number, line) in text.lines().enumerate() {
            if line.trim().is_empty() || line.starts_with('#') {
                continue;
            }
            let bad = |reason: &str| Error::Usage(format!("{file}, line {}: {reason}", number + 1));
            let (user, password) = line
                .split_once(':')
                .filter(|(user, password)| !user.is_empty() && !password.is_empty())
                .ok_or_else(|| bad("write user:password"))?;
            let other = passwords.insert(user.to_owned(), password.to_owned());
            if other.is_some() {
                return Err(bad("the user has a password already"));
            }
        }
        Ok(Passwords(passwords))
    }

    /// The password of a user, if there is one.
    pub(super) fn of(&self, user: &str) -> Option<&str> {
        self.0.get(user).map(String::as_str)
    }

    /// A note on passwords of users that `rbac` does not have: their names may be mistyped.
    pub(super) fn unused(&self, rbac: &Rbac) -> Option<String> {
        let known = |name: &&String| rbac.users.iter().all(|user| user.name != **name);
        let unused: Vec<&str> = self.0.keys().filter(known).map(String::as_str).collect();
        (!unused.is_empty()).then(|| {
            format!(
                "there are passwords for {}, but no such users to restore",
                unused.join(", ")
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_all_after_the_first_colon() {
        let text = "# staging\n\nalice:se:cret \r\nbob:# no comment\n";
        let passwords = Passwords::parse("p", text).unwrap();
        assert_eq!(passwords.of("alice"), Some("se:cret "));
        assert_eq!(passwords.of("bob"), Some("# no comment"));
        assert_eq!(passwords.of("carol"), None);
    }

    #[test]
    fn mistakes_name_the_line_and_not_the_password() {
        for (text, line) in [
            ("alice:one-Secret\nno-colon-Secret", 2),
            ("alice:\n", 1),
            (":one-Secret", 1),
            ("alice:one-Secret\n#\nalice:two-Secret", 3),
        ] {
            let error = Passwords::parse("the-file", text).unwrap_err();
            assert!(matches!(error, Error::Usage(_)), "{error}");
            let words = error.to_string();
            assert!(
                words.starts_with(&format!("the-file, line {line}: ")),
                "{words}"
            );
            assert!(!words.contains("Secret"), "{words}");
        }
    }

    #[test]
    fn passwords_are_never_shown() {
        let passwords = Passwords::parse("p", "alice:one-Secret").unwrap();
        assert!(!format!("{passwords:?}").contains("Secret"));
    }

    #[test]
    fn passwords_of_nobody_are_noticed() {
        let passwords = Passwords::parse("p", "alcie:one-Secret").unwrap();
        let note = passwords.unused(&Rbac::default()).unwrap();
        assert!(note.contains("alcie") && !note.contains("Secret"), "{note}");
        assert_eq!(Passwords::default().unused(&Rbac::default()), None);
    }
}
