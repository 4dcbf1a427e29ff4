#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Mutex;

use async_trait::async_trait;
use bytes::Bytes;

use super::*;
use crate::archive::tests::hooked::{broken, hooked, locking};
use crate::archive::tests::{data_file, entry, export, folder, manifest, rows};
use crate::archive::{Archive, ArchiveWriter, list, verify};
use crate::model::Rbac;
use crate::store::{self, LocalStore, ObjectWriter, Role, Told};

/// The bytes of all files in a folder, by their paths.
fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        if path.is_dir() {
            let below = files(&path).into_iter();
            found.extend(below.map(|(path, bytes)| (format!("{name}/{path}"), bytes)));
        } else {
            found.insert(name, std::fs::read(path).unwrap());
        }
    }
    found
}

async fn inventory(store: &Arc<dyn Store>) -> Inventory {
    Inventory::open(store.clone(), "prod").await.unwrap()
}

async fn copied(source: &Arc<dyn Store>, store: &Arc<dyn Store>) -> Result<Copied> {
    let source = inventory(source).await;
    copy(&source, store, "prod", 3, &Context::silent()).await
}

#[tokio::test]
async fn a_copy_has_the_same_objects_byte_for_byte() {
    let ((from_folder, from), (to_folder, to)) = (folder(), folder());
    let writer = ArchiveWriter::begin(from.clone(), "prod").await.unwrap();
    let file = data_file(&writer, "docs", rows(0..5000)).await;
    let mut manifest = manifest("prod", vec![entry("docs", vec![file])]);
    manifest.rbac = Some(writer.rbac(&Rbac::default()).await.unwrap());
    writer.seal(&manifest).await.unwrap();
    let done = copied(&from, &to).await.unwrap();
    assert_eq!((done.objects, done.sent, done.complete), (2, 2, false));
    assert_eq!(files(from_folder.path()), files(to_folder.path()));
    use std::os::unix::fs::PermissionsExt;
    let rbac = std::fs::metadata(to_folder.path().join("prod/rbac.json")).unwrap();
    assert_eq!(rbac.permissions().mode() & 0o777, 0o600);
    let again = copied(&from, &to).await.unwrap();
    assert_eq!((again.complete, again.sent), (true, 0));
}

#[tokio::test]
async fn a_copy_under_another_name_is_good() {
    let (folder, store) = folder();
    let folder_path = folder.path();
    let name = Path::new(folder_path.file_name().unwrap());
    export(&store, "prod").await;
    let source = inventory(&store).await;
    copy(&source, &store, "twin", 2, &Context::silent())
        .await
        .unwrap();
    let twin = Archive::open(store.clone(), "twin").await.unwrap();
    let report = verify(&twin, &Context::silent(), 2).await.unwrap();
    assert!(report.is_good() && report.warnings.is_empty(), "{report:?}");
    let called_otherwise = format!("{}/../{}", folder_path.display(), name.display());
    let otherwise: Arc<dyn Store> = Arc::new(LocalStore::new(called_otherwise));
    for store in [&store, &otherwise] {
        let itself = copy(&source, store, "prod", 2, &Context::silent()).await;
        assert!(matches!(itself, Err(Error::Usage(_))), "{itself:?}");
    }
}

/// Wherever it breaks off, no archive is seen, and the next copy sends what is missing and nothing else.
#[tokio::test]
async fn an_interrupted_copy_goes_on_where_it_stopped() {
    let mut kept = 0;
    for stop in 0..14 {
        let ((from_folder, from), (to_folder, to)) = (folder(), folder());
        export(&from, "prod").await;
        let count = Mutex::new(0);
        let failing = hooked(&to, move |what, path| {
            let mut count = count.lock().unwrap();
            *count += usize::from(what != "read");
            if *count > stop {
                Err(broken(path))
            } else {
                Ok(())
            }
        });
        let first = copied(&from, &failing).await;
        if first.is_ok() {
            // The last steps of all.
            assert!(stop > 10, "{stop}");
        }
        let listing = list(&to).await.unwrap();
        assert!(listing.unreadable.is_empty());
        let whole = listing.archives.len() == 1;
        assert_eq!(
            whole,
            Archive::open(to.clone(), "prod").await.is_ok(),
            "{stop}"
        );
        let again = copied(&from, &to).await.unwrap();
        kept += again.found;
        assert_eq!(again.sent + again.found, 4, "{stop}");
        assert_eq!(files(from_folder.path()), files(to_folder.path()), "{stop}");
    }
    assert!(kept > 4, "{kept}");
}

