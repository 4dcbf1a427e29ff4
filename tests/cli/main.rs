//! The program as a user meets it, as far as no server is needed.

#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod audit;
mod encrypted;
mod keeping;
mod profiles;

use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::Stdio;

use serde_json::Value;

#[path = "../support/program.rs"]
mod program;

use program::{Milvault, closed_port, failure, send, stderr, stdout};

#[test]
fn usage_errors_end_with_2() {
    let milvault = Milvault::new();
    for arguments in [
        &[][..],
        &["nonsense"],
        &["export", "--from", "http://h"],
        &["verify"],
        &[
            "export", "--from", "http://h", "--to", "s", "--memory", "lots",
        ],
        &["export", "--from", "http://h", "--to", "s", "--jobs", "0"],
        &[
            "restore",
            "--from",
            "a",
            "--to",
            "http://h",
            "--if-exists",
            "maybe",
        ],
        &[
            "restore",
            "--from",
            "a",
            "--to",
            "http://h",
            "--dry-run",
            "--compare",
        ],
        &[
            "restore", "--from", "a", "--to", "http://h", "--rename", "no-colon",
        ],
        &["export", "--from", "no-scheme:1", "--to", "s"],
        &["export", "--from", "http://h", "--to", "s", "--sample", "2"],
        &["export", "--from", "http://h", "--to", "s", "--limit", "0"],
        &[
            "export", "--from", "http://h", "--to", "s", "--mask", "email",
        ],
        &[
            "export",
            "--from",
            "http://h",
            "--to",
            "s",
            "--mask",
            "email=hash",
        ],
        &["migrate", "--from", "http://h"],
        &["migrate", "--from", "http://h", "--to", "backups"],
        &[
            "migrate",
            "--from",
            "http://h",
            "--to",
            "http://i",
            "--no-load",
            "--temp-index",
        ],
        &[
            "migrate",
            "--from",
            "http://h",
            "--to",
            "http://i",
            "--dry-run",
            "--verify",
        ],
        &[
            "migrate",
            "--from",
            "http://h",
            "--to",
            "http://i",
            "--mask",
            "v=noise:x",
        ],
        &[
            "restore",
            "--from",
            "a",
            "--to",
            "http://h",
            "--limit",
            "1",
            "--compare",
        ],
        &[
            "restore", "--from", "a", "--to", "http://h", "--mode", "import",
        ],
        &[
            "restore",
            "--from",
            "a",
            "--to",
            "http://h",
            "--mode",
            "insert",
            "--import-store",
            ".",
        ],
        &[
            "restore",
            "--from",
            "a",
            "--to",
            "http://h",
            "--import-path",
            "/data",
        ],
        &["export", "--from", "http://h", "--to", "ftp://h/x"],
        &["export", "--from", "http://h", "--to", "http://h"],
        &["verify", "http://h"],
        &["verify", "az://bucket/archive"],
        &["ls", "localhost:19530"],
        &["copy", "a"],
        &["copy", "http://h", "s"],
        &["copy", "a", "s", "--jobs", "0"],
        &["forget"],
        &["forget", "http://h", "--keep-last", "1"],
        &["forget", "s", "--keep-last", "-2"],
        &["forget", "s", "--keep-within", "7w"],
        &["forget", "s", "--keep-last", "1", "--timezone", "Mars/Base"],
        &["forget", "s", "name", "--keep-last", "1"],
    ] {
        let output = milvault.run(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {output:?}");
        assert_eq!(stdout(&output), "", "{arguments:?}");
        assert_ne!(stderr(&output), "", "{arguments:?}");
    }
}

#[test]
fn help_and_version_are_no_errors() {
    let milvault = Milvault::new();
    for arguments in [["--help"], ["--version"]] {
        let output = milvault.run(&arguments);
        assert_eq!(output.status.code(), Some(0));
        assert!(stdout(&output).contains("milvault"));
    }
    let restore = milvault.run(&["restore", "--help"]);
    for option in [
        "--if-exists",
        "--rename",
        "--filter-none",
        "--password-file",
    ] {
        let known = option != "--filter-none";
        assert_eq!(stdout(&restore).contains(option), known, "{option}");
    }
}

#[test]
fn a_server_that_is_not_there_is_named() {
    let milvault = Milvault::new();
    let address = format!("http://127.0.0.1:{}", closed_port());
    for arguments in [
        &["ls", &address][..],
        &["export", "--from", &address, "--to", "store"],
        &["compare", &address, &address],
    ] {
        let output = milvault.run(arguments);
        assert!(failure(&output, 1).contains(&address), "{output:?}");
        assert_eq!(stdout(&output), "");
    }
    assert!(!milvault.path().join("store").exists());
}

#[test]
fn a_signal_stops_a_run_that_waits_for_a_server() {
    for signal in ["INT", "TERM"] {
        let milvault = Milvault::new();
        // It takes connections and never answers.
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let mut command = milvault.command(&["ls", &address, "--json"]);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let child = command.spawn().unwrap();
        // It listens for signals before it connects.
        let connection = listener.accept().unwrap();
        send(signal, &child);
        let output = child.wait_with_output().unwrap();
        drop(connection);
        assert_eq!(output.status.code(), Some(4), "{output:?}");
        let document: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(document["error"]["kind"], "stopped");
        assert!(stderr(&output).starts_with("warning: stopping"));
    }
}

#[test]
fn what_was_mistyped_is_one_line_and_a_document() {
    let milvault = Milvault::new();
    for (arguments, expected) in [
        (
            &["export", "--frm", "x", "--json"][..],
            "a similar argument exists: '--from'",
        ),
        (
            &["verify", "--json"],
            "<ARCHIVE>; see milvault verify --help",
        ),
        (&["--json", "vrify", "x"], "'vrify'"),
    ] {
        let output = milvault.run(arguments);
        let line = failure(&output, 2);
        assert!(line.contains(expected), "{line}");
        let document: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(document["error"]["kind"], "usage");
        assert!(line.ends_with(document["error"]["message"].as_str().unwrap()));
    }
}

#[test]
fn secrets_are_never_printed() {
    let milvault = Milvault::new();
    let host = format!("127.0.0.1:{}", closed_port());
    fs::write(milvault.path().join("password"), "hunter2\n").unwrap();
    let inside = |scheme: &str| format!("{scheme}root:hunter2@{host}");
    let [address, unknown, bare] = ["http://", "htp://", ""].map(inside);
    let broken = "http://root:hunter2@host:port";
    let plain = format!("http://{host}");
    for arguments in [
        &["-vv", "ls", &address][..],
        &["ls", &unknown],
        &["ls", &bare],
        &["ls", broken],
        &["verify", &address],
        &["export", "--from", &unknown, "--to", "store"],
        &["export", "--from", &plain, "--to", &address],
        &["export", "--from", &address, "--to", "store", "--json"],
        &[
            "-vv",
            "ls",
            &plain,
            "--user",
            "root",
            "--password-file",
            "password",
        ],
    ] {
        let output = milvault.run(arguments);
        assert!(!output.status.success(), "{arguments:?}");
        let said = format!("{}{}", stdout(&output), stderr(&output));
        assert!(!said.contains("hunter2"), "{arguments:?}: {said}");
    }
    let mut from_environment = milvault.command(&["-vv", "ls", &plain]);
    from_environment.env("MILVAULT_TOKEN", "hunter2");
    assert!(!stderr(&from_environment.output().unwrap()).contains("hunter2"));
}

#[test]
fn half_a_login_is_a_usage_error() {
    let milvault = Milvault::new();
    let mut command = milvault.command(&["ls", "http://127.0.0.1:1"]);
    command.env("MILVAULT_USER", "root");
    let output = command.output().unwrap();
    assert!(failure(&output, 2).contains("MILVAULT_PASSWORD"));
}

#[test]
fn a_missing_archive_is_missing() {
    let milvault = Milvault::new();
    for arguments in [
        &["verify", "store/none"][..],
        &["show", "store/none"],
        &[
            "restore",
            "--from",
            "store/none",
            "--to",
            "http://127.0.0.1:1",
        ],
        &[
            "restore",
            "--from",
            "store/none",
            "--to",
            "http://h",
            "--import-store",
            "none",
        ],
        &["compare", "store/none", "store/none"],
        &["ls", "store"],
    ] {
        let output = milvault.run(arguments);
        assert!(failure(&output, 1).contains("is missing"), "{output:?}");
    }
}

#[test]
fn a_missing_lite_database_is_missing_and_not_made() {
    let milvault = Milvault::new();
    let output = milvault.run(&["ls", "none.db"]);
    assert!(failure(&output, 1).contains("none.db"));
    assert!(!milvault.path().join("none.db").exists());
}

#[test]
fn a_new_lite_database_is_not_made_in_a_folder_that_is_missing() {
    let milvault = Milvault::new();
    write_archive(&milvault.path().join("backups/first"));
    for more in [&[][..], &["--dry-run"]] {
        let restore = ["restore", "--from", "backups/first", "--to", "typo/new.db"];
        let output = milvault.run(&[&restore, more].concat());
        let line = failure(&output, 1);
        assert!(line.contains("folder typo is missing"), "{line}");
        assert!(!milvault.path().join("typo").exists());
    }
}

#[test]
fn a_file_that_is_no_lite_database_is_told() {
    let milvault = Milvault::new();
    for content in ["", "notes", "notes that are longer than a header"] {
        fs::write(milvault.path().join("notes.db"), content).unwrap();
        let output = milvault.run(&["ls", "notes.db"]);
        let line = failure(&output, 1);
        assert!(
            line.ends_with("the file is no milvus-lite database"),
            "{line}"
        );
    }
}

#[test]
fn an_empty_store_lists_nothing() {
    let milvault = Milvault::new();
    fs::create_dir(milvault.path().join("store")).unwrap();
    let text = milvault.run(&["ls", "store"]);
    assert_eq!(
        (text.status.code(), stdout(&text)),
        (Some(0), "no archives in store\n")
    );
    let json = milvault.run(&["ls", "store", "--json"]);
    let document: Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!(
        document,
        serde_json::json!({ "archives": [], "unfinished": [], "unreadable": [] })
    );
}

/// A manifest without collections is the smallest archive.
fn write_archive(folder: &Path) {
    write_archive_of(folder, "2026-11-21T02:00:00Z");
}

fn write_archive_of(folder: &Path, created: &str) {
    fs::create_dir_all(folder).unwrap();
    let manifest = serde_json::json!({
        "format": 1,
        "tool": { "name": "milvault", "version": "0.1.0" },
        "name": "first",
        "created": created,
        "source": { "server_version": "v2.3.5", "address": "http://prod:19530" },
        "consistency": { "mode": "walk" },
        "collections": [],
    });
    write_manifest(folder, &manifest);
}

fn write_manifest(folder: &Path, manifest: &Value) {
    let text = manifest.to_string();
    let digest = ring::digest::digest(&ring::digest::SHA256, text.as_bytes());
    let hex: String = digest
        .as_ref()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    fs::write(
        folder.join("manifest.sha256"),
        format!("{hex}  manifest.json\n"),
    )
    .unwrap();
    fs::write(folder.join("manifest.json"), text).unwrap();
}

#[test]
fn archives_are_listed_shown_and_verified() {
    let milvault = Milvault::new();
    write_archive(&milvault.path().join("store/first"));
    let json = |arguments: &[&str]| -> Value {
        let output = milvault.run(arguments);
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        serde_json::from_slice(&output.stdout).unwrap()
    };
    let expected = serde_json::json!({ "archives": [{
        "name": "first",
        "uri": "store/first",
        "created": "2026-11-21T02:00:00Z",
        "format": 1,
        "tool": "milvault 0.1.0",
        "source": "http://prod:19530",
        "encrypted": false,
        "rows": 0,
        "bytes": 0,
        "files": 0,
        "collections": 0,
    }], "unfinished": [], "unreadable": [] });
    assert_eq!(json(&["--json", "ls", "store"]), expected);
    let shown = json(&["--json", "show", "store/first"]);
    assert_eq!(shown["source"]["address"], "http://prod:19530");
    let verified = json(&["--json", "-q", "verify", "store/first"]);
    assert_eq!(verified["good"], true);
    assert_eq!(verified["problems"], serde_json::json!([]));

    let text = milvault.run(&["show", "store/first"]);
    assert!(stdout(&text).contains("Milvus 2.3.5"));
    let wrong = milvault.run(&["ls", "store/first"]);
    assert!(failure(&wrong, 2).contains("milvault show store/first"));
}

#[test]
fn damage_ends_with_3_and_does_not_hide_other_archives() {
    let milvault = Milvault::new();
    write_archive(&milvault.path().join("store/first"));
    let damaged = milvault.path().join("store/second");
    write_archive(&damaged);
    fs::write(damaged.join("manifest.json"), "{").unwrap();
    let listed = milvault.run(&["ls", "store", "-q"]);
    assert_eq!(listed.status.code(), Some(3));
    assert!(stdout(&listed).contains("first"));
    assert!(stderr(&listed).starts_with("warning: store/second/manifest.json is damaged"));
    let verified = milvault.run(&["verify", "store/second", "--json"]);
    failure(&verified, 3);
    let document: Value = serde_json::from_slice(&verified.stdout).unwrap();
    assert_eq!(document["error"]["kind"], "damage");
}

#[test]
fn what_verify_finds_decides_the_exit_code() {
    let milvault = Milvault::new();
    let archive = milvault.path().join("store/first");
    write_archive(&archive);
    fs::write(archive.join("stray.parquet"), "x").unwrap();
    let verify = || {
        let output = milvault.run(&["verify", "store/first", "--json", "-q"]);
        let document: Value = serde_json::from_slice(&output.stdout).unwrap();
        let found = |list: &str| document[list].as_array().unwrap().len();
        (output.status.code(), found("problems"), found("warnings"))
    };
    assert_eq!(verify(), (Some(0), 0, 1));

    let name = archive.join("manifest.json");
    let mut manifest: Value = serde_json::from_slice(&fs::read(&name).unwrap()).unwrap();
    manifest["collections"] = serde_json::json!([collection_without_its_file()]);
    write_manifest(&archive, &manifest);
    let (code, problems, _) = verify();
    assert_eq!(code, Some(3));
    assert!(problems > 0);
}

/// A collection of which the archive has lost the only file.
fn collection_without_its_file() -> Value {
    let digest = "0".repeat(32);
    serde_json::json!({
        "schema": {
            "database": "default",
            "collection": "docs",
            "fields": [{ "name": "id", "type": "Int64", "primary_key": true }],
            "partitions": ["_default"],
            "shards": 1,
            "consistency_level": "Bounded",
            "load": { "loaded": false },
        },
        "exported_fields": ["id"],
        "rows": 1,
        "digests": { "rows": 1, "all": digest, "fields": {} },
        "partitions": [{
            "name": "_default",
            "rows": 1,
            "files": [{
                "path": "collections/default/docs/@_default/0.parquet",
                "bytes": 100,
                "rows": 1,
                "sha256": "0".repeat(64),
                "first_key": 1,
                "last_key": 1,
                "digest": digest,
            }],
        }],
    })
}

#[test]
fn errors_are_documents_with_json() {
    let milvault = Milvault::new();
    let address = format!("http://127.0.0.1:{}", closed_port());
    for (arguments, code, kind) in [
        (["ls", &address, "--json"], 1, "failed"),
        (["verify", "http://h", "--json"], 2, "usage"),
    ] {
        let output = milvault.run(&arguments);
        let line = failure(&output, code);
        let document: Value = serde_json::from_slice(&output.stdout).unwrap();
        let message = document["error"]["message"].as_str().unwrap();
        assert_eq!(document["error"]["kind"], kind);
        assert_eq!(line, format!("milvault: {message}"));
    }
}

#[test]
fn completions_know_the_commands() {
    let milvault = Milvault::new();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let output = milvault.run(&["completions", shell]);
        assert_eq!(output.status.code(), Some(0), "{shell}");
        assert!(stdout(&output).contains("restore"), "{shell}");
    }
}

