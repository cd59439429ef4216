//! How much is served at once: permits that are given back when they are dropped.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard};

use http::StatusCode;

use super::options::Limits;
use super::stats::{Bound, Stats};
use super::wait::{Line, Wait};
use crate::lock::lock;
use crate::serve::Response;

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
pub(super) struct State {
    all: usize,
    passing: usize,
    tokens: HashMap<Digest, usize>,
    feeds: HashMap<Arc<str>, usize>,
    /// Requests passed through whose viewers are waited for.
    pub(super) line: Line,
}

/// A held poll, an open stream or a request passed through that counts until it is dropped.
#[derive(Debug)]
pub(crate) struct Seat {
    gate: Arc<Gate>,
    token: Option<Digest>,
    /// None of a request that is passed through.
    feed: Option<Arc<str>>,
    /// It is passed through: for as long as it is under way, of a viewer whose request goes to the server.
    passes: bool,
    /// Of a request that is no viewer's.
    wait: Option<Arc<Wait>>,
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
    /// That of requests passed through.
    Passing,
}

impl Full {
    fn bound(self) -> Bound {
        match self {
            Self::Token => Bound::ViewersPerToken,
            Self::Feed => Bound::ViewersPerFeed,
            Self::All => Bound::Viewers,
            Self::Passing => Bound::Passing,
        }
    }
}

/// What a viewer is told where a limit was reached. Clients wait and try again.
pub(crate) fn full() -> Response {
    Response::api_error(StatusCode::TOO_MANY_REQUESTS, "Too many concurrent requests").with("retry-after", "1")
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
        self.seat(token, Some(feed))
    }

    /// Lets a request through. It counts for its token and among all that are passed. Where those are too many, the one
    /// whose viewer is waited for longest makes way.
    ///
    /// # Errors
    /// The limit that was reached; nothing counts then.
    pub(crate) fn pass(self: &Arc<Self>, token: Digest) -> Result<Seat, Full> {
        self.seat(Some(token), None)
    }

    fn seat(self: &Arc<Self>, token: Option<Digest>, feed: Option<Arc<str>>) -> Result<Seat, Full> {
        let (full, evicted) = {
            let mut state = self.state();
            let evicted = feed.is_none().then(|| state.make_room(&self.limits, token)).flatten();
            (state.take(&self.limits, token, feed.as_ref()).err(), evicted)
        };
        if let Some(wait) = evicted {
            self.stats.limit(Bound::Passing);
            self.stats.passing.leave();
            wait.end();
        }
        if let Some(full) = full {
            self.stats.limit(full.bound());
            return Err(full);
        }
        if feed.is_some() {
            self.stats.viewers.enter();
        } else {
            self.stats.passing.enter();
        }
        let passes = feed.is_none();
        let wait = token.filter(|_| feed.is_none()).map(|token| Wait::new(self.clone(), token));
        Ok(Seat { gate: self.clone(), token, feed, passes, wait })
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }
}

impl State {
    /// Has a request passed through make way where there are too many, and its place would be taken.
    fn make_room(&mut self, limits: &Limits, token: Option<Digest>) -> Option<Arc<Wait>> {
        let has_own = token.is_none_or(|token| self.tokens.get(&token).copied().unwrap_or(0) < limits.per_token);
        if self.passing < limits.passing || !has_own {
            return None;
        }
        let wait = self.line.evict()?;
        self.passing = self.passing.saturating_sub(1);
        leave(&mut self.tokens, &wait.token);
        Some(wait)
    }

    fn take(&mut self, limits: &Limits, token: Option<Digest>, feed: Option<&Arc<str>>) -> Result<(), Full> {
        match feed {
            Some(_) if self.all >= limits.viewers => return Err(Full::All),
            Some(feed) if self.feeds.get(feed).copied().unwrap_or(0) >= limits.per_feed => return Err(Full::Feed),
            None if self.passing >= limits.passing => return Err(Full::Passing),
            Some(_) | None => {}
        }
        if let Some(token) = token {
            let count = self.tokens.get(&token).copied().unwrap_or(0);
            if count >= limits.per_token {
                return Err(Full::Token);
            }
            self.tokens.insert(token, count + 1);
        }
        match feed {
            Some(feed) => {
                self.all += 1;
                *self.feeds.entry(feed.clone()).or_default() += 1;
            }
            None => self.passing += 1,
        }
        Ok(())
    }
}

impl Seat {
    /// Whose it is.
    pub(crate) fn token(&self) -> Option<Digest> {
        self.token
    }

    /// Whether the viewer of a request that is passed through is waited for.
    pub(crate) fn wait(&self) -> Option<&Arc<Wait>> {
        self.wait.as_ref()
    }

