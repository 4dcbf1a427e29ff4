//! CPU work, off the threads that move bytes.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::thread;

use tokio::sync::oneshot;

/// Runs `work` on the rayon pool. The inner result is `Err` with the panic's payload where `work` panicked.
pub(crate) async fn caught<T, F>(work: F) -> thread::Result<T>
where
    T: Send + 'static,
    F: FnOnce() -> T + Send + 'static,
{
    let (sender, receiver) = oneshot::channel();
    rayon::spawn(move || {
        // A caller that went away no longer wants the result.
        let _ = sender.send(catch_unwind(AssertUnwindSafe(work)));
    });
    match receiver.await {
        Ok(result) => result,
        Err(gone) => Err(Box::new(gone.to_string())),
    }
}

/// Runs `work` on the rayon pool; a panic in it goes on in the caller.
pub(crate) async fn run<T, F>(work: F) -> T
where
    T: Send + 'static,
    F: FnOnce() -> T + Send + 'static,
{
    match caught(work).await {
        Ok(value) => value,
        Err(panic) => resume_unwind(panic),
    }
}
