//! A matrix: what is damaged × how → what is said. Here of data files; `manifest_damage` has the manifest's.

use std::fs;
use std::path::PathBuf;

use futures::TryStreamExt;

use super::*;
use crate::archive::verify::Report;
use crate::archive::{Archive, CHECKSUM, Damage, MANIFEST, SUMMARY, verify};
use crate::progress::Context;
use crate::{Error, Result};

/// An archive that can be damaged.
pub(super) struct Victim {
    pub(super) folder: tempfile::TempDir,
    pub(super) store: Arc<dyn Store>,
    pub(super) manifest: Manifest,
}

impl Victim {
    pub(super) async fn new() -> Victim {
        let (folder, store) = folder();
        let manifest = export(&store, "prod").await;
        Victim {
            folder,
            store,
            manifest,
        }
    }

    pub(super) fn path(&self, path: &str) -> PathBuf {
        self.folder.path().join("prod").join(path)
    }

    /// A data file of the first collection.
    fn data(&self) -> PathBuf {
        self.path(&self.manifest.collections[0].partitions[0].files[0].path)
    }

    /// Rewrites the manifest, as if it had been written so.
    pub(super) fn edit(&self, edit: impl FnOnce(&mut serde_json::Value)) {
        let path = self.path(MANIFEST);
        let mut json = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        edit(&mut json);
        let bytes = serde_json::to_vec(&json).unwrap();
        let checksum = crate::archive::layout::checksum(&bytes);
        fs::write(path, bytes).unwrap();
        fs::write(self.path(CHECKSUM), checksum).unwrap();
        // It would be another one, and need not be there.
        let _ = fs::remove_file(self.path(SUMMARY));
    }

    pub(super) async fn open(&self) -> Result<Archive> {
        Archive::open(self.store.clone(), "prod").await
    }

    pub(super) async fn verify(&self) -> Report {
        let archive = self.open().await.unwrap();
        verify(&archive, &Context::silent(), 3).await.unwrap()
    }

    /// What verification says is wrong: the kind, and the end of the address.
    pub(super) async fn problems(&self) -> Vec<(Damage, String)> {
        let prefix = format!("{}/prod/", self.store.uri());
        let problems = self.verify().await.problems;
        problems
            .into_iter()
            .map(|found| {
                (
                    found.damage,
                    found.uri.strip_prefix(&prefix).unwrap().to_owned(),
                )
            })
            .collect()
    }

    /// Asserts that exactly the first data file is damaged, and that reading its rows fails.
    async fn assert_data(&self, damage: Damage) {
        let entry = &self.manifest.collections[0];
        let file = &entry.partitions[0].files[0];
        assert_eq!(self.problems().await, [(damage, file.path.clone())]);
        let archive = self.open().await.unwrap();
        let read: Result<Vec<_>> = archive.batches(entry, file).unwrap().try_collect().await;
        match read {
            Err(Error::Damaged { uri, .. }) | Err(Error::Missing { uri, .. }) => {
                assert!(uri.ends_with(&file.path), "{uri}");
            }
            other => panic!("{other:?}"),
        }
    }
}

/// The value of the first file in the manifest.
pub(super) fn first_file(json: &mut serde_json::Value) -> &mut serde_json::Value {
    &mut json["collections"][0]["partitions"][0]["files"][0]
}

#[tokio::test]
async fn a_good_archive_is_good() {
    let victim = Victim::new().await;
    let report = victim.verify().await;
    assert!(report.is_good() && report.warnings.is_empty(), "{report:?}");
    assert_eq!((report.good_files, report.good_rows), (4, 1000));
}

#[tokio::test]
async fn a_flipped_byte_is_found() {
    let victim = Victim::new().await;
    let mut bytes = fs::read(victim.data()).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(victim.data(), bytes).unwrap();
    victim.assert_data(Damage::Checksum).await;
}

/// Wherever a byte changes, in pages, page headers or the footer, it is found and nothing breaks.
#[tokio::test]
async fn every_flipped_byte_is_found() {
    let (folder, store) = folder();
    let writer = ArchiveWriter::begin(store.clone(), "prod").await.unwrap();
    let written = data_file(&writer, "docs", rows(0..20)).await;
    let manifest = manifest("prod", vec![entry("docs", vec![written])]);
    writer.seal(&manifest).await.unwrap();
    let archive = Archive::open(store, "prod").await.unwrap();
    let entry = &manifest.collections[0];
    let file = entry.files().next().unwrap();
    let path = folder.path().join("prod").join(&file.path);
    let good = fs::read(&path).unwrap();
    for position in 0..good.len() {
        let mut bytes = good.clone();
        bytes[position] ^= 1 << (position % 8);
        fs::write(&path, bytes).unwrap();
        let read: Result<Vec<_>> = archive.batches(entry, file).unwrap().try_collect().await;
        assert!(
            matches!(read, Err(Error::Damaged { .. })),
            "byte {position}: {read:?}"
        );
        let report = verify(&archive, &Context::silent(), 1).await.unwrap();
        let found: Vec<Damage> = report.problems.iter().map(|found| found.damage).collect();
        assert_eq!(found, [Damage::Checksum], "byte {position}");
    }
}

