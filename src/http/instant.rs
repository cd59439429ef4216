//! An instant whose age counts the time that the process was suspended.
//!
//! A process can be stopped and go on much later: by a signal, or because its platform freezes it
//! between two requests (serverless). The monotonic clock may stand still meanwhile, and the wall
//! clock does not; connections grow old by the wall clock.

use std::time::{Duration, SystemTime};

use tokio::time::Instant;

/// A point in time, by the monotonic clock and by the wall clock.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SuspendAwareInstant {
    monotonic: Instant,
    wall: SystemTime,
}

impl SuspendAwareInstant {
    /// The present instant.
    pub(crate) fn now() -> Self {
        Self { monotonic: Instant::now(), wall: SystemTime::now() }
    }

    /// Its age by the clock that says more. A wall clock that was set back says nothing.
    pub(crate) fn elapsed(self) -> Duration {
        longer(self.monotonic.elapsed(), self.wall.elapsed().unwrap_or_default())
    }

    /// How long the process has been suspended since.
    pub(crate) fn suspended(self) -> Duration {
        self.wall.elapsed().unwrap_or_default().saturating_sub(self.monotonic.elapsed())
    }
}

fn longer(monotonic: Duration, wall: Duration) -> Duration {
    // A wall clock that is adjusted drifts by seconds: that little more is no suspension.
    if wall > monotonic + Duration::from_secs(1) { wall } else { monotonic }
}

#[cfg(test)]
impl SuspendAwareInstant {
    /// As if the process had been suspended since for `time`, and its monotonic clock with it.
    pub(crate) fn suspended_for(time: Duration) -> Self {
        Self { monotonic: Instant::now(), wall: SystemTime::now() - time }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_that_was_frozen_knows_how_long_although_its_clock_stood_still() {
        let frozen = SuspendAwareInstant::suspended_for(Duration::from_secs(600));
        assert!(frozen.elapsed() >= Duration::from_secs(600) && frozen.suspended() >= Duration::from_secs(599));
        let now = SuspendAwareInstant::now();
        assert!(now.elapsed() < Duration::from_secs(1) && now.suspended() < Duration::from_secs(1));
        let set_back =
            SuspendAwareInstant { monotonic: Instant::now(), wall: SystemTime::now() + Duration::from_secs(600) };
        assert!(set_back.elapsed() < Duration::from_secs(1) && set_back.suspended().is_zero());
    }
}
