#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use age::secrecy::ExposeSecret;
use age::x25519::Identity;
use bytes::Bytes;
use futures::TryStreamExt;

use super::cipher::Encrypting;
use super::*;
use crate::archive::tests::{data_file, entry, folder, manifest, rows, values};
use crate::archive::verify::Report;
use crate::archive::{
    Archive, ArchiveWriter, CHECKSUM, Damage, Inventory, MANIFEST, SUMMARY, list, verify,
};
use crate::copy::copy;
use crate::model::Rbac;
use crate::progress::Context;
use crate::store::Store;
use crate::{Error, Result};

/// Somebody with a key.
struct Reader(Identity);

impl Reader {
    fn new() -> Reader {
        Reader(Identity::generate())
    }

    fn recipients(&self) -> Recipients {
        recipients(&[self]).unwrap()
    }

    fn keys(&self) -> Keys {
        let mut keys = Keys::default();
        let text = format!("# made by a test\n{}\n", self.0.to_string().expose_secret());
        keys.add_identities("a file", &text).unwrap();
        keys
    }
}

fn recipients(readers: &[&Reader]) -> Result<Recipients> {
    let given = |reader: &&Reader| ("a test".to_owned(), reader.0.to_public().to_string());
    let given: Vec<_> = readers.iter().map(given).collect();
    Recipients::keys(&given)
}

/// Writes an archive with two files, the second of 100 rows, and users.
async fn export(store: &Arc<dyn Store>, recipients: &Recipients, first: i64) {
    let stores = vec![store.clone()];
    let writer = ArchiveWriter::begin_encrypted(stores, "prod", recipients)
        .await
        .unwrap();
    let low = data_file(&writer, "hidden_collection", rows(0..first)).await;
    let high = data_file(&writer, "hidden_collection", rows(first..first + 100)).await;
    let mut manifest = manifest("prod", vec![entry("hidden_collection", vec![low, high])]);
    manifest.rbac = Some(writer.rbac(&Rbac::default()).await.unwrap());
    writer.seal(&manifest).await.unwrap();
}

async fn open(store: &Arc<dyn Store>, keys: Keys) -> Result<Archive> {
    Archive::open_with(store.clone(), "prod", || Ok(keys)).await
}

/// What verification finds, or why the archive does not even open.
async fn checked(store: &Arc<dyn Store>, reader: &Reader) -> Result<Report> {
    let archive = open(store, reader.keys()).await?;
    verify(&archive, &Context::silent(), 2).await
}

fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            let bytes = fs::read(&path).unwrap();
            found.insert(path, bytes);
        }
    }
    found
}

#[tokio::test]
async fn who_has_a_key_reads_what_was_written() {
    let (_folder, store) = folder();
    let (first, second) = (Reader::new(), Reader::new());
    export(&store, &recipients(&[&first, &second]).unwrap(), 20_000).await;
    for reader in [first, second] {
        let archive = open(&store, reader.keys()).await.unwrap();
        assert!(archive.is_encrypted());
        assert!(archive.rbac().await.unwrap().is_some());
        let entry = &archive.manifest().collections[0];
        let mut read = Vec::new();
        for file in entry.files() {
            let batches = archive.batches(entry, file).unwrap();
            read.extend(batches.try_collect::<Vec<_>>().await.unwrap());
        }
        assert_eq!(values(&read), values(&[rows(0..20_100)]));
        let report = verify(&archive, &Context::silent(), 2).await.unwrap();
        assert!(report.is_good(), "{:?}", report.problems);
        assert_eq!((report.good_files, report.warnings.len()), (2, 0));
    }
}

#[tokio::test]
async fn nothing_tells_what_is_in_it_without_the_key() {
    let (folder, store) = folder();
    export(&store, &Reader::new().recipients(), 1000).await;
    for (path, bytes) in files(folder.path()) {
        let path = path.strip_prefix(folder.path()).unwrap().to_str().unwrap();
        for secret in [
            "hidden",
            "title",
            "localhost",
            "19530",
            "rbac.json",
            "Int64",
        ] {
            assert!(!bytes.starts_with(b"PAR1"), "{path}");
            let found = bytes
                .windows(secret.len())
                .any(|window| window == secret.as_bytes());
            assert!(!found && !path.contains(secret), "{secret} in {path}");
        }
    }
    let listing = list(&store).await.unwrap();
    let one = &listing.archives[0];
    assert_eq!((one.rows, one.collections, one.encrypted), (1100, 1, true));
    assert_eq!(one.source, None);
    store.remove(&format!("prod/{SUMMARY}")).await.unwrap();
    assert_eq!(list(&store).await.unwrap().archives, listing.archives);
}

