//! `milvault completions`

use clap::{Args, CommandFactory};
use clap_complete::Shell;
use milvault::Result;

use super::command::Cli;
use super::exit::Finish;
use super::output::Output;

#[derive(Args, Debug)]
pub struct Arguments {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

pub fn run(arguments: &Arguments, output: Output) -> Result<Finish> {
    let mut command = Cli::command();
    let name = command.get_name().to_owned();
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut command, name, &mut script);
    output.bytes(&script)?;
    Ok(Finish::Done)
}
