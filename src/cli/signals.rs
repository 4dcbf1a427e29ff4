//! Ctrl-C and SIGTERM: the first asks the flow to stop and clean up, a later one ends the process at once.

use std::process;
use std::time::{Duration, Instant};

use milvault::progress::Context;
use milvault::{Error, Result};
use tokio::signal::unix::{Signal, SignalKind, signal};

/// What shells report for a process that SIGINT has ended.
const INTERRUPTED: i32 = 130;

/// Signals that come within this time of the first are the same request: `timeout` of coreutils sends its signal to the
/// process and then to the group that it is in, and so do others who stop a process and its terminal.
const SAME_REQUEST: Duration = Duration::from_secs(1);

/// Listens from now on, for the rest of the process.
pub fn watch(ctx: &Context) -> Result<()> {
    let listen = |kind| {
        signal(kind).map_err(|error| Error::Program {
            doing: "listen for signals".to_owned(),
            reason: error.to_string(),
        })
    };
    let mut interrupt = listen(SignalKind::interrupt())?;
    let mut terminate = listen(SignalKind::terminate())?;
    let ctx = ctx.clone();
    tokio::spawn(async move {
        either(&mut interrupt, &mut terminate).await;
        ctx.monitor
            .warn("stopping and cleaning up; once more to end at once");
        ctx.cancel.cancel();
        let asked = Instant::now();
        while asked.elapsed() < SAME_REQUEST {
            either(&mut interrupt, &mut terminate).await;
        }
        process::exit(INTERRUPTED);
    });
    Ok(())
}

async fn either(interrupt: &mut Signal, terminate: &mut Signal) {
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
}
