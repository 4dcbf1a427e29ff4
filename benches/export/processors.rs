//! Which processors may be used: two services of one machine, each with some of its own, are as two machines.

use std::process::Command;
use std::thread::available_parallelism;

use crate::Failure;

/// The processors in two halves, as `taskset` takes them.
pub fn halves() -> Result<(String, String), Failure> {
    match available_parallelism()?.get() {
        1 => Err("one processor has no halves".into()),
        all => Ok((
            format!("0-{}", all / 2 - 1),
            format!("{}-{}", all / 2, all - 1),
        )),
    }
}

/// Keeps a process, all its threads, and what they start from now on, to some processors.
pub fn keep(pid: u32, to: &str) -> Result<(), Failure> {
    let mut command = Command::new("taskset");
    command.args(["--all-tasks", "--cpu-list", "--pid", to, &pid.to_string()]);
    match command.output()?.status.success() {
        true => Ok(()),
        false => Err(format!("process {pid} could not be kept to the processors {to}").into()),
    }
}
