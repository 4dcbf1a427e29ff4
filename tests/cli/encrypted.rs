//! Encrypted archives, with the golden one and its keys.

use std::fs;
use std::path::Path;

use serde_json::Value;

use super::program::{Milvault, failure, stderr, stdout};

fn fixture(path: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    root.join("fixtures/archive-v2")
        .join(path)
        .to_str()
        .unwrap()
        .to_owned()
}

#[test]
fn an_encrypted_archive_is_opened_with_a_key_or_not_at_all() {
    let milvault = Milvault::new();
    let (archive, identity) = (fixture("encrypted"), fixture("identity.txt"));
    let listed = milvault.run(&["ls", &fixture("")]);
    assert!(stdout(&listed).contains("encrypted"), "{listed:?}");
    for command in ["verify", "show"] {
        let closed = milvault.run(&[command, &archive]);
        let line = failure(&closed, 1);
        assert!(
            line.contains("--identity") && line.contains(&archive),
            "{line}"
        );
        let opened = milvault.run(&[command, &archive, "--identity", &identity]);
        assert_eq!(opened.status.code(), Some(0), "{opened:?}");
    }
    let mut command = milvault.command(&["verify", &archive, "--json"]);
    let opened = command
        .env("MILVAULT_IDENTITY", &identity)
        .output()
        .unwrap();
    let document: Value = serde_json::from_slice(&opened.stdout).unwrap();
    assert_eq!(document["good"], true);
    let mut command = milvault.command(&["verify", &archive]);
    let closed = command
        .env("MILVAULT_PASSPHRASE", "not it")
        .output()
        .unwrap();
    assert!(failure(&closed, 1).contains("none of the given keys"));
}

#[test]
fn what_is_no_key_is_refused_by_its_kind_and_never_printed() {
    let milvault = Milvault::new();
    let archive = fixture("encrypted");
    let write = |name: &str, bytes: &[u8]| fs::write(milvault.path().join(name), bytes).unwrap();
    write("junk", b"AGE-SECRET-KEY-1HUNTER2\n");
    write("binary", b"HUNTER2\xff\0\x01");
    write("empty", b"\n");
    write("ssh", b"-----BEGIN OPENSSH PRIVATE KEY-----\nHUNTER2\n");
    write(
        "sealed",
        b"age-encryption.org/v1\n-> scrypt HUNTER2 18\n\xff",
    );
    for (option, file, code, words) in [
        (
            "--identity",
            "junk",
            2,
            "junk has no age identity in line 1",
        ),
        ("--identity", "binary", 2, "no age identity in line 1"),
        ("--identity", "empty", 2, "no age identity in it"),
        ("--identity", "ssh", 2, "an SSH key"),
        ("--identity", "sealed", 2, "age --decrypt"),
        ("--identity", "missing", 1, "cannot read missing"),
        (
            "--identity",
            "AGE-SECRET-KEY-1HUNTER2",
            2,
            "a file with the key",
        ),
        ("--passphrase-file", "empty", 2, "no passphrase"),
        ("--passphrase-file", "binary", 2, "no UTF-8 text"),
        ("--passphrase-file", "missing", 1, "cannot read missing"),
        ("--passphrase-file", "junk", 1, "none of the given keys"),
    ] {
        for command in ["verify", "show", "compare"] {
            let other = (command == "compare").then_some("http://127.0.0.1:1");
            let mut arguments = vec![command, &archive];
            arguments.extend(other);
            arguments.extend([option, file, "-vv"]);
            let output = milvault.run(&arguments);
            let text = stderr(&output);
            let line = text.lines().last().unwrap();
            assert_eq!(output.status.code(), Some(code), "{arguments:?}: {text}");
            assert!(line.contains(words), "{arguments:?}: {text}");
            assert!(!text.contains("HUNTER2"), "{text}");
            assert!(!stdout(&output).contains("HUNTER2"), "{output:?}");
        }
    }
}

#[test]
fn an_export_to_nobody_or_to_what_is_no_recipient_begins_nothing() {
    let milvault = Milvault::new();
    let recipient = fs::read_to_string(fixture("recipients.txt")).unwrap();
    let write = |name: &str, bytes: &[u8]| fs::write(milvault.path().join(name), bytes).unwrap();
    write("good", recipient.as_bytes());
    write("junk", format!("# ours\n{recipient}HUNTER2\n").as_bytes());
    write("binary", b"HUNTER2\xff\0\x01");
    write("empty", b"\n# nobody\n");
    write("ssh", b"ssh-ed25519 HUNTER2 me@here\n");
    fs::copy(fixture("identity.txt"), milvault.path().join("identity")).unwrap();
    let secret = fs::read_to_string(fixture("identity.txt")).unwrap();
    let secret = secret.lines().last().unwrap().to_owned();
    let export = [
        "export",
        "--from",
        "http://127.0.0.1:1",
        "--to",
        "store",
        "-vv",
    ];
    for (more, words) in [
        (&["--encrypt"][..], "--recipient"),
        (
            &["--encrypt", "--recipient", "age1HUNTER2"],
            "no age recipient",
        ),
        (
            &["--encrypt", "--recipient", "ssh-rsa HUNTER2"],
            "an SSH key",
        ),
        (&["--encrypt", "--recipient", &secret], "a secret key"),
        (
            &["--encrypt", "--recipient", "age1yubikey1HUNTER2"],
            "a plugin",
        ),
        (
            &["--encrypt", "--recipients-file", "junk"],
            "line 3 of junk",
        ),
        (
            &["--encrypt", "--recipients-file", "binary"],
            "line 1 of binary",
        ),
        (
            &["--encrypt", "--recipients-file", "empty"],
            "no recipients",
        ),
        (&["--encrypt", "--recipients-file", "ssh"], "an SSH key"),
        (
            &["--encrypt", "--recipients-file", "identity"],
            "a secret key",
        ),
        (
            &["--encrypt", "--passphrase-file", "empty"],
            "no passphrase",
        ),
        (&["--recipients-file", "good"], "--encrypt"),
    ] {
        let output = milvault.run(&[&export[..], more].concat());
        let text = stderr(&output);
        assert_eq!(output.status.code(), Some(2), "{more:?}: {text}");
        assert!(text.contains(words), "{more:?}: {text}");
        assert!(
            !text.contains("HUNTER2") && !text.contains(&secret),
            "{text}"
        );
    }
    let missing = [&export[..5], &["--encrypt", "--recipients-file", "missing"]].concat();
    failure(&milvault.run(&missing), 1);
    let mut no_passphrase = milvault.command(&[&export[..], &["--encrypt"]].concat());
    let output = no_passphrase
        .env("MILVAULT_PASSPHRASE", "")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    assert!(!milvault.path().join("store").exists());
}

#[test]
fn an_encrypted_archive_is_copied_without_a_key() {
    let milvault = Milvault::new();
    let copied = milvault.run(&["copy", &fixture("encrypted"), "vault"]);
    assert_eq!(copied.status.code(), Some(0), "{copied:?}");
    let identity = fixture("identity.txt");
    let good = milvault.run(&["verify", "vault/encrypted", "--identity", &identity]);
    assert_eq!(good.status.code(), Some(0), "{good:?}");
    let grouped = [
        "forget",
        "vault",
        "--keep-last",
        "1",
        "--collection-group",
        "-n",
    ];
    assert!(failure(&milvault.run(&grouped), 2).contains("encrypted"));
    let kept = milvault.run(&["forget", "vault", "--keep-last", "1", "-n"]);
    assert_eq!(kept.status.code(), Some(0), "{kept:?}");
}
