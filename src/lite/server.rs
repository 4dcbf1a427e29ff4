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

/// How long a server that is not wanted any more may take to open its database, and close it again.
const GIVE_UP_DEADLINE: Duration = Duration::from_secs(10);

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
    /// Starts the server and waits until it answers. If that fails or is stopped, the server is gone.
    pub(super) async fn start(
        python: &Path,
        format: Format,
        database: &Path,
        ctx: &Context,
    ) -> Result<Server> {
        let name = database.display().to_string();
        let failed_io = |reason: std::io::Error| cannot_serve(&name, reason.to_string());
        // It has no name, so nothing is left of it whatever ends us.
        let log = tempfile::tempfile().map_err(failed_io)?;
        let process = Command::new(python)
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
        let mut server = Server {
            process,
            port: 0,
            database: name,
            log,
        };
        match server.answer(ctx).await {
            Ok(port) => {
                server.port = port;
                Ok(server)
            }
            Err(error) => {
                server.give_up().await;
                Err(error)
            }
        }
    }

    /// Waits for the one line, which tells the port.
    async fn answer(&mut self, ctx: &Context) -> Result<u16> {
        let fail = |reason: String| cannot_serve(&self.database, reason);
        let mut line = String::new();
        if let Some(stdout) = &mut self.process.stdout {
            let mut reader = BufReader::new(stdout);
            tokio::select! {
                read = reader.read_line(&mut line) => {
                    read.map_err(|reason| fail(reason.to_string()))?;
                }
                () = tokio::time::sleep(START_DEADLINE) => {
                    let tail = tail(&self.log);
                    return Err(fail(format!("no answer for {} s{tail}", START_DEADLINE.as_secs())));
                }
                () = ctx.cancel.cancelled() => {
                    return Err(Error::Stopped(format!("milvus-lite was starting for {}", self.database)));
                }
            }
        }
        match serde_json::from_str(&line) {
            Ok(Answer::Ready { port }) => Ok(port),
            Ok(Answer::Failed { locked: true, .. }) => Err(fail(
                "another process serves it; stop that one, or name its address instead of the path"
                    .to_owned(),
            )),
            Ok(Answer::Failed { error, .. }) => Err(fail(error)),
            Err(_) => Err(fail(format!("it ended at once{}", tail(&self.log)))),
        }
    }

    /// Ends a server that has not answered: let end by itself, for a database that is being opened is best closed
    /// again, and killed if that takes long. There is no more to do about it if even that fails.
    async fn give_up(mut self) {
        drop(self.process.stdin.take());
        let ended = tokio::time::timeout(GIVE_UP_DEADLINE, self.process.wait()).await;
        if ended.is_err() {
            let _ = self.process.kill().await;
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

fn cannot_serve(database: &str, reason: String) -> Error {
    Error::Program {
        doing: format!("serve {database} with milvus-lite"),
        reason,
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
