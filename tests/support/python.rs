//! The independent truth: programs of `tests/python/`, which know Milvus through pymilvus and Parquet through
//! pyarrow and DuckDB.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use serde::Deserialize;
use serde_json::{Value, json};

use super::servers::{Server, serve};

/// A Python that has pymilvus, pyarrow and duckdb.
pub fn interpreter() -> &'static Path {
    static PYTHON: OnceLock<PathBuf> = OnceLock::new();
    PYTHON.get_or_init(|| {
        let output = serve(&["python"])
            .stderr(Stdio::inherit())
            .output()
            .unwrap();
        assert!(output.status.success(), "no environment for pymilvus");
        PathBuf::from(String::from_utf8(output.stdout).unwrap().trim())
    })
}

/// `tests/python/SCRIPT`, to be started.
pub fn command(script: &str, arguments: &[&str]) -> Command {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python");
    let mut command = Command::new(interpreter());
    command.arg(folder.join(script)).args(arguments);
    command
}

/// How a program ended.
#[derive(Deserialize)]
struct Ended {
    code: i32,
    stdout: String,
    stderr: String,
}

/// The socket of what runs programs in forks: each would else import pymilvus anew, which takes a second. Ends with this
/// process.
fn forks() -> &'static Path {
    static SOCKET: OnceLock<PathBuf> = OnceLock::new();
    SOCKET.get_or_init(|| {
        let mut forks = command("forks.py", &[])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(forks.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        // It ends when its stdin closes.
        std::mem::forget(forks);
        PathBuf::from(line.trim_end())
    })
}

/// Runs `tests/python/SCRIPT`; gives what it prints. Panics with its words if it fails.
pub fn run(script: &str, arguments: &[&str]) -> String {
    let mut forks = UnixStream::connect(forks()).unwrap();
    writeln!(forks, "{}", json!([&[script], arguments].concat())).unwrap();
    let ended: Ended = serde_json::from_reader(forks).unwrap();
    assert!(
        ended.code == 0,
        "{script} {} failed:\n{}{}",
        arguments.join(" "),
        ended.stdout,
        ended.stderr
    );
    ended.stdout
}

/// Fills a collection of a server with a scenario; `more` are further options of fill.py.
pub fn fill(server: &Server, scenario: &str, more: &[&str]) {
    run("fill.py", &[&[&server.address, scenario], more].concat());
}

/// Fills collections of a database, each named after its scenario.
pub fn fill_database(server: &Server, database: &str, scenarios: &[&str]) {
    fill(server, &scenarios.join(","), &["--db", database]);
}

/// Calls methods of pymilvus's client; gives their answers.
pub fn call(server: &Server, database: &str, calls: &[(&str, Value)]) -> Vec<Value> {
    let mut arguments = vec![server.address.clone(), database.to_owned()];
    for (method, given) in calls {
        arguments.extend([method.to_string(), given.to_string()]);
    }
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    run("call.py", &arguments)
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// What pymilvus says of collections but their rows.
pub fn definitions(server: &Server, database: &str, collections: &[&str]) -> Value {
    let text = run(
        "definition.py",
        &[&[server.address.as_str(), database], collections].concat(),
    );
    serde_json::from_str(&text).unwrap()
}

/// Panics unless two definitions are the same, with the paths of what differs.
pub fn assert_same(found: &Value, meant: &Value, subject: &str) {
    let mut differences = Vec::new();
    find_differences(found, meant, subject.to_owned(), &mut differences);
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

fn find_differences(found: &Value, meant: &Value, path: String, differences: &mut Vec<String>) {
    if let (Value::Object(a), Value::Object(b)) = (found, meant) {
        let keys: BTreeSet<&String> = a.keys().chain(b.keys()).collect();
        for key in keys {
            find_differences(
                &found[key],
                &meant[key],
                format!("{path}.{key}"),
                differences,
            );
        }
    } else if found != meant {
        differences.push(format!("{path} is {found} instead of {meant}"));
    }
}

/// Panics unless a collection of a server holds exactly a scenario; `more` are further options of truth.py.
pub fn assert_holds(server: &Server, scenario: &str, more: &[&str]) {
    run("truth.py", &[&[&server.address, scenario], more].concat());
}
