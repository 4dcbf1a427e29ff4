//! What a server says of its version.

use std::fmt;

/// Which program answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Product {
    /// A Milvus cluster or standalone.
    Milvus,
    /// milvus-lite, whose versions are its own.
    Lite,
}

/// A server's version, as far as it can be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerVersion {
    /// Which program answers.
    pub product: Product,
    /// Major, minor, patch.
    pub number: (u32, u32, u32),
    /// The server's own words.
    pub text: String,
}

impl ServerVersion {
    /// Reads `v2.3.5`, `2.6.1-dev`, `v2.2.16-lite` (a whole Milvus 2.2.16 in one process) or
    /// `milvus_lite-3.2.2` (milvus-lite), and nothing else: what a server knows is told from its version, so a
    /// build named after a branch, a date or a commit must not pass for one.
    pub fn parse(text: &str) -> Option<ServerVersion> {
        let lower = text.to_ascii_lowercase().replace('-', "_");
        let (product, numbers) = match lower.strip_prefix("milvus_lite_") {
            Some(numbers) => (Product::Lite, numbers),
            None => (Product::Milvus, lower.strip_prefix('v').unwrap_or(&lower)),
        };
        let end = numbers.find(|c: char| !c.is_ascii_digit() && c != '.');
        let (numbers, rest) = numbers.split_at(end.unwrap_or(numbers.len()));
        let numbers = numbers
            .split('.')
            .map(|number| number.parse().ok())
            .collect::<Option<Vec<u32>>>()?;
        let number = match (product, numbers.as_slice()) {
            (Product::Lite, [major]) if rest.is_empty() => (*major, 0, 0),
            (_, [major, minor]) => (*major, *minor, 0),
            (_, [major, minor, patch, ..]) => (*major, *minor, *patch),
            _ => return None,
        };
        Some(ServerVersion {
            product,
            number,
            text: text.to_owned(),
        })
    }

    /// A Milvus whose version cannot be read from its own words, such as a build of a branch or a managed service.
    /// It can be read from; that it knows anything in particular is not taken for granted.
    pub fn unknown(text: &str) -> ServerVersion {
        ServerVersion {
            product: Product::Milvus,
            number: (0, 0, 0),
            text: text.to_owned(),
        }
    }

    /// Whether the version is known.
    pub fn is_known(&self) -> bool {
        self.number != (0, 0, 0)
    }

    /// Whether this is a Milvus (not milvus-lite) of at least this version. False where it is unknown.
    pub fn is_milvus_from(&self, major: u32, minor: u32, patch: u32) -> bool {
        self.product == Product::Milvus && self.number >= (major, minor, patch)
    }

    /// Whether the server may tell a timestamp to which reads can be pinned (2.4.21 on, 2.5 on).
    pub fn may_pin_reads(&self) -> bool {
        self.is_milvus_from(2, 4, 0) || !self.is_known()
    }

    /// Whether string literals in expressions may hold escapes for control characters; milvus-lite 2.x
    /// takes them as they stand (seen on 2.5.1).
    pub fn undoes_escapes(&self) -> bool {
        self.product == Product::Milvus || self.number.0 >= 3
    }

    /// Whether this is a milvus-lite of at least this version.
    pub fn is_lite_from(&self, major: u32, minor: u32, patch: u32) -> bool {
        self.product == Product::Lite && self.number >= (major, minor, patch)
    }
}

/// `Milvus 2.3.5`, `milvus-lite 3.2.2`.
impl fmt::Display for ServerVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let product = match self.product {
            Product::Milvus => "Milvus",
            Product::Lite => "milvus-lite",
        };
        let (major, minor, patch) = self.number;
        if !self.is_known() {
            return write!(f, "{product} of unknown version {:?}", self.text);
        }
        if self.text.contains('.') {
            write!(f, "{product} {major}.{minor}.{patch}")
        } else {
            // milvus-lite 2 does not tell which release it is.
            write!(f, "{product} {major}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_version_is_none_that_knows_anything() {
        let version = ServerVersion::unknown("master-20231201-abc");
        assert!(
            !version.is_known()
                && !version.is_milvus_from(2, 2, 0)
                && !version.is_lite_from(0, 0, 0)
        );
        assert_eq!(
            version.to_string(),
            "Milvus of unknown version \"master-20231201-abc\""
        );
    }

    #[test]
    fn version_texts_of_real_servers_are_read() {
        for (text, product, number) in [
            ("v2.2.16-lite", Product::Milvus, (2, 2, 16)),
            ("v2.3.5-lite", Product::Milvus, (2, 3, 5)),
            ("milvus_lite-3.2.2", Product::Lite, (3, 2, 2)),
            ("2.6.14", Product::Milvus, (2, 6, 14)),
            ("v3.0-beta", Product::Milvus, (3, 0, 0)),
            ("2.6-20251121-0a1b2c3", Product::Milvus, (2, 6, 0)),
            ("milvus_lite-2", Product::Lite, (2, 0, 0)),
            ("milvus-lite-2.5.1", Product::Lite, (2, 5, 1)),
        ] {
            let version = ServerVersion::parse(text).unwrap();
            assert_eq!(
                (version.product, version.number),
                (product, number),
                "{text}"
            );
        }
    }

    /// Each would otherwise be newer than everything, or older.
    #[test]
    fn branches_dates_and_commits_are_no_versions() {
        for text in [
            "",
            "unknown",
            "master-20231201-abc",
            "20231201",
            "8e1fd3c",
            "2",
            "v2",
            "v2.x",
            "2..3",
            "build 2.3.5",
            "-2.3.5",
            "99999999999.1.0",
            "milvus_lite",
            "milvus_lite-x3",
            "milvus_lite-3-beta",
        ] {
            assert_eq!(ServerVersion::parse(text), None, "{text}");
        }
    }
}
