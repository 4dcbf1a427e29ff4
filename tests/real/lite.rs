//! milvus-lite as an embedded cluster.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use milvault::Error;
use milvault::lite::Lite;
use milvault::model::CollectionName;
use milvault::progress::Context;
use serde_json::json;

use crate::support::program::send_to;
use crate::support::python;
use crate::support::servers::{self, Server};
use crate::support::vault::{FULL_ACCESS, Vault, collections, connect};

fn fill(lite: &Lite, scenario: &str) {
    python::run("fill.py", &[&lite.address(), scenario]);
}

fn assert_holds(lite: &Lite, scenario: &str) {
    python::run("truth.py", &[&lite.address(), scenario, "--load"]);
}

/// Makes an SQLite database `lite.db` with milvus-lite 2.5.1, the way users once did.
fn old_database(folder: &Path) {
    let old = Server::start(&["lite-2.5.1", "--dir", folder.to_str().unwrap()]);
    python::fill(&old, "every_type", &[]);
}

async fn refused(path: &Path) -> String {
    let Err(error) = Lite::open(path, &Context::silent()).await else {
        panic!("{} was opened", path.display());
    };
    error.to_string()
}

async fn assert_ends(address: &str) {
    let end = Instant::now() + Duration::from_secs(20);
    while answers(address) {
        assert!(Instant::now() < end, "the server outlives its owner");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

fn answers(address: &str) -> bool {
    std::net::TcpStream::connect(address).is_ok()
}

#[tokio::test]
async fn rows_are_still_there_when_a_new_database_is_opened_again() {
    let folder = tempfile::tempdir().unwrap();
    // Quotes, spaces and a name in another script are fine.
    let path = folder.path().join("my 'новая' data.db");
    let ctx = Context::silent();
    let lite = Lite::create(&path, &ctx).await.unwrap();
    fill(&lite, "every_type");
    let address = lite.address();
    assert!(answers(&address));
    lite.close().await.unwrap();
    assert!(!answers(&address));

    for _ in 0..2 {
        let lite = Lite::open(&path, &ctx).await.unwrap();
        assert_holds(&lite, "every_type");
        lite.close().await.unwrap();
    }
}

#[tokio::test]
async fn an_sqlite_file_of_milvus_lite_2_opens() {
    let folder = tempfile::tempdir().unwrap();
    old_database(folder.path());
    // milvus-lite's own Python refuses such a name; its server does not.
    let path = folder
        .path()
        .join("мой 'old' data, a rather long name indeed.db");
    std::fs::rename(folder.path().join("lite.db"), &path).unwrap();
    let lite = Lite::open(&path, &Context::silent()).await.unwrap();
    assert_holds(&lite, "every_type");
    lite.close().await.unwrap();
    let lock = folder
        .path()
        .join(".мой 'old' data, a rather long name indeed.db.lock");
    assert!(!lock.exists());
}

#[tokio::test]
async fn opening_what_is_not_there_makes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("typo.db");
    let missing = Lite::open(&path, &Context::silent()).await;
    assert!(matches!(missing, Err(Error::Missing { .. })));
    assert!(!path.exists());
}

/// Whether a process has the path among its arguments.
fn is_served(path: &Path) -> bool {
    let path = path.to_str().unwrap().as_bytes();
    let processes = std::fs::read_dir("/proc").unwrap();
    processes.map_while(Result::ok).any(|process| {
        let arguments = std::fs::read(process.path().join("cmdline"));
        let mut arguments = arguments.unwrap_or_default();
        arguments.push(0);
        arguments.windows(path.len()).any(|part| part == path)
    })
}

#[tokio::test]
async fn a_stop_while_the_server_starts_leaves_neither_server_nor_database() {
    let folder = tempfile::tempdir().unwrap();
    let mut wait = Duration::from_millis(100);
    let mut stopped = 0;
    for round in 0.. {
        let path = folder.path().join(format!("stopped-{round}.db"));
        let ctx = Context::silent();
        let cancel = ctx.cancel.clone();
        let stopping = tokio::spawn(async move {
            tokio::time::sleep(wait).await;
            cancel.cancel();
        });
        let created = Lite::create(&path, &ctx).await;
        stopping.abort();
        match created {
            // It has started before the stop.
            Ok(lite) => {
                lite.close_failed().await.unwrap();
                break;
            }
            Err(error) => assert!(matches!(error, Error::Stopped(_)), "{error}"),
        }
        assert!(!is_served(&path), "after {wait:?}");
        assert!(!path.exists(), "after {wait:?}");
        stopped += 1;
        wait = wait * 3 / 2;
    }
    assert!(stopped > 0);
}

#[tokio::test]
async fn work_that_fails_takes_a_new_database_with_it_unless_something_is_in_it() {
    let folder = tempfile::tempdir().unwrap();
    let ctx = Context::silent();
    let path = folder.path().join("new.db");
    let lite = Lite::create(&path, &ctx).await.unwrap();
    assert!(path.exists());
    lite.close_failed().await.unwrap();
    assert!(!path.exists());

    // The folder was there before.
    std::fs::create_dir(&path).unwrap();
    let lite = Lite::create(&path, &ctx).await.unwrap();
    lite.close_failed().await.unwrap();
    assert!(path.read_dir().unwrap().next().is_none());

    let lite = Lite::create(&path, &ctx).await.unwrap();
    fill(&lite, "every_type");
    lite.close_failed().await.unwrap();
    for _ in 0..2 {
        let lite = Lite::open(&path, &ctx).await.unwrap();
        assert_holds(&lite, "every_type");
        lite.close_failed().await.unwrap();
    }
}

#[tokio::test]
async fn a_rehearsal_takes_place_elsewhere() {
    let folder = tempfile::tempdir().unwrap();
    let ctx = Context::silent();
    let path = folder.path().join("new.db");
    let lite = Lite::rehearse(&path, &ctx).await.unwrap();
    fill(&lite, "every_type");
    lite.close().await.unwrap();
    assert!(!path.exists());

    let lite = Lite::create(&path, &ctx).await.unwrap();
    fill(&lite, "every_type");
    lite.close().await.unwrap();
    let lite = Lite::rehearse(&path, &ctx).await.unwrap();
    assert_holds(&lite, "every_type");
    lite.close().await.unwrap();
}

#[tokio::test]
async fn a_database_that_is_served_already_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("busy.db");
    let first = Lite::create(&path, &Context::silent()).await.unwrap();
    let message = refused(&path).await;
    assert!(message.contains("another process serves it"), "{message}");
    // The first is none the worse for it.
    assert!(answers(&first.address()));
    first.close().await.unwrap();
}

