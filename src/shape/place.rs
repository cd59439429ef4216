//! Where a feed is: what its next request says, and since when.

use super::query::Query;
use super::step::Now;

/// The random bits of a number in `[0, 1)`.
const MANTISSA: u64 = (1 << 52) - 1;

/// Where a feed is.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) mode: Mode,
    pub(super) query: Query,
    /// The handle was made up: no cache has an answer for it (I8).
    pub(super) unseen: bool,
    /// It was live, and asks once without holding because time has passed (I20).
    pub(super) looking: bool,
}

/// Which request is next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    Snapshot,
    CatchUp,
    Live,
}

impl Place {
    /// Before a snapshot.
    pub(super) fn beginning(handle: Option<String>, expired_handle: Option<String>) -> Self {
        let query = Query { handle, expired_handle, ..Query::snapshot() };
        Self { mode: Mode::Snapshot, query, unseen: false, looking: false }
    }

    /// Asks from here without holding, once: after the answer it is live again.
    pub(super) fn look(&mut self) {
        self.mode = Mode::CatchUp;
        self.query.live = false;
        self.looking = true;
    }

    /// An answer was taken (I3). True when it ends a look.
    pub(super) fn settle(&mut self, up_to_date: bool) -> bool {
        if up_to_date {
            self.mode = Mode::Live;
        } else if self.mode == Mode::Snapshot {
            self.mode = Mode::CatchUp;
        }
        self.query.live = self.mode == Mode::Live;
        up_to_date && std::mem::take(&mut self.looking)
    }

    /// The next request has a handle no server gave out, and so no cache has answers for: the first as the published
    /// clients make it, each later one (`busts` counts them) with randomness, for that one may have been asked before.
    pub(super) fn make_up_handle(&mut self, from: &str, busts: &mut u32, now: Now) {
        self.query.handle = Some(match busts {
            0 => format!("{from}-next"),
            _ => format!("{from}-{:013x}", now.jitter.to_bits() & MANTISSA),
        });
        *busts = busts.saturating_add(1);
        self.unseen = true;
    }
}

/// A point in time by two clocks: one may stand still while the machine sleeps, and one may be set back.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Moment {
    monotonic_ms: u64,
    unix_ms: u64,
}

impl Moment {
    pub(super) fn of(now: Now) -> Self {
        Self { monotonic_ms: now.monotonic_ms, unix_ms: now.unix_ms }
    }

    /// The time since then, in ms: what the clock says that saw more of it pass.
    pub(super) fn until(self, now: Now) -> u64 {
        let monotonic = now.monotonic_ms.saturating_sub(self.monotonic_ms);
        monotonic.max(now.unix_ms.saturating_sub(self.unix_ms))
    }
}
