//! A clock that stands until a test moves it. Timers fire in the order of their due times, each with all its
//! consequences before the next.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::sync::Mutex;
use std::task::{Poll, Waker};
use std::time::Duration;

use super::idle_tracker::IdleTracker;
use crate::lock::lock;

/// A clock that stands until a test moves it.
#[derive(Debug)]
pub(crate) struct ManualClock {
    inner: Mutex<Inner>,
    /// The tasks that follow this clock. The clock moves on only while all are idle.
    tasks: IdleTracker,
    /// Held by the caller that moves the clock.
    turn: tokio::sync::Mutex<()>,
}

#[derive(Debug)]
struct Inner {
    now: Duration,
    next: u64,
    /// The sleeping tasks by due time, and in the order of their `sleep_until` among equals.
    sleepers: BTreeMap<(Duration, u64), Option<Waker>>,
}

impl ManualClock {
    /// A clock that stands at `now`.
    pub(crate) fn new(now: Duration) -> Self {
        let inner = Inner { now, next: 0, sleepers: BTreeMap::new() };
        Self { inner: Mutex::new(inner), tasks: IdleTracker::default(), turn: tokio::sync::Mutex::default() }
    }

    /// The clock's time, since the Unix epoch.
    pub(crate) fn now(&self) -> Duration {
        lock(&self.inner).now
    }

    /// Wraps a future whose work [`Self::advance`] waits for.
    pub(crate) fn track<F: Future>(&self, future: F) -> impl Future<Output = F::Output> + use<F> {
        self.tasks.track(future)
    }

    /// Sleeps until the clock reaches `due`.
    pub(crate) async fn sleep_until(&self, due: Duration) {
        let mut sleeper = Sleeper { clock: self, key: None };
        poll_fn(|context| {
            let mut inner = lock(&self.inner);
            if inner.now >= due {
                return Poll::Ready(());
            }
            let key = *sleeper.key.get_or_insert_with(|| {
                inner.next += 1;
                (due, inner.next)
            });
            inner.sleepers.insert(key, Some(context.waker().clone()));
            Poll::Pending
        })
        .await;
    }

    /// Moves the clock by `span`. Each timer that is due fires at its own time, and the clock waits for the
    /// consequences. Everything due is done when this returns.
    pub(crate) async fn advance(&self, span: Duration) {
        let _turn = self.turn.lock().await;
        self.tasks.idle().await;
        let target = self.now().saturating_add(span);
        while let Some(waker) = self.next_until(target) {
            waker.wake();
            self.tasks.idle().await;
        }
        lock(&self.inner).now = target;
    }

    /// Moves the clock to the next sleeper that is due by `target`, and removes it.
    fn next_until(&self, target: Duration) -> Option<Waker> {
        let mut inner = lock(&self.inner);
        loop {
            let entry = inner.sleepers.first_entry().filter(|entry| entry.key().0 <= target)?;
            let ((due, _), waker) = entry.remove_entry();
            inner.now = inner.now.max(due);
            if waker.is_some() {
                return waker;
            }
        }
    }
}

/// Removes its sleeper on drop.
struct Sleeper<'a> {
    clock: &'a ManualClock,
    key: Option<(Duration, u64)>,
}

impl Drop for Sleeper<'_> {
    fn drop(&mut self) {
        if let Some(key) = self.key {
            lock(&self.clock.inner).sleepers.remove(&key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    type Seen = Arc<Mutex<Vec<(u64, &'static str)>>>;

    fn sleeper(clock: &Arc<ManualClock>, seen: &Seen, name: &'static str, steps: &'static [u64]) {
        let (clock, seen) = (clock.clone(), seen.clone());
        let tracker = clock.clone();
        tokio::spawn(tracker.track(async move {
            for ms in steps {
                clock.sleep_until(clock.now() + Duration::from_millis(*ms)).await;
                tokio::task::yield_now().await;
                seen.lock().expect("a log").push((clock.now().as_millis().try_into().expect("small"), name));
            }
        }));
    }

    #[tokio::test]
    async fn what_is_due_is_done_in_its_order_and_at_its_time() {
        let (clock, seen) = (Arc::new(ManualClock::new(Duration::ZERO)), Seen::default());
        sleeper(&clock, &seen, "a", &[100, 100, 100]);
        sleeper(&clock, &seen, "b", &[150, 50, 1_000]);
        clock.advance(Duration::from_millis(199)).await;
        assert_eq!(*seen.lock().expect("a log"), [(100, "a"), (150, "b")]);
        clock.advance(Duration::from_millis(101)).await;
        // Both sleep until 200: the first to call `sleep_until` wakes first.
        assert_eq!(seen.lock().expect("a log")[2..], [(200, "a"), (200, "b"), (300, "a")]);
        assert_eq!(clock.now(), Duration::from_millis(300));
    }

    #[tokio::test]
    async fn who_no_longer_waits_is_not_waited_for() {
        let clock = Arc::new(ManualClock::new(Duration::ZERO));
        let sleeper = clock.clone();
        let task = tokio::spawn(clock.track(async move { sleeper.sleep_until(Duration::from_secs(1)).await }));
        clock.advance(Duration::ZERO).await;
        task.abort();
        assert!(task.await.is_err());
        assert!(lock(&clock.inner).sleepers.is_empty());
        clock.advance(Duration::from_secs(5)).await;
        assert_eq!(clock.now(), Duration::from_secs(5));
    }
}
