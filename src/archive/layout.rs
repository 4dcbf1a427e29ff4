//! Where the objects of an archive are. Paths are relative to the archive's folder.

use xxhash_rust::xxh3::xxh3_64;

use crate::model::{CollectionName, Key};
use crate::store::Store;
use crate::{Error, Result};

/// The manifest, written last: an archive is whole if it is there.
pub const MANIFEST: &str = "manifest.json";

/// The SHA-256 of the manifest, in the format of `sha256sum`; written just before it.
pub const CHECKSUM: &str = "manifest.sha256";

/// Marks an archive that is being written; written first, removed when the manifest is there.
pub const UNFINISHED: &str = "unfinished.json";

/// The key of an encrypted archive, encrypted to its recipients.
pub(super) const KEY: &str = "key.age";

/// What proves the manifest of an encrypted archive to those who have its key; written just before it.
pub(super) const MAC: &str = "manifest.mac";

/// The objects of an encrypted archive.
pub(super) const SEALED: &str = "objects/";

/// Records of verifications, which do not belong to the archive.
pub(super) const VERIFICATIONS: &str = "verifications/";

/// What lists show of the archive; written after the manifest, from which it follows.
pub const SUMMARY: &str = "summary.json";

/// Marks an archive that is being removed; written first, removed last.
pub const FORGOTTEN: &str = "forgotten.json";

/// The users and roles, where an export has them.
pub const RBAC: &str = "rbac.json";

/// The folder of all data files.
pub(super) const DATA: &str = "collections/";

/// The folder of rows that were read from all partitions at once. No partition's folder is named so, because
/// `@` is escaped in those.
const ALL_PARTITIONS: &str = "@all";

/// The place of one data file.
#[derive(Clone, Copy, Debug)]
pub struct DataFilePath<'a> {
    /// The collection.
    pub collection: &'a CollectionName,
    /// The partition; none where the collection has a partition key, whose rows are read as one.
    pub partition: Option<&'a str>,
    /// The first key of the file's rows.
    pub first_key: &'a Key,
}

impl DataFilePath<'_> {
    /// The file's path in its archive. It depends on the first key alone, so that it is the same in every
    /// export in which a file starts with that key.
    pub fn path(&self) -> String {
        let partition = self
            .partition
            .map_or_else(|| ALL_PARTITIONS.to_owned(), escape);
        format!(
            "{DATA}{}/{}/{}/{}.parquet",
            escape(&self.collection.database),
            escape(&self.collection.collection),
            partition,
            range_name(self.first_key)
        )
    }
}

/// XXH3-64, as 16 hexadecimal digits, of the key: 8 bytes little-endian, or a text's UTF-8.
fn range_name(first_key: &Key) -> String {
    let hash = match first_key {
        Key::Int(value) => xxh3_64(&value.to_le_bytes()),
        Key::Text(text) => xxh3_64(text.as_bytes()),
    };
    format!("{hash:016x}")
}

/// Every byte but ASCII letters, digits, `_` and `-` becomes `%` and two upper-case hexadecimal digits. Before a
/// `_` at the beginning goes an `@`: pyarrow, pandas and Spark silently pass over folders that begin with `_`.
fn escape(name: &str) -> String {
    let mut escaped = String::with_capacity(name.len() + 1);
    if name.starts_with('_') {
        escaped.push('@');
    }
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-' {
            escaped.push(char::from(byte));
        } else {
            escaped.push_str(&format!("%{byte:02X}"));
        }
    }
    escaped
}

/// SHA-256 of bytes, as 64 lower-case hexadecimal digits.
pub(super) fn sha256(bytes: &[u8]) -> String {
    super::encoder::hex(ring::digest::digest(&ring::digest::SHA256, bytes).as_ref())
}

/// What [`CHECKSUM`] holds for a manifest of these bytes.
pub(super) fn checksum(manifest: &[u8]) -> String {
    format!("{}  {MANIFEST}\n", sha256(manifest))
}