#[tokio::test]
async fn what_an_interrupted_copy_left_is_checked_before_it_is_kept() {
    let ((from_folder, from), (to_folder, to)) = (folder(), folder());
    let written = export(&from, "prod").await;
    let failing = hooked(&to, |what, path| {
        if what == "create" && path.ends_with(".sha256") {
            return Err(broken(path));
        }
        Ok(())
    });
    copied(&from, &failing).await.unwrap_err();
    let mut paths = written
        .files()
        .map(|file| to_folder.path().join("prod").join(&file.path));
    let (short, other) = (paths.next().unwrap(), paths.next().unwrap());
    let bytes = std::fs::read(&short).unwrap();
    std::fs::write(&short, &bytes[1..]).unwrap();
    let mut bytes = std::fs::read(&other).unwrap();
    bytes[100] ^= 1;
    std::fs::write(&other, bytes).unwrap();
    let done = copied(&from, &to).await.unwrap();
    assert_eq!((done.sent, done.found), (2, 2));
    assert_eq!(files(from_folder.path()), files(to_folder.path()));
}

#[tokio::test]
async fn what_a_copy_lacks_is_sent_again() {
    let ((from_folder, from), (to_folder, to)) = (folder(), folder());
    let written = export(&from, "prod").await;
    copied(&from, &to).await.unwrap();
    let mut paths = written
        .files()
        .map(|file| to_folder.path().join("prod").join(&file.path));
    let (missing, short) = (paths.next().unwrap(), paths.next().unwrap());
    std::fs::remove_file(&missing).unwrap();
    let bytes = std::fs::read(&short).unwrap();
    std::fs::write(&short, &bytes[1..]).unwrap();
    std::fs::remove_file(to_folder.path().join("prod/manifest.sha256")).unwrap();
    std::fs::write(to_folder.path().join("prod/summary.json"), "{}").unwrap();
    let done = copied(&from, &to).await.unwrap();
    assert_eq!((done.complete, done.repaired), (true, 4));
    assert_eq!((done.sent, done.found), (2, 2));
    assert_eq!(files(from_folder.path()), files(to_folder.path()));
    let again = copied(&from, &to).await.unwrap();
    assert_eq!((again.repaired, again.found), (0, 4));
}

#[tokio::test]
async fn an_archive_that_has_lost_its_manifest_gets_it_back() {
    let ((_a, from), (to_folder, to)) = (folder(), folder());
    export(&from, "prod").await;
    copied(&from, &to).await.unwrap();
    let before = files(to_folder.path());
    to.remove("prod/manifest.json").await.unwrap();
    let (path, _) = before
        .iter()
        .find(|(path, _)| path.ends_with(".parquet"))
        .unwrap();
    to.remove(path).await.unwrap();
    let done = copied(&from, &to).await.unwrap();
    assert_eq!((done.complete, done.repaired), (true, 2));
    assert_eq!(files(to_folder.path()), before);
    // Remains of another archive are left alone.
    to.remove("prod/manifest.json").await.unwrap();
    std::fs::write(to_folder.path().join("prod/manifest.sha256"), "another").unwrap();
    let refused = copied(&from, &to).await;
    assert!(matches!(refused, Err(Error::Exists { .. })), "{refused:?}");
}

#[tokio::test]
async fn what_is_damaged_and_cannot_be_replaced_is_named_with_the_way_out() {
    let ((_from_folder, from), (to_folder, to)) = (folder(), folder());
    let written = export(&from, "prod").await;
    copied(&from, &to).await.unwrap();
    let path = &written.files().next().unwrap().path;
    let short = to_folder.path().join("prod").join(path);
    std::fs::write(&short, "short").unwrap();
    let locked = hooked(&to, |what, path| match what {
        "remove" => Err(broken(path)),
        _ => Ok(()),
    });
    let failed = copied(&from, &locked).await.unwrap_err();
    assert!(matches!(failed, Error::Damaged { .. }), "{failed:?}");
    let words = failed.to_string();
    for word in [path, "it has 5 bytes", "the cable is out", "another --name"] {
        assert!(words.contains(word), "{words}");
    }
    assert_eq!(std::fs::read(&short).unwrap(), b"short");
}

#[tokio::test]
async fn a_damaged_source_does_not_replace_anything() {
    let ((from_folder, from), (to_folder, to)) = (folder(), folder());
    let written = export(&from, "prod").await;
    copied(&from, &to).await.unwrap();
    let path = format!("prod/{}", written.files().next().unwrap().path);
    std::fs::write(from_folder.path().join(&path), "shorter").unwrap();
    std::fs::write(to_folder.path().join(&path), "short").unwrap();
    let failed = copied(&from, &to).await.unwrap_err();
    assert!(failed.to_string().contains("it has 7 bytes"), "{failed}");
    assert_eq!(
        std::fs::read(to_folder.path().join(&path)).unwrap(),
        b"short"
    );
}

