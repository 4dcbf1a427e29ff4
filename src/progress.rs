//! How the library tells what it is doing, without knowing any terminal.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::error::{Error, Result};

/// What every long-running flow is given: whom to tell, and when to stop.
#[derive(Clone)]
pub struct Context {
    /// Whom to tell.
    pub monitor: Arc<dyn Monitor>,
    /// Cancelled when the user asks to stop.
    pub cancel: CancellationToken,
}

/// Hears what a flow does. Messages are one line, without a trailing newline.
pub trait Monitor: Send + Sync {
    /// A piece of work begins, such as `export` of `docs`; `rows` is its size where that is known.
    fn begin(&self, verb: &str, subject: &str, rows: Option<u64>) -> Box<dyn Task>;
    /// Something the user should know.
    fn note(&self, message: &str);
    /// Something the user should look at; the work goes on.
    fn warn(&self, message: &str);
}

/// A piece of work that is under way. Dropping it ends its display.
pub trait Task: Send + Sync {
    /// The size has become known, in rows.
    fn total(&self, rows: u64);
    /// So many more rows and bytes are done.
    fn advance(&self, rows: u64, bytes: u64);
}

/// A monitor that says nothing.
pub struct Silent;

impl Monitor for Silent {
    fn begin(&self, _: &str, _: &str, _: Option<u64>) -> Box<dyn Task> {
        Box::new(Silent)
    }
    fn note(&self, _: &str) {}
    fn warn(&self, _: &str) {}
}

impl Task for Silent {
    fn total(&self, _: u64) {}
    fn advance(&self, _: u64, _: u64) {}
}

impl Context {
    /// A context that says nothing and is never cancelled.
    pub fn silent() -> Context {
        Context {
            monitor: Arc::new(Silent),
            cancel: CancellationToken::new(),
        }
    }

    /// Fails if the user has asked to stop; `doing` says what is left undone.
    pub fn check(&self, doing: &str) -> Result<()> {
        if self.cancel.is_cancelled() {
            return Err(Error::Stopped(doing.to_owned()));
        }
        Ok(())
    }

    /// Waits, unless the user asks to stop.
    pub async fn pause(&self, time: Duration, doing: &str) -> Result<()> {
        self.until_stopped(doing, async {
            tokio::time::sleep(time).await;
            Ok(())
        })
        .await
    }

    /// Does some work, and gives it up when the user asks to stop.
    pub async fn until_stopped<T>(
        &self,
        doing: &str,
        work: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        tokio::select! {
            biased;
            () = self.cancel.cancelled() => Err(Error::Stopped(doing.to_owned())),
            result = work => result,
        }
    }
}
