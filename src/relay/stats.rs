//! The counts of a relay, as `stats()` and the metrics report them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use http::StatusCode;
use serde_json::{Map, Value, json};

use crate::hub::BudgetCounts;
use crate::serve::Counts;

/// The upper bounds of the histogram of lag, in milliseconds. One more count is for what is longer.
pub(super) const LAG_BOUNDS_MS: [u64; 8] = [1, 2, 5, 10, 25, 100, 500, 2_500];

/// The reasons for refusing a viewer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// 401: without a valid token.
    Token,
    /// 403: without the scope.
    Scope,
    /// 404: an unknown route, run or batch, or one that `allow` leaves out.
    Unknown,
    /// 413, 414 or 431: too large.
    Size,
    /// 429: too many at once.
    Limit,
    /// 502 to 504: the server gave no answer.
    Upstream,
}

impl Refusal {
    pub(super) const ALL: [Self; 6] =
        [Self::Token, Self::Scope, Self::Unknown, Self::Size, Self::Limit, Self::Upstream];

    /// The refusal behind an answer's status; `None` for a status that is no refusal.
    pub(crate) fn of(status: StatusCode) -> Option<Self> {
        match status.as_u16() {
            401 => Some(Self::Token),
            403 => Some(Self::Scope),
            404 => Some(Self::Unknown),
            413 | 414 | 431 => Some(Self::Size),
            429 => Some(Self::Limit),
            502..=504 => Some(Self::Upstream),
            _ => None,
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Token => "token",
            Self::Scope => "scope",
            Self::Unknown => "unknown",
            Self::Size => "size",
            Self::Limit => "limit",
            Self::Upstream => "upstream",
        }
    }
}

/// The bounds of a relay. Each is an option of `limits`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bound {
    /// Held polls, open streams and proxied requests of one token.
    ViewersPerToken,
    /// Held polls of one browser. Beyond it, polls are answered early.
    HeldPerBrowser,
    /// Held polls and open streams of one feed.
    ViewersPerFeed,
    /// Held polls and open streams.
    Viewers,
    /// Feeds and streams kept.
    Feeds,
    /// Feeds and streams that one token opened.
    FeedsPerToken,
    /// Proxied requests.
    Passing,
    /// Calls of `authorize`.
    Authorizing,
    /// The query of a request.
    QueryBytes,
    /// The body of a proxied request.
    BodyBytes,
    /// The headers of a request.
    HeaderBytes,
    /// Connections of listeners.
    Connections,
    /// Bytes of answers that viewers have not read.
    BytesUnderWay,
    /// How long an answer may go unread.
    SendTimeout,
}

impl Bound {
    pub(super) const ALL: [Self; 14] = [
        Self::ViewersPerToken,
        Self::HeldPerBrowser,
        Self::ViewersPerFeed,
        Self::Viewers,
        Self::Feeds,
        Self::FeedsPerToken,
        Self::Passing,
        Self::Authorizing,
        Self::QueryBytes,
        Self::BodyBytes,
        Self::HeaderBytes,
        Self::Connections,
        Self::BytesUnderWay,
        Self::SendTimeout,
    ];

    /// The name that `limits` takes.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::ViewersPerToken => "viewersPerToken",
            Self::HeldPerBrowser => "heldPerBrowser",
            Self::ViewersPerFeed => "viewersPerFeed",
            Self::Viewers => "viewers",
            Self::Feeds => "feeds",
            Self::FeedsPerToken => "feedsPerToken",
            Self::Passing => "passing",
            Self::Authorizing => "authorizing",
            Self::QueryBytes => "queryBytes",
            Self::BodyBytes => "bodyBytes",
            Self::HeaderBytes => "headerBytes",
            Self::Connections => "connections",
            Self::BytesUnderWay => "bytesUnderWay",
            Self::SendTimeout => "sendTimeoutMs",
        }
    }
}

/// A gauge: the present count, and the highest so far.
#[derive(Debug, Default)]
pub(crate) struct Level {
    now: AtomicU64,
    peak: AtomicU64,
}

impl Level {
    /// Counts one more.
    pub(crate) fn enter(&self) {
        let now = self.now.fetch_add(1, Relaxed) + 1;
        self.peak.fetch_max(now, Relaxed);
    }

    /// Counts one more, unless there are `max`; false where there are.
    pub(crate) fn try_enter(&self, max: usize) -> bool {
        let more = |now: u64| (now < max as u64).then_some(now + 1);
        let Ok(before) = self.now.fetch_update(Relaxed, Relaxed, more) else { return false };
        self.peak.fetch_max(before + 1, Relaxed);
        true
    }

