//! What is put in place of values that must not leave.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::DYNAMIC_FIELD;

/// A rule that replaces the values of a field. Written as `[[database.]collection.]field=HOW`, where `HOW` is `null`,
/// `hash`, `constant:VALUE` or `noise:SIGMA`; `$meta` is the dynamic field, and `$meta.name` one of its keys.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Mask {
    /// The collections that it is for: a name or a pattern, as selections have them; none is all that have the field.
    pub collection: Option<String>,
    /// The field.
    pub field: String,
    /// Of the dynamic field, the one key that is masked.
    pub key: Option<String>,
    /// What its values become.
    pub how: MaskKind,
}

/// What a value becomes.
#[derive(Clone, Debug, PartialEq)]
pub enum MaskKind {
    /// Nothing.
    Null,
    /// A keyed hash, the same for the same value.
    Hash,
    /// This value, as text.
    Constant(String),
    /// The value and normally distributed noise of this standard deviation.
    Noise(f64),
}

impl FromStr for Mask {
    type Err = String;

    fn from_str(text: &str) -> Result<Mask, String> {
        let wrong = || {
            format!(
                "{text:?} is not a mask; write [collection.]field=null, =hash, =constant:VALUE or =noise:SIGMA, where \
                 the field may be $meta or $meta.key"
            )
        };
        let (path, how) = text.split_once('=').ok_or_else(wrong)?;
        let how = match how.split_once(':') {
            None if how == "null" => MaskKind::Null,
            None if how == "hash" => MaskKind::Hash,
            Some(("constant", value)) => MaskKind::Constant(value.to_owned()),
            Some(("noise", sigma)) => match sigma.parse::<f64>() {
                Ok(sigma) if sigma.is_finite() && sigma > 0.0 => MaskKind::Noise(sigma),
                _ => return Err(format!("{text:?}: noise needs a number greater than 0")),
            },
            _ => return Err(wrong()),
        };
        let (collection, field, key) = split(path).ok_or_else(wrong)?;
        Ok(Mask {
            collection: collection.map(str::to_owned),
            field: field.to_owned(),
            key: key.map(str::to_owned),
            how,
        })
    }
}

/// The collection, the field, and the key of the dynamic field. Names have no dots, but such keys may.
fn split(path: &str) -> Option<(Option<&str>, &str, Option<&str>)> {
    let dynamic = match path.find(DYNAMIC_FIELD) {
        Some(0) => Some(0),
        Some(at) if path[..at].ends_with('.') => Some(at),
        _ => None,
    };
    let (collection, field, key) = match dynamic {
        Some(at) => {
            let (collection, rest) = path.split_at(at);
            let key = match rest.strip_prefix(DYNAMIC_FIELD)? {
                "" => None,
                key => Some(key.strip_prefix('.')?),
            };
            (collection.strip_suffix('.'), DYNAMIC_FIELD, key)
        }
        None => match path.rsplit_once('.') {
            Some((collection, field)) => (Some(collection), field, None),
            None => (None, path, None),
        },
    };
    let whole = |part: Option<&str>| part.is_none_or(|part| !part.is_empty());
    let dots = collection.map_or(0, |name| name.matches('.').count());
    (whole(collection) && whole(key) && !field.is_empty() && dots <= 1)
        .then_some((collection, field, key))
}

impl fmt::Display for Mask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(collection) = &self.collection {
            write!(f, "{collection}.")?;
        }
        f.write_str(&self.field)?;
        if let Some(key) = &self.key {
            write!(f, ".{key}")?;
        }
        match &self.how {
            MaskKind::Null => f.write_str("=null"),
            MaskKind::Hash => f.write_str("=hash"),
            MaskKind::Constant(value) => write!(f, "=constant:{value}"),
            MaskKind::Noise(sigma) => write!(f, "=noise:{sigma}"),
        }
    }
}

impl From<Mask> for String {
    fn from(mask: Mask) -> String {
        mask.to_string()
    }
}

impl TryFrom<String> for Mask {
    type Error = String;

    fn try_from(text: String) -> Result<Mask, String> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mask_is_read_as_it_is_written() {
        for text in [
            "email=null",
            "docs.email=hash",
            "prod.doc*.vector=noise:0.25",
            "title=constant:",
            "title=constant:a=b:c",
            "$meta=null",
            "$meta.user.name=hash",
            "docs.$meta.ip=constant:0.0.0.0",
        ] {
            assert_eq!(text.parse::<Mask>().unwrap().to_string(), text);
        }
        let mask: Mask = "docs.$meta.user.name=hash".parse().unwrap();
        assert_eq!(mask.collection.as_deref(), Some("docs"));
        assert_eq!(
            (mask.field.as_str(), mask.key.as_deref()),
            ("$meta", Some("user.name"))
        );
    }

    #[test]
    fn what_is_no_mask_is_refused() {
        for text in [
            "email",
            "=null",
            "email=",
            "email=nil",
            "email=null:x",
            "email=hash:x",
            ".email=null",
            "a.b.c.d=null",
            "v=noise",
            "v=noise:",
            "v=noise:0",
            "v=noise:-1",
            "v=noise:inf",
            "$meta.=null",
            "$metadata=null",
        ] {
            assert!(text.parse::<Mask>().is_err(), "{text}");
        }
    }
}
