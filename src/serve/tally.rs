//! Who is at work: futures that were woken and have not come to rest again.

use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};

use crate::lock::lock;
use tokio::sync::watch;

/// How many followed futures are at work.
#[derive(Clone, Debug, Default)]
pub(super) struct Tally(Arc<watch::Sender<usize>>);

impl Tally {
    /// The same future, counted from now on whenever it has something to do: from when it is woken
    /// until it waits again.
    pub(super) fn follow<F: Future>(&self, future: F) -> Followed<F> {
        let ticket = Arc::new(Ticket { tally: self.clone(), inner: Mutex::default() });
        // It has not begun: that is something to do.
        lock(&ticket.inner).set(&self.0, State::Woken);
        Followed { future: Some(Box::pin(future)), ticket }
    }

    /// Waits until nobody is at work.
    pub(super) async fn rest(&self) {
        // The sender is borrowed, so it lives.
        let _ = self.0.subscribe().wait_for(|count| *count == 0).await;
    }
}

/// A future that is counted.
pub(super) struct Followed<F> {
    future: Option<Pin<Box<F>>>,
    ticket: Arc<Ticket>,
}

impl<F: Future> Future for Followed<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let ticket = self.ticket.clone();
        {
            let mut inner = lock(&ticket.inner);
            inner.outer = Some(context.waker().clone());
            inner.set(&ticket.tally.0, State::Polled);
        }
        let Some(future) = self.future.as_mut() else { return Poll::Pending };
        let polled = future.as_mut().poll(&mut Context::from_waker(&Waker::from(ticket.clone())));
        if polled.is_ready() {
            // What it held is let go of before it counts as done.
            self.future = None;
        }
        let mut inner = lock(&ticket.inner);
        if polled.is_ready() || inner.state == State::Polled {
            inner.set(&ticket.tally.0, State::Resting);
        }
        polled
    }
}

impl<F> Drop for Followed<F> {
    fn drop(&mut self) {
        self.future = None;
        let mut inner = lock(&self.ticket.inner);
        inner.set(&self.ticket.tally.0, State::Gone);
    }
}

struct Ticket {
    tally: Tally,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    state: State,
    outer: Option<Waker>,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum State {
    /// It waits.
    #[default]
    Resting,
    /// It is polled, and was not woken meanwhile.
    Polled,
    /// It is to be polled.
    Woken,
    /// It was dropped.
    Gone,
}

impl State {
    fn counts(self) -> bool {
        match self {
            Self::Polled | Self::Woken => true,
            Self::Resting | Self::Gone => false,
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

impl Wake for Ticket {
    fn wake(self: Arc<Self>) {
        let outer = {
            let mut inner = lock(&self.inner);
            if inner.state == State::Gone {
                return;
            }
            inner.set(&self.tally.0, State::Woken);
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
        let tally = Tally::default();
        let ((tell, told), (done, end)) = (oneshot::channel::<()>(), oneshot::channel::<()>());
        let task = tokio::spawn(tally.follow(async move {
            let _ = told.await;
            for _ in 0..100 {
                tokio::task::yield_now().await;
            }
            let _ = done.send(());
            std::future::pending::<()>().await;
        }));
        assert_eq!(*tally.0.borrow(), 1, "it has not begun");
        tally.rest().await;
        tell.send(()).expect("it waits");
        assert_eq!(*tally.0.borrow(), 1, "it was woken");
        tally.rest().await;
        assert_eq!(end.await, Ok(()));
        task.abort();
        assert!(task.await.is_err());
        assert_eq!(*tally.0.borrow(), 0);
    }

    #[tokio::test]
    async fn who_is_dropped_before_it_began_is_not_waited_for() {
        let tally = Tally::default();
        drop(tally.follow(async {}));
        tally.rest().await;
        tally.follow(async {}).await;
        tally.rest().await;
    }
}
