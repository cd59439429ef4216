//! A read that JavaScript waits for. The value is found by the reader at once, or later by the producer that wakes it.

use std::sync::Mutex;
use std::task::Poll;

use crate::lock::lock;

/// Lets one thread poll at a time, and only while a read is pending.
///
/// A waker can be called although no read is pending any more: the producer took the waker just as the reader found
/// the value without it. A value that such a wake found would reach no reader, and be lost (S20).
#[derive(Debug, Default)]
pub(crate) struct PendingRead(Mutex<State>);

#[derive(Clone, Copy, Debug, Default)]
enum State {
    /// No read is pending.
    #[default]
    Idle,
    /// A read is pending; the next wake polls for it.
    Pending,
    /// A thread polls.
    Polling,
    /// A thread polls, and a wake came meanwhile: the same thread polls once more.
    PollingAgain,
}

impl PendingRead {
    /// Begins a read. Pending: [`PendingRead::on_wake`] completes it. No other read may be pending then.
    pub(crate) fn begin<T>(&self, poll: impl FnMut() -> Poll<T>) -> Poll<T> {
        *lock(&self.0) = State::Polling;
        self.poll(poll)
    }

    /// A value may be there: polls, if a read is pending. Ready at most once for each read.
    pub(crate) fn on_wake<T>(&self, poll: impl FnMut() -> Poll<T>) -> Poll<T> {
        let mut state = lock(&self.0);
        *state = match *state {
            State::Idle => return Poll::Pending,
            State::Pending => State::Polling,
            State::Polling | State::PollingAgain => {
                *state = State::PollingAgain;
                return Poll::Pending;
            }
        };
        drop(state);
        self.poll(poll)
    }

    /// The lock is free meanwhile: `poll` may itself wake this read.
    fn poll<T>(&self, mut poll: impl FnMut() -> Poll<T>) -> Poll<T> {
        loop {
            let found = poll();
            let mut state = lock(&self.0);
            *state = match (&found, *state) {
                (Poll::Ready(_), _) => State::Idle,
                (Poll::Pending, State::PollingAgain) => State::Polling,
                (Poll::Pending, State::Idle | State::Pending | State::Polling) => State::Pending,
            };
            match *state {
                State::Polling => {}
                State::Idle | State::Pending | State::PollingAgain => return found,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_was_told_too_late_takes_nothing() {
        let read = PendingRead::default();
        assert_eq!(read.on_wake(|| Poll::Ready("lost")), Poll::Pending);
        assert_eq!(read.begin(|| Poll::Ready("found")), Poll::Ready("found"));
        assert_eq!(read.on_wake(|| Poll::Ready("lost")), Poll::Pending);
    }

    #[test]
    fn an_answer_that_is_owed_is_given_once() {
        let read = PendingRead::default();
        assert!(read.begin(|| Poll::<()>::Pending).is_pending());
        assert!(read.on_wake(|| Poll::<()>::Pending).is_pending());
        assert_eq!(read.on_wake(|| Poll::Ready("found")), Poll::Ready("found"));
        assert_eq!(read.on_wake(|| Poll::Ready("lost")), Poll::Pending);
    }

    #[test]
    fn news_that_come_while_somebody_looks_are_looked_for_by_the_same() {
        let read = PendingRead::default();
        let mut times = 0;
        let found = read.begin(|| {
            times += 1;
            if times > 1 {
                return Poll::Ready(times);
            }
            assert_eq!(read.on_wake(|| Poll::Ready(0)), Poll::Pending);
            Poll::Pending
        });
        assert_eq!(found, Poll::Ready(2));
    }
}
