//! Several pieces of work at once, of which one failure ends all.

use std::future::Future;

use futures::stream::{self, StreamExt};

use crate::error::{Error, Result};
use crate::progress::Context;

/// Does `work` on each item, `at_once` at a time; the results are in the order of the items.
///
/// After a failure no further item is begun, and those under way are asked to stop through the context that they
/// were given. They are waited for, so that each can clean up after itself; then the failure is returned. `doing` says
/// what is left undone where the user asks to stop.
pub(crate) async fn each<I, T, W>(
    items: impl IntoIterator<Item = I>,
    at_once: usize,
    ctx: &Context,
    doing: &str,
    work: impl Fn(I, Context) -> W,
) -> Result<Vec<T>>
where
    W: Future<Output = Result<T>>,
{
    let ctx = Context {
        monitor: ctx.monitor.clone(),
        cancel: ctx.cancel.child_token(),
    };
    let results: Vec<Result<T>> = stream::iter(items)
        .map(|item| {
            let begun = ctx.check(doing).map(|()| work(item, ctx.clone()));
            let cancel = ctx.cancel.clone();
            async move {
                let result = match begun {
                    Ok(work) => work.await,
                    Err(stopped) => Err(stopped),
                };
                if result.is_err() {
                    cancel.cancel();
                }
                result
            }
        })
        .buffered(at_once.max(1))
        .collect()
        .await;
    let (mut done, mut stopped) = (Vec::with_capacity(results.len()), None);
    for result in results {
        match result {
            Ok(value) => done.push(value),
            // Work that was stopped because other work failed is not what went wrong.
            Err(error @ Error::Stopped(_)) => stopped = stopped.or(Some(error)),
            Err(error) => return Err(error),
        }
    }
    stopped.map_or(Ok(done), Err)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn results_are_in_the_order_of_the_items() {
        let ctx = Context::silent();
        let slow_first = |item: u64, _: Context| async move {
            tokio::time::sleep(Duration::from_millis(20 - 5 * item)).await;
            Ok(item)
        };
        assert_eq!(
            each(0..4, 4, &ctx, "waiting", slow_first).await.unwrap(),
            [0, 1, 2, 3]
        );
    }

    #[tokio::test]
    async fn a_failure_stops_the_others_and_waits_until_they_have_cleaned_up() {
        let ctx = Context::silent();
        let (begun, cleaned) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let (begun, cleaned) = (&begun, &cleaned);
        let work = |item: usize, ctx: Context| async move {
            begun.fetch_add(1, Ordering::SeqCst);
            if item == 1 {
                return Err(Error::Usage("this one fails".into()));
            }
            ctx.cancel.cancelled().await;
            tokio::time::sleep(Duration::from_millis(10)).await;
            cleaned.fetch_add(1, Ordering::SeqCst);
            Err::<(), _>(Error::Stopped("asked to".into()))
        };
        let failure = each(0..100, 3, &ctx, "waiting", work).await.unwrap_err();
        assert!(matches!(failure, Error::Usage(_)), "{failure}");
        assert_eq!(
            (begun.load(Ordering::SeqCst), cleaned.load(Ordering::SeqCst)),
            (3, 2)
        );
        assert!(!ctx.cancel.is_cancelled(), "the caller's own work goes on");
    }
}
