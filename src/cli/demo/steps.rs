//! What the demo tells: each step when it is done, and what to try next.

use std::time::Instant;

use milvault::Result;
use serde::Serialize;

use super::folder::Folder;
use crate::cli::output::Output;
use crate::cli::units;

/// The steps so far.
#[derive(Debug)]
pub struct Steps {
    output: Output,
    done: Vec<Step>,
}

#[derive(Debug, Serialize)]
struct Step {
    step: &'static str,
    seconds: f64,
    told: String,
}

/// The demo as a document.
#[derive(Serialize)]
struct Demo<'a> {
    archive: &'a str,
    source: String,
    target: String,
    good: bool,
    steps: &'a [Step],
}

impl Steps {
    /// None yet.
    pub fn new(output: Output) -> Steps {
        Steps {
            output,
            done: Vec::new(),
        }
    }

    /// Tells a step that is done.
    pub fn done(&mut self, step: &'static str, told: String, start: Instant) -> Result<()> {
        let time = start.elapsed();
        if !self.output.json {
            let number = self.done.len() + 1;
            self.output
                .text(&format!("{number}. {told} ({}).", units::time(time)))?;
        }
        self.done.push(Step {
            step,
            seconds: time.as_secs_f64(),
            told,
        });
        Ok(())
    }

    /// Tells where everything lies and what to type next.
    pub fn end(&self, archive: &str, folder: &Folder, good: bool) -> Result<()> {
        let source = folder.source().display().to_string();
        let target = folder.target().display().to_string();
        let result = Demo {
            archive,
            source: source.clone(),
            target: target.clone(),
            good,
            steps: &self.done,
        };
        self.output.result(&result, || {
            let [shell_archive, source, target] = [archive, &source, &target].map(quoted);
            format!(
                "
The archive is {archive}. Try:
  milvault show {shell_archive}
  milvault ls {target}
  milvault compare {shell_archive} {source}
  milvault restore --from {shell_archive} --to {target} --collection recipes --suffix _again
And with your own Milvus:
  milvault export --from http://localhost:19530 --to backups"
            )
        })
    }
}

/// As a shell takes it.
fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-:+@".contains(c);
    if text.chars().all(plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_to_type_next_survives_a_shell() {
        assert_eq!(quoted("/a/b-1.db"), "/a/b-1.db");
        assert_eq!(quoted("/my home/it's"), r"'/my home/it'\''s'");
    }
}