    /// A viewer's request goes to the server, for memory does not have its answer: it counts among all that are passed
    /// as well.
    ///
    /// # Errors
    /// The limit that was reached; the viewer counts as before then.
    pub(crate) fn pass(&mut self) -> Result<(), Full> {
        if self.passes {
            return Ok(());
        }
        let (limits, stats) = (&self.gate.limits, &self.gate.stats);
        let evicted = {
            let mut state = self.gate.state();
            let evicted = state.make_room(limits, None);
            self.passes = state.passing < limits.passing;
            state.passing += usize::from(self.passes);
            evicted
        };
        if let Some(wait) = evicted {
            stats.limit(Bound::Passing);
            stats.passing.leave();
            wait.end();
        }
        if !self.passes {
            stats.limit(Bound::Passing);
            return Err(Full::Passing);
        }
        stats.passing.enter();
        Ok(())
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut state = self.gate.state();
        if let Some(wait) = &self.wait {
            state.line.leave(wait);
            // What made way was given back then.
            if wait.is_over() {
                return;
            }
        }
        if let Some(feed) = &self.feed {
            self.gate.stats.viewers.leave();
            state.all = state.all.saturating_sub(1);
            leave(&mut state.feeds, feed);
        }
        if self.passes {
            self.gate.stats.passing.leave();
            state.passing = state.passing.saturating_sub(1);
        }
        if let Some(token) = &self.token {
            leave(&mut state.tokens, token);
        }
    }
}

/// How many feeds, or streams, each token began that are still kept.
#[derive(Debug)]
pub(crate) struct Quota {
    most: usize,
    counts: Mutex<HashMap<Digest, usize>>,
}

/// A feed or stream that counts for who began it until it is dropped.
#[derive(Debug)]
pub(crate) struct Share {
    quota: Arc<Quota>,
    owner: Digest,
}

impl Quota {
    /// Nobody began anything yet.
    pub(crate) fn new(most: usize) -> Arc<Self> {
        Arc::new(Self { most, counts: Mutex::default() })
    }

    /// One more of `owner`; `None` beyond what one may begin.
    pub(crate) fn take(self: &Arc<Self>, owner: Digest) -> Option<Share> {
        let mut counts = lock(&self.counts);
        let count = counts.entry(owner).or_default();
        if *count >= self.most {
            return None;
        }
        *count += 1;
        Some(Share { quota: self.clone(), owner })
    }
}

impl Share {
    /// Whose it is.
    pub(crate) fn is_of(&self, owner: &Digest) -> bool {
        self.owner == *owner
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        leave(&mut lock(&self.quota.counts), &self.owner);
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
    fn requests_passed_through_count_for_their_token_and_in_all() {
        let gate = Gate::new(Limits { per_token: 2, passing: 3, ..Limits::default() }, Arc::default());
        let first = gate.pass([1; 32]).expect("room");
        let _second = gate.pass([1; 32]).expect("room");
        assert_eq!(gate.pass([1; 32]).expect_err("full"), Full::Token);
        assert_eq!(gate.enter(Some([1; 32]), "a".into()).expect_err("full"), Full::Token);
        let _third = gate.pass([2; 32]).expect("room");
        assert_eq!(gate.pass([3; 32]).expect_err("full"), Full::Passing);
        drop(first);
        gate.pass([3; 32]).expect("room again");
        let counts = gate.stats.to_json(crate::relay::stats::Gauges::default());
        assert_eq!((&counts["limited"]["passing"], &counts["limited"]["viewersPerToken"]), (&1.into(), &2.into()));
        assert_eq!(counts["passing"]["peak"], 3);
    }

    #[test]
    fn a_viewer_whose_request_goes_to_the_server_counts_among_those_passed_through_and_once_for_its_token() {
        let gate = Gate::new(Limits { per_token: 2, passing: 1, ..Limits::default() }, Arc::default());
        let mut first = gate.enter(Some([1; 32]), "a".into()).expect("room");
        assert!(first.pass().is_ok() && first.pass().is_ok());
        let mut second = gate.enter(Some([1; 32]), "a".into()).expect("room for the token");
        assert_eq!((second.pass(), gate.pass([2; 32]).err()), (Err(Full::Passing), Some(Full::Passing)));
        drop(first);
        assert_eq!(second.pass(), Ok(()));
        let counted = || {
            let state = gate.state();
            (state.passing, state.all, state.tokens.len())
        };
        assert_eq!(counted(), (1, 1, 1));
        drop(second);
        assert_eq!(counted(), (0, 0, 0));
        let counts = gate.stats.to_json(crate::relay::stats::Gauges::default());
        assert_eq!((&counts["limited"]["passing"], &counts["passing"]["now"]), (&2.into(), &0.into()));
    }

    #[test]
    fn a_quota_is_of_one_token_and_given_back() {
        let quota = Quota::new(1);
        let first = quota.take([1; 32]).expect("room");
        assert!(quota.take([1; 32]).is_none() && quota.take([2; 32]).is_some() && first.is_of(&[1; 32]));
        drop(first);
        assert!(quota.take([1; 32]).is_some());
    }

    #[test]
    fn a_full_relay_says_when_to_come_back() {
        let response = full().into_http(&http::HeaderMap::new(), http::Version::HTTP_11);
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