    /// Counts one less.
    pub(crate) fn leave(&self) {
        let _ = self.now.fetch_update(Relaxed, Relaxed, |now| now.checked_sub(1));
    }

    pub(super) fn now(&self) -> u64 {
        self.now.load(Relaxed)
    }

    pub(super) fn peak(&self) -> u64 {
        self.peak.load(Relaxed)
    }
}

/// The counts of one relay since it began. Each is exact by itself; together they are of nearly the same moment.
#[derive(Debug, Default)]
pub(crate) struct Stats {
    /// Held polls and open streams.
    pub(crate) viewers: Level,
    /// Proxied requests in flight.
    pub(crate) passing: Level,
    /// Calls of `authorize` in flight.
    pub(crate) authorizing: Level,
    /// Requests in flight for single viewers: probes, and proxied requests.
    viewer_requests: AtomicU64,
    /// Requests to the server for shared feeds and streams.
    pub(crate) requests: AtomicU64,
    /// Changes of rows and parts of streams that went to viewers.
    pub(crate) updates: AtomicU64,
    /// Bytes of bodies that went to viewers.
    pub(crate) bytes: AtomicU64,
    /// Proxied requests so far.
    pub(crate) passed: AtomicU64,
    /// The connections of its listeners.
    pub(crate) listeners: Arc<Counts>,
    lag: [AtomicU64; LAG_BOUNDS_MS.len() + 1],
    lag_ms: AtomicU64,
    refusals: [AtomicU64; Refusal::ALL.len()],
    limited: [AtomicU64; Bound::ALL.len()],
}

/// Numbers that are looked up for a report, not counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Gauges {
    /// Shared feeds.
    pub(crate) feeds: usize,
    /// Shared streams.
    pub(crate) streams: usize,
    /// The long-polls of the relay's environment; `None` where there is no limit.
    pub(crate) budget: Option<BudgetCounts>,
    /// Bytes of answers that viewers have not read yet.
    pub(crate) bytes_in_flight: u64,
}

/// A request to the server for a single viewer. It counts until this is dropped.
#[derive(Debug)]
pub(crate) struct ViewerRequest(Arc<Stats>);

impl Drop for ViewerRequest {
    fn drop(&mut self) {
        self.0.viewer_requests.fetch_sub(1, Relaxed);
    }
}

impl Stats {
    /// Counts a request for a single viewer until the guard is dropped.
    pub(crate) fn viewer_request(self: &Arc<Self>) -> ViewerRequest {
        self.viewer_requests.fetch_add(1, Relaxed);
        ViewerRequest(self.clone())
    }

    /// Requests to the server in flight: the long-polls of feeds, one for each shared stream, and those for single
    /// viewers.
    pub(super) fn connections(&self, gauges: Gauges) -> u64 {
        let feeds = gauges.budget.map_or(gauges.feeds, |budget| budget.own + usize::from(budget.environment));
        (feeds + gauges.streams) as u64 + self.viewer_requests.load(Relaxed)
    }

    /// Counts a refusal.
    pub(crate) fn refuse(&self, why: Refusal) {
        self.refusals[why as usize].fetch_add(1, Relaxed);
    }

    /// Counts a request beyond a bound.
    pub(crate) fn limit(&self, bound: Bound) {
        self.limited[bound as usize].fetch_add(1, Relaxed);
    }

    pub(super) fn limited(&self, bound: Bound) -> u64 {
        let elsewhere = match bound {
            Bound::Connections => self.listeners.refused(),
            Bound::SendTimeout => self.listeners.send_timeouts(),
            Bound::ViewersPerToken
            | Bound::HeldPerBrowser
            | Bound::ViewersPerFeed
            | Bound::Viewers
            | Bound::Feeds
            | Bound::FeedsPerToken
            | Bound::Passing
            | Bound::Authorizing
            | Bound::QueryBytes
            | Bound::BodyBytes
            | Bound::HeaderBytes
            | Bound::BytesUnderWay => 0,
        };
        self.limited[bound as usize].load(Relaxed) + elsewhere
    }

    /// Counts the time from an update's arrival to a viewer's waking, in milliseconds.
    pub(crate) fn lag(&self, ms: u64) {
        let place = LAG_BOUNDS_MS.iter().position(|bound| ms <= *bound).unwrap_or(LAG_BOUNDS_MS.len());
        self.lag[place].fetch_add(1, Relaxed);
        self.lag_ms.fetch_add(ms, Relaxed);
    }

