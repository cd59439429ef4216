//! Tracks whether a set of futures is idle. A future is busy from its wake-up until it returns `Pending` without
//! another.

use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};

use tokio::sync::watch;

use crate::lock::lock;

/// How many of the tracked futures are busy.
#[derive(Clone, Debug, Default)]
pub(super) struct IdleTracker(Arc<watch::Sender<usize>>);

impl IdleTracker {
    /// Wraps a future, which counts as busy from each wake-up until it is idle again.
    pub(super) fn track<F: Future>(&self, future: F) -> Tracked<F> {
        let entry = Arc::new(Entry { tracker: self.clone(), inner: Mutex::default() });
        // A future that was never polled is busy: its first poll is due.
        lock(&entry.inner).set(&self.0, State::Notified);
        Tracked { future: Some(Box::pin(future)), entry }
    }

    /// Waits until every tracked future is idle.
    pub(super) async fn idle(&self) {
        // The channel stays open: `self` borrows its sender.
        let _ = self.0.subscribe().wait_for(|count| *count == 0).await;
    }
}

/// A tracked future.
pub(super) struct Tracked<F> {
    future: Option<Pin<Box<F>>>,
    entry: Arc<Entry>,
}

impl<F: Future> Future for Tracked<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let entry = self.entry.clone();
        {
            let mut inner = lock(&entry.inner);
            inner.outer = Some(context.waker().clone());
            inner.set(&entry.tracker.0, State::Running);
        }
        let Some(future) = self.future.as_mut() else { return Poll::Pending };
        let polled = future.as_mut().poll(&mut Context::from_waker(&Waker::from(entry.clone())));
        if polled.is_ready() {
            // The future's resources are dropped before it counts as idle.
            self.future = None;
        }
        let mut inner = lock(&entry.inner);
        if polled.is_ready() || inner.state == State::Running {
            inner.set(&entry.tracker.0, State::Idle);
        }
        polled
    }
}

impl<F> Drop for Tracked<F> {
    fn drop(&mut self) {
        self.future = None;
        let mut inner = lock(&self.entry.inner);
        inner.set(&self.entry.tracker.0, State::Dropped);
    }
}

struct Entry {
    tracker: IdleTracker,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    state: State,
    outer: Option<Waker>,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum State {
    /// The future returned `Pending` and was not woken since.
    #[default]
    Idle,
    /// The future is being polled and was not woken meanwhile.
    Running,
    /// The future was woken and its poll is due.
    Notified,
    /// The future was dropped.
    Dropped,
}

impl State {
    fn counts(self) -> bool {
        match self {
            Self::Running | Self::Notified => true,
            Self::Idle | Self::Dropped => false,
        }
    }
}

impl Inner {
    fn set(&mut self, count: &watch::Sender<usize>, state: State) {
        let (before, after) = (self.state.counts(), state.counts());
        self.state = state;
        if before != after {
            count.send_modify(|count| *count = if after { *count + 1 } else { *count - 1 });
        }
    }
}

impl Wake for Entry {
    fn wake(self: Arc<Self>) {
        let outer = {
            let mut inner = lock(&self.inner);
            if inner.state == State::Dropped {
                return;
            }
            inner.set(&self.tracker.0, State::Notified);
            inner.outer.clone()
        };
        if let Some(outer) = outer {
            outer.wake();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::sync::oneshot;

    #[tokio::test]
    async fn who_was_woken_is_at_work_until_it_waits_again() {
        let tracker = IdleTracker::default();
        let ((tell, told), (done, end)) = (oneshot::channel::<()>(), oneshot::channel::<()>());
        let task = tokio::spawn(tracker.track(async move {
            let _ = told.await;
            for _ in 0..100 {
                tokio::task::yield_now().await;
            }
            let _ = done.send(());
            std::future::pending::<()>().await;
        }));
        assert_eq!(*tracker.0.borrow(), 1, "it has not begun");
        tracker.idle().await;
        tell.send(()).expect("it waits");
        assert_eq!(*tracker.0.borrow(), 1, "it was woken");
        tracker.idle().await;
        assert_eq!(end.await, Ok(()));
        task.abort();
        assert!(task.await.is_err());
        assert_eq!(*tracker.0.borrow(), 0);
    }

    #[tokio::test]
    async fn who_is_dropped_before_it_began_is_not_waited_for() {
        let tracker = IdleTracker::default();
        drop(tracker.track(async {}));
        tracker.idle().await;
        tracker.track(async {}).await;
        tracker.idle().await;
    }
}
