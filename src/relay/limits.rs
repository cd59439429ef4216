//! How much is served at once: permits that are given back when they are dropped.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use http::StatusCode;

use super::options::Limits;
use super::stats::Stats;
use crate::serve::Answer;

/// A token, or a viewer as the app names it, told from others without being kept: see
/// [`Judge::digest`](super::judge::Judge::digest).
pub(crate) type Digest = [u8; 32];

/// Who is served now.
#[derive(Debug)]
pub(crate) struct Gate {
    limits: Limits,
    stats: Arc<Stats>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    all: usize,
    tokens: HashMap<Digest, usize>,
    feeds: HashMap<Arc<str>, usize>,
}

/// A held poll or an open stream that counts until it is dropped.
#[derive(Debug)]
pub(crate) struct Seat {
    gate: Arc<Gate>,
    token: Option<Digest>,
    feed: Arc<str>,
}

/// Which limit was reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Full {
    /// That of one token.
    Token,
    /// That of one feed or stream.
    Feed,
    /// That of all viewers.
    All,
}

/// What a viewer is told where a limit was reached. Clients wait and try again.
pub(crate) fn full() -> Answer {
    Answer::api_error(StatusCode::TOO_MANY_REQUESTS, "Too many concurrent requests").with("retry-after", "1")
}

impl Gate {
    /// Nobody is served yet.
    pub(crate) fn new(limits: Limits, stats: Arc<Stats>) -> Arc<Self> {
        Arc::new(Self { limits, stats, state: Mutex::default() })
    }

    /// Lets a viewer of `feed` in. A viewer without a token and a name (`authorize`) counts for its feed
    /// and in all.
    ///
    /// # Errors
    /// The limit that was reached; nothing counts then.
    pub(crate) fn enter(self: &Arc<Self>, token: Option<Digest>, feed: Arc<str>) -> Result<Seat, Full> {
        let mut state = self.state();
        if state.all >= self.limits.viewers {
            return Err(Full::All);
        }
        if state.feeds.get(&feed).is_some_and(|count| *count >= self.limits.per_feed) || self.limits.per_feed == 0 {
            return Err(Full::Feed);
        }
        if let Some(token) = token {
            let count = state.tokens.get(&token).copied().unwrap_or(0);
            if count >= self.limits.per_token {
                return Err(Full::Token);
            }
            state.tokens.insert(token, count + 1);
        }
        state.all += 1;
        *state.feeds.entry(feed.clone()).or_default() += 1;
        self.stats.viewers.enter();
        Ok(Seat { gate: self.clone(), token, feed })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Every critical section leaves its counts whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.gate.stats.viewers.leave();
        let mut state = self.gate.state();
        state.all = state.all.saturating_sub(1);
        leave(&mut state.feeds, &self.feed);
        if let Some(token) = &self.token {
            leave(&mut state.tokens, token);
        }
    }
}

/// Counts one less; what is at nothing takes no memory.
fn leave<K: Hash + Eq>(counts: &mut HashMap<K, usize>, key: &K) {
    if let Some(count) = counts.get_mut(key) {
        *count = count.saturating_sub(1);
        if *count == 0 {
            counts.remove(key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn gate(per_token: usize, per_feed: usize, viewers: usize) -> Arc<Gate> {
        Gate::new(Limits { per_token, per_feed, viewers, ..Limits::default() }, Arc::default())
    }

    #[test]
    fn each_limit_is_told_and_a_viewer_that_leaves_makes_room() {
        let gate = gate(1, 2, 3);
        let first = gate.enter(Some([1; 32]), "a".into()).expect("room");
        assert_eq!(gate.enter(Some([1; 32]), "b".into()).expect_err("full"), Full::Token);
        let _second = gate.enter(None, "a".into()).expect("room");
        assert_eq!(gate.enter(Some([2; 32]), "a".into()).expect_err("full"), Full::Feed);
        let _third = gate.enter(None, "b".into()).expect("room");
        assert_eq!(gate.enter(None, "c".into()).expect_err("full"), Full::All);
        drop(first);
        gate.enter(Some([1; 32]), "a".into()).expect("room again");
    }

    #[test]
    fn a_full_relay_says_when_to_come_back() {
        let response = full().into_response(&http::HeaderMap::new(), http::Version::HTTP_11);
        assert_eq!(
            (response.status().as_u16(), &response.headers()["retry-after"]),
            (429, &"1".parse().expect("text"))
        );
    }

    proptest! {
        #[test]
        fn counts_end_where_they_began(steps in proptest::collection::vec((0u8..3, 0u8..3, any::<bool>()), 0..60)) {
            let gate = gate(2, 3, 5);
            let mut seats = Vec::new();
            for (token, feed, leaves) in steps {
                if leaves {
                    seats.pop();
                } else if let Ok(seat) = gate.enter(Some([token; 32]), feed.to_string().into()) {
                    seats.push(seat);
                }
                prop_assert_eq!(gate.state().all, seats.len());
                prop_assert!(seats.len() <= 5);
            }
            drop(seats);
            let state = gate.state();
            prop_assert!(state.all == 0 && state.tokens.is_empty() && state.feeds.is_empty());
        }
    }
}
