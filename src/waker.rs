//! Polling a value that another thread publishes: the producer calls [`AtomicWaker::wake`], which wakes the task that
//! polled last, on the producer's own thread.
//!
//! A producer never wakes under a lock that `take` of [`poll_or_register`] needs: the woken task may poll at once, on
//! that very thread.

use std::task::{Context, Poll};

use futures_util::task::AtomicWaker;

/// The value that `take` finds; else Pending, and `take` is tried again at the next poll after a wake.
pub(crate) fn poll_or_register<T>(waker: &AtomicWaker, cx: &mut Context<'_>, take: impl Fn() -> Option<T>) -> Poll<T> {
    if let Some(found) = take() {
        return Poll::Ready(found);
    }
    waker.register(cx.waker());
    // A value published before the waker was registered woke no task.
    let Some(found) = take() else { return Poll::Pending };
    waker.take();
    Poll::Ready(found)
}
