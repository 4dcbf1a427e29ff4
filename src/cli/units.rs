//! Numbers as people write and read them.

use std::time::Duration;

use indicatif::{BinaryBytes, HumanCount};

/// Suffixes and their factors; sizes are told in the binary ones.
const UNITS: [(&str, u64); 13] = [
    ("kib", 1 << 10),
    ("mib", 1 << 20),
    ("gib", 1 << 30),
    ("tib", 1 << 40),
    ("kb", 1_000),
    ("mb", 1_000_000),
    ("gb", 1_000_000_000),
    ("tb", 1_000_000_000_000),
    ("k", 1 << 10),
    ("m", 1 << 20),
    ("g", 1 << 30),
    ("t", 1 << 40),
    ("b", 1),
];

/// Reads a size such as `512MiB`, `1.5 GiB`, `2GB`, `64M` (binary) or `1048576`.
pub fn parse_bytes(text: &str) -> Result<u64, String> {
    let lower = text.trim().to_ascii_lowercase();
    let (number, factor) = UNITS
        .iter()
        .find_map(|(suffix, factor)| Some((lower.strip_suffix(suffix)?.trim_end(), *factor)))
        .unwrap_or((lower.as_str(), 1));
    let bad = || "write a size such as 512MiB or 2GB".to_owned();
    if let Ok(whole) = number.parse::<u64>() {
        return whole.checked_mul(factor).ok_or_else(bad);
    }
    let plain = number
        .bytes()
        .all(|byte| byte.is_ascii_digit() || byte == b'.');
    match number.parse::<f64>() {
        Ok(value) if plain && value * (factor as f64) < u64::MAX as f64 => {
            Ok((value * factor as f64) as u64)
        }
        _ => Err(bad()),
    }
}

/// `1.25 MiB`.
pub fn bytes(bytes: u64) -> String {
    BinaryBytes(bytes).to_string()
}

/// `1 row`, `12,345 rows`.
pub fn count(number: u64, noun: &str) -> String {
    let ending = if number == 1 { "" } else { "s" };
    format!("{} {noun}{ending}", HumanCount(number))
}

/// `1,200`; `1,200 stored` where they were not counted; `unknown`.
pub fn rows(rows: Option<u64>, stored: bool) -> String {
    let suffix = if stored { " stored" } else { "" };
    rows.map_or_else(
        || "unknown".to_owned(),
        |rows| format!("{}{suffix}", HumanCount(rows)),
    )
}

/// `0.3 s`, `12 s`, `3 min 20 s`, `2 h 5 min`.
pub fn time(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        0..10 => format!("{:.1} s", time.as_secs_f64()),
        10..120 => format!("{seconds} s"),
        120..7200 => format!("{} min {} s", seconds / 60, seconds % 60),
        _ => format!("{} h {} min", seconds / 3600, seconds / 60 % 60),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn sizes_are_read_with_and_without_units() {
        for (text, expected) in [
            ("1048576", 1 << 20),
            ("512MiB", 512 << 20),
            ("512 mib", 512 << 20),
            ("1.5GiB", 3 << 29),
            ("2GB", 2_000_000_000),
            ("64M", 64 << 20),
            ("10b", 10),
        ] {
            assert_eq!(parse_bytes(text).unwrap(), expected, "{text}");
        }
    }

    #[test]
    fn what_is_no_size_is_refused() {
        for text in [
            "",
            "MiB",
            "-1",
            "12 apples",
            "1e3",
            "nan",
            "inf",
            "99999999999TiB",
        ] {
            assert!(parse_bytes(text).is_err(), "{text}");
        }
    }

    #[test]
    fn rows_say_where_they_are_from() {
        assert_eq!(rows(Some(1200), false), "1,200");
        assert_eq!(rows(Some(7), true), "7 stored");
        assert_eq!(rows(None, false), "unknown");
    }

    #[test]
    fn counts_and_times_read_well() {
        assert_eq!(count(1, "row"), "1 row");
        assert_eq!(count(12345, "row"), "12,345 rows");
        assert_eq!(time(Duration::from_millis(340)), "0.3 s");
        assert_eq!(time(Duration::from_secs(200)), "3 min 20 s");
        assert_eq!(time(Duration::from_secs(7500)), "2 h 5 min");
    }
}
