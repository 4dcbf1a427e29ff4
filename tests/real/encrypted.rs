//! Encrypted archives of a real server, in a folder and in S3, by the program.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use age::secrecy::ExposeSecret;
use age::x25519::Identity;
use serde_json::{Value, json};

use crate::support::buckets;
use crate::support::program::{Milvault, failure, stderr, stdout};
use crate::support::python;
use crate::support::servers::{self, Server, serve};

const PASSPHRASE: &str = "correct horse battery staple";

/// What nobody may ever see. Of keys, what follows the prefix.
struct Secrets(Vec<String>);

impl Secrets {
    /// Runs the program, which says none of them.
    fn run(&self, mut command: Command) -> Output {
        let output = command.output().unwrap();
        for text in [stdout(&output), stderr(&output)] {
            for secret in &self.0 {
                assert!(!text.contains(secret.as_str()), "{text}");
            }
        }
        output
    }

    /// What a command that succeeds says.
    fn says(&self, command: Command) -> String {
        let told = format!("{command:?}");
        let output = self.run(command);
        assert!(output.status.success(), "{told}: {}", stderr(&output));
        stdout(&output).to_owned()
    }
}

/// Makes a key; gives the path of its file, its recipient, and its secret.
fn key(milvault: &Milvault, name: &str) -> (String, String, String) {
    let identity = Identity::generate();
    let secret = identity.to_string().expose_secret().to_owned();
    let path = milvault.path().join(name);
    fs::write(&path, format!("# made by a test\n{secret}\n")).unwrap();
    let path = path.to_str().unwrap().to_owned();
    let hidden = secret.trim_start_matches("AGE-SECRET-KEY-1").to_owned();
    (path, identity.to_public().to_string(), hidden)
}

/// Fills a database with a collection of every type and a larger one; gives its address.
fn filled(database: &str) -> (&'static Server, String) {
    let server = servers::milvus_235();
    python::fill_database(server, database, &["every_type", "partitioned"]);
    (server, format!("http://{}/{database}", server.address))
}

fn collections(server: &Server, database: &str) -> Value {
    python::call(server, database, &[("list_collections", json!({}))]).remove(0)
}

/// All files below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    paths
        .flat_map(|path| match path.is_dir() {
            true => files(&path),
            false => vec![path],
        })
        .collect()
}

/// Makes of an encrypted archive one of version 1, with nothing of milvault.
fn open_with_another_age(archive: &Path, identity: &str, folder: &Path) {
    let output = serve(&["age"]).stderr(Stdio::inherit()).output().unwrap();
    assert!(output.status.success(), "no environment for age-encryption");
    let (node, modules) = stdout(&output).trim().split_once('\n').unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/node/open_encrypted.mjs");
    let mut command = Command::new(node);
    command.args([
        &script,
        Path::new(modules),
        archive,
        Path::new(identity),
        folder,
    ]);
    command.env("PASSPHRASE", PASSPHRASE);
    let opened = command.output().unwrap();
    assert!(opened.status.success(), "{}", stderr(&opened));
}

