//! Copying and forgetting archives.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use serde_json::Value;

use super::program::{Milvault, failure, stderr, stdout};
use super::{write_archive, write_archive_of};

fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/archive-v1")
}

/// A store of archives that were made on these days.
fn store(milvault: &Milvault, days: &[&str]) {
    for day in days {
        let folder = milvault.path().join("store").join(day);
        write_archive_of(&folder, &format!("{day}T02:00:00Z"));
    }
}

fn held(milvault: &Milvault) -> Vec<String> {
    let entries = fs::read_dir(milvault.path().join("store")).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names.collect();
    names.sort();
    names
}

const DAYS: [&str; 4] = ["2026-11-21", "2026-11-20", "2026-11-19", "2026-10-31"];

#[test]
fn a_dry_run_tells_why_and_removes_nothing() {
    let milvault = Milvault::new();
    store(&milvault, &DAYS);
    let arguments = [
        "forget",
        "store",
        "--keep-daily",
        "1",
        "--keep-monthly",
        "2",
    ];
    let text = milvault.run(&[&arguments[..], &["--dry-run"]].concat());
    assert_eq!(text.status.code(), Some(0), "{text:?}");
    assert_eq!(
        stdout(&text),
        "\
ARCHIVE     CREATED               SIZE          WHY
2026-11-21  2026-11-21T02:00:00Z  0 B   keep    daily, monthly
2026-11-20  2026-11-20T02:00:00Z  0 B   remove
2026-11-19  2026-11-19T02:00:00Z  0 B   remove
2026-10-31  2026-10-31T02:00:00Z  0 B   keep    monthly

2 archives (0 B) would be removed from store
"
    );
    let json = milvault.run(&[&arguments[..], &["-n", "--json"]].concat());
    let document: Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!(document["dry_run"], true);
    assert_eq!(document["archives"][1]["action"], "remove");
    assert_eq!(document["archives"][3]["reasons"][0], "monthly");
    assert_eq!(document["removed"], serde_json::json!([]));
    assert_eq!(held(&milvault).len(), 4);
}

