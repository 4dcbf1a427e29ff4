//! Programs in processes of their own, so that what they cost is theirs alone.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use serde::Deserialize;

use crate::Failure;
use crate::support::buckets::ADMIN;
use crate::support::python::interpreter;

/// What a program cost.
#[derive(Clone, Debug, Deserialize)]
pub struct Cost {
    /// From its start to its end.
    pub seconds: f64,
    /// User and system, of all its threads.
    pub cpu_seconds: f64,
    /// The most memory that it held, in bytes.
    pub peak_rss: u64,
    /// What it printed.
    pub output: String,
}

impl Cost {
    pub fn time(&self) -> Duration {
        Duration::from_secs_f64(self.seconds)
    }
}

/// Runs the milvault of this build.
pub fn milvault(arguments: &[&str]) -> Result<Cost, Failure> {
    measure(
        [env!("CARGO_BIN_EXE_milvault"), "--quiet"]
            .into_iter()
            .chain(arguments.iter().copied()),
    )
}

/// Runs `baseline.py`: the cost, with the seconds that it counts itself, which leave out Python's own start.
pub fn baseline(address: &str, collection: &str, out: &Path) -> Result<Cost, Failure> {
    #[derive(Deserialize)]
    struct Told {
        seconds: f64,
    }
    let (python, script) = (interpreter().display().to_string(), script("baseline.py"));
    let (script, out) = (script.display().to_string(), out.display().to_string());
    let mut cost = measure([python.as_str(), &script, address, collection, &out].into_iter())?;
    cost.seconds = serde_json::from_str::<Told>(&cost.output)?.seconds;
    Ok(cost)
}

/// Runs `bulk.py`: the time of copying and of importing, as it counts them itself.
pub fn bulk(address: &str, collection: &str, from: &Path, to: &Path) -> Result<Duration, Failure> {
    #[derive(Deserialize)]
    struct Told {
        upload: f64,
        import: f64,
    }
    let output = Command::new(interpreter())
        .arg(script("bulk.py"))
        .args([address, collection])
        .args([from, to])
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()?;
    if !output.status.success() {
        return Err("the bare import failed".into());
    }
    let told: Told = serde_json::from_slice(&output.stdout)?;
    Ok(Duration::from_secs_f64(told.upload + told.import))
}

/// Runs `fill.py`.
pub fn fill(address: &str, collection: &str, rows: Option<u64>) -> Result<(), Failure> {
    let mut command = Command::new(interpreter());
    command
        .arg(script("fill.py"))
        .args([address, collection])
        .stdout(Stdio::null());
    if let Some(rows) = rows {
        command.args(["--rows", &rows.to_string()]);
    }
    match command.status()?.success() {
        true => Ok(()),
        false => Err(format!("{collection} could not be filled").into()),
    }
}

fn measure<'a>(command: impl Iterator<Item = &'a str>) -> Result<Cost, Failure> {
    let measured = Command::new(interpreter())
        .arg(script("measure.py"))
        .args(command)
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .env("AWS_ACCESS_KEY_ID", ADMIN.0)
        .env("AWS_SECRET_ACCESS_KEY", ADMIN.1)
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()?;
    if !measured.status.success() {
        return Err("a program that was measured failed".into());
    }
    Ok(serde_json::from_slice(&measured.stdout)?)
}

fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("benches")
        .join(name)
}