/// A file that was already bad when its checksum was taken: whatever the decoder makes of it, reading ends with
/// rows or with an error, and not with the process.
#[tokio::test]
async fn no_byte_that_a_checksum_vouches_for_breaks_the_reader() {
    let (folder, store) = folder();
    let writer = ArchiveWriter::begin(store.clone(), "prod").await.unwrap();
    let written = data_file(&writer, "docs", rows(0..20)).await;
    let manifest = manifest("prod", vec![entry("docs", vec![written])]);
    writer.seal(&manifest).await.unwrap();
    let archive = Archive::open(store, "prod").await.unwrap();
    let entry = &manifest.collections[0];
    let file = entry.files().next().unwrap();
    let path = folder.path().join("prod").join(&file.path);
    let good = fs::read(&path).unwrap();
    let mut refused = 0;
    for position in 0..good.len() {
        for value in [0, 0x7f, 0xff, good[position] ^ 0x10] {
            let mut bytes = good.clone();
            bytes[position] = value;
            let sha256 = ring::digest::digest(&ring::digest::SHA256, &bytes);
            let sha256 = crate::archive::encoder::hex(sha256.as_ref());
            fs::write(&path, bytes).unwrap();
            let file = File {
                sha256,
                ..file.clone()
            };
            let read: Result<Vec<_>> = archive.batches(entry, &file).unwrap().try_collect().await;
            match read {
                Ok(_) => {}
                Err(Error::Damaged { .. }) => refused += 1,
                Err(error) => panic!("byte {position}: {error}"),
            }
        }
    }
    // Values may be anything; headers, levels and the footer may not.
    assert!(refused > good.len() / 2, "{refused}");
}

/// Garbage that the manifest vouches for, as if it had been written so.
#[tokio::test]
async fn garbage_with_a_good_checksum_is_unreadable() {
    let mut garbage: Vec<Vec<u8>> = vec![b"PAR1".to_vec(), Vec::new(), vec![0; 5000]];
    for length in [0u32, 1, 40, 100, u32::MAX] {
        let mut file = b"PAR1".to_vec();
        file.extend((0..100u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 24) as u8));
        file.extend(length.to_le_bytes());
        file.extend(b"PAR1");
        garbage.push(file);
    }
    for bytes in garbage {
        let victim = Victim::new().await;
        let sha256 = ring::digest::digest(&ring::digest::SHA256, &bytes);
        let sha256 = crate::archive::encoder::hex(sha256.as_ref());
        victim.edit(|json| {
            first_file(json)["bytes"] = bytes.len().into();
            first_file(json)["sha256"] = sha256.into();
        });
        fs::write(victim.data(), bytes).unwrap();
        let file = victim.manifest.files().next().unwrap().path.clone();
        assert_eq!(victim.problems().await, [(Damage::Unreadable, file)]);
    }
}

#[tokio::test]
async fn a_truncated_file_is_found() {
    let victim = Victim::new().await;
    let bytes = fs::read(victim.data()).unwrap();
    fs::write(victim.data(), &bytes[..bytes.len() - 1]).unwrap();
    victim.assert_data(Damage::Size).await;
    fs::write(victim.data(), b"").unwrap();
    victim.assert_data(Damage::Size).await;
}

#[tokio::test]
async fn a_missing_file_is_found() {
    let victim = Victim::new().await;
    fs::remove_file(victim.data()).unwrap();
    victim.assert_data(Damage::Missing).await;
}

/// A link that leads to itself stands for a disk that gives an error.
#[tokio::test]
async fn a_file_that_cannot_be_read_does_not_hide_the_others() {
    let victim = Victim::new().await;
    fs::remove_file(victim.data()).unwrap();
    std::os::unix::fs::symlink(victim.data(), victim.data()).unwrap();
    let file = victim.manifest.files().next().unwrap().path.clone();
    assert_eq!(victim.problems().await, [(Damage::Unreadable, file)]);
    assert_eq!(victim.verify().await.good_files, 3);
}

