//! Concurrency limits: a [`Permit`] counts for its token, for its feed and in all, until it is dropped.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};

use http::StatusCode;

use super::eviction::{Evictable, EvictionQueue};
use super::quota::decrement;
use crate::lock::lock;
use crate::relay::browser::Hold;
use crate::relay::digest::Digest;
use crate::relay::options::Limits;
use crate::relay::stats::{Bound, Stats};
use crate::serve::Response;

/// The permits that are out.
#[derive(Debug)]
pub(crate) struct Limiter {
    limits: Limits,
    stats: Arc<Stats>,
    state: Mutex<State>,
    /// Changed under `state`'s lock wherever a count changes with it.
    evictions: Arc<EvictionQueue>,
}

#[derive(Debug, Default)]
struct State {
    viewers: usize,
    passing: usize,
    tokens: HashMap<Digest, usize>,
    feeds: HashMap<Arc<str>, usize>,
}

/// The permit of a held poll, an open stream or a proxied request. The request counts until the permit is dropped.
#[derive(Debug)]
pub(crate) struct Permit {
    limiter: Arc<Limiter>,
    token: Option<Digest>,
    /// `None` for a proxied request.
    feed: Option<Arc<str>>,
    /// Whether this counts as a proxied request: it is one, or only the server can answer its viewer.
    passes: bool,
    /// Set for a proxied request.
    evictable: Option<Arc<Evictable>>,
    /// What the viewer's browser holds with it, where that is short of connections.
    hold: Option<Hold>,
}

/// The limit that was reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exceeded {
    /// `viewersPerToken`.
    Token,
    /// `viewersPerFeed`.
    Feed,
    /// `viewers`.
    All,
    /// `passing`.
    Passing,
}

impl Exceeded {
    fn bound(self) -> Bound {
        match self {
            Self::Token => Bound::ViewersPerToken,
            Self::Feed => Bound::ViewersPerFeed,
            Self::All => Bound::Viewers,
            Self::Passing => Bound::Passing,
        }
    }
}

/// The 429 of every limit. Clients wait the second that `Retry-After` says, and try again.
pub(crate) fn too_many_requests() -> Response {
    Response::api_error(StatusCode::TOO_MANY_REQUESTS, "Too many concurrent requests").with("retry-after", "1")
}

impl From<Exceeded> for Response {
    fn from(_: Exceeded) -> Self {
        too_many_requests()
    }
}

impl Limiter {
    /// A limiter with no permit out.
    pub(crate) fn new(limits: Limits, stats: Arc<Stats>) -> Arc<Self> {
        Arc::new(Self { limits, stats, state: Mutex::default(), evictions: Arc::default() })
    }

    /// A permit for a viewer of `feed`. A viewer that has no token, and that `authorize` did not name, counts for its
    /// feed and in all.
    ///
    /// # Errors
    /// The limit that was reached; nothing counts then.
    pub(crate) fn enter(self: &Arc<Self>, token: Option<Digest>, feed: Arc<str>) -> Result<Permit, Exceeded> {
        self.acquire(token, Some(feed))
    }

    /// A permit for a proxied request, which counts for its token and among all proxied requests. Where those are too
    /// many, the one whose viewer has been idle for longest is evicted.
    ///
    /// # Errors
    /// The limit that was reached; nothing counts then.
    pub(crate) fn enter_proxied(self: &Arc<Self>, token: Digest) -> Result<Permit, Exceeded> {
        self.acquire(Some(token), None)
    }

    fn acquire(self: &Arc<Self>, token: Option<Digest>, feed: Option<Arc<str>>) -> Result<Permit, Exceeded> {
        let (exceeded, evicted) = {
            let mut state = self.state();
            let evicted = feed.is_none().then(|| self.evict_one(&mut state, token)).flatten();
            (state.take(&self.limits, token, feed.as_ref()).err(), evicted)
        };
        self.end_evicted(evicted);
        if let Some(exceeded) = exceeded {
            self.stats.limit(exceeded.bound());
            return Err(exceeded);
        }
        if feed.is_some() {
            self.stats.viewers.enter();
        } else {
            self.stats.passing.enter();
        }
        let passes = feed.is_none();
        let evictable = token.filter(|_| passes).map(|token| Evictable::new(self.evictions.clone(), token));
        Ok(Permit { limiter: self.clone(), token, feed, passes, evictable, hold: None })
    }