#[tokio::test]
async fn who_has_no_key_or_another_is_told_the_way_out() {
    let (_folder, store) = folder();
    export(&store, &Reader::new().recipients(), 1000).await;
    for keys in [Keys::default(), Reader::new().keys()] {
        let error = open(&store, keys).await.unwrap_err();
        assert!(matches!(error, Error::Encrypted { .. }), "{error}");
        assert!(error.to_string().contains("--identity"), "{error}");
    }
}

#[tokio::test]
async fn a_passphrase_opens_what_was_encrypted_with_it() {
    let (_folder, store) = folder();
    export(
        &store,
        &Recipients::passphrase("correct horse").unwrap(),
        1000,
    )
    .await;
    let mut keys = Reader::new().keys();
    keys.set_passphrase("wrong horse");
    let error = open(&store, keys.clone()).await.unwrap_err();
    assert!(matches!(error, Error::Encrypted { .. }), "{error}");
    keys.set_passphrase("correct horse");
    assert!(open(&store, keys).await.is_ok());
    assert!(Recipients::passphrase("").is_err());
}

/// Nothing of it needs milvault: the key opens as any age file, and so does every object with it.
#[tokio::test]
async fn any_age_opens_the_key_and_with_it_the_objects() {
    let (folder, store) = folder();
    let reader = Reader::new();
    export(&store, &reader.recipients(), 1000).await;
    let decrypt = |bytes: &[u8], identity: &Identity| {
        let identity = std::iter::once(identity as &dyn age::Identity);
        let mut plain = Vec::new();
        let decryptor = age::Decryptor::new_buffered(bytes).unwrap();
        let mut opened = decryptor.decrypt(identity).unwrap();
        opened.read_to_end(&mut plain).unwrap();
        plain
    };
    let wrapped = fs::read(folder.path().join("prod/key.age")).unwrap();
    let text = String::from_utf8(decrypt(&wrapped, &reader.0)).unwrap();
    let key: Identity = text.lines().nth(1).unwrap().parse().unwrap();
    let objects = files(&folder.path().join("prod/objects"));
    let plain = objects.values().map(|bytes| decrypt(bytes, &key));
    let parquet = plain.filter(|plain| plain.starts_with(b"PAR1"));
    assert_eq!((objects.len(), parquet.count()), (4, 2));
}

/// Whatever is done to whichever object, it is found: by the opening or by the verification.
#[tokio::test]
async fn tampering_with_any_object_is_found() {
    let (folder, store) = folder();
    let (other_folder, other_store) = crate::archive::tests::folder();
    let reader = Reader::new();
    export(&store, &reader.recipients(), 1000).await;
    export(&other_store, &reader.recipients(), 1000).await;
    let good = files(folder.path());
    assert_eq!(good.len(), 9);
    let foreign: Vec<Vec<u8>> = files(other_folder.path()).into_values().collect();
    let assert_found = async |what: &str, path: &Path| {
        let found = checked(&store, &reader).await;
        let told = match &found {
            Ok(report) => !report.is_good(),
            Err(Error::Damaged { .. } | Error::Encrypted { .. }) => true,
            Err(Error::FutureFormat { .. }) => true,
            Err(error) => panic!("{what} {}: {error}", path.display()),
        };
        assert!(told, "{what} {}: {found:?}", path.display());
    };
    for (path, bytes) in &good {
        let mut tampered: Vec<(&str, Vec<u8>)> = Vec::new();
        let middle = bytes.len() / 2;
        for at in [0, 30, middle, bytes.len() - 1] {
            let mut flipped = bytes.clone();
            flipped[at] ^= 1;
            tampered.push(("flip", flipped));
        }
        // The line's end of the summary says nothing.
        tampered.push(("cut", bytes[..bytes.len() - 2].to_vec()));
        tampered.push(("cut", bytes[..middle].to_vec()));
        tampered.push(("empty", Vec::new()));
        tampered.push(("add", [&bytes[..], b"x"].concat()));
        // Objects of the same archive, and of one of the same people.
        let twins = good.iter().filter(|(twin, _)| *twin != path);
        tampered.extend(twins.map(|(_, bytes)| ("twin", bytes.clone())));
        let others = foreign.iter().filter(|other| *other != bytes);
        tampered.extend(others.map(|bytes| ("foreign", bytes.clone())));
        for (what, bytes) in tampered {
            fs::write(path, bytes).unwrap();
            assert_found(what, path).await;
        }
        fs::remove_file(path).unwrap();
        // Without a summary it is an archive of before there were summaries; without a manifest it is none.
        if !path.ends_with(SUMMARY) {
            assert_found("remove", path).await;
        }
        fs::write(path, bytes).unwrap();
    }
    assert!(checked(&store, &reader).await.unwrap().is_good());
    // One that is added.
    let stray = folder.path().join("prod/objects/0000.age");
    fs::write(&stray, &good[&folder.path().join("prod/key.age")]).unwrap();
    assert_found("add", &stray).await;
}

