//! What users get wrong and disks do: one line that helps, the right exit code, and nothing half-done anywhere.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;

use assert_cmd::cargo::cargo_bin;
use serde_json::Value;

use crate::support::program::{Milvault, closed_port, failure, send, stderr, stdout};
use crate::support::python;
use crate::support::servers::{self, Server};

/// A database of these tests' own: other tests write into the same server.
const DATABASE: &str = "bad_input";

/// Milvus 2.3.5 with the collections `partitioned` and `big` in [`DATABASE`].
fn filled() -> &'static Server {
    static FILLED: OnceLock<()> = OnceLock::new();
    let server = servers::milvus_235();
    FILLED.get_or_init(|| {
        for scenario in ["partitioned", "big"] {
            let own = ["--db", DATABASE, "--collection", scenario];
            python::fill(server, scenario, &own);
        }
    });
    server
}

/// The address of our database.
fn filled_address() -> String {
    format!("http://{}/{DATABASE}", filled().address)
}

/// An archive of `partitioned`, for each test to copy and to damage.
fn good_archive() -> &'static Path {
    static STORE: OnceLock<tempfile::TempDir> = OnceLock::new();
    let store = STORE.get_or_init(|| {
        let milvault = Milvault::new();
        let store = tempfile::tempdir().unwrap();
        let to = store.path().to_str().unwrap();
        let from = filled_address();
        let only = ["--name", "good", "-c", "partitioned"];
        let output =
            milvault.run(&[&["-q", "export", "--from", &from, "--to", to][..], &only].concat());
        assert!(output.status.success(), "{}", stderr(&output));
        store
    });
    Box::leak(store.path().join("good").into_boxed_path())
}

/// A copy of the good archive at `store/bad` of this program's folder.
fn copied(milvault: &Milvault) -> PathBuf {
    let store = milvault.path().join("store");
    fs::create_dir(&store).unwrap();
    let copied = Command::new("cp")
        .arg("-r")
        .arg(good_archive())
        .arg(store.join("bad"))
        .status()
        .unwrap();
    assert!(copied.success());
    store.join("bad")
}

/// All that our database holds, as the program lists it.
fn collections() -> Value {
    let output = Milvault::new().run(&["ls", "--json", &filled_address()]);
    assert!(output.status.success(), "{}", stderr(&output));
    serde_json::from_str(stdout(&output)).unwrap()
}

/// Runs a quiet command that must fail with one line, which holds all these words.
fn refused(milvault: &Milvault, arguments: &[&str], code: i32, words: &[&str]) {
    let output = milvault.run(&[&["-q"], arguments].concat());
    let line = failure(&output, code);
    for word in words {
        assert!(line.contains(word), "{arguments:?}: no {word:?} in: {line}");
    }
    assert_eq!(stdout(&output), "", "{arguments:?}");
}

/// An export that must fail with these words, and leave nothing in its store.
fn export_refused(from: &str, more: &[&str], code: i32, words: &[&str]) {
    let milvault = Milvault::new();
    let arguments = [&["export", "--from", from, "--to", "store"], more].concat();
    refused(&milvault, &arguments, code, words);
    // Its folder may have been made.
    let left = fs::read_dir(milvault.path().join("store")).map_or(0, Iterator::count);
    assert_eq!(left, 0, "{arguments:?}");
}

#[test]
fn wrong_addresses_are_named_with_what_is_wrong() {
    let port = closed_port();
    let plain = &filled().address;
    let tls = &servers::milvus_235_with_tls().address;
    for (address, word) in [
        (format!("http://127.0.0.1:{port}"), "refused"),
        ("http://no-such-host.invalid:19530".to_owned(), "lookup"),
        (format!("https://{plain}"), "write http://"),
        (format!("http://{tls}"), "https://"),
        (format!("https://{tls}"), "certificate"),
    ] {
        export_refused(&address, &[], 1, &[&address, word, "cannot reach"]);
    }
}