#[test]
fn nothing_is_removed_without_a_yes() {
    let milvault = Milvault::new();
    store(&milvault, &DAYS);
    let mut command = milvault.command(&["forget", "store", "--keep-last", "1"]);
    let output = command.stdin(Stdio::null()).output().unwrap();
    assert!(failure(&output, 2).contains("--yes"), "{output:?}");
    let refused = milvault.run(&["forget", "store", "--yes"]);
    assert!(failure(&refused, 2).contains("--keep-last"), "{refused:?}");
    let refused = milvault.run(&["forget", "store", "--yes", "--keep-last", "0"]);
    failure(&refused, 2);
    assert_eq!(held(&milvault).len(), 4);
    let output = milvault.run(&["forget", "store", "--yes", "--keep-last", "1"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(stdout(&output).ends_with("3 archives (0 B) removed from store\n"));
    assert_eq!(held(&milvault), ["2026-11-21"]);
    let again = milvault.run(&["forget", "store", "--keep-last", "1"]);
    assert_eq!(again.status.code(), Some(0), "{again:?}");
}

#[test]
fn damaged_archives_are_named_and_kept() {
    let milvault = Milvault::new();
    store(&milvault, &DAYS[..2]);
    let bad = milvault.path().join("store").join(DAYS[0]);
    fs::write(bad.join("manifest.json"), "{").unwrap();
    let output = milvault.run(&["forget", "store", "--yes", "--keep-last", "1"]);
    assert_eq!(output.status.code(), Some(3), "{output:?}");
    assert!(stderr(&output).contains(DAYS[0]), "{output:?}");
    assert_eq!(held(&milvault).len(), 2);
    let output = milvault.run(&["forget", "store", "--yes", DAYS[0]]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert_eq!(held(&milvault), [DAYS[1]]);
    let missing = milvault.run(&["forget", "store", "--yes", "nobody"]);
    assert!(failure(&missing, 1).contains("store/nobody"));
}

#[test]
fn damaged_archives_are_listed_with_what_is_wrong() {
    let milvault = Milvault::new();
    store(&milvault, &DAYS[..3]);
    let good = milvault.run(&["ls", "store", "--json"]);
    assert_eq!(good.status.code(), Some(0), "{good:?}");
    let folder = milvault.path().join("store");
    fs::write(folder.join(DAYS[0]).join("manifest.json"), "{").unwrap();
    fs::remove_file(folder.join(DAYS[0]).join("summary.json")).ok();
    fs::remove_file(folder.join(DAYS[1]).join("manifest.json")).unwrap();
    let output = milvault.run(&["ls", "store", "--json"]);
    assert_eq!(output.status.code(), Some(3), "{output:?}");
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(document["archives"].as_array().unwrap().len(), 1);
    let bad = document["unreadable"].as_array().unwrap();
    let names: Vec<&str> = bad
        .iter()
        .map(|one| one["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, [DAYS[1], DAYS[0]]);
    assert_eq!(bad[0]["uri"], format!("store/{}", DAYS[1]));
    let why = bad[0]["error"].as_str().unwrap();
    assert!(why.contains("no manifest.json"), "{why}");
    assert!(stderr(&output).contains(why), "{output:?}");
    // What is left goes by its name.
    let gone = milvault.run(&["forget", "store", DAYS[1], "--yes"]);
    assert_eq!(gone.status.code(), Some(3), "the other stays: {gone:?}");
    assert_eq!(held(&milvault), [DAYS[2], DAYS[0]]);
}

#[test]
fn with_a_name_no_other_unfinished_archive_is_removed() {
    let milvault = Milvault::new();
    store(&milvault, &DAYS[..1]);
    for name in ["broken", "other"] {
        let folder = milvault.path().join("store").join(name);
        fs::create_dir(&folder).unwrap();
        let marker = "{\"started\": \"2026-01-01T00:00:00Z\"}";
        fs::write(folder.join("unfinished.json"), marker).unwrap();
    }
    let output = milvault.run(&["forget", "store", "broken", "--unfinished=1h", "--yes"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert_eq!(held(&milvault), [DAYS[0], "other"]);
    let rest = milvault.run(&["forget", "store", "--unfinished=1h", "--yes"]);
    assert_eq!(rest.status.code(), Some(0), "{rest:?}");
    assert_eq!(held(&milvault), [DAYS[0]]);
}

#[test]
fn a_copy_is_verified_and_repeated_without_harm() {
    let milvault = Milvault::new();
    let source = golden().join("milvus-2.3.5");
    let source = source.to_str().unwrap();
    let output = milvault.run(&["copy", source, "vault"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(stdout(&output).starts_with("vault/milvus-2.3.5: 7 objects"));
    let good = milvault.run(&["verify", "vault/milvus-2.3.5"]);
    assert_eq!(good.status.code(), Some(0), "{good:?}");
    let again = milvault.run(&["copy", source, "vault", "--json"]);
    let document: Value = serde_json::from_slice(&again.stdout).unwrap();
    assert_eq!(
        (&document["complete"], &document["sent"]),
        (&true.into(), &0.into())
    );
    let copied = milvault.path().join("vault/milvus-2.3.5");
    std::fs::remove_file(copied.join("manifest.sha256")).unwrap();
    let repaired = milvault.run(&["copy", source, "vault"]);
    let words = "is there already; missing or damaged, and sent again: 1 object";
    assert!(stdout(&repaired).contains(words), "{repaired:?}");
    assert!(copied.join("manifest.sha256").is_file());
    let other = milvault.run(&["copy", source, "vault", "--name", "twin"]);
    assert_eq!(other.status.code(), Some(0), "{other:?}");

    write_archive(&milvault.path().join("other/milvus-2.3.5"));
    let taken = milvault.run(&["copy", "other/milvus-2.3.5", "vault"]);
    assert!(failure(&taken, 1).contains("another archive vault/milvus-2.3.5"));
    let itself = milvault.run(&["copy", "vault/twin", "vault"]);
    assert!(failure(&itself, 2).contains("onto itself"));
    let none = milvault.run(&["copy", "vault/none", "else"]);
    assert!(failure(&none, 1).contains("vault/none"));
    assert!(!milvault.path().join("else").exists());
}