/// A last chunk that is cut off whole leaves chunks that decrypt, but not as the last one.
#[tokio::test]
async fn an_object_that_lost_whole_chunks_is_found() {
    let (folder, store) = folder();
    let reader = Reader::new();
    export(&store, &reader.recipients(), 20_000).await;
    let objects = files(&folder.path().join("prod/objects"));
    let (path, bytes) = objects.iter().max_by_key(|(_, bytes)| bytes.len()).unwrap();
    let end = bytes
        .windows(5)
        .position(|window| window == b"\n--- ")
        .unwrap()
        + 5;
    let line = bytes[end..].iter().position(|byte| *byte == b'\n').unwrap();
    let start = end + line + 1 + 16;
    assert!(bytes.len() > start + 3 * 65_552, "{}", bytes.len());
    fs::write(path, &bytes[..start + 2 * 65_552]).unwrap();
    let report = checked(&store, &reader).await.unwrap();
    let found: Vec<Damage> = report.problems.iter().map(|one| one.damage).collect();
    assert_eq!(found, [Damage::Decryption], "{:?}", report.problems);
}

/// Who has no key cannot make another manifest, with whatever checksum.
/// Copies, which have no key, hold its bytes against the hash that the archive was written with.
#[tokio::test]
async fn a_key_that_was_encrypted_anew_is_told() {
    let (folder, store) = folder();
    let (reader, another) = (Reader::new(), Reader::new());
    export(&store, &reader.recipients(), 10).await;
    let path = folder.path().join("prod/key.age");
    let held = fs::read(&path).unwrap();
    let Ok(key) = ArchiveKey::unwrap(&held, &reader.keys()) else {
        panic!("it does not open");
    };
    let both = recipients(&[&reader, &another]).unwrap();
    fs::write(&path, key.wrap(&both).unwrap()).unwrap();
    let report = checked(&store, &reader).await.unwrap();
    assert_eq!(report.problems.len(), 1, "{:?}", report.problems);
    assert!(report.problems[0].reason.contains("key.age"));
    assert!(!checked(&store, &another).await.unwrap().is_good());
}

#[tokio::test]
async fn what_is_told_without_a_key_cannot_be_forged() {
    let (folder, store) = folder();
    let reader = Reader::new();
    export(&store, &reader.recipients(), 1000).await;
    let path = folder.path().join("prod").join(MANIFEST);
    let mut json: serde_json::Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    json["created"] = "2030-01-01T00:00:00Z".into();
    let bytes = serde_json::to_vec(&json).unwrap();
    fs::write(
        folder.path().join("prod").join(CHECKSUM),
        crate::archive::layout::checksum(&bytes),
    )
    .unwrap();
    fs::write(&path, &bytes).unwrap();
    let error = open(&store, reader.keys()).await.unwrap_err();
    assert!(
        matches!(&error, Error::Damaged { reason, .. } if reason.contains("exchanged")),
        "{error}"
    );
}

#[tokio::test]
async fn an_encrypted_archive_is_copied_without_its_key() {
    let ((from_folder, from), (to_folder, to)) = (folder(), folder());
    let reader = Reader::new();
    export(&from, &reader.recipients(), 1000).await;
    let source = Inventory::open(from, "prod").await.unwrap();
    let done = copy(&source, &to, "prod", 3, &Context::silent())
        .await
        .unwrap();
    assert_eq!((done.objects, done.sent), (5, 5));
    assert!(checked(&to, &reader).await.unwrap().is_good());
    let relative = |folder: &Path| -> BTreeMap<PathBuf, Vec<u8>> {
        let strip = |path: PathBuf| path.strip_prefix(folder).unwrap().to_owned();
        files(folder)
            .into_iter()
            .map(|(path, bytes)| (strip(path), bytes))
            .collect()
    };
    assert_eq!(relative(from_folder.path()), relative(to_folder.path()));
}