/// As a service may answer where what is there is hidden.
#[tokio::test]
async fn a_name_that_is_taken_by_nothing_is_not_tried_for_ever() {
    let ((_from_folder, from), (_to_folder, to)) = (folder(), folder());
    export(&from, "prod").await;
    let tries = Arc::new(Mutex::new(0));
    let counted = tries.clone();
    let hidden = hooked(&to, move |what, path| {
        if what == "finish" && path.ends_with(".parquet") {
            *counted.lock().unwrap() += 1;
            return Err(Error::Exists {
                what: path.to_owned(),
                way_out: String::new(),
            });
        }
        Ok(())
    });
    let source = inventory(&from).await;
    let failed = copy(&source, &hidden, "prod", 1, &Context::silent())
        .await
        .unwrap_err();
    assert!(
        matches!(&failed, Error::Exists { what, .. } if what.ends_with(".parquet")),
        "{failed:?}"
    );
    assert_eq!(*tries.lock().unwrap(), 3);
}

#[tokio::test]
async fn a_damaged_object_is_not_copied() {
    let ((from_folder, from), (to_folder, to)) = (folder(), folder());
    let written = export(&from, "prod").await;
    let path = written.files().next().unwrap().path.clone();
    let file = from_folder.path().join("prod").join(&path);
    let good = std::fs::read(&file).unwrap();
    let mut flipped = good.clone();
    flipped[100] ^= 1;
    for bytes in [flipped, good[1..].to_vec()] {
        std::fs::write(&file, bytes).unwrap();
        let failed = copied(&from, &to).await.unwrap_err();
        assert!(
            matches!(&failed, Error::Damaged { uri, .. } if uri.ends_with(&path)),
            "{failed}"
        );
        assert!(!to_folder.path().join("prod").join(&path).exists());
        assert!(list(&to).await.unwrap().archives.is_empty());
    }
}

#[tokio::test]
async fn no_other_archive_is_overwritten() {
    let ((_from_folder, from), (to_folder, to)) = (folder(), folder());
    export(&from, "prod").await;
    let mut other = manifest("prod", Vec::new());
    other.created = "2020-01-01T00:00:00Z".to_owned();
    let writer = ArchiveWriter::begin(to.clone(), "prod").await.unwrap();
    let before = files(to_folder.path());
    let refused = copied(&from, &to).await;
    assert!(matches!(refused, Err(Error::Exists { .. })), "{refused:?}");
    assert_eq!(before, files(to_folder.path()));
    writer.seal(&other).await.unwrap();
    let before = files(to_folder.path());
    let refused = copied(&from, &to).await;
    assert!(matches!(refused, Err(Error::Exists { .. })), "{refused:?}");
    assert_eq!(before, files(to_folder.path()));
}

#[tokio::test]
async fn a_copy_that_is_stopped_is_listed_as_unfinished() {
    let ((_from_folder, from), (_to_folder, to)) = (folder(), folder());
    export(&from, "prod").await;
    let ctx = Context::silent();
    let cancel = ctx.cancel.clone();
    let stopping = hooked(&to, move |what, path| {
        if what == "finish" && path.ends_with(".parquet") {
            cancel.cancel();
        }
        Ok(())
    });
    let stopped = copy(&inventory(&from).await, &stopping, "prod", 1, &ctx).await;
    assert!(matches!(stopped, Err(Error::Stopped(_))), "{stopped:?}");
    let listing = list(&to).await.unwrap();
    assert_eq!((listing.archives.len(), listing.unfinished.len()), (0, 1));
    // Whether the object came to its place in the end depends on how fast it was.
    let copied = copied(&from, &to).await.unwrap();
    assert_eq!(copied.sent + copied.found, copied.objects);
    assert_eq!(list(&to).await.unwrap().archives.len(), 1);
}

#[tokio::test]
async fn a_copy_that_somebody_clears_away_at_its_very_end_is_no_success() {
    let ((_from_folder, from), (to_folder, to)) = (folder(), folder());
    export(&from, "prod").await;
    let archive = to_folder.path().join("prod");
    let clearing = hooked(&to, move |what, path| {
        if what == "read" && path.ends_with(UNFINISHED) && archive.join(MANIFEST).exists() {
            std::fs::remove_dir_all(&archive).unwrap();
        }
        Ok(())
    });
    let lost = copied(&from, &clearing).await.unwrap_err().to_string();
    assert!(
        lost.contains("somebody removed it while it was copied"),
        "{lost}"
    );
}