#[test]
fn who_has_a_key_restores_an_encrypted_archive_and_nobody_else_reads_it() {
    let (server, cluster) = filled("encrypted");
    let milvault = Milvault::new();
    let (ours, our_recipient, our_secret) = key(&milvault, "ours");
    let (escrow, escrow_recipient, escrow_secret) = key(&milvault, "escrow");
    let (stranger, _, stranger_secret) = key(&milvault, "stranger");
    let secrets = Secrets(vec![our_secret, escrow_secret, stranger_secret]);
    let lines = format!("# who may read our archives\n\n{our_recipient}\n{escrow_recipient}\n");
    fs::write(milvault.path().join("recipients"), lines).unwrap();

    let mut export = milvault.command(&["export", "--from", &cluster, "--to", "store"]);
    export.args([
        "--name",
        "a",
        "--encrypt",
        "--recipients-file",
        "recipients",
        "-vvv",
    ]);
    let told = secrets.says(export);
    assert!(told.contains("Encrypted to 2 recipients"), "{told}");
    let listed = secrets.says(milvault.command(&["ls", "store", "--json"]));
    let listed: Value = serde_json::from_str(&listed).unwrap();
    let one = &listed["archives"][0];
    assert_eq!(
        (&one["encrypted"], &one["rows"]),
        (&json!(true), &json!(1928))
    );
    for file in files(&milvault.path().join("store")) {
        let bytes = fs::read(&file).unwrap();
        assert!(!bytes.starts_with(b"PAR1"), "{}", file.display());
        for name in ["every_type", "partitioned", &server.address] {
            let held = bytes
                .windows(name.len())
                .any(|part| part == name.as_bytes());
            assert!(!held, "{name} in {}", file.display());
            assert!(!file.to_str().unwrap().contains(name), "{}", file.display());
        }
    }

    // Nobody else.
    let restore = [
        "restore",
        "--from",
        "store/a",
        "--to",
        &cluster,
        "--suffix",
        "_restored",
    ];
    let compare = ["compare", "store/a", &cluster, "--exclude", "*_restored"];
    for arguments in [
        &["verify", "store/a"][..],
        &["show", "store/a"],
        &restore,
        &compare,
    ] {
        let output = secrets.run(milvault.command(arguments));
        let line = failure(&output, 1);
        assert!(
            line.contains("store/a") && line.contains("--identity"),
            "{line}"
        );
        let mut other = milvault.command(arguments);
        other.args(["--identity", &stranger]);
        let output = secrets.run(other);
        let line = failure(&output, 1);
        assert!(line.contains("none of the given keys"), "{line}");
    }
    let before = collections(server, "encrypted");
    assert_eq!(before.as_array().unwrap().len(), 2, "{before}");

    // Each recipient, with the key in the file that an option or a variable names.
    secrets.says(milvault.command(&["verify", "store/a", "--identity", &escrow, "-vvv"]));
    let with_key = |arguments: &[&str]| {
        let mut command = milvault.command(arguments);
        command.env("MILVAULT_IDENTITY", &ours);
        secrets.says(command)
    };
    let shown = with_key(&["show", "store/a"]);
    assert!(shown.contains("archive format 2, encrypted"), "{shown}");
    with_key(&[&restore[..], &["--compare"]].concat());
    let copies = ["--db", "encrypted", "--suffix", "_restored"];
    python::assert_holds(server, "every_type,partitioned", &copies);
    with_key(&compare);

    // A copy needs no key.
    secrets.says(milvault.command(&["copy", "store/a", "elsewhere"]));
    with_key(&["verify", "elsewhere/a"]);

    // Others open it by the specification alone.
    let opened = milvault.path().join("opened/a");
    open_with_another_age(&milvault.path().join("elsewhere/a"), &escrow, &opened);
    python::run("parquet_reads.py", &[opened.to_str().unwrap()]);
    secrets.says(milvault.command(&["verify", "opened/a"]));
    secrets.says(milvault.command(&["compare", "opened/a", &cluster, "--exclude", "*_restored"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_passphrase_opens_archives_in_s3_and_in_a_folder() {
    let (server, cluster) = filled("encrypted_in_s3");
    let milvault = Milvault::new();
    let secrets = Secrets(vec![PASSPHRASE.to_owned(), buckets::ADMIN.1.to_owned()]);
    fs::write(
        milvault.path().join("passphrase"),
        format!("{PASSPHRASE}\n"),
    )
    .unwrap();
    let bucket = format!("s3://{}", buckets::bucket(true).await);
    let archive = format!("{bucket}/prod/a");
    let command = |arguments: &[&str]| {
        let mut command = milvault.command(arguments);
        buckets::at_hand(&mut command);
        command
    };
    let with_passphrase = |arguments: &[&str]| {
        let mut command = command(arguments);
        command.env("MILVAULT_PASSPHRASE", PASSPHRASE);
        command
    };

    let export = [
        "export",
        "--from",
        &cluster,
        "--to",
        &format!("{bucket}/prod"),
        "--name",
        "a",
    ];
    let locked = [
        "--encrypt",
        "--object-lock",
        "governance",
        "--retain",
        "1d",
        "-vvv",
    ];
    let from_file = ["--passphrase-file", "passphrase"];
    let told = secrets.says(command(&[&export[..], &locked, &from_file].concat()));
    assert!(told.contains("Encrypted with a passphrase"), "{told}");
    let verified = secrets.says(with_passphrase(&["verify", &archive]));
    assert!(verified.contains("(governance): all "), "{verified}");
    let listed = secrets.says(command(&["ls", &format!("{bucket}/prod")]));
    assert!(listed.contains("encrypted"), "{listed}");

    let mut wrong = command(&["verify", &archive]);
    wrong.env("MILVAULT_PASSPHRASE", "incorrect horse");
    let output = secrets.run(wrong);
    assert!(failure(&output, 1).contains("none of the given keys"));
    assert!(!stderr(&output).contains("incorrect horse"));

    // Without the passphrase, in the service and out of it.
    let other = format!("{bucket}/other");
    secrets.says(command(&["copy", &archive, &other, "-vvv"]));
    secrets.says(command(&["copy", &archive, "folder"]));
    for copy in [format!("{other}/a"), "folder/a".to_owned()] {
        secrets.says(with_passphrase(&["verify", &copy]));
    }
    let opened = milvault.path().join("opened/a");
    open_with_another_age(&milvault.path().join("folder/a"), "-", &opened);
    secrets.says(command(&["compare", "opened/a", &cluster]));

    let restore = [
        "restore",
        "--from",
        &archive,
        "--to",
        &cluster,
        "--suffix",
        "_restored",
    ];
    let mut restore = command(&[&restore[..], &["--compare", "-vvv"]].concat());
    restore.env("MILVAULT_PASSPHRASE_FILE", "passphrase");
    secrets.says(restore);
    let copies = ["--db", "encrypted_in_s3", "--suffix", "_restored"];
    python::assert_holds(server, "every_type,partitioned", &copies);
}

/// Damages an archive; another one to the same recipient is at hand.
type Damage = fn(&Path, &Path);

/// Its objects, the largest ones first.
fn objects(archive: &Path) -> Vec<PathBuf> {
    let mut objects = files(&archive.join("objects"));
    objects.sort_by_key(|path| std::cmp::Reverse(fs::metadata(path).unwrap().len()));
    objects
}

fn change(file: &Path, how: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = fs::read(file).unwrap();
    how(&mut bytes);
    fs::write(file, bytes).unwrap();
}

#[test]
fn encrypted_archives_that_were_tampered_with_are_told_and_nothing_is_restored() {
    let cases: [(&str, Damage); 9] = [
        ("a byte is changed", |archive, _| {
            change(&objects(archive)[0], |bytes| {
                let middle = bytes.len() / 2;
                bytes[middle] ^= 1;
            });
        }),
        ("an object is cut off", |archive, _| {
            change(&objects(archive)[0], |bytes| {
                bytes.truncate(bytes.len() / 2)
            });
        }),
        ("an object loses its last chunk", |archive, _| {
            change(&objects(archive)[0], |bytes| {
                // The payload begins behind the header's last line and 16 bytes.
                let end = bytes.windows(5).position(|part| part == b"\n--- ").unwrap() + 5;
                let line = bytes[end..].iter().position(|byte| *byte == b'\n').unwrap();
                let start = end + line + 1 + 16;
                assert!(bytes.len() > start + 65_552);
                bytes.truncate(start + 65_552);
            });
        }),
        ("two objects are exchanged", |archive, _| {
            let objects = objects(archive);
            let first = fs::read(&objects[0]).unwrap();
            fs::copy(&objects[1], &objects[0]).unwrap();
            fs::write(&objects[1], first).unwrap();
        }),
        ("an object is another archive's", |archive, other| {
            fs::copy(&objects(other)[0], &objects(archive)[0]).unwrap();
        }),
        ("the key is another archive's", |archive, other| {
            fs::copy(other.join("key.age"), archive.join("key.age")).unwrap();
        }),
        ("the envelope is another archive's", |archive, other| {
            for name in ["manifest.json", "manifest.sha256", "manifest.mac"] {
                fs::copy(other.join(name), archive.join(name)).unwrap();
            }
        }),
        ("the envelope is forged", |archive, _| {
            let path = archive.join("manifest.json");
            change(&path, |bytes| {
                let text = String::from_utf8(std::mem::take(bytes)).unwrap();
                *bytes = text.replacen("\"rows\": 1928", "\"rows\": 1927", 1).into();
            });
            let sums = Command::new("sha256sum")
                .arg("manifest.json")
                .current_dir(archive)
                .output();
            fs::write(archive.join("manifest.sha256"), sums.unwrap().stdout).unwrap();
        }),
        ("an object is missing", |archive, _| {
            fs::remove_file(&objects(archive)[0]).unwrap();
        }),
    ];
    let (server, cluster) = filled("tampered");
    let good = Milvault::new();
    let (identity, recipient, secret) = key(&good, "identity");
    let secrets = Secrets(vec![secret]);
    for name in ["a", "b"] {
        let mut export = good.command(&["export", "--from", &cluster, "--to", "store"]);
        export.args(["--name", name, "--encrypt", "--recipient", &recipient]);
        secrets.says(export);
    }
    for (name, damage) in cases {
        let milvault = Milvault::new();
        for file in files(&good.path().join("store")) {
            let place = milvault
                .path()
                .join(file.strip_prefix(good.path()).unwrap());
            fs::create_dir_all(place.parent().unwrap()).unwrap();
            fs::copy(file, place).unwrap();
        }
        let store = milvault.path().join("store");
        damage(&store.join("a"), &store.join("b"));
        let verify = ["verify", "store/a", "--identity", &identity];
        let verified = secrets.run(milvault.command(&verify));
        let told = format!("{}{}", stdout(&verified), stderr(&verified));
        assert_eq!(verified.status.code(), Some(3), "{name}: {told}");
        let mut restore = milvault.command(&["restore", "--from", "store/a", "--to", &cluster]);
        restore.args(["--suffix", "_bad", "-q", "--identity", &identity]);
        let restored = secrets.run(restore);
        println!("{name}: {}", failure(&restored, 3));
    }
    let held = collections(server, "tampered");
    assert_eq!(held.as_array().unwrap().len(), 2, "{held}");
}

#[test]
fn encrypted_archives_are_inserted_and_bulk_import_says_why_not() {
    let (server, cluster) = filled("not_imported");
    let milvault = Milvault::new();
    let (identity, recipient, _) = key(&milvault, "identity");
    let export = ["export", "--from", &cluster, "--to", "store", "--name", "a"];
    let encrypt = ["--encrypt", "--recipient", &recipient];
    let exported = milvault.run(&[&export[..], &encrypt].concat());
    fs::create_dir(milvault.path().join("staging")).unwrap();
    assert!(exported.status.success(), "{}", stderr(&exported));
    let restore = |mode: &str| {
        let mut command = milvault.command(&["restore", "--from", "store/a", "--to", &cluster]);
        command.args(["--identity", &identity, "--suffix", "_restored"]);
        command.args(["--mode", mode, "--import-store", "staging"]);
        command.output().unwrap()
    };
    let refused = restore("import");
    let line = failure(&refused, 1);
    for words in [
        "every_type_restored",
        "the archive is encrypted",
        "--mode auto",
    ] {
        assert!(line.contains(words), "{line}");
    }
    let held = collections(server, "not_imported");
    assert_eq!(held.as_array().unwrap().len(), 2, "{held}");
    let inserted = restore("auto");
    assert!(inserted.status.success(), "{}", stderr(&inserted));
    let told = format!("{}{}", stdout(&inserted), stderr(&inserted));
    assert!(
        told.contains("inserted, not imported: the archive is encrypted"),
        "{told}"
    );
    let copies = ["--db", "not_imported", "--suffix", "_restored"];
    python::assert_holds(server, "every_type,partitioned", &copies);
}
