//! Exports of a collection that is being written to.

use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStdin, ChildStdout, Stdio};

use milvault::Error;
use milvault::archive::Mode;
use milvault::progress::Context;

use crate::support::python;
use crate::support::servers::{self, Server};
use crate::support::vault::{FULL_ACCESS, Vault, connect, database};

/// writer.py at work.
struct Writer {
    process: Child,
    words: BufReader<ChildStdout>,
    stdin: Option<ChildStdin>,
}

impl Writer {
    fn start(server: &Server, database: &str) -> Writer {
        let mut process = python::command("writer.py", &[&server.address, database])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut writer = Writer {
            words: BufReader::new(process.stdout.take().unwrap()),
            stdin: process.stdin.take(),
            process,
        };
        assert_eq!(writer.line(), "ready");
        writer
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.words.read_line(&mut line).unwrap();
        line.trim().to_owned()
    }

    /// Gives the number of rounds.
    fn stop(mut self) -> u32 {
        drop(self.stdin.take());
        let rounds = self.line().parse().unwrap();
        assert!(self.process.wait().unwrap().success());
        rounds
    }
}

#[tokio::test]
async fn rows_that_nobody_touches_are_exported_right_while_others_are_written() {
    let server = servers::milvus_235();
    python::fill_database(server, "written_to", &["big"]);
    let cluster = connect(server).await;
    let vault = Vault::new();
    let writer = Writer::start(server, "written_to");
    let mut good = 0;
    let mut drifted = 0;
    let mut failures = Vec::new();
    for number in 0..6 {
        let name = format!("export-{number}");
        let made = vault
            .try_export(
                &cluster,
                &name,
                &database("written_to"),
                FULL_ACCESS,
                &Context::silent(),
            )
            .await;
        match made {
            Ok(manifest) => {
                assert_eq!(manifest.consistency.mode, Mode::Walk);
                let drift = manifest.consistency.drift;
                drifted += drift.ranges_rewalked;
                assert!(drift.ranges_rewalked > 0 || drift.keys_added + drift.keys_removed == 0);
                vault.open(&name).await;
                let folder = vault.path().join(&name);
                python::run("untouched.py", &[folder.to_str().unwrap()]);
                good += 1;
            }
            Err(error) => {
                assert!(matches!(error, Error::Incomplete { .. }), "{error}");
                assert!(!vault.path().join(&name).exists());
                failures.push(error.to_string());
            }
        }
    }
    let rounds = writer.stop();
    eprintln!(
        "{good} of 6 exports succeeded, {drifted} ranges were walked again, in {rounds} rounds of writing; {failures:#?}"
    );
    assert!(rounds > 3, "{rounds} rounds are no load");
    assert!(good >= 4, "{failures:#?}");
}