#[tokio::test]
async fn a_lock_that_fails_at_the_very_end_leaves_a_whole_archive_which_the_next_copy_locks() {
    let ((_from_folder, from), (_to_folder, to)) = (folder(), folder());
    export(&from, "prod").await;
    let failing = locking(&to, |what, path| {
        match what == "lock" && path.ends_with(MANIFEST) {
            true => Err(broken(path)),
            false => Ok(()),
        }
    });
    let failed = copied(&from, &failing).await.unwrap_err().to_string();
    assert!(failed.contains("the cable is out"), "{failed}");
    let listing = list(&to).await.unwrap();
    assert_eq!((listing.archives.len(), listing.unfinished.len()), (1, 0));
    let heard = Arc::new(Mutex::new(Vec::new()));
    let hears = heard.clone();
    let locking = locking(&to, move |what, path| {
        if what == "lock" {
            hears.lock().unwrap().push(path.to_owned());
        }
        Ok(())
    });
    let again = copied(&from, &locking).await.unwrap();
    assert_eq!((again.complete, again.sent), (true, 0));
    let heard = heard.lock().unwrap();
    assert!(heard.contains(&format!("prod/{MANIFEST}")), "{heard:?}");
}

#[tokio::test]
async fn copies_at_once_make_one_archive() {
    let ((from_folder, from), (to_folder, to)) = (folder(), folder());
    export(&from, "prod").await;
    let (a, b) = tokio::join!(copied(&from, &to), copied(&from, &to));
    // One may have lost its marker to the other's end.
    assert!(a.is_ok() || b.is_ok(), "{a:?} {b:?}");
    for lost in [a, b].into_iter().filter_map(Result::err) {
        let lost = lost.to_string();
        assert!(
            lost.contains("archive") && !lost.contains(", remove "),
            "{lost}"
        );
    }
    copied(&from, &to).await.unwrap();
    assert_eq!(files(from_folder.path()), files(to_folder.path()));
}

/// Two folders of one service, which copies by itself.
#[derive(Debug)]
struct Service {
    folder: LocalStore,
    /// How many bytes it loses.
    lost: usize,
    told: Told,
}

#[async_trait]
impl Store for Service {
    fn uri(&self) -> String {
        self.folder.uri()
    }
    async fn create(&self, path: &str, role: Role) -> Result<Box<dyn ObjectWriter>> {
        assert!(!path.ends_with(".parquet"), "{path} went through us");
        self.folder.create(path, role).await
    }
    async fn read(&self, path: &str) -> Result<Bytes> {
        self.folder.read(path).await
    }
    async fn read_range(&self, path: &str, range: std::ops::Range<u64>) -> Result<Bytes> {
        self.folder.read_range(path, range).await
    }
    async fn size(&self, path: &str) -> Result<u64> {
        self.folder.size(path).await
    }
    async fn list(&self, path: &str) -> Result<Vec<String>> {
        self.folder.list(path).await
    }
    async fn remove(&self, path: &str) -> Result<()> {
        self.folder.remove(path).await
    }
    async fn remove_all(&self, path: &str) -> Result<()> {
        self.folder.remove_all(path).await
    }
    async fn copy_within(
        &self,
        source: &dyn Store,
        from: &str,
        path: &str,
        role: Role,
    ) -> Result<Option<Told>> {
        let bytes = source.read(from).await?;
        let bytes = bytes.slice(..bytes.len() - self.lost);
        store::put(&self.folder, path, bytes, role).await?;
        Ok(Some(self.told.clone()))
    }
    fn as_any(&self) -> &dyn std::any::Any {
        self
    }
}

#[tokio::test]
async fn one_service_copies_by_itself_and_what_it_tells_is_checked() {
    let ((from_folder, from), (to_folder, to)) = (folder(), folder());
    export(&from, "prod").await;
    let service = |lost: usize, told: Told| -> Arc<dyn Store> {
        let folder = LocalStore::new(to_folder.path().to_str().unwrap());
        Arc::new(Service { folder, lost, told })
    };
    let checksums = |copy: &str| Told::Checksums {
        kind: "MD5",
        source: "a".to_owned(),
        copy: copy.to_owned(),
    };
    for (lost, told, words) in [
        (1, Told::Size, "its copy has"),
        (0, Told::Sha256([7; 32]), "0707, the manifest says"),
        (0, checksums("b"), "the MD5 of its copy"),
    ] {
        let source = inventory(&from).await;
        let copying = copy(&source, &service(lost, told), "prod", 1, &Context::silent()).await;
        let failed = copying.unwrap_err();
        assert!(matches!(failed, Error::Damaged { .. }), "{failed:?}");
        assert!(failed.to_string().contains(words), "{failed}");
        let left: Vec<String> = files(to_folder.path()).into_keys().collect();
        assert_eq!(left, ["prod/unfinished.json"]);
    }
    for (told, as_source, size_alone) in [(Told::Size, 0, 4), (checksums("a"), 4, 0)] {
        let done = copied(&from, &service(0, told)).await.unwrap();
        assert_eq!((done.within, done.sent), (4, 0));
        assert_eq!((done.as_source, done.size_alone), (as_source, size_alone));
        assert_eq!(files(from_folder.path()), files(to_folder.path()));
        to.remove_all("prod").await.unwrap();
    }
}

