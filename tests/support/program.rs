//! The program as a user runs it.

use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Output};

use assert_cmd::cargo::cargo_bin;

/// The program in a folder of its own, without anything of the caller's environment that it looks at.
pub struct Milvault {
    folder: tempfile::TempDir,
}

impl Milvault {
    pub fn new() -> Milvault {
        Milvault {
            folder: tempfile::tempdir().unwrap(),
        }
    }

    /// The folder in which it runs.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(cargo_bin!("milvault"));
        command.env("XDG_CONFIG_HOME", self.path().join("config"));
        command.args(arguments);
        self.at_home(command)
    }

    /// Any command, in the same folder and environment.
    pub fn at_home(&self, mut command: Command) -> Command {
        for (name, _) in std::env::vars() {
            // Where milvus-lite is installed may stay: the tests share it.
            let own = name.starts_with("MILVAULT_") && name != "MILVAULT_CACHE";
            let clouds = ["AWS_", "AZURE_", "GOOGLE_", "STORAGE_EMULATOR_"];
            if own || clouds.iter().any(|cloud| name.starts_with(cloud)) {
                command.env_remove(name);
            }
        }
        // Nothing is to ask the machine, or look at its user's files, for credentials.
        command.env("AWS_EC2_METADATA_DISABLED", "true");
        for files in ["AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"] {
            command.env(files, self.path().join("no-such-file"));
        }
        command.current_dir(self.path());
        command
    }

    pub fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }
}

/// Sends `INT` or `TERM`.
pub fn send(signal: &str, child: &Child) {
    send_to(signal, child.id());
}

/// Sends a signal to any process. The shell has its own kill; a program of that name is not everywhere.
pub fn send_to(signal: &str, pid: u32) {
    let script = format!("kill -{signal} {pid}");
    let sent = Command::new("sh").args(["-c", &script]).status().unwrap();
    assert!(sent.success());
}

pub fn stdout(output: &Output) -> &str {
    std::str::from_utf8(&output.stdout).unwrap()
}

pub fn stderr(output: &Output) -> &str {
    std::str::from_utf8(&output.stderr).unwrap()
}

/// The one line of an error.
pub fn failure(output: &Output, code: i32) -> &str {
    let text = stderr(output);
    assert_eq!(output.status.code(), Some(code), "{text}");
    let line = text.strip_suffix('\n').unwrap();
    assert!(line.starts_with("milvault: "), "{line}");
    assert!(!line.contains('\n'), "{line}");
    line
}

/// A port on which nobody listens.
pub fn closed_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}
