//! A clock that is moved by hand: nothing happens by itself, and what is due happens in its order.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::sync::Mutex;
use std::task::{Poll, Waker};
use std::time::Duration;

use super::tally::Tally;
use crate::lock::lock;

/// A clock that is moved by hand.
#[derive(Debug)]
pub(crate) struct Hand {
    inner: Mutex<Inner>,
    /// Who works by this clock, and has not come to rest.
    work: Tally,
    /// One moves it at a time.
    turn: tokio::sync::Mutex<()>,
}

#[derive(Debug)]
struct Inner {
    now: Duration,
    next: u64,
    /// Who sleeps: the first due first, and of several at once the first to lie down.
    sleepers: BTreeMap<(Duration, u64), Option<Waker>>,
}

impl Hand {
    /// A clock that stands at `now`.
    pub(crate) fn new(now: Duration) -> Self {
        let inner = Inner { now, next: 0, sleepers: BTreeMap::new() };
        Self { inner: Mutex::new(inner), work: Tally::default(), turn: tokio::sync::Mutex::default() }
    }

    /// Where it stands, since the Unix epoch.
    pub(crate) fn now(&self) -> Duration {
        lock(&self.inner).now
    }

    /// The same future, as work that [`Self::advance`] waits for.
    pub(crate) fn follow<F: Future>(&self, future: F) -> impl Future<Output = F::Output> + use<F> {
        self.work.follow(future)
    }

    /// Sleeps until the clock is at `due`.
    pub(crate) async fn sleep_until(&self, due: Duration) {
        let mut sleeper = Sleeper { hand: self, place: None };
        poll_fn(|context| {
            let mut inner = lock(&self.inner);
            if inner.now >= due {
                return Poll::Ready(());
            }
            let place = *sleeper.place.get_or_insert_with(|| {
                inner.next += 1;
                (due, inner.next)
            });
            inner.sleepers.insert(place, Some(context.waker().clone()));
            Poll::Pending
        })
        .await;
    }

    /// Moves the clock on by `span`. Whatever is due meanwhile is done at its time and in its
    /// order, what comes of it included, before the clock goes on; all of it when this returns.
    pub(crate) async fn advance(&self, span: Duration) {
        let _turn = self.turn.lock().await;
        self.work.rest().await;
        let target = self.now().saturating_add(span);
        while let Some(waker) = self.next_until(target) {
            waker.wake();
            self.work.rest().await;
        }
        lock(&self.inner).now = target;
    }

    /// Goes to the first sleeper who is due until `target`, and takes it out.
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

/// A sleeper that is no longer waited for is taken out.
struct Sleeper<'a> {
    hand: &'a Hand,
    place: Option<(Duration, u64)>,
}

impl Drop for Sleeper<'_> {
    fn drop(&mut self) {
        if let Some(place) = self.place {
            lock(&self.hand.inner).sleepers.remove(&place);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    type Seen = Arc<Mutex<Vec<(u64, &'static str)>>>;

    fn sleeper(hand: &Arc<Hand>, seen: &Seen, name: &'static str, steps: &'static [u64]) {
        let (clock, seen) = (hand.clone(), seen.clone());
        tokio::spawn(hand.follow(async move {
            for ms in steps {
                clock.sleep_until(clock.now() + Duration::from_millis(*ms)).await;
                tokio::task::yield_now().await;
                seen.lock().expect("a log").push((clock.now().as_millis().try_into().expect("small"), name));
            }
        }));
    }

    #[tokio::test]
    async fn what_is_due_is_done_in_its_order_and_at_its_time() {
        let (hand, seen) = (Arc::new(Hand::new(Duration::ZERO)), Seen::default());
        sleeper(&hand, &seen, "a", &[100, 100, 100]);
        sleeper(&hand, &seen, "b", &[150, 50, 1_000]);
        hand.advance(Duration::from_millis(199)).await;
        assert_eq!(*seen.lock().expect("a log"), [(100, "a"), (150, "b")]);
        hand.advance(Duration::from_millis(101)).await;
        // Both lay down for 200: the first to do so wakes first.
        assert_eq!(seen.lock().expect("a log")[2..], [(200, "a"), (200, "b"), (300, "a")]);
        assert_eq!(hand.now(), Duration::from_millis(300));
    }

    #[tokio::test]
    async fn who_no_longer_waits_is_not_waited_for() {
        let hand = Arc::new(Hand::new(Duration::ZERO));
        let clock = hand.clone();
        let task = tokio::spawn(hand.follow(async move { clock.sleep_until(Duration::from_secs(1)).await }));
        hand.advance(Duration::ZERO).await;
        task.abort();
        assert!(task.await.is_err());
        assert!(lock(&hand.inner).sleepers.is_empty());
        hand.advance(Duration::from_secs(5)).await;
        assert_eq!(hand.now(), Duration::from_secs(5));
    }
}
