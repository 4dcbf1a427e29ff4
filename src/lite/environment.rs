//! The private virtual environments in which milvus-lite is installed.

use std::env;
use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;

use crate::progress::Context;
use crate::{Error, Result};

/// A release of milvus-lite and what its environment holds.
#[derive(Debug)]
pub(super) struct Release {
    version: &'static str,
    requirements: &'static [&'static str],
}

impl Release {
    /// Serves folders. It imports pymilvus without saying so in its metadata.
    pub(super) const V3: Release = Release {
        version: "3.2.2",
        requirements: &["milvus-lite==3.2.2", "pymilvus==3.0.2"],
    };

    /// Serves SQLite files. It imports pkg_resources, which setuptools 80 and later no longer have.
    pub(super) const V2: Release = Release {
        version: "2.5.1",
        requirements: &["milvus-lite==2.5.1", "setuptools<80"],
    };
}

/// What to look for on the PATH, unless `$MILVAULT_PYTHON` names one.
const PYTHONS: [&str; 6] = [
    "python3",
    "python3.13",
    "python3.12",
    "python3.11",
    "python3.10",
    "python",
];

/// The Python of a release's environment, which is made first where there is none, or only part of one.
pub(super) async fn python(release: &Release, ctx: &Context) -> Result<PathBuf> {
    let cache = cache_folder()?;
    let environment = Environment {
        folder: cache.join(format!("lite-{}", release.version)),
        release,
    };
    if environment.is_complete() {
        return Ok(environment.python());
    }
    fs::create_dir_all(&cache).map_err(|source| store("make", &cache, source))?;
    // Held until the end of this function.
    let lock = lock(&environment.folder.with_added_extension("lock"), ctx).await?;
    if !environment.is_complete() {
        environment.install(&lock, ctx).await?;
    }
    Ok(environment.python())
}

/// `$MILVAULT_CACHE`, else `milvault` in the user's cache folder.
fn cache_folder() -> Result<PathBuf> {
    let named = |variable| env::var_os(variable).filter(|value| !value.is_empty());
    named("MILVAULT_CACHE")
        .map(PathBuf::from)
        .or_else(|| named("XDG_CACHE_HOME").map(|base| Path::new(&base).join("milvault")))
        .or_else(|| named("HOME").map(|home| Path::new(&home).join(".cache/milvault")))
        .and_then(|folder| std::path::absolute(folder).ok())
        .ok_or_else(|| fail("there is no HOME to keep it in; set MILVAULT_CACHE to a folder"))
}

struct Environment<'a> {
    folder: PathBuf,
    release: &'a Release,
}

impl Environment<'_> {
    fn python(&self) -> PathBuf {
        self.folder.join("bin/python")
    }

    /// Written last: what is installed, and for which Python, for an upgrade of the system's Python breaks the
    /// environment.
    fn marker(&self) -> PathBuf {
        self.folder.join(".complete")
    }

    fn marker_text(&self) -> Option<String> {
        let interpreter = fs::canonicalize(self.python()).ok()?;
        Some(format!(
            "{}\n{}\n",
            self.release.requirements.join("\n"),
            interpreter.display()
        ))
    }

    fn is_complete(&self) -> bool {
        self.marker_text()
            .is_some_and(|text| fs::read_to_string(self.marker()).is_ok_and(|found| found == text))
    }

    async fn install(&self, lock: &File, ctx: &Context) -> Result<()> {
        let python = find_python(ctx).await?;
        ctx.monitor.note(&format!(
            "installing milvus-lite {} into {} (once, takes a minute)",
            self.release.version,
            self.folder.display()
        ));
        match fs::remove_dir_all(&self.folder) {
            Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
                return Err(store("remove", &self.folder, source));
            }
            _ => {}
        }
        let mut venv = Command::new(&python);
        venv.args(["-m", "venv"]).arg(&self.folder);
        run(venv, held(lock)?, ctx).await?;
        let mut pip = Command::new(self.python());
        pip.args(["-m", "pip", "install", "--quiet", "--no-input"])
            .args(self.release.requirements);
        run(pip, held(lock)?, ctx).await?;
        let text = self.marker_text().unwrap_or_default();
        let written = self.marker();
        fs::write(&written, text).map_err(|source| store("write", &written, source))
    }
}

