//! The position of a feed in its log: the query of its next request, and the kind of that request.

use super::query::Query;
use super::step::Now;

/// The random bits of a number in `[0, 1)`.
const MANTISSA: u64 = (1 << 52) - 1;

/// The position of a feed in its log.
#[derive(Clone, Debug)]
pub(super) struct Cursor {
    pub(super) mode: Mode,
    pub(super) query: Query,
    /// The handle of the query is made up, so that no cache has a response for its URL (I8).
    pub(super) cache_busted: bool,
    /// The feed was live, and this one request goes out without `live` because time has passed (I20).
    pub(super) refreshing: bool,
}

/// The kind of the next request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    Snapshot,
    CatchUp,
    Live,
}

impl Cursor {
    /// The beginning: a snapshot is next.
    pub(super) fn snapshot(handle: Option<String>, expired_handle: Option<String>) -> Self {
        let query = Query { handle, expired_handle, ..Query::snapshot() };
        Self { mode: Mode::Snapshot, query, cache_busted: false, refreshing: false }
    }

    /// Makes the next request a catch-up from the present offset. The feed is live again after it (I20).
    pub(super) fn refresh(&mut self) {
        self.mode = Mode::CatchUp;
        self.query.live = false;
        self.refreshing = true;
    }

    /// Moves on after a response that was taken (I3). True when the response ends a refresh.
    pub(super) fn advance(&mut self, up_to_date: bool) -> bool {
        if up_to_date {
            self.mode = Mode::Live;
        } else if self.mode == Mode::Snapshot {
            self.mode = Mode::CatchUp;
        }
        self.query.live = self.mode == Mode::Live;
        up_to_date && std::mem::take(&mut self.refreshing)
    }

    /// Gives the next request a handle that no server gave out, so that no cache has a response for its URL. The first
    /// one is `<handle>-next`, as the published clients make it. Later ones (`cache_busts` counts them) are random,
    /// because another client may have asked for `<handle>-next` before.
    pub(super) fn bust_cache(&mut self, from: &str, cache_busts: &mut u32, now: Now) {
        self.query.handle = Some(match cache_busts {
            0 => format!("{from}-next"),
            _ => format!("{from}-{:013x}", now.jitter.to_bits() & MANTISSA),
        });
        *cache_busts = cache_busts.saturating_add(1);
        self.cache_busted = true;
    }
}