    /// Evicts a proxied request where those are too many, and where a request of `token` could take its place.
    fn evict_one(&self, state: &mut State, token: Option<Digest>) -> Option<Arc<Evictable>> {
        let limits = &self.limits;
        let fits = token.is_none_or(|token| state.tokens.get(&token).copied().unwrap_or(0) < limits.per_token);
        if state.passing < limits.passing || !fits {
            return None;
        }
        let evicted = self.evictions.evict()?;
        state.passing = state.passing.saturating_sub(1);
        decrement(&mut state.tokens, &evicted.token);
        Some(evicted)
    }

    /// Breaks an evicted request off, outside of the lock.
    fn end_evicted(&self, evicted: Option<Arc<Evictable>>) {
        if let Some(evicted) = evicted {
            self.stats.limit(Bound::Passing);
            self.stats.passing.leave();
            evicted.end();
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }
}

impl State {
    fn take(&mut self, limits: &Limits, token: Option<Digest>, feed: Option<&Arc<str>>) -> Result<(), Exceeded> {
        match feed {
            Some(_) if self.viewers >= limits.viewers => return Err(Exceeded::All),
            Some(feed) if self.feeds.get(feed).copied().unwrap_or(0) >= limits.per_feed => return Err(Exceeded::Feed),
            None if self.passing >= limits.passing => return Err(Exceeded::Passing),
            Some(_) | None => {}
        }
        if let Some(token) = token {
            let count = self.tokens.get(&token).copied().unwrap_or(0);
            if count >= limits.per_token {
                return Err(Exceeded::Token);
            }
            self.tokens.insert(token, count + 1);
        }
        match feed {
            Some(feed) => {
                self.viewers += 1;
                *self.feeds.entry(feed.clone()).or_default() += 1;
            }
            None => self.passing += 1,
        }
        Ok(())
    }
}

impl Permit {
    /// The token that the permit counts for.
    pub(crate) fn token(&self) -> Option<Digest> {
        self.token
    }

    /// The same permit, with what its viewer's browser holds.
    pub(crate) fn with_hold(mut self, hold: Option<Hold>) -> Self {
        self.hold = hold;
        self
    }

    /// What the viewer's browser holds.
    pub(crate) fn hold(&self) -> Option<&Hold> {
        self.hold.as_ref()
    }

    /// The idle tracking of a proxied request; `None` for a viewer.
    pub(crate) fn evictable(&self) -> Option<&Arc<Evictable>> {
        self.evictable.as_ref()
    }

