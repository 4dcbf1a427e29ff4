//! Damage of the manifest: what is wrong in it × how it is said.

use std::fs;

use super::damage::{Victim, first_file};
use super::*;
use crate::Error;
use crate::archive::{CHECKSUM, Damage, MANIFEST};

/// No number in the manifest may change unseen, whether or not anything else tells it.
#[tokio::test]
async fn every_flipped_byte_of_the_manifest_is_found() {
    let (folder, store) = folder();
    let writer = ArchiveWriter::begin(store.clone(), "prod").await.unwrap();
    let manifest = manifest("prod", vec![entry("docs", Vec::new())]);
    writer.seal(&manifest).await.unwrap();
    for file in [MANIFEST, CHECKSUM] {
        let path = folder.path().join("prod").join(file);
        let good = fs::read(&path).unwrap();
        for position in 0..good.len() {
            let mut bytes = good.clone();
            bytes[position] ^= 1;
            fs::write(&path, bytes).unwrap();
            let opened = crate::archive::Archive::open(store.clone(), "prod").await;
            // The format is looked at first.
            assert!(
                matches!(&opened, Err(Error::Damaged { uri, .. }) if uri.ends_with(MANIFEST))
                    || matches!(&opened, Err(Error::FutureFormat { .. })),
                "{file}, byte {position}: {opened:?}"
            );
        }
        fs::write(&path, good).unwrap();
    }
    assert!(crate::archive::Archive::open(store, "prod").await.is_ok());
}

#[tokio::test]
async fn a_manifest_without_its_checksum_is_damaged() {
    let victim = Victim::new().await;
    fs::remove_file(victim.path(CHECKSUM)).unwrap();
    let opened = victim.open().await;
    assert!(
        matches!(&opened, Err(Error::Damaged { uri, reason })
            if uri.ends_with("prod/manifest.sha256") && reason.contains("missing")),
        "{opened:?}"
    );
}

#[tokio::test]
async fn a_manifest_cut_off_is_damaged() {
    let victim = Victim::new().await;
    let bytes = fs::read(victim.path(MANIFEST)).unwrap();
    for length in [0, 1, 20, bytes.len() / 2, bytes.len() - 3] {
        fs::write(victim.path(MANIFEST), &bytes[..length]).unwrap();
        let opened = victim.open().await;
        assert!(
            matches!(&opened, Err(Error::Damaged { uri, .. }) if uri.ends_with("prod/manifest.json")),
            "{length}: {opened:?}"
        );
    }
}

#[tokio::test]
async fn a_manifest_from_the_future_is_refused_before_it_is_understood() {
    let victim = Victim::new().await;
    fs::write(
        victim.path(MANIFEST),
        br#"{"collections": "elsewhere", "format": 7}"#,
    )
    .unwrap();
    let opened = victim.open().await;
    assert!(
        matches!(
            opened,
            Err(Error::FutureFormat {
                found: 7,
                known: 2,
                ..
            })
        ),
        "{opened:?}"
    );
}

#[tokio::test]
async fn unknown_properties_are_ignored() {
    let victim = Victim::new().await;
    victim.edit(|json| {
        json["later"] = serde_json::json!({"version": 1.5});
        first_file(json)["later"] = 1.into();
    });
    assert_eq!(*victim.open().await.unwrap().manifest(), victim.manifest);
    assert!(victim.verify().await.is_good());
}

#[tokio::test]
async fn paths_out_of_the_archive_are_refused() {
    for (path, word) in [
        ("../x", "incremental"),
        ("../other/collections/x.parquet", "incremental"),
        ("/etc/passwd", "no path"),
        ("collections/../../x", "no path"),
        ("", "no path"),
    ] {
        let victim = Victim::new().await;
        victim.edit(|json| first_file(json)["path"] = path.into());
        let opened = victim.open().await;
        assert!(
            matches!(&opened, Err(Error::Damaged { reason, .. }) if reason.contains(word)),
            "{path}: {opened:?}"
        );
    }
}

#[tokio::test]
async fn manifests_that_make_no_sense_are_damaged() {
    type Edit = fn(&mut serde_json::Value);
    let edits: [(Edit, &str); 8] = [
        (
            |json| json["collections"][1]["schema"] = json["collections"][0]["schema"].clone(),
            "docs is named twice",
        ),
        (
            |json| json["collections"][0]["exported_fields"][2] = "title".into(),
            "field title is exported twice",
        ),
        (|json| json["format"] = 0.into(), "format"),
        (|json| json["created"] = "yesterday".into(), "yesterday"),
        (
            |json| json["collections"][0]["exported_fields"][1] = "none".into(),
            "none",
        ),
        (
            |json| json["collections"][0]["exported_fields"] = serde_json::json!(["v"]),
            "primary key",
        ),
        (
            |json| json["collections"][0]["schema"]["fields"][0]["primary_key"] = false.into(),
            "primary",
        ),
        (
            |json| *first_file(json) = json["collections"][1]["partitions"][0]["files"][0].clone(),
            "twice",
        ),
    ];
    for (edit, word) in edits {
        let victim = Victim::new().await;
        victim.edit(edit);
        let opened = victim.open().await;
        assert!(
            matches!(&opened, Err(Error::Damaged { reason, .. }) if reason.contains(word)),
            "{word}: {opened:?}"
        );
    }
}

