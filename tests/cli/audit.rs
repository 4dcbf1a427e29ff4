//! `show --audit` and `verify --record`, with a golden archive.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use super::program::{Milvault, failure, stdout};

/// What the program of that name says.
fn sha256sum(file: &Path) -> String {
    let output = Command::new("sha256sum").arg(file).output().unwrap();
    stdout(&output).split(' ').next().unwrap().to_owned()
}

/// Names and values of `show --audit --json`.
fn audited(milvault: &Milvault, archive: &str, more: &[&str]) -> Value {
    let output = milvault.run(&[&["show", "--audit", archive, "--json"], more].concat());
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn an_audit_of_an_encrypted_archive_has_the_hashes_of_all_that_is_stored() {
    let milvault = Milvault::new();
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/archive-v2");
    let (archive, identity) = (golden.join("encrypted"), golden.join("identity.txt"));
    let key = ["--identity", identity.to_str().unwrap()];
    let document = audited(&milvault, archive.to_str().unwrap(), &key);
    let objects = document["objects"].as_array().unwrap();
    let mut stored: Vec<&str> = objects
        .iter()
        .map(|one| one["path"].as_str().unwrap())
        .collect();
    stored.sort_unstable();
    assert_eq!(
        stored,
        [
            "key.age",
            "manifest.json",
            "manifest.mac",
            "manifest.sha256",
            "objects/263479558519a2301868a4db617d0858.age",
            "objects/2718526816512c9e5a3573cfbd89ae83.age",
            "summary.json",
        ]
    );
    for object in objects {
        let path = object["path"].as_str().unwrap();
        if ["manifest.mac", "manifest.sha256", "summary.json"].contains(&path) {
            assert_eq!(object["stored"], Value::Null);
        } else {
            let sum = sha256sum(&archive.join(path));
            assert_eq!(object["stored"]["sha256"], sum.as_str(), "{path}");
        }
    }
    let inner = &objects[objects.len() - 2];
    let content = &inner["encrypted"]["content"];
    assert_eq!(content["bytes"], 24206);
    assert_ne!(content["sha256"], inner["stored"]["sha256"]);
    let closed = milvault.run(&["show", "--audit", archive.to_str().unwrap()]);
    assert!(failure(&closed, 1).contains("--identity"));
}

#[test]
fn an_audit_says_what_was_verified_and_is_a_page_by_itself() {
    let milvault = Milvault::new();
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/archive-v1/milvus-2.3.5");
    let copied = milvault.run(&["copy", golden.to_str().unwrap(), "vault"]);
    assert_eq!(copied.status.code(), Some(0), "{copied:?}");
    let archive = "vault/milvus-2.3.5";
    let document = audited(&milvault, archive, &[]);
    assert_eq!(document["verifications"], json!([]));
    let verified = milvault.run(&["verify", "vault/milvus-2.3.5", "--record", "--json"]);
    let document: Value = serde_json::from_slice(&verified.stdout).unwrap();
    assert!(
        document["record"]
            .as_str()
            .unwrap()
            .contains("/verifications/")
    );
    let document = audited(&milvault, archive, &[]);
    assert_eq!(document["verifications"][0]["good"], true);
    assert_eq!(document["verifications"][0]["good_rows"], 2984);
    // manifest.json, manifest.sha256 and seven files.
    let objects = document["objects"].as_array().unwrap();
    assert_eq!(objects.len(), 9);
    for object in objects {
        let path = object["path"].as_str().unwrap();
        let file = milvault.path().join("vault/milvus-2.3.5").join(path);
        if path == "manifest.sha256" {
            assert_eq!(object["stored"], Value::Null);
        } else {
            assert_eq!(
                object["stored"]["sha256"],
                sha256sum(&file).as_str(),
                "{path}"
            );
        }
    }
    assert_eq!(
        (&document["unprotected"], &document["locked_until"]),
        (&9.into(), &Value::Null)
    );
    // A record is no part of the archive, and no damage to it.
    let again = milvault.run(&["verify", "vault/milvus-2.3.5"]);
    assert_eq!(again.status.code(), Some(0), "{again:?}");
    assert!(!stdout(&again).contains("warning"), "{again:?}");

    let page = [
        "show",
        "--audit",
        "vault/milvus-2.3.5",
        "--html",
        "audit.html",
    ];
    let output = milvault.run(&page);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let page = fs::read_to_string(milvault.path().join("audit.html")).unwrap();
    let hash = document["manifest_sha256"].as_str().unwrap();
    assert!(page.starts_with("<!DOCTYPE html>") && page.contains(hash));
    for foreign in ["<script", "src=", "href=", "@import", "url("] {
        assert!(!page.contains(foreign), "{foreign}");
    }
    // What is lost is found without reading the rest.
    let lost = objects.last().unwrap()["path"].as_str().unwrap();
    fs::remove_file(milvault.path().join(archive).join(lost)).unwrap();
    let output = milvault.run(&["show", "--audit", archive]);
    assert_eq!(output.status.code(), Some(3), "{output:?}");
    let text = stdout(&output);
    assert!(text.contains("damaged      1 object missing"), "{text}");
    let row = text.lines().find(|line| line.starts_with(lost)).unwrap();
    assert!(row.ends_with("missing"), "{row}");
    let alone = milvault.run(&["show", "vault/milvus-2.3.5", "--html", "x"]);
    assert_eq!(alone.status.code(), Some(2));
}

#[test]
fn damage_is_recorded_too_and_a_record_of_another_archive_or_of_nothing_is_passed_over() {
    let milvault = Milvault::new();
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/archive-v1/milvus-2.3.5");
    milvault.run(&["copy", golden.to_str().unwrap(), "vault"]);
    let archive = "vault/milvus-2.3.5";
    let good = milvault.run(&["verify", archive, "--record"]);
    assert!(
        stdout(&good).contains("recorded in vault/milvus-2.3.5/verifications/"),
        "{good:?}"
    );
    let document = audited(&milvault, archive, &[]);
    let hash = document["manifest_sha256"].as_str().unwrap();
    let folder = milvault.path().join(archive);
    let notes = folder.join("verifications");
    let note = fs::read_dir(&notes)
        .unwrap()
        .next()
        .unwrap()
        .unwrap()
        .path();
    let text = fs::read_to_string(note).unwrap();
    fs::write(
        notes.join("other.json"),
        text.replace(hash, &"0".repeat(64)),
    )
    .unwrap();
    fs::write(notes.join("nothing.json"), "{").unwrap();
    // A change in a data file.
    let mut todo = vec![folder.join("collections")];
    let file = loop {
        let path = todo.pop().unwrap();
        if path.is_file() {
            break path;
        }
        todo.extend(
            fs::read_dir(path)
                .unwrap()
                .map(|entry| entry.unwrap().path()),
        );
    };
    let mut bytes = fs::read(&file).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&file, bytes).unwrap();
    let bad = milvault.run(&["verify", archive, "--record"]);
    assert_eq!(bad.status.code(), Some(3), "{bad:?}");
    let document = audited(&milvault, archive, &[]);
    let records = document["verifications"].as_array().unwrap();
    let good: Vec<&Value> = records.iter().map(|one| &one["good"]).collect();
    assert_eq!(good, [&json!(true), &json!(false)]);
    assert_eq!(records[1]["kinds"], json!(["checksum"]));
    // Where it cannot be recorded, what was found is told all the same.
    fs::remove_dir_all(&notes).unwrap();
    fs::write(&notes, "in the way").unwrap();
    let bad = milvault.run(&["verify", archive, "--record", "--json"]);
    assert_eq!(bad.status.code(), Some(3), "{bad:?}");
    let document: Value = serde_json::from_slice(&bad.stdout).unwrap();
    assert_eq!(
        (&document["good"], &document["record"]),
        (&json!(false), &Value::Null)
    );
    let told = document["record_failed"].as_str().unwrap();
    assert!(told.contains("verifications"), "{told}");
    fs::remove_file(&notes).unwrap();
    // Nor does a page that cannot be written pass for one that was.
    let page = milvault.run(&["show", "--audit", archive, "--html", "missing/audit.html"]);
    assert!(failure(&page, 1).contains("missing/audit.html"), "{page:?}");
}