#[tokio::test]
async fn a_dropped_server_lets_go_of_the_database() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("dropped.db");
    let address = {
        let lite = Lite::create(&path, &Context::silent()).await.unwrap();
        lite.address()
    };
    assert_ends(&address).await;
    let again = Lite::open(&path, &Context::silent()).await.unwrap();
    again.close().await.unwrap();
}

#[tokio::test]
async fn a_database_that_does_not_open_fails_with_the_servers_words() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("torn.db");
    let lite = Lite::create(&path, &Context::silent()).await.unwrap();
    lite.close().await.unwrap();
    std::fs::remove_dir(path.join("databases")).unwrap();
    std::fs::write(path.join("databases"), "").unwrap();
    let message = refused(&path).await;
    assert!(message.contains("torn.db/databases"), "{message}");
}

#[tokio::test]
async fn the_server_ends_with_a_milvault_that_is_killed() {
    let folder = tempfile::tempdir().unwrap();
    old_database(folder.path());
    for name in ["new.db", "lite.db"] {
        let path = folder.path().join(name);
        let mut other = another_process()
            .env("MILVAULT_TEST_PATH", &path)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(other.stdout.take().unwrap()).lines();
        let address = lines
            .map(|line| line.unwrap())
            .find(|line| line.starts_with("127.0.0.1:"))
            .unwrap();
        assert!(answers(&address));
        other.kill().unwrap();
        other.wait().unwrap();
        assert_ends(&address).await;
        let again = Lite::open(&path, &Context::silent()).await.unwrap();
        again.close().await.unwrap();
    }
}

