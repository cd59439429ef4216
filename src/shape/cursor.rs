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
    /// The refresh takes the place of a live request, because the driver has no connection for one.
    pub(super) checking: bool,
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
        Self { mode: Mode::Snapshot, query, cache_busted: false, refreshing: false, checking: false }
    }

    /// Makes the next request a catch-up from the present offset. The feed is live again after it (I20).
    pub(super) fn refresh(&mut self) {
        self.mode = Mode::CatchUp;
        self.query.live = false;
        self.refreshing = true;
    }

    /// As [`Cursor::refresh`], in the place of a live request that the driver has no connection for.
    pub(super) fn check(&mut self) {
        self.refresh();
        self.checking = true;
    }

    /// Whether Electric serves the feed: its handles are two numbers, and the native backend's are others.
    pub(super) fn is_electric(&self) -> bool {
        let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let handle = self.query.handle.as_deref().unwrap_or_default();
        handle.split_once('-').is_some_and(|(shape, since)| digits(shape) && digits(since))
    }

    /// The beginning after a must-refetch of a feed with the handle `old`, for which the server named `new`. True where
    /// the next handle is to be made up from the old one, for no cache may answer for it.
    pub(super) fn refetch(&mut self, new: Option<String>, old: Option<&String>) -> (Self, bool) {
        let before = self.query.expired_handle.take();
        match (new, old) {
            // The server keeps the handle: it is not expired.
            (Some(new), Some(old)) if new == *old => (Self::snapshot(None, before), true),
            (Some(new), Some(old)) => (Self::snapshot(Some(new), Some(old.clone())), false),
            (None, Some(old)) => (Self::snapshot(None, Some(old.clone())), true),
            (new, None) => (Self::snapshot(new, before), false),
        }
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
