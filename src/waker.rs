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
    #[cfg(test)]
    crate::interleave::point();
    waker.register(cx.waker());
    // A value published before the waker was registered woke no task.
    let Some(found) = take() else { return Poll::Pending };
    waker.take();
    Poll::Ready(found)
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
    use std::task::{Wake, Waker};

    use super::*;

    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, SeqCst);
        }
    }

    #[test]
    fn a_value_that_is_published_while_a_task_registers_is_found_at_once() {
        let (slot, count, takes) = (AtomicWaker::new(), Arc::new(Count::default()), Cell::new(0));
        let waker = Waker::from(count.clone());
        let found = poll_or_register(&slot, &mut Context::from_waker(&waker), || {
            takes.set(takes.get() + 1);
            (takes.get() == 2).then_some("found")
        });
        assert_eq!(found, Poll::Ready("found"));
        slot.wake();
        assert_eq!(count.0.load(SeqCst), 0, "no task waits");
    }

    #[test]
    fn the_task_that_polled_last_is_woken_once() {
        let (slot, counts) = (AtomicWaker::new(), [Arc::new(Count::default()), Arc::new(Count::default())]);
        for count in &counts {
            let waker = Waker::from(count.clone());
            assert!(poll_or_register(&slot, &mut Context::from_waker(&waker), || None::<()>).is_pending());
        }
        slot.wake();
        slot.wake();
        assert_eq!(counts.map(|count| count.0.load(SeqCst)), [0, 1]);
    }
}
