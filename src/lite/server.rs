//! The server process: starting it, knowing that it is ready, stopping it.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use serde::Deserialize;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use super::path::Format;
use crate::progress::Context;
use crate::{Error, Result};

/// Serves a database from inside the virtual environment, and ends when its stdin closes.
const LAUNCHER: &str = include_str!("launch.py");

/// A large database replays its log before it answers.
const START_DEADLINE: Duration = Duration::from_secs(300);

/// Longer than the launcher gives itself.
const STOP_DEADLINE: Duration = Duration::from_secs(30);

/// How much of the log goes into an error, in bytes.
const LOG_TAIL: u64 = 1500;

/// A running launcher.
#[derive(Debug)]
pub(super) struct Server {
    /// Holds the pipe whose closing ends the launcher.
    process: Child,
    port: u16,
    database: String,
    log: File,
}

/// The one line that the launcher says.
#[derive(Deserialize)]
#[serde(untagged)]
enum Answer {
    Ready { port: u16 },
    Failed { error: String, locked: bool },
}

impl Server {
    /// Starts the server and waits until it answers.
    pub(super) async fn start(
        python: &Path,
        format: Format,
        database: &Path,
        ctx: &Context,
    ) -> Result<Server> {
        let name = database.display().to_string();
        let fail = |reason: String| Error::Program {
            doing: format!("serve {name} with milvus-lite"),
            reason,
        };
        let failed_io = |reason: std::io::Error| fail(reason.to_string());
        // It has no name, so nothing is left of it whatever ends us.
        let log = tempfile::tempfile().map_err(failed_io)?;
        let mut process = Command::new(python)
            // Isolated: the user's PYTHONPATH and the current folder are none of its business.
            .args(["-I", "-c", LAUNCHER])
            .arg(match format {
                Format::Folder => "folder",
                Format::File => "file",
            })
            .arg(database)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log.try_clone().map_err(failed_io)?)
            // Ctrl-C is for milvault, which stops the server when it is done with it.
            .process_group(0)
            .spawn()
            .map_err(failed_io)?;

        let mut line = String::new();
        if let Some(stdout) = process.stdout.take() {
            let mut reader = BufReader::new(stdout);
            tokio::select! {
                read = reader.read_line(&mut line) => { read.map_err(failed_io)?; }
                () = tokio::time::sleep(START_DEADLINE) => {
                    let tail = tail(&log);
                    return Err(fail(format!("no answer for {} s{tail}", START_DEADLINE.as_secs())));
                }
                () = ctx.cancel.cancelled() => {
                    return Err(Error::Stopped(format!("milvus-lite was starting for {name}")));
                }
            }
        }
        match serde_json::from_str(&line) {
            Ok(Answer::Ready { port }) => Ok(Server {
                process,
                port,
                database: name,
                log,
            }),
            Ok(Answer::Failed { locked: true, .. }) => Err(fail(
                "another process serves it; stop that one, or name its address instead of the path"
                    .to_owned(),
            )),
            Ok(Answer::Failed { error, .. }) => Err(fail(error)),
            Err(_) => Err(fail(format!("it ended at once{}", tail(&log)))),
        }
    }

    pub(super) fn port(&self) -> u16 {
        self.port
    }

    /// Stops the server and waits for its end.
    pub(super) async fn stop(mut self) -> Result<()> {
        drop(self.process.stdin.take());
        let reason = match tokio::time::timeout(STOP_DEADLINE, self.process.wait()).await {
            Ok(Ok(status)) if status.success() => return Ok(()),
            Ok(Ok(status)) => format!("it ended with {status}{}", tail(&self.log)),
            Ok(Err(reason)) => reason.to_string(),
            Err(_) => {
                // It is beyond a clean end; nothing more can be done if this fails, too.
                let _ = self.process.kill().await;
                format!(
                    "it did not stop within {} s, and was killed",
                    STOP_DEADLINE.as_secs()
                )
            }
        };
        Err(Error::Program {
            doing: format!("close {} with milvus-lite", self.database),
            reason,
        })
    }
}

/// The end of the log on one line, as the tail of a message; empty where there is none. It moves the position at
/// which the server writes, so the server must be done for.
fn tail(mut log: &File) -> String {
    let mut bytes = Vec::new();
    let length = log.metadata().map_or(0, |metadata| metadata.len());
    let read = log
        .seek(SeekFrom::Start(length.saturating_sub(LOG_TAIL)))
        .and_then(|_| log.read_to_end(&mut bytes));
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<&str> = text
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect();
    if read.is_err() || lines.is_empty() {
        return String::new();
    }
    format!("; its last words: {}", lines.join(" | "))
}