/// The paths of all objects below an archive's folder, relative to it, whatever they are.
pub(super) async fn objects_below(store: &dyn Store, name: &str) -> Result<Vec<String>> {
    let mut found = Vec::new();
    let mut folders = vec![String::new()];
    while let Some(folder) = folders.pop() {
        let place = format!("{name}/{folder}");
        for object in store.list(place.trim_end_matches('/')).await? {
            let path = format!("{folder}{object}");
            if object.ends_with('/') {
                folders.push(path);
            } else {
                found.push(path);
            }
        }
    }
    found.sort_unstable();
    Ok(found)
}

/// The name of the archive that a folder of a store could be; `None` for folders that no archive can be named after,
/// and for objects.
pub(super) fn archive_name(folder: &str) -> Option<&str> {
    folder
        .strip_suffix('/')
        .filter(|name| check_name(name).is_ok())
}

/// Refuses names of archives that are not one plain part of a path, or that other file systems (NTFS, SMB) and
/// programs (rsync takes `a:b` for a host) would take for something else.
pub(super) fn check_name(name: &str) -> Result<()> {
    let plain = name
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || b"._-+@".contains(&byte));
    let edges = name.starts_with(['.', '-']) || name.ends_with('.');
    if plain && !name.is_empty() && !edges && name.len() <= 128 {
        Ok(())
    } else {
        Err(Error::Usage(format!(
            "{name:?} cannot name an archive: use letters, digits and any of . _ - + @, \
             at most 128, the first no dot or dash, the last no dot"
        )))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(collection: &str, partition: Option<&str>, first_key: Key) -> String {
        let collection = CollectionName::new("default", collection);
        DataFilePath {
            collection: &collection,
            partition,
            first_key: &first_key,
        }
        .path()
    }

    /// These are stored in archives: they must never change.
    #[test]
    fn paths_are_what_they_always_were() {
        assert_eq!(
            path("docs", Some("_default"), Key::Int(1)),
            "collections/default/docs/@_default/2fbc593564db792e.parquet"
        );
        assert_eq!(
            path("docs", None, Key::Text(String::new())),
            "collections/default/docs/@all/2d06800538d394c2.parquet"
        );
    }

    #[test]
    fn no_folder_is_hidden_from_those_who_read_parquet() {
        for name in ["_default", "__", ".x", "x"] {
            let path = path(name, Some(name), Key::Int(0));
            assert!(!path.contains("/_") && !path.contains("/."), "{path}");
        }
    }

    #[test]
    fn no_name_leaves_its_folder_or_meets_another() {
        let key = || Key::Int(0);
        let odd = [
            "..", "a/b", "a%2Fb", "@all", "ä", "A", "a", ".", "a.b", "_", "@_",
        ];
        let paths: std::collections::BTreeSet<_> = odd
            .iter()
            .map(|name| path(name, Some(name), key()))
            .collect();
        assert_eq!(paths.len(), odd.len());
        assert!(
            paths
                .iter()
                .all(|path| path.split('/').count() == 5 && !path.contains(".."))
        );
        assert_ne!(path("a", Some("@all"), key()), path("a", None, key()));
    }

    #[test]
    fn the_checksum_is_one_that_sha256sum_checks() {
        assert_eq!(
            checksum(b"abc"),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad  manifest.json\n"
        );
    }

    #[test]
    fn archive_names_are_one_plain_part() {
        for name in ["prod-20261121T020000Z", "a", "A.b_c+d@e-"] {
            assert!(check_name(name).is_ok(), "{name}");
        }
        for name in [
            "",
            ".",
            "..",
            ".hidden",
            "-x",
            "a/b",
            "a b",
            "a:b",
            "a.",
            "a ",
            "a?",
            "a*",
            "a|b",
            "a<b>",
            "a\"b",
            "a\\b",
            "a\tb",
            "ä",
            &"x".repeat(129),
        ] {
            assert!(matches!(check_name(name), Err(Error::Usage(_))), "{name}");
        }
    }
}
