//! Whose turn it is to look for news: who asks for them, or who has them and was told that somebody waits.

use std::sync::Mutex;
use std::task::Poll;

use crate::lock::lock;

/// Lets one look at a time, and only while an answer is owed.
///
/// A waker can be called although nobody waits any more: it was taken just as who had left it found the news without
/// it. What it then looked for would be handed to nobody, and be lost.
#[derive(Debug, Default)]
pub(crate) struct Turn(Mutex<State>);

#[derive(Clone, Copy, Debug, Default)]
enum State {
    /// No answer is owed.
    #[default]
    Idle,
    /// One is owed, by whoever has news next.
    Asked,
    /// Somebody looks.
    Looking,
    /// Somebody looks, and there were news meanwhile.
    LookingAgain,
}

impl Turn {
    /// Asks. Pending: an answer is owed, and given by [`Turn::answer`]. No other may be owed then.
    pub(crate) fn ask<T>(&self, look: impl FnMut() -> Poll<T>) -> Poll<T> {
        *lock(&self.0) = State::Looking;
        self.look(look)
    }

    /// There may be news: looks, if an answer is owed. Ready at most once for each time it was asked.
    pub(crate) fn answer<T>(&self, look: impl FnMut() -> Poll<T>) -> Poll<T> {
        let mut state = lock(&self.0);
        *state = match *state {
            State::Idle => return Poll::Pending,
            State::Asked => State::Looking,
            State::Looking | State::LookingAgain => {
                *state = State::LookingAgain;
                return Poll::Pending;
            }
        };
        drop(state);
        self.look(look)
    }

    /// The lock is free meanwhile: looking may itself call who has news.
    fn look<T>(&self, mut look: impl FnMut() -> Poll<T>) -> Poll<T> {
        loop {
            let found = look();
            let mut state = lock(&self.0);
            *state = match (&found, *state) {
                (Poll::Ready(_), _) => State::Idle,
                (Poll::Pending, State::LookingAgain) => State::Looking,
                (Poll::Pending, State::Idle | State::Asked | State::Looking) => State::Asked,
            };
            match *state {
                State::Looking => {}
                State::Idle | State::Asked | State::LookingAgain => return found,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_was_told_too_late_takes_nothing() {
        let turn = Turn::default();
        assert_eq!(turn.answer(|| Poll::Ready("lost")), Poll::Pending);
        assert_eq!(turn.ask(|| Poll::Ready("found")), Poll::Ready("found"));
        assert_eq!(turn.answer(|| Poll::Ready("lost")), Poll::Pending);
    }

    #[test]
    fn an_answer_that_is_owed_is_given_once() {
        let turn = Turn::default();
        assert!(turn.ask(|| Poll::<()>::Pending).is_pending());
        assert!(turn.answer(|| Poll::<()>::Pending).is_pending());
        assert_eq!(turn.answer(|| Poll::Ready("found")), Poll::Ready("found"));
        assert_eq!(turn.answer(|| Poll::Ready("lost")), Poll::Pending);
    }

    #[test]
    fn news_that_come_while_somebody_looks_are_looked_for_by_the_same() {
        let turn = Turn::default();
        let mut times = 0;
        let found = turn.ask(|| {
            times += 1;
            if times > 1 {
                return Poll::Ready(times);
            }
            assert_eq!(turn.answer(|| Poll::Ready(0)), Poll::Pending);
            Poll::Pending
        });
        assert_eq!(found, Poll::Ready(2));
    }
}