#[tokio::test]
async fn a_wrong_checksum_in_the_manifest_is_found() {
    let victim = Victim::new().await;
    victim.edit(|json| first_file(json)["sha256"] = "0".repeat(64).into());
    let file = victim.manifest.files().next().unwrap().path.clone();
    assert_eq!(victim.problems().await, [(Damage::Checksum, file)]);
}

#[tokio::test]
async fn a_wrong_row_count_in_the_manifest_is_found() {
    let victim = Victim::new().await;
    victim.edit(|json| first_file(json)["rows"] = 299.into());
    let file = victim.manifest.files().next().unwrap().path.clone();
    let manifest = MANIFEST.to_owned();
    assert_eq!(
        victim.problems().await,
        [(Damage::Rows, file), (Damage::Manifest, manifest)]
    );
}

#[tokio::test]
async fn wrong_sums_in_the_manifest_are_found() {
    let victim = Victim::new().await;
    victim.edit(|json| {
        json["collections"][0]["rows"] = 501.into();
        json["collections"][1]["partitions"][0]["rows"] = 499.into();
    });
    let found: Vec<Damage> = victim
        .problems()
        .await
        .into_iter()
        .map(|(damage, _)| damage)
        .collect();
    // The first's partitions and its digests; the second's files and its partitions.
    assert_eq!(found, [Damage::Manifest; 4]);
}

#[tokio::test]
async fn wrong_keys_in_the_manifest_are_found() {
    let victim = Victim::new().await;
    victim.edit(|json| first_file(json)["last_key"] = 298.into());
    let file = victim.manifest.files().next().unwrap().path.clone();
    assert_eq!(victim.problems().await, [(Damage::Keys, file)]);
}

#[tokio::test]
async fn files_in_the_wrong_order_are_found() {
    let victim = Victim::new().await;
    victim.edit(|json| {
        json["collections"][0]["partitions"][0]["files"]
            .as_array_mut()
            .unwrap()
            .reverse();
    });
    assert_eq!(
        victim.problems().await,
        [(Damage::Manifest, MANIFEST.to_owned())]
    );
}

#[tokio::test]
async fn a_wrong_digest_of_a_file_is_found() {
    let victim = Victim::new().await;
    victim.edit(|json| first_file(json)["digest"] = "0".repeat(32).into());
    let file = victim.manifest.files().next().unwrap().path.clone();
    assert_eq!(victim.problems().await, [(Damage::Digest, file)]);
}

#[tokio::test]
async fn a_wrong_digest_of_a_field_is_found_and_named() {
    let victim = Victim::new().await;
    victim.edit(|json| json["collections"][0]["digests"]["fields"]["v"] = "0".repeat(32).into());
    let report = victim.verify().await;
    assert_eq!(report.problems.len(), 1);
    assert_eq!(report.problems[0].damage, Damage::Digest);
    assert!(
        report.problems[0].reason.starts_with("docs: ")
            && report.problems[0].reason.ends_with("in v")
    );
}

#[tokio::test]
async fn rows_that_changed_places_between_collections_are_found() {
    let (_folder, store) = folder();
    let writer = ArchiveWriter::begin(store.clone(), "prod").await.unwrap();
    let docs = data_file(&writer, "docs", rows(0..300)).await;
    let news = data_file(&writer, "news", rows(1000..1300)).await;
    let manifest = manifest(
        "prod",
        vec![entry("docs", vec![docs]), entry("news", vec![news])],
    );
    writer.seal(&manifest).await.unwrap();
    let (folder, manifest) = (_folder, manifest);
    let victim = Victim {
        folder,
        store,
        manifest,
    };
    victim.edit(|json| {
        let docs = first_file(json).take();
        let news = json["collections"][1]["partitions"][0]["files"][0].take();
        *first_file(json) = news;
        json["collections"][1]["partitions"][0]["files"][0] = docs;
    });
    let problems = victim.problems().await;
    assert_eq!(
        problems,
        [
            (Damage::Digest, MANIFEST.to_owned()),
            (Damage::Digest, MANIFEST.to_owned())
        ]
    );
}

#[tokio::test]
async fn columns_that_are_not_the_schemas_are_unreadable() {
    let victim = Victim::new().await;
    victim.edit(|json| {
        json["collections"][0]["schema"]["fields"][2]["name"] = "w".into();
        json["collections"][0]["exported_fields"][2] = "w".into();
    });
    let found: Vec<Damage> = victim
        .problems()
        .await
        .into_iter()
        .map(|(damage, _)| damage)
        .collect();
    assert_eq!(found, [Damage::Unreadable; 2]);
}
