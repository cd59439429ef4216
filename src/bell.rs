//! Who waits for news, and is told of it on the thread of whoever has it.

use std::sync::Mutex;
use std::task::{Context, Poll, Waker};

use crate::lock::lock;

/// A place for one waker: the last one to ask is woken.
#[derive(Debug, Default)]
pub(crate) struct Bell(Mutex<Option<Waker>>);

impl Bell {
    /// Wakes who waits. Never under a lock that `take` of [`Bell::poll`] needs: the one who is woken
    /// may look at once, on this very thread.
    pub(crate) fn ring(&self) {
        let waker = lock(&self.0).take();
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// What `take` finds; else it is looked for again after the next ring.
    pub(crate) fn poll<T>(&self, cx: &mut Context<'_>, take: impl Fn() -> Option<T>) -> Poll<T> {
        if let Some(found) = take() {
            return Poll::Ready(found);
        }
        let place = || lock(&self.0);
        *place() = Some(cx.waker().clone());
        // What came before the waker was there woke nobody.
        let Some(found) = take() else { return Poll::Pending };
        place().take();
        Poll::Ready(found)
    }
}