#[test]
fn wrong_credentials_are_refused_and_not_repeated() {
    let address = &servers::milvus_235_with_passwords().address;
    for user in ["root:wr0ng@", "nobody:wr0ng@", ""] {
        let from = format!("http://{user}{address}");
        let words = [address.as_str(), "does not let us in", "--password-file"];
        export_refused(&from, &[], 1, &words);
        let output = Milvault::new().run(&["ls", &from]);
        assert!(!failure(&output, 1).contains("wr0ng"));
    }
}

#[test]
fn what_the_cluster_does_not_have_is_named() {
    let address = filled_address();
    let server = format!("http://{}", filled().address);
    let ls = format!("`milvault ls {server}`");
    let one = ["-c", "partitioned"];
    let with = |more: &[&'static str]| [&one[..], more].concat();
    export_refused(&format!("{server}/nodb"), &[], 1, &["nodb", &ls]);
    export_refused(&address, &["-d", "nodb"], 1, &["nodb", &ls]);
    export_refused(&address, &["-c", "nowhere"], 1, &["nowhere", &ls]);
    export_refused(&address, &["-c", "no*"], 1, &["no*", &ls]);
    export_refused(
        &address,
        &with(&["--fields", "id,nofield"]),
        2,
        &["nofield", "it has id, text, vector"],
    );
    export_refused(
        &address,
        &with(&["--partition", "west"]),
        2,
        &["west", "it has", "west_1"],
    );

    // And what an archive does not have.
    let milvault = Milvault::new();
    copied(&milvault);
    let restore = [
        "restore",
        "--from",
        "store/bad",
        "--to",
        &address,
        "-c",
        "x",
    ];
    refused(
        &milvault,
        &restore,
        1,
        &["x in", "`milvault show store/bad`"],
    );
}

#[test]
fn filters_that_a_server_does_not_understand_are_refused() {
    let lite = servers::lite_322();
    let own = ["--db", DATABASE, "--collection", "partitioned"];
    python::fill(lite, "partitioned", &own);
    for address in [
        filled_address(),
        format!("http://{}/{DATABASE}", lite.address),
    ] {
        for filter in ["id >", "nofield > 3", "id == \"a\"", "id > 1 nonsense"] {
            let more = ["-c", "partitioned", "--filter", filter];
            export_refused(&address, &more, 2, &["partitioned", "correct --filter"]);
        }
    }
}

/// What starts a program whose mounts nobody else sees and end with it; `None` where that is forbidden, as in
/// most containers.
fn own_mounts() -> Option<&'static [&'static str]> {
    const WAYS: [&[&str]; 2] = [
        &["unshare", "--mount"],
        &["unshare", "--user", "--map-root-user", "--mount"],
    ];
    WAYS.into_iter().find(|way| {
        let mut command = Command::new(way[0]);
        command.args(&way[1..]);
        command.args(["mount", "-t", "tmpfs", "none", "/mnt"]);
        command.output().is_ok_and(|output| output.status.success())
    })
}

/// Runs the program after `prepare`, a shell script, and then prints what is in the store.
fn in_shell(milvault: &Milvault, way: &[&str], prepare: &str, arguments: &[&str]) -> Output {
    let script =
        format!("mkdir store; {prepare} && \"$@\"; code=$?; find store -mindepth 1; exit $code");
    let words = [way, &["sh", "-c", &script, "sh"]].concat();
    let mut command = Command::new(words[0]);
    command.args(&words[1..]);
    command.arg(cargo_bin!("milvault")).args(arguments);
    milvault.at_home(command).output().unwrap()
}

#[test]
fn a_full_disk_leaves_no_archive() {
    let from = filled_address();
    let mounts = own_mounts();
    // A disk without room for all data, and one with room for all but the manifest; without mounts a limit on
    // what a file may have (in blocks of 512 bytes) stands for them.
    for (disk, limit, filter, file) in [
        ("64k", "100", "id > -5000", ".parquet"),
        ("8k", "7", "id < -990", "manifest."),
    ] {
        let milvault = Milvault::new();
        let (way, prepare, words) = match mounts {
            Some(way) => (
                way,
                format!("mount -t tmpfs -o size={disk} none store"),
                "free some space, or choose another store",
            ),
            None => (
                &[][..],
                format!("trap '' XFSZ; ulimit -f {limit}"),
                "choose another store",
            ),
        };
        let arguments = [
            "-q",
            "export",
            "--from",
            &from,
            "--to",
            "store",
            "-c",
            "partitioned",
            "--filter",
            filter,
        ];
        let output = in_shell(&milvault, way, &prepare, &arguments);
        let line = failure(&output, 1);
        assert!(line.contains(words) && line.contains(file), "{line}");
        assert_eq!(stdout(&output), "", "something remains");
    }
}

