//! An instant whose age counts the time that the machine slept.

use super::step::Now;

/// A point in time by two clocks: the monotonic one may stand still while the machine sleeps, and the Unix one may be
/// set back.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct SuspendAwareInstant {
    monotonic_ms: u64,
    unix_ms: u64,
}

impl SuspendAwareInstant {
    pub(super) fn of(now: Now) -> Self {
        Self { monotonic_ms: now.monotonic_ms, unix_ms: now.unix_ms }
    }

    /// The time from this moment to `now`, in ms, by the clock that moved further.
    pub(super) fn until(self, now: Now) -> u64 {
        let monotonic = now.monotonic_ms.saturating_sub(self.monotonic_ms);
        monotonic.max(now.unix_ms.saturating_sub(self.unix_ms))
    }
}