/// A Python of 3.10 or later that can make environments. Debian ships one that cannot, and the missing package
/// is installed where that needs no password.
async fn find_python(ctx: &Context) -> Result<PathBuf> {
    let named = env::var_os("MILVAULT_PYTHON").map(PathBuf::from);
    let candidates = match &named {
        Some(python) => vec![python.clone()],
        None => PYTHONS.map(PathBuf::from).to_vec(),
    };
    let mut incomplete = None;
    for python in candidates {
        if !succeeds(
            &python,
            &["-c", "import sys; assert sys.version_info >= (3, 10)"],
        )
        .await
        {
            continue;
        }
        if can_make_environments(&python).await {
            return Ok(python);
        }
        incomplete.get_or_insert(python);
    }
    let Some(python) = incomplete else {
        return Err(fail(match named {
            Some(python) => format!(
                "MILVAULT_PYTHON is {}, which is no working Python 3.10 or later",
                python.display()
            ),
            None => "it needs Python 3.10 or later, and there is none; install python3, or set \
                     MILVAULT_PYTHON to one"
                .to_owned(),
        }));
    };
    install_venv_package(&python, ctx).await?;
    Ok(python)
}

async fn can_make_environments(python: &Path) -> bool {
    succeeds(python, &["-c", "import venv, ensurepip"]).await
}

async fn install_venv_package(python: &Path, ctx: &Context) -> Result<()> {
    const BY_HAND: &str = "sudo apt-get install -y python3-venv";
    let cannot = || {
        fail(format!(
            "{} has no venv module; run `{BY_HAND}` (or what your system calls it), then try again",
            python.display()
        ))
    };
    if !succeeds(Path::new("apt-get"), &["--version"]).await {
        return Err(cannot());
    }
    let sudo: &[&str] = if is_root() {
        &[]
    } else if succeeds(Path::new("sudo"), &["-n", "true"]).await {
        &["sudo", "-n"]
    } else {
        return Err(cannot());
    };
    ctx.monitor.note(&format!(
        "{} has no venv module: running `{}apt-get install -y python3-venv`",
        python.display(),
        if sudo.is_empty() { "" } else { "sudo " }
    ));
    for words in [
        &["update", "-q"][..],
        &["install", "-y", "-q", "python3-venv"],
    ] {
        let all: Vec<&str> = sudo.iter().copied().chain(["apt-get"]).collect();
        let mut command = Command::new(all[0]);
        command
            .args(&all[1..])
            .args(words)
            .env("DEBIAN_FRONTEND", "noninteractive");
        run(command, Stdio::null(), ctx).await?;
    }
    if can_make_environments(python).await {
        Ok(())
    } else {
        Err(cannot())
    }
}

/// The owner of our own process's entry in /proc is the effective user.
fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt;
    fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0)
}

async fn succeeds(program: &Path, arguments: &[&str]) -> bool {
    Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .await
        .is_ok_and(|status| status.success())
}

/// Runs a command whose output matters only when it fails.
async fn run(mut command: Command, stdin: Stdio, ctx: &Context) -> Result<()> {
    let words: Vec<_> = std::iter::once(command.as_std().get_program())
        .chain(command.as_std().get_args())
        .map(|word| word.to_string_lossy().into_owned())
        .collect();
    let words = words.join(" ");
    let done = command
        .stdin(stdin)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .output();
    let output = tokio::select! {
        output = done => output.map_err(|reason| fail(format!("`{words}`: {reason}")))?,
        () = ctx.cancel.cancelled() => {
            return Err(Error::Stopped("milvus-lite was being installed".to_owned()));
        }
    };
    if output.status.success() {
        return Ok(());
    }
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    // The last lines tell what went wrong; the ones before, how it got there.
    let mut last: Vec<&str> = said
        .lines()
        .rev()
        .filter(|line| !line.trim().is_empty())
        .take(5)
        .collect();
    last.reverse();
    Err(fail(format!("`{words}` failed: {}", last.join(" | "))))
}

/// Takes the lock file, waiting for another process that installs at the same time.
async fn lock(path: &Path, ctx: &Context) -> Result<File> {
    let file = File::create(path).map_err(|source| store("write", path, source))?;
    let mut told = false;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::Error(source)) => return Err(store("lock", path, source)),
            Err(TryLockError::WouldBlock) => {}
        }
        if !told {
            ctx.monitor
                .note("waiting for another milvault that is installing milvus-lite");
            told = true;
        }
        tokio::select! {
            () = tokio::time::sleep(Duration::from_millis(200)) => {}
            () = ctx.cancel.cancelled() => {
                return Err(Error::Stopped("milvus-lite was being installed".to_owned()));
            }
        }
    }
}

/// The lock file, which is empty, as a child's input: so a pip that outlives us keeps the lock, and nobody
/// installs into the same folder beside it.
fn held(lock: &File) -> Result<Stdio> {
    let shared = lock
        .try_clone()
        .map_err(|reason| fail(reason.to_string()))?;
    Ok(Stdio::from(shared))
}

fn fail(reason: impl Into<String>) -> Error {
    Error::Program {
        doing: "install milvus-lite".to_owned(),
        reason: reason.into(),
    }
}

fn store(doing: &'static str, path: &Path, source: std::io::Error) -> Error {
    Error::Store {
        doing,
        uri: path.display().to_string(),
        source,
    }
}