#[test]
fn a_store_that_cannot_be_written_is_named() {
    let from = filled_address();
    let milvault = Milvault::new();
    fs::write(milvault.path().join("file"), "mine").unwrap();
    for store in ["file", "file/below"] {
        let arguments = ["export", "--from", &from, "--to", store];
        refused(&milvault, &arguments, 1, &[store, "choose another store"]);
    }
    assert_eq!(fs::read(milvault.path().join("file")).unwrap(), b"mine");

    if let Some(way) = own_mounts() {
        let arguments = ["-q", "export", "--from", &from, "--to", "store"];
        let prepare = "mount -t tmpfs none store && mount -o remount,ro store";
        let output = in_shell(&milvault, way, prepare, &arguments);
        assert!(failure(&output, 1).contains("read-only: choose another store"));
        assert_eq!(stdout(&output), "");
    }
}

#[test]
fn an_archive_that_is_there_is_never_written_over() {
    let milvault = Milvault::new();
    let archive = copied(&milvault);
    let manifest = archive.join("manifest.json");
    let before = fs::read(&manifest).unwrap();
    let from = filled_address();
    let again = ["export", "--from", &from, "--to", "store", "--name", "bad"];
    refused(&milvault, &again, 1, &["store/bad", "another --name"]);
    assert_eq!(fs::read(&manifest).unwrap(), before);

    // A folder of somebody else, or one that an export was torn out of.
    fs::rename(&manifest, archive.join("unfinished.json")).unwrap();
    fs::remove_file(archive.join("summary.json")).unwrap();
    refused(
        &milvault,
        &again,
        1,
        &["unfinished", "`milvault forget store bad --unfinished=1h`"],
    );
    assert!(archive.join("collections").is_dir());
    let listed = milvault.run(&["ls", "store"]);
    let listed = stdout(&listed);
    assert!(listed.starts_with("no archives in store\n"), "{listed}");
    assert!(listed.contains("given up"), "{listed}");
}

/// The file with the greatest path of those that the manifest names.
fn last_file(archive: &Path) -> PathBuf {
    let manifest: Value =
        serde_json::from_slice(&fs::read(archive.join("manifest.json")).unwrap()).unwrap();
    let partitions = manifest["collections"][0]["partitions"].as_array().unwrap();
    let files = partitions
        .iter()
        .flat_map(|one| one["files"].as_array().unwrap());
    let last = files.map(|file| file["path"].as_str().unwrap()).max();
    archive.join(last.unwrap())
}

fn change(file: &Path, how: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = fs::read(file).unwrap();
    how(&mut bytes);
    fs::write(file, bytes).unwrap();
}

/// Damages an archive; gives the address that errors name.
type Damage = fn(&Path) -> PathBuf;

