//! Which share of the rows is taken.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// Keeps the hash apart from that by which ranges are cut: a sample of keys at which ranges end would be odd.
const SEED: u64 = u64::from_le_bytes(*b"milvault");

const MILLION: u32 = 1_000_000;

/// A share of all rows, picked by a hash of their primary key: the same rows in every run and on every cluster, and
/// those of a smaller share are among those of a larger one. Written as `1%`.
///
/// A key is picked where its bucket is less than the share in millionths. The bucket is `hash · 1,000,000 / 2^64`,
/// rounded down, of XXH3-64 with the seed `milvault` (as 8 bytes, little-endian) over the key: 8 bytes little-endian
/// (Int64) or UTF-8 (VarChar).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Sample {
    millionths: u32,
}

impl Sample {
    /// Whether the key with these canonical bytes is picked.
    pub fn picks(self, key: &[u8]) -> bool {
        let hash = u128::from(xxh3_64_with_seed(key, SEED));
        (hash * u128::from(MILLION)) >> 64 < u128::from(self.millionths)
    }
}

impl FromStr for Sample {
    type Err = String;

    fn from_str(text: &str) -> Result<Sample, String> {
        let wrong = || {
            format!("{text:?} is not a share: write a percentage from 0.0001% to 100%, such as 1%")
        };
        let percent = text.strip_suffix('%').ok_or_else(wrong)?.trim_end();
        let (whole, part) = percent.split_once('.').unwrap_or((percent, ""));
        let digits = |text: &str| text.bytes().all(|digit| digit.is_ascii_digit());
        if whole.is_empty() || whole.len() > 3 || part.len() > 4 || !digits(whole) || !digits(part)
        {
            return Err(wrong());
        }
        let millionths: u32 = format!("{whole}{part:0<4}").parse().map_err(|_| wrong())?;
        if (1..=MILLION).contains(&millionths) {
            Ok(Sample { millionths })
        } else {
            Err(wrong())
        }
    }
}

impl fmt::Display for Sample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, part) = (self.millionths / 10_000, self.millionths % 10_000);
        if part == 0 {
            return write!(f, "{whole}%");
        }
        let part = format!("{part:04}");
        write!(f, "{whole}.{}%", part.trim_end_matches('0'))
    }
}

impl From<Sample> for String {
    fn from(sample: Sample) -> String {
        sample.to_string()
    }
}

impl TryFrom<String> for Sample {
    type Error = String;

    fn try_from(text: String) -> Result<Sample, String> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(text: &str) -> Sample {
        text.parse().unwrap()
    }

    #[test]
    fn a_share_is_a_percentage() {
        for text in ["1%", "0.5%", "0.0001%", "100%", "33.3333%"] {
            assert_eq!(sample(text).to_string(), text);
        }
        assert_eq!(sample("1.50%"), sample("1.5%"));
        for text in [
            "1",
            "0%",
            "101%",
            "-1%",
            "1e1%",
            "%",
            ".5%",
            "0.00001%",
            "1,5%",
            "100.0001%",
        ] {
            assert!(text.parse::<Sample>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_sample_picks_about_its_share_and_holds_every_smaller_one() {
        let picked = |text: &str| -> Vec<i64> {
            let keys = 0..100_000i64;
            keys.filter(|key| sample(text).picks(&key.to_le_bytes()))
                .collect()
        };
        let (one, ten) = (picked("1%"), picked("10%"));
        assert!((900..1_100).contains(&one.len()), "{}", one.len());
        assert!((9_700..10_300).contains(&ten.len()), "{}", ten.len());
        assert!(one.iter().all(|key| ten.contains(key)));
        assert_eq!(picked("100%").len(), 100_000);
    }

    #[test]
    fn the_pick_never_changes() {
        // Archives name the sample that they are: these values belong to the format. Python's xxhash gives them, too.
        let picked: Vec<i64> = (0..1_000i64)
            .filter(|key| sample("1%").picks(&key.to_le_bytes()))
            .collect();
        assert_eq!(picked, [8, 54, 110, 126, 636, 669, 685, 915, 972]);
        let texts = ["", "a", "doc-1", "ä"].map(|key| sample("50%").picks(key.as_bytes()));
        assert_eq!(texts, [false, false, false, true]);
    }
}
