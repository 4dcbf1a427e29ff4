//! How much is done at once.

use clap::Args;

use crate::cli::units;

/// How much is done at once.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Limits")]
pub struct WorkArguments {
    /// How many requests are in flight
    #[arg(short, long, value_name = "N", default_value_t = 4, value_parser = at_least_one)]
    pub jobs: usize,

    /// How many bytes of rows may be in memory
    #[arg(long, value_name = "SIZE", default_value = "512MiB", value_parser = units::parse_bytes)]
    pub memory: u64,
}

fn at_least_one(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(number) if number >= 1 => Ok(number),
        _ => Err("write a whole number from 1 on".to_owned()),
    }
}