#[test]
fn damaged_archives_are_told_and_nothing_is_restored() {
    let cases: [(&str, Damage, i32, &str); 5] = [
        (
            "the manifest is cut off",
            |archive| {
                let file = archive.join("manifest.json");
                change(&file, |bytes| bytes.truncate(bytes.len() / 2));
                file
            },
            3,
            "another copy of the archive",
        ),
        (
            "the manifest is of a future version",
            |archive| {
                let file = archive.join("manifest.json");
                change(&file, |bytes| {
                    let text = String::from_utf8(std::mem::take(bytes)).unwrap();
                    *bytes = text.replacen("\"format\": 1", "\"format\": 3", 1).into();
                });
                file
            },
            1,
            "use a newer milvault",
        ),
        (
            "a file is missing",
            |archive| {
                let file = last_file(archive);
                fs::remove_file(&file).unwrap();
                file
            },
            3,
            "is missing",
        ),
        (
            "a bit is flipped",
            |archive| {
                let file = last_file(archive);
                change(&file, |bytes| {
                    let middle = bytes.len() / 2;
                    bytes[middle] ^= 1;
                });
                file
            },
            3,
            "SHA-256",
        ),
        (
            "a file is cut off",
            |archive| {
                let file = last_file(archive);
                change(&file, |bytes| bytes.truncate(bytes.len() / 2));
                file
            },
            3,
            "bytes",
        ),
    ];
    let address = filled_address();
    let before = collections();
    for (name, damage, code, words) in cases {
        let milvault = Milvault::new();
        let archive = copied(&milvault);
        let file = damage(&archive);
        let uri = file
            .strip_prefix(milvault.path())
            .unwrap()
            .to_str()
            .unwrap();

        let verified = milvault.run(&["-q", "verify", "store/bad"]);
        let told = format!("{}{}", stdout(&verified), stderr(&verified));
        assert_eq!(verified.status.code(), Some(code), "{name}: {told}");
        assert!(told.contains(uri) && told.contains(words), "{name}: {told}");

        let restore = [
            "restore",
            "--from",
            "store/bad",
            "--to",
            &address,
            "--into-database",
            DATABASE,
            "--suffix",
            "_damaged",
        ];
        refused(&milvault, &restore, code, &[uri, words]);
        let replace = [&restore[..7], &["--if-exists", "replace"]].concat();
        refused(&milvault, &replace, code, &[uri, words]);
    }
    assert_eq!(collections(), before);
}

/// Starts a command, interrupts it as soon as it says that it is at work, and gives its end. The signal comes twice, as
/// from `timeout`, which sends it to the process and to its group.
fn interrupted(milvault: &Milvault, arguments: &[&str], at_work: &str) -> (Option<i32>, String) {
    let mut command = milvault.command(arguments);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut words = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    while !line.starts_with(at_work) {
        line.clear();
        assert_ne!(words.read_line(&mut line).unwrap(), 0, "it ended too early");
    }
    send("INT", &child);
    send("INT", &child);
    let mut rest = String::new();
    words.read_to_string(&mut rest).unwrap();
    (child.wait().unwrap().code(), rest)
}

#[test]
fn an_interrupted_export_leaves_nothing() {
    let milvault = Milvault::new();
    fs::create_dir(milvault.path().join("store")).unwrap();
    let from = filled_address();
    let arguments = ["export", "--from", &from, "--to", "store", "-c", "big"];
    let (code, words) = interrupted(&milvault, &arguments, "export");
    assert_eq!(code, Some(4), "{words}");
    assert!(
        words.contains("\nmilvault: stopped before the end"),
        "{words}"
    );
    let left = fs::read_dir(milvault.path().join("store")).unwrap().count();
    assert_eq!(left, 0, "{words}");
}

#[test]
fn an_interrupted_restore_leaves_nothing() {
    let milvault = Milvault::new();
    let address = filled_address();
    let export = [
        "-q", "export", "--from", &address, "--to", "store", "--name", "big", "-c", "big",
    ];
    let exported = milvault.run(&export);
    assert!(exported.status.success(), "{}", stderr(&exported));
    // A database of its own: what is half-done there belongs to nobody else.
    let target = format!("http://{}/bad_input_stopped", filled().address);
    let restore = ["restore", "--from", "store/big", "--to", &target];
    let (code, words) = interrupted(&milvault, &restore, "restore");
    assert_eq!(code, Some(4), "{words}");
    assert!(
        words.contains("\nmilvault: stopped before the end"),
        "{words}"
    );
    let left = milvault.run(&["ls", "--json", &target]);
    let left: Value = serde_json::from_slice(&left.stdout).unwrap();
    let message = left["error"]["message"].as_str().unwrap_or_default();
    // It was made for what was to come into it.
    assert!(message.contains("bad_input_stopped"), "{left} {words}");
}