#[test]
fn manual_pages_cover_every_command() {
    let milvault = Milvault::new();
    let page = milvault.run(&["man"]);
    assert!(stdout(&page).contains(".TH milvault 1"), "{page:?}");
    let written = milvault.run(&["man", "--dir", "man1"]);
    assert_eq!(written.status.code(), Some(0));
    for name in [
        "milvault",
        "milvault-export",
        "milvault-restore",
        "milvault-demo",
    ] {
        let page = milvault.path().join("man1").join(format!("{name}.1"));
        assert!(page.is_file(), "{}", page.display());
    }
}

#[test]
fn a_reader_that_has_seen_enough_is_no_error() {
    let milvault = Milvault::new();
    let mut child = milvault
        .command(&["completions", "bash"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), stderr(&output)), (Some(0), ""));
}

#[test]
fn a_demo_leaves_foreign_folders_alone() {
    let milvault = Milvault::new();
    fs::write(milvault.path().join("thesis.txt"), "x").unwrap();
    let output = milvault.run(&["demo", "--dir", "."]);
    assert!(failure(&output, 2).contains("--dir"));
    assert!(milvault.path().join("thesis.txt").exists());
}

#[test]
fn options_that_a_store_does_not_have_are_refused_before_anything_is_written() {
    let milvault = Milvault::new();
    let export = ["export", "--from", "http://127.0.0.1:1", "--to"];
    let lock = ["--object-lock", "compliance", "--retain", "7y"];
    std::fs::write(milvault.path().join("key"), [7; 32]).unwrap();
    for (option, named) in [
        (&lock[..], "--object-lock"),
        (&["--legal-hold"], "--legal-hold"),
        (&["--sse", "s3"], "--sse"),
        (&["--storage-class", "STANDARD_IA"], "--storage-class"),
        (&["--tag", "a=b"], "--tag"),
        (
            &["--sse-customer-key-file", "key"],
            "--sse-customer-key-file",
        ),
    ] {
        let output = milvault.run(&[&export[..], &["folder"], option].concat());
        assert!(failure(&output, 2).contains(named), "{}", stderr(&output));
        assert!(!milvault.path().join("folder").exists());
    }
    for (options, wrong) in [
        (&["--object-lock", "compliance"][..], "needs an end"),
        (&["--storage-class", "GLACIER"], "GLACIER_IR"),
        (&["--sse-kms-key", "k"], "--sse kms"),
        (
            &["--sse", "s3", "--sse-customer-key-file", "key"],
            "exclude",
        ),
        (&["--s3-endpoint", "host:9000"], "--s3-endpoint"),
        (&["--s3-ca-file", "key"], "no certificates"),
        (&[], "--s3-region"),
    ] {
        let output = milvault.run(&[&export[..], &["s3://bucket/x"], options].concat());
        assert!(failure(&output, 2).contains(wrong), "{}", stderr(&output));
    }
}

