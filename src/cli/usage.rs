//! What is typed, read; and what clap says of it, told as any other error is.

use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{CommandFactory, Parser};
use milvault::Error;

use super::command::Cli;
use super::output::Output;
use super::{exit, place};

/// Reads the arguments; what went wrong is told already, or was a wish for help.
pub fn parse() -> Result<Cli, ExitCode> {
    let error = match Cli::try_parse() {
        Ok(cli) => return Ok(cli),
        Err(error) => error,
    };
    if !error.use_stderr() || error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        error.exit();
    }
    let mut arguments = std::env::args().skip(1);
    let output = Output {
        json: arguments.any(|argument| argument == "--json"),
    };
    let known = Cli::command();
    let command = std::env::args()
        .skip(1)
        .find(|argument| known.find_subcommand(argument).is_some());
    let failed = Err(Error::Usage(line(
        &error.render().to_string(),
        command.as_deref(),
    )));
    exit::report(&failed, output);
    Err(exit::code(&failed))
}

/// One line of clap's many: what is wrong and its tips, without the usage that follows.
fn line(said: &str, command: Option<&str>) -> String {
    let mut parts: Vec<String> = Vec::new();
    for paragraph in said.split("\n\n") {
        if paragraph.starts_with("Usage:") || paragraph.starts_with("For more information") {
            continue;
        }
        let words: Vec<String> = paragraph.split_whitespace().map(discreet).collect();
        let text = words.join(" ");
        parts.push(
            text.trim_start_matches("error: ")
                .trim_start_matches("tip: ")
                .to_owned(),
        );
    }
    let command = command
        .map(|command| format!("{command} "))
        .unwrap_or_default();
    parts.push(format!("see milvault {command}--help"));
    parts.join("; ")
}

/// Addresses may hold passwords.
fn discreet(word: &str) -> String {
    let bare = word.trim_matches('\'');
    word.replace(bare, &place::redacted(bare))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paragraphs_become_one_line_without_the_usage() {
        let said = "error: unexpected argument '--frm' found\n\n  tip: a similar argument exists: '--from'\n\n\
                    Usage: milvault export --from <CLUSTER> --to <STORE>\n\nFor more information, try '--help'.\n";
        assert_eq!(
            line(said, Some("export")),
            "unexpected argument '--frm' found; a similar argument exists: '--from'; see milvault export --help"
        );
        let said = "error: the following required arguments were not provided:\n  --from <CLUSTER>\n  --to <STORE>\n\n\
                    Usage: milvault";
        assert_eq!(
            line(said, None),
            "the following required arguments were not provided: --from <CLUSTER> --to <STORE>; see milvault --help"
        );
    }

    #[test]
    fn passwords_of_what_is_not_expected_are_cut_out() {
        let said = "error: unexpected argument 'http://root:hunter2@h:19530/db' found\n";
        assert_eq!(
            line(said, None),
            "unexpected argument 'http://…@h:19530/db' found; see milvault --help"
        );
    }
}