#[tokio::test]
async fn an_archive_goes_to_several_stores_at_once() {
    let ((a_folder, a), (b_folder, b)) = (folder(), folder());
    let stores = vec![a.clone(), b.clone()];
    let writer = ArchiveWriter::begin_in(stores, "prod").await.unwrap();
    let file = data_file(&writer, "docs", rows(0..70_000)).await;
    writer
        .seal(&manifest("prod", vec![entry("docs", vec![file])]))
        .await
        .unwrap();
    assert_eq!(writer.uris().len(), 2);
    assert!(writer.failures().await.is_empty());
    assert_eq!(files(a_folder.path()), files(b_folder.path()));
    let archive = Archive::open(b, "prod").await.unwrap();
    assert!(
        verify(&archive, &Context::silent(), 2)
            .await
            .unwrap()
            .is_good()
    );
}

/// Whatever fails in one store, the other has the whole archive, and the first has nothing that looks like one.
#[tokio::test]
async fn a_store_that_fails_does_not_take_the_others_with_it() {
    for (what, path) in [
        ("create", ".parquet"),
        ("write", ".parquet"),
        ("finish", ".parquet"),
        ("create", "manifest.sha256"),
        ("finish", "manifest.json"),
    ] {
        let ((bad_folder, bad), (_good_folder, good)) = (folder(), folder());
        let failing = hooked(&bad, move |did, at| {
            if did == what && at.ends_with(path) {
                Err(broken(at))
            } else {
                Ok(())
            }
        });
        let stores = vec![failing, good.clone()];
        let writer = ArchiveWriter::begin_in(stores, "prod").await.unwrap();
        let low = data_file(&writer, "docs", rows(0..70_000)).await;
        let high = data_file(&writer, "docs", rows(70_000..70_100)).await;
        let manifest = manifest("prod", vec![entry("docs", vec![low, high])]);
        writer.seal(&manifest).await.unwrap();
        let archive = Archive::open(good, "prod").await.unwrap();
        let report = verify(&archive, &Context::silent(), 2).await.unwrap();
        assert!(report.is_good(), "{what} {path}: {:?}", report.problems);
        let failures = writer.failures().await;
        assert_eq!(failures.len(), 1, "{what} {path}");
        assert!(failures[0].error.to_string().contains("the cable is out"));
        assert!(failures[0].left.is_none(), "{:?}", failures[0].left);
        assert_eq!(files(bad_folder.path()).len(), 0, "{what} {path}");
    }
}

#[tokio::test]
async fn where_all_stores_fail_the_export_fails() {
    let ((_a, a), (_b, b)) = (folder(), folder());
    let fail = |what: &str, path: &str| {
        if what == "finish" && path.ends_with(MANIFEST) {
            Err(broken(path))
        } else {
            Ok(())
        }
    };
    let stores = vec![hooked(&a, fail), hooked(&b, fail)];
    let writer = ArchiveWriter::begin_in(stores, "prod").await.unwrap();
    let sealed = writer.seal(&manifest("prod", Vec::new())).await;
    assert!(matches!(sealed, Err(Error::Store { .. })), "{sealed:?}");
    writer.discard().await.unwrap();
    assert!(a.list("").await.unwrap().is_empty() && b.list("").await.unwrap().is_empty());
}

#[tokio::test]
async fn a_name_that_one_store_refuses_is_begun_in_none() {
    let ((_a, a), (_b, b)) = (folder(), folder());
    export(&b, "prod").await;
    let begun = ArchiveWriter::begin_in(vec![a.clone(), b.clone()], "prod").await;
    assert!(matches!(begun, Err(Error::Exists { .. })), "{begun:?}");
    assert!(a.list("").await.unwrap().is_empty());
    assert!(
        !b.list("prod")
            .await
            .unwrap()
            .contains(&UNFINISHED.to_owned())
    );
}