#[test]
fn what_is_meant_to_be_encrypted_or_locked_or_in_a_store_is_not_taken_for_something_else() {
    let milvault = Milvault::new();
    std::fs::write(milvault.path().join("words"), "correct horse").unwrap();
    let export = ["export", "--from", "http://127.0.0.1:1", "--to"];
    let retain = ["--object-lock", "compliance", "--retain"];
    for (options, wrong) in [
        (
            &["folder", "--passphrase-file", "words"][..],
            "give --encrypt",
        ),
        (
            &[&["s3://bucket/x"], &retain[..], &["6m"]].concat(),
            "min or mo",
        ),
        (&["vualt:"], "there is no store \"vualt\""),
        (&["s3:/bucket/x"], "there is no store \"s3\""),
    ] {
        let output = milvault.run(&[&export[..], options].concat());
        assert!(failure(&output, 2).contains(wrong), "{}", stderr(&output));
    }
    assert!(!milvault.path().join("folder").exists());
    let mut told = milvault.command(&[&export[..], &["folder"]].concat());
    let told = told.env("MILVAULT_PASSPHRASE", "correct horse").output();
    let told = told.unwrap();
    assert!(stderr(&told).contains("is not encrypted"), "{told:?}");
}

#[test]
fn without_credentials_the_ways_to_give_them_are_told() {
    let milvault = Milvault::new();
    let endpoint = format!("http://127.0.0.1:{}", closed_port());
    let output = milvault.run(&["ls", "s3://bucket/x", "--s3-endpoint", &endpoint]);
    let line = failure(&output, 1);
    assert!(
        line.contains("AWS_ACCESS_KEY_ID") && line.contains("--s3-profile"),
        "{line}"
    );
}
