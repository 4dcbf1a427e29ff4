//! What a run ends with: the exit code, and the line that says why.

use std::io::Write;
use std::process::ExitCode;

use milvault::{Error, Kind, Result};
use serde_json::json;

use super::output::Output;

/// How a command ended that did its work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finish {
    /// All is well.
    Done,
    /// What was checked has differences or damage.
    Differs,
    /// A part was done, and is told; the rest, or what was to follow, failed, which is told, too.
    Broken(Kind),
}

impl Finish {
    /// Of a check.
    pub fn of(good: bool) -> Finish {
        if good { Finish::Done } else { Finish::Differs }
    }
}

/// The exit codes.
pub fn code(finished: &Result<Finish>) -> ExitCode {
    ExitCode::from(number(finished))
}

fn number(finished: &Result<Finish>) -> u8 {
    match finished {
        Ok(Finish::Done) => 0,
        Ok(Finish::Differs) => 3,
        Ok(Finish::Broken(kind)) => code_of(*kind),
        Err(error) => code_of(error.kind()),
    }
}

fn code_of(kind: Kind) -> u8 {
    match kind {
        Kind::Failed => 1,
        Kind::Usage => 2,
        Kind::Damage => 3,
        Kind::Stopped => 4,
    }
}

/// Tells an error: one line on stderr, and with `--json` a document on stdout.
pub fn report(finished: &Result<Finish>, output: Output) {
    let Err(error) = finished else {
        return;
    };
    let message = one_line(error);
    // Nobody is left to tell where stderr is closed.
    let _ = writeln!(std::io::stderr(), "milvault: {message}");
    if output.json {
        let kind = match error.kind() {
            Kind::Failed => "failed",
            Kind::Usage => "usage",
            Kind::Damage => "damage",
            Kind::Stopped => "stopped",
        };
        let _ = output.document(&json!({ "error": { "kind": kind, "message": message } }));
    }
}

/// Servers and programs answer in several lines at times.
fn one_line(error: &Error) -> String {
    let text = error.to_string();
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    lines.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_end_has_its_code() {
        let damaged = Error::Damaged {
            uri: "a".into(),
            reason: "r".into(),
        };
        let missing = Error::Missing {
            uri: "a".into(),
            hint: String::new(),
        };
        for (finished, code) in [
            (Ok(Finish::Done), 0),
            (Err(missing), 1),
            (Err(Error::Usage("u".into())), 2),
            (Ok(Finish::Differs), 3),
            (Ok(Finish::Broken(Kind::Failed)), 1),
            (Ok(Finish::Broken(Kind::Stopped)), 4),
            (Err(damaged), 3),
            (Err(Error::Stopped("s".into())), 4),
        ] {
            assert_eq!(number(&finished), code, "{finished:?}");
        }
    }

    #[test]
    fn an_answer_of_many_lines_becomes_one() {
        let error = Error::Program {
            doing: "x".into(),
            reason: "first\r\n\n  second\n".into(),
        };
        assert_eq!(one_line(&error), "cannot x: first second");
    }
}
