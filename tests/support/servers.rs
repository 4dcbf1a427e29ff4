//! Real servers, started once a test run on first use.
//!
//! `tests/servers/serve.py` watches over each of them and stops it when the pipe that this process holds closes:
//! at the end of the test run, however that comes.

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

use serde::Deserialize;

/// A server that answers.
#[derive(Debug)]
pub struct Server {
    /// `127.0.0.1:PORT`.
    pub address: String,
    /// The process that serves.
    #[allow(dead_code, reason = "not every test program needs it")]
    pub pid: u32,
    /// The same for TLS, of a server that talks with and without it.
    #[allow(dead_code, reason = "not every test program needs it")]
    pub secure: Option<String>,
    /// Where `ca.pem`, `client.pem` and `client.key` are, of a server with TLS.
    pub certificates: Option<PathBuf>,
    /// Holds the pipe.
    supervisor: Child,
}

/// What serve.py prints once the server answers.
#[derive(Deserialize)]
struct Ready {
    address: String,
    pid: u32,
    secure: Option<String>,
    certificates: Option<PathBuf>,
}

/// Makes a function that starts a server on its first call.
macro_rules! servers {
    ($($(#[$doc:meta])* $name:ident = $arguments:expr;)*) => {$(
        $(#[$doc])*
        pub fn $name() -> &'static Server {
            static SERVER: OnceLock<Server> = OnceLock::new();
            let server = SERVER.get_or_init(|| Server::start(&$arguments));
            // Those with passwords or TLS have next to nothing loaded.
            if matches!($arguments[..], ["milvus-2.2.16" | "milvus-2.3.5"]) {
                super::tending::used(&server.address);
            }
            server
        }
    )*};
}

servers! {
    /// Milvus 2.2.16.
    milvus_2216 = ["milvus-2.2.16"];
    /// Milvus 2.3.5.
    milvus_235 = ["milvus-2.3.5"];
    /// A second Milvus 2.3.5, to restore into.
    other_milvus_235 = ["milvus-2.3.5"];
    /// Milvus 2.3.5 that wants a password: `root`, `Milvus`.
    milvus_235_with_passwords = ["milvus-2.3.5", "--auth"];
    /// Milvus 2.3.5 that talks TLS.
    milvus_235_with_tls = ["milvus-2.3.5", "--tls", "1"];
    /// Milvus 2.3.5 that talks TLS, and wants a certificate of its clients.
    milvus_235_with_mutual_tls = ["milvus-2.3.5", "--tls", "2"];
    /// milvus-lite 3.2.2.
    lite_322 = ["lite-3.2.2"];
    /// milvus-lite 2.5.1.
    lite_251 = ["lite-2.5.1"];
    /// SeaweedFS 4.48, an S3 service.
    seaweedfs = ["seaweedfs-4.48"];
    /// Azurite 3.37.0, Azure Blob Storage.
    #[allow(dead_code, reason = "for the tests of stores")]
    azurite = ["azurite-3.37.0"];
    /// fake-gcs-server, Google Cloud Storage.
    #[allow(dead_code, reason = "for the tests of stores")]
    fake_gcs = ["fakegcs-0.1.1"];
}

impl Server {
    /// Starts a server of the test's own, which ends when the value is dropped or the process ends.
    pub fn start(arguments: &[&str]) -> Server {
        let mut supervisor = serve(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("python3 should be there");
        let mut line = String::new();
        BufReader::new(supervisor.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        let Ok(ready) = serde_json::from_str::<Ready>(&line) else {
            let mut words = String::new();
            supervisor
                .stderr
                .take()
                .unwrap()
                .read_to_string(&mut words)
                .unwrap();
            panic!("no {} came up:\n{line}{words}", arguments.join(" "));
        };
        Server {
            address: ready.address,
            pid: ready.pid,
            secure: ready.secure,
            certificates: ready.certificates,
            supervisor,
        }
    }
}

/// A test's own server has stopped when its value is gone.
impl Drop for Server {
    fn drop(&mut self) {
        drop(self.supervisor.stdin.take());
        let _ = self.supervisor.wait();
    }
}

/// serve.py with these arguments.
pub fn serve(arguments: &[&str]) -> Command {
    let mut command = Command::new("python3");
    command
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/servers/serve.py"))
        .args(arguments);
    command
}
