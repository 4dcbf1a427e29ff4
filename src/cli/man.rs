//! `milvault man`

use std::io;
use std::path::{Path, PathBuf};

use clap::{Args, CommandFactory};
use clap_mangen::Man;
use milvault::{Error, Result};

use super::command::Cli;
use super::exit::Finish;
use super::output::Output;

#[derive(Args, Debug)]
pub struct Arguments {
    /// Write the pages of milvault and of each command into this folder
    #[arg(long, value_name = "FOLDER")]
    dir: Option<PathBuf>,
}

pub fn run(arguments: &Arguments, output: Output) -> Result<Finish> {
    match &arguments.dir {
        Some(folder) => {
            let unwritable = |source| unwritable(folder, source);
            std::fs::create_dir_all(folder).map_err(unwritable)?;
            clap_mangen::generate_to(Cli::command(), folder).map_err(unwritable)?;
        }
        None => {
            let mut page = Vec::new();
            let rendered = Man::new(Cli::command()).render(&mut page);
            rendered.map_err(|source| unwritable(Path::new("stdout"), source))?;
            output.bytes(&page)?;
        }
    }
    Ok(Finish::Done)
}

fn unwritable(place: &Path, source: io::Error) -> Error {
    Error::Store {
        doing: "write",
        uri: place.display().to_string(),
        source,
    }
}