    /// Counts a viewer among the proxied requests as well, because only the server can answer it.
    ///
    /// # Errors
    /// The limit that was reached; the viewer counts as before then.
    pub(crate) fn count_as_proxied(&mut self) -> Result<(), Exceeded> {
        if self.passes {
            return Ok(());
        }
        let limiter = &self.limiter;
        let evicted = {
            let mut state = limiter.state();
            let evicted = limiter.evict_one(&mut state, None);
            self.passes = state.passing < limiter.limits.passing;
            state.passing += usize::from(self.passes);
            evicted
        };
        limiter.end_evicted(evicted);
        if !self.passes {
            limiter.stats.limit(Bound::Passing);
            return Err(Exceeded::Passing);
        }
        limiter.stats.passing.enter();
        Ok(())
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut state = self.limiter.state();
        if let Some(evictable) = &self.evictable {
            self.limiter.evictions.remove(evictable);
            // An evicted request was counted out when it was evicted.
            if evictable.is_evicted() {
                return;
            }
        }
        if let Some(feed) = &self.feed {
            self.limiter.stats.viewers.leave();
            state.viewers = state.viewers.saturating_sub(1);
            decrement(&mut state.feeds, feed);
        }
        if self.passes {
            self.limiter.stats.passing.leave();
            state.passing = state.passing.saturating_sub(1);
        }
        if let Some(token) = &self.token {
            decrement(&mut state.tokens, token);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::growth::assert_linear;
    use proptest::prelude::*;

    fn limiter(per_token: usize, per_feed: usize, viewers: usize) -> Arc<Limiter> {
        Limiter::new(Limits { per_token, per_feed, viewers, ..Limits::default() }, Arc::default())
    }

    #[test]
    fn each_limit_is_told_and_a_viewer_that_leaves_makes_room() {
        let limiter = limiter(1, 2, 3);
        let first = limiter.enter(Some([1; 32]), "a".into()).expect("room");
        assert_eq!(limiter.enter(Some([1; 32]), "b".into()).expect_err("full"), Exceeded::Token);
        let _second = limiter.enter(None, "a".into()).expect("room");
        assert_eq!(limiter.enter(Some([2; 32]), "a".into()).expect_err("full"), Exceeded::Feed);
        let _third = limiter.enter(None, "b".into()).expect("room");
        assert_eq!(limiter.enter(None, "c".into()).expect_err("full"), Exceeded::All);
        drop(first);
        limiter.enter(Some([1; 32]), "a".into()).expect("room again");
    }

    #[test]
    fn eighty_thousand_viewers_come_and_leave_without_a_look_at_each_for_each() {
        assert_linear("viewers", |length| {
            let limiter = limiter(1, 1, length);
            let digest = |viewer: usize| std::array::from_fn(|at| viewer.to_le_bytes().get(at).copied().unwrap_or(0));
            let permits: Vec<_> = (0..length)
                .map(|viewer| limiter.enter(Some(digest(viewer)), viewer.to_string().into()).expect("room"))
                .collect();
            assert!(limiter.enter(None, "one more".into()).is_err());
            drop(permits);
        });
        assert_linear("requests passed through", |length| {
            let limits = Limits { per_token: length, passing: length, ..Limits::default() };
            let limiter = Limiter::new(limits, Arc::default());
            let permits: Vec<_> = (0..length).map(|_| limiter.enter_proxied([1; 32]).expect("room")).collect();
            assert!(limiter.enter_proxied([1; 32]).is_err());
            drop(permits);
        });
    }

    #[test]
    fn requests_passed_through_count_for_their_token_and_in_all() {
        let limiter = Limiter::new(Limits { per_token: 2, passing: 3, ..Limits::default() }, Arc::default());
        let first = limiter.enter_proxied([1; 32]).expect("room");
        let _second = limiter.enter_proxied([1; 32]).expect("room");
        assert_eq!(limiter.enter_proxied([1; 32]).expect_err("full"), Exceeded::Token);
        assert_eq!(limiter.enter(Some([1; 32]), "a".into()).expect_err("full"), Exceeded::Token);
        let _third = limiter.enter_proxied([2; 32]).expect("room");
        assert_eq!(limiter.enter_proxied([3; 32]).expect_err("full"), Exceeded::Passing);
        drop(first);
        limiter.enter_proxied([3; 32]).expect("room again");
        let counts = limiter.stats.to_json(crate::relay::stats::Gauges::default());
        assert_eq!((&counts["limited"]["passing"], &counts["limited"]["viewersPerToken"]), (&1.into(), &2.into()));
        assert_eq!(counts["passing"]["peak"], 3);
    }

    #[test]
    fn a_viewer_whose_request_goes_to_the_server_counts_among_those_passed_through_and_once_for_its_token() {
        let limiter = Limiter::new(Limits { per_token: 2, passing: 1, ..Limits::default() }, Arc::default());
        let mut first = limiter.enter(Some([1; 32]), "a".into()).expect("room");
        assert!(first.count_as_proxied().is_ok() && first.count_as_proxied().is_ok());
        let mut second = limiter.enter(Some([1; 32]), "a".into()).expect("room for the token");
        assert_eq!(
            (second.count_as_proxied(), limiter.enter_proxied([2; 32]).err()),
            (Err(Exceeded::Passing), Some(Exceeded::Passing))
        );
        drop(first);
        assert_eq!(second.count_as_proxied(), Ok(()));
        let counted = || {
            let state = limiter.state();
            (state.passing, state.viewers, state.tokens.len())
        };
        assert_eq!(counted(), (1, 1, 1));
        drop(second);
        assert_eq!(counted(), (0, 0, 0));
        let counts = limiter.stats.to_json(crate::relay::stats::Gauges::default());
        assert_eq!((&counts["limited"]["passing"], &counts["passing"]["now"]), (&2.into(), &0.into()));
    }

    #[test]
    fn a_full_relay_says_when_to_come_back() {
        let response = too_many_requests().into_http(&http::HeaderMap::new(), http::Version::HTTP_11);
        assert_eq!(
            (response.status().as_u16(), &response.headers()["retry-after"]),
            (429, &"1".parse().expect("text"))
        );
    }

    proptest! {
        #[test]
        fn counts_end_where_they_began(steps in proptest::collection::vec((0u8..3, 0u8..3, any::<bool>()), 0..60)) {
            let limiter = limiter(2, 3, 5);
            let mut permits = Vec::new();
            for (token, feed, leaves) in steps {
                if leaves {
                    permits.pop();
                } else if let Ok(permit) = limiter.enter(Some([token; 32]), feed.to_string().into()) {
                    permits.push(permit);
                }
                prop_assert_eq!(limiter.state().viewers, permits.len());
                prop_assert!(permits.len() <= 5);
            }
            drop(permits);
            let state = limiter.state();
            prop_assert!(state.viewers == 0 && state.tokens.is_empty() && state.feeds.is_empty());
        }
    }
}