    pub(super) fn refused(&self, why: Refusal) -> u64 {
        self.refusals[why as usize].load(Relaxed)
    }

    /// How often the lag was within each bound and above the one before; the last count is beyond all of them.
    pub(super) fn lags(&self) -> [u64; LAG_BOUNDS_MS.len() + 1] {
        std::array::from_fn(|at| self.lag[at].load(Relaxed))
    }

    pub(super) fn lag_ms(&self) -> u64 {
        self.lag_ms.load(Relaxed)
    }

    /// The counts as JSON, as `stats()` gives them.
    pub(crate) fn to_json(&self, gauges: Gauges) -> Value {
        let refusals: Map<String, Value> =
            Refusal::ALL.iter().map(|why| (why.name().to_owned(), self.refused(*why).into())).collect();
        let limited: Map<String, Value> =
            Bound::ALL.iter().map(|bound| (bound.name().to_owned(), self.limited(*bound).into())).collect();
        let lags = self.lags();
        json!({
            "viewers": { "now": self.viewers.now(), "peak": self.viewers.peak() },
            "feeds": gauges.feeds,
            "streams": gauges.streams,
            "upstream": {
                "connections": self.connections(gauges),
                "requests": self.requests.load(Relaxed),
                "budget": gauges.budget.map(|budget| json!({
                    "connections": budget.connections,
                    "own": budget.own,
                    "environment": budget.environment,
                    "costly": budget.costly,
                    "shared": budget.shared,
                    "polling": budget.polling,
                })),
            },
            "updates": self.updates.load(Relaxed),
            "bytes": self.bytes.load(Relaxed),
            "passed": self.passed.load(Relaxed),
            "passing": { "now": self.passing.now(), "peak": self.passing.peak() },
            "authorizing": { "now": self.authorizing.now(), "peak": self.authorizing.peak() },
            "connections": {
                "now": self.listeners.connections(),
                "peak": self.listeners.peak(),
                "evicted": self.listeners.evicted(),
            },
            "bytesUnderWay": gauges.bytes_in_flight,
            "refusals": refusals,
            "limited": limited,
            "lag": {
                "count": lags.iter().sum::<u64>(),
                "sumMs": self.lag_ms(),
                "boundsMs": LAG_BOUNDS_MS,
                "counts": lags,
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_counted_is_told() {
        let stats = Stats::default();
        stats.viewers.enter();
        stats.viewers.enter();
        stats.viewers.leave();
        stats.refuse(Refusal::Limit);
        for ms in [0, 1, 3, 9_999] {
            stats.lag(ms);
        }
        let asking = Arc::new(Stats::default());
        let under_way = asking.viewer_request();
        let gauges = Gauges { feeds: 2, streams: 1, ..Gauges::default() };
        assert_eq!(asking.to_json(gauges)["upstream"]["connections"], 4);
        let budget = BudgetCounts { own: 7, environment: true, shared: 90, ..BudgetCounts::default() };
        let told = asking.to_json(Gauges { feeds: 97, budget: Some(budget), ..gauges });
        assert_eq!((&told["upstream"]["connections"], &told["upstream"]["budget"]["shared"]), (&json!(10), &json!(90)));
        drop(under_way);
        assert_eq!(asking.to_json(gauges)["upstream"]["connections"], 3);
        let told = stats.to_json(gauges);
        assert_eq!(told["viewers"], json!({ "now": 1, "peak": 2 }));
        assert_eq!(told["refusals"]["limit"], 1);
        assert_eq!(told["refusals"]["scope"], 0);
        assert_eq!(told["lag"]["counts"], json!([2, 0, 1, 0, 0, 0, 0, 0, 1]));
        assert_eq!(told["lag"]["sumMs"], 10_003);
    }

    #[test]
    fn a_level_never_goes_below_nothing() {
        let level = Level::default();
        level.leave();
        assert_eq!((level.now(), level.peak()), (0, 0));
        assert_eq!([level.try_enter(1), level.try_enter(1)], [true, false]);
        level.leave();
        assert!(level.try_enter(1) && level.peak() == 1);
    }

    #[test]
    fn each_reason_has_a_place_of_its_own() {
        for (at, why) in Refusal::ALL.iter().enumerate() {
            assert_eq!(*why as usize, at);
        }
        for (at, bound) in Bound::ALL.iter().enumerate() {
            assert_eq!(*bound as usize, at);
        }
    }
}