/// This test program, opening a database and holding it.
fn another_process() -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args([
        "--exact",
        "lite::holds_a_database_for_another_test",
        "--ignored",
        "--nocapture",
    ]);
    command
}

#[tokio::test]
async fn a_missing_venv_module_is_told_with_the_command_that_helps() {
    // Stands for the python3 of a fresh Debian: it runs, and has no ensurepip.
    let folder = tempfile::tempdir().unwrap();
    let python = folder.path().join("python3");
    std::fs::write(
        &python,
        "#!/bin/sh\ncase \"$*\" in *ensurepip*) exit 1;; *) exit 0;; esac\n",
    )
    .unwrap();
    let done = Command::new("chmod")
        .arg("+x")
        .arg(&python)
        .status()
        .unwrap();
    assert!(done.success());
    let output = another_process()
        .env("MILVAULT_PYTHON", &python)
        .env("MILVAULT_TEST_PATH", folder.path().join("new.db"))
        .env("MILVAULT_CACHE", folder.path().join("cache"))
        // No apt-get and no sudo: what is left is to tell.
        .env("PATH", folder.path())
        .output()
        .unwrap();
    let words = String::from_utf8_lossy(&output.stdout);
    assert!(
        words.contains("sudo apt-get install -y python3-venv"),
        "{words}"
    );
}

#[tokio::test]
#[ignore = "started by other tests as a process of its own"]
async fn holds_a_database_for_another_test() {
    let path = std::env::var_os("MILVAULT_TEST_PATH").unwrap();
    match Lite::create(Path::new(&path), &Context::silent()).await {
        Ok(lite) => {
            println!("\n{}", lite.address());
            tokio::time::sleep(Duration::from_secs(60)).await;
        }
        Err(error) => println!("{error}"),
    }
}

#[tokio::test]
async fn a_run_of_keys_that_no_expression_can_name_is_exported_or_named() {
    let server = servers::lite_251();
    let name = "unnameable";
    let create =
        json!({"collection_name": name, "dimension": 2, "id_type": "string", "max_length": 20});
    python::call(server, "", &[("create_collection", create)]);
    let insert = |parts: std::ops::Range<u32>| {
        for part in parts {
            let rows: Vec<_> = (0..2_000)
                .map(|row| json!({"id": format!("\n{:05}", part * 2_000 + row), "vector": [1, 2]}))
                .collect();
            let rows = json!({"collection_name": name, "data": rows});
            python::call(server, "", &[("insert", rows)]);
        }
    };
    let cluster = connect(server).await;
    let vault = Vault::new();
    let selection = collections("default", &[name]);
    insert(0..8);
    let archive = vault.export(&cluster, "a", &selection).await;
    assert_eq!(archive.manifest().totals().rows, 16_000);

    // More than the server gives at once.
    insert(8..9);
    let refused = vault
        .try_export(&cluster, "b", &selection, FULL_ACCESS, &Context::silent())
        .await
        .unwrap_err();
    assert!(matches!(refused, Error::Incomplete { .. }), "{refused}");
    assert!(refused.to_string().contains("line breaks"), "{refused}");
}

/// Connections that are pinged all the while are given up by milvus-lite ("Too many pings"), or by us.
#[tokio::test]
async fn a_milvus_lite_that_says_nothing_for_long_is_waited_for() {
    let server = Server::start(&["lite-3.2.2"]);
    python::fill(&server, "empty", &[]);
    let cluster = connect(&server).await;
    let name = CollectionName::new("default", "empty");
    send_to("STOP", server.pid);
    let waking = async {
        tokio::time::sleep(Duration::from_secs(40)).await;
        send_to("CONT", server.pid);
    };
    let (made, ()) = tokio::join!(cluster.create_partition(&name, "late"), waking);
    made.unwrap();
}
