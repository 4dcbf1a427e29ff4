//! The terminal: one file a command, each from arguments over library calls to what the user sees.

mod audit;
mod command;
mod compare;
mod completions;
mod copy;
mod demo;
mod exit;
mod export;
mod forget;
mod ls;
mod man;
mod migrate;
mod options;
mod output;
mod place;
mod progress;
mod rbac;
mod restore;
mod show;
mod signals;
mod units;
mod usage;
mod verify;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use milvault::progress::Context;
use milvault::{Error, Result};
use tokio_util::sync::CancellationToken;

use command::{Cli, Command};
use exit::Finish;
use output::Output;

/// What every command is given: whom to tell, when to stop, where results go, and who knows the clusters.
struct Session {
    ctx: Context,
    output: Output,
    /// The file of profiles that the user names.
    config: Option<PathBuf>,
    /// What opens encrypted archives.
    keys: options::KeyArguments,
}

/// Parses, runs, reports, and decides the exit code.
pub fn main() -> ExitCode {
    let cli = match usage::parse() {
        Ok(cli) => cli,
        Err(code) => return code,
    };
    let output = Output { json: cli.json };
    let finished = run(cli, output);
    exit::report(&finished, output);
    exit::code(&finished)
}

fn run(cli: Cli, output: Output) -> Result<Finish> {
    trace(cli.verbose);
    let session = Session {
        ctx: Context {
            monitor: progress::monitor(cli.quiet, cli.verbose > 0),
            cancel: CancellationToken::new(),
        },
        output,
        config: cli.config,
        keys: cli.keys,
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Error::Program {
            doing: "start".to_owned(),
            reason: error.to_string(),
        })?;
    let finished = runtime.block_on(async {
        signals::watch(&session.ctx)?;
        dispatch(cli.command, &session).await
    });
    // A name that is being looked up, or a read of a dead disk, must not hold up the end.
    runtime.shutdown_background();
    finished
}

async fn dispatch(command: Command, session: &Session) -> Result<Finish> {
    match command {
        Command::Export(arguments) => export::run(arguments, session).await,
        Command::Restore(arguments) => restore::run(arguments, session).await,
        Command::Migrate(arguments) => migrate::run(arguments, session).await,
        Command::Verify(arguments) => verify::run(arguments, session).await,
        Command::Compare(arguments) => compare::run(arguments, session).await,
        Command::Ls(arguments) => ls::run(arguments, session).await,
        Command::Show(arguments) => show::run(arguments, session).await,
        Command::Copy(arguments) => copy::run(arguments, session).await,
        Command::Forget(arguments) => forget::run(arguments, session).await,
        Command::Demo(arguments) => demo::run(arguments, session).await,
        Command::Completions(arguments) => completions::run(&arguments, session.output),
        Command::Man(arguments) => man::run(&arguments, session.output),
    }
}

/// These would print whole requests, with signatures and customers' keys in their headers.
const DISCREET: &str = "aws_config=info,aws_runtime=info,aws_sdk_s3=info,aws_sdk_sts=info,aws_sigv4=info,\
    aws_smithy_http_client=info,aws_smithy_runtime=info,aws_smithy_runtime_api=info,h2=info,hyper=info,hyper_util=info,\
    rustls=info";

/// Sends the library's traces to stderr: its own with `-v`, those of the libraries below it with `-vv`.
fn trace(verbose: u8) {
    let filter = match verbose {
        0 => return,
        1 => "milvault=debug".to_owned(),
        2 => format!("milvault=trace,debug,{DISCREET}"),
        _ => format!("trace,{DISCREET}"),
    };
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .finish();
    // Only a second subscriber would be refused, and there is none.
    let _ = tracing::subscriber::set_global_default(Arc::new(subscriber));
}