#[tokio::test]
async fn any_part_of_an_object_is_read() {
    let (folder, store) = folder();
    let key = Arc::new(ArchiveKey::generate().unwrap());
    for size in [0_usize, 1, 65_535, 65_536, 65_537, 131_072, 200_000] {
        let plain: Vec<u8> = (0..size)
            .map(|at| (at.wrapping_mul(2_654_435_761) >> 7) as u8)
            .collect();
        let mut encrypting = Encrypting::new(&key).unwrap();
        let mut sealed = Vec::new();
        for part in plain.chunks(7_777) {
            sealed.extend(encrypting.push(part).unwrap());
        }
        sealed.extend(encrypting.finish().unwrap());
        fs::write(folder.path().join("object"), &sealed).unwrap();
        let opened = Decrypting::open(key.clone(), &*store, "object")
            .await
            .unwrap();
        let opened = opened.unwrap();
        assert_eq!(opened.size(), size as u64);
        let edges = [
            0, 1, 65_535, 65_536, 65_537, 131_071, 131_072, 199_999, 200_000,
        ];
        for start in edges.iter().filter(|at| **at <= size) {
            for end in edges.iter().filter(|at| *at >= start && **at <= size) {
                let range = *start as u64..*end as u64;
                let cover = opened.cover(&range);
                let bytes =
                    Bytes::copy_from_slice(&sealed[cover.start as usize..cover.end as usize]);
                let read = opened.decrypt(&range, bytes);
                assert_eq!(read.unwrap(), plain[*start..*end], "{range:?} of {size}");
            }
        }
        assert!(opened.decrypt(&(0..size as u64 + 1), Bytes::new()).is_err());
    }
}

#[test]
fn keys_that_are_none_are_refused_by_their_kind_and_never_quoted() {
    for passphrase in ["", "two\nlines", "one and its end\n"] {
        let refused = Recipients::passphrase(passphrase);
        assert!(matches!(refused, Err(Error::Usage(_))), "{passphrase:?}");
    }
    let mut keys = Keys::default();
    for (text, told) in [
        (
            "\n# comment\nAGE-SECRET-KEY-1NONSENSE",
            "no age identity in line 3",
        ),
        ("NONSENSE", "line 1"),
        ("# nothing\n", "no age identity in it"),
        (
            "-----BEGIN OPENSSH PRIVATE KEY-----\nNONSENSE",
            "an SSH key",
        ),
        ("-----BEGIN RSA PRIVATE KEY-----\nNONSENSE", "an SSH key"),
        (
            "-----BEGIN AGE ENCRYPTED FILE-----\nNONSENSE",
            "age --decrypt",
        ),
        ("age-encryption.org/v1\n-> scrypt", "age --decrypt"),
        ("AGE-PLUGIN-YUBIKEY-1NONSENSE", "a plugin"),
        ("age1nonsense", "a recipient"),
    ] {
        let refused = keys.add_identities("file", text).unwrap_err().to_string();
        assert!(refused.contains(told), "{refused}");
        assert!(!refused.contains("NONSENSE"), "{refused}");
    }
    assert!(keys.is_empty());
    let secret = Reader::new().0.to_string().expose_secret().to_owned();
    for (text, told) in [
        ("NONSENSE", "no age recipient"),
        ("age1NONSENSE", "no age recipient"),
        (&secret, "a secret key"),
        (&secret.to_lowercase(), "a secret key"),
        ("ssh-ed25519 AAAANONSENSE me@here", "an SSH key"),
        ("age1yubikey1NONSENSE", "a plugin"),
    ] {
        let given = ("line 7".to_owned(), text.to_owned());
        let refused = Recipients::keys(&[given]).unwrap_err().to_string();
        assert!(
            refused.starts_with("line 7 is ") && refused.contains(told),
            "{refused}"
        );
        assert!(
            !refused.contains(text) && !refused.contains("NONSENSE"),
            "{refused}"
        );
    }
    assert!(Recipients::keys(&[]).is_err());
}
