//! How long ago something was, by both clocks of a machine.
//!
//! A process can be stopped and go on much later: by a signal, or because whoever runs it takes its
//! processor away between two requests (serverless). Some clocks stand still meanwhile and some do
//! not, and connections grow old by the world's time, not by the process's.

use std::time::{Duration, SystemTime};

use tokio::time::Instant;

/// A moment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Since {
    awake: Instant,
    wall: SystemTime,
}

impl Since {
    /// This one.
    pub(crate) fn now() -> Self {
        Self { awake: Instant::now(), wall: SystemTime::now() }
    }

    /// How long ago it was: by the clock that says more. A wall clock that was set back says nothing.
    pub(crate) fn elapsed(self) -> Duration {
        longer(self.awake.elapsed(), self.wall.elapsed().unwrap_or_default())
    }

    /// How long the process did not know that time went by.
    pub(crate) fn asleep(self) -> Duration {
        self.wall.elapsed().unwrap_or_default().saturating_sub(self.awake.elapsed())
    }
}

fn longer(awake: Duration, wall: Duration) -> Duration {
    // Clocks that are set drift by seconds: a little more is no sleep.
    if wall > awake + Duration::from_secs(1) { wall } else { awake }
}

#[cfg(test)]
impl Since {
    /// As if the process had been frozen since for `time`, with the clock that stops then.
    pub(crate) fn frozen_for(time: Duration) -> Self {
        Self { awake: Instant::now(), wall: SystemTime::now() - time }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_that_was_frozen_knows_how_long_although_its_clock_stood_still() {
        let frozen = Since::frozen_for(Duration::from_secs(600));
        assert!(frozen.elapsed() >= Duration::from_secs(600) && frozen.asleep() >= Duration::from_secs(599));
        let now = Since::now();
        assert!(now.elapsed() < Duration::from_secs(1) && now.asleep() < Duration::from_secs(1));
        let set_back = Since { awake: Instant::now(), wall: SystemTime::now() + Duration::from_secs(600) };
        assert!(set_back.elapsed() < Duration::from_secs(1) && set_back.asleep().is_zero());
    }
}