#[tokio::test]
async fn all_damage_is_reported_not_just_the_first() {
    let victim = Victim::new().await;
    let paths: Vec<String> = victim
        .manifest
        .files()
        .map(|file| file.path.clone())
        .collect();
    fs::remove_file(victim.path(&paths[0])).unwrap();
    fs::write(victim.path(&paths[1]), b"short").unwrap();
    fs::write(
        victim.path(&paths[3]),
        vec![7; fs::read(victim.path(&paths[3])).unwrap().len()],
    )
    .unwrap();
    let mut expected = [
        (Damage::Missing, paths[0].clone()),
        (Damage::Size, paths[1].clone()),
        (Damage::Checksum, paths[3].clone()),
    ];
    expected.sort_by(|a, b| a.1.cmp(&b.1));
    assert_eq!(victim.problems().await, expected);
    assert_eq!(victim.verify().await.good_files, 1);
}

/// Among the data it may be a collection that the manifest has lost.
#[tokio::test]
async fn a_foreign_object_among_the_data_is_a_problem() {
    let victim = Victim::new().await;
    let file = "collections/default/notes.txt";
    fs::write(victim.path(file), b"hello").unwrap();
    assert_eq!(
        victim.problems().await,
        [(Damage::Unlisted, file.to_owned())]
    );
    assert_eq!(victim.verify().await.warnings, []);
}

#[tokio::test]
async fn a_foreign_object_beside_the_data_is_a_warning() {
    let victim = Victim::new().await;
    fs::write(victim.path("notes.txt"), b"hello").unwrap();
    let report = victim.verify().await;
    assert!(report.is_good());
    assert_eq!(report.warnings.len(), 1);
    assert_eq!(report.warnings[0].damage, Damage::Unlisted);
    assert!(report.warnings[0].uri.ends_with("prod/notes.txt"));
}

/// Every file is good by itself, but belongs to the other collection.
/// The bytes of two files are exchanged on disk.
#[tokio::test]
async fn files_that_changed_places_are_found() {
    let victim = Victim::new().await;
    let paths: Vec<String> = victim
        .manifest
        .files()
        .map(|file| file.path.clone())
        .collect();
    let (docs, news) = (victim.path(&paths[0]), victim.path(&paths[2]));
    let spare = victim.path("spare");
    fs::rename(&docs, &spare).unwrap();
    fs::rename(&news, &docs).unwrap();
    fs::rename(&spare, &news).unwrap();
    let problems = victim.problems().await;
    assert_eq!(problems.len(), 2);
    assert!(
        problems
            .iter()
            .all(|(damage, _)| matches!(damage, Damage::Size | Damage::Checksum))
    );
}

/// A file of another schema, with everything else in order.
#[tokio::test]
async fn a_stopped_verification_says_so() {
    let victim = Victim::new().await;
    let context = Context::silent();
    context.cancel.cancel();
    let stopped = verify(&victim.open().await.unwrap(), &context, 2).await;
    assert!(matches!(stopped, Err(Error::Stopped(_))));
}

#[tokio::test]
async fn a_summary_that_lies_is_damage() {
    let harms: [fn(&mut serde_json::Value); 4] = [
        |json| json["rows"] = 1001.into(),
        |json| json["created"] = "2026-11-22T02:00:00Z".into(),
        |json| json["manifest_sha256"] = "0".repeat(64).into(),
        |json| json["source"]["address"] = "http://elsewhere:19530".into(),
    ];
    for harm in harms {
        let victim = Victim::new().await;
        let path = victim.path(SUMMARY);
        let mut json = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        harm(&mut json);
        fs::write(&path, serde_json::to_vec(&json).unwrap()).unwrap();
        assert_eq!(
            victim.problems().await,
            [(Damage::Summary, SUMMARY.to_owned())]
        );
    }
    let victim = Victim::new().await;
    fs::write(victim.path(SUMMARY), b"{").unwrap();
    assert_eq!(
        victim.problems().await,
        [(Damage::Summary, SUMMARY.to_owned())]
    );
    // Archives of the first versions have none.
    fs::remove_file(victim.path(SUMMARY)).unwrap();
    assert_eq!(victim.problems().await, []);
}

/// What later versions add is no lie.
#[tokio::test]
async fn a_summary_may_say_more_than_we_know() {
    let victim = Victim::new().await;
    let path = victim.path(SUMMARY);
    let mut json: serde_json::Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    json["more"] = 1.into();
    fs::write(&path, serde_json::to_vec(&json).unwrap()).unwrap();
    assert_eq!(victim.problems().await, []);
}
