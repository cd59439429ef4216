//! The clock of the relay and the emulator: the system's, or one that a test moves.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::manual_clock::ManualClock;
use crate::clock::unix_ms;

/// A source of time, with its timers.
#[derive(Clone)]
pub(crate) struct Clock(Arc<Source>);

enum Source {
    /// A running clock: the time in Unix milliseconds, and the start of [`Clock::moment`].
    Real(Box<dyn Fn() -> u64 + Send + Sync>, Instant),
    /// A clock that a test moves.
    Manual(Arc<ManualClock>),
}

impl Clock {
    /// The system's clock.
    pub(crate) fn system() -> Self {
        Self::from_fn(unix_ms)
    }

    /// A clock that reads `now`, in Unix milliseconds, and sleeps in real time.
    pub(crate) fn from_fn(now: impl Fn() -> u64 + Send + Sync + 'static) -> Self {
        Self(Arc::new(Source::Real(Box::new(now), Instant::now())))
    }

    /// A clock that stands at `start_ms`, in Unix milliseconds, until a test moves it.
    pub(crate) fn manual(start_ms: u64) -> Self {
        Self(Arc::new(Source::Manual(Arc::new(ManualClock::new(Duration::from_millis(start_ms))))))
    }

    /// The manual clock that moves this one; `None` for a running clock.
    pub(crate) fn as_manual(&self) -> Option<&Arc<ManualClock>> {
        match &*self.0 {
            Source::Real(..) => None,
            Source::Manual(clock) => Some(clock),
        }
    }

    /// The current time, in milliseconds since the Unix epoch.
    pub(crate) fn now_ms(&self) -> u64 {
        match &*self.0 {
            Source::Real(now, _) => now(),
            Source::Manual(clock) => u64::try_from(clock.now().as_millis()).unwrap_or(u64::MAX),
        }
    }

    /// The current time on a monotonic scale of its own, for [`Self::sleep_until`].
    pub(crate) fn moment(&self) -> Duration {
        match &*self.0 {
            Source::Real(_, begin) => begin.elapsed(),
            Source::Manual(clock) => clock.now(),
        }
    }

    /// Sleeps until [`Self::moment`] is `due`.
    pub(crate) async fn sleep_until(&self, due: Duration) {
        match &*self.0 {
            Source::Real(_, begin) => match begin.checked_add(due) {
                Some(due) => tokio::time::sleep_until(due).await,
                None => std::future::pending().await,
            },
            Source::Manual(clock) => clock.sleep_until(due).await,
        }
    }

    /// Sleeps for `span`.
    pub(crate) async fn sleep(&self, span: Duration) {
        self.sleep_until(self.moment().saturating_add(span)).await;
    }

    /// The output of `future`, or `None` when `span` is over first.
    pub(crate) async fn timeout<F: Future>(&self, span: Duration, future: F) -> Option<F::Output> {
        tokio::select! {
            // An output that is ready in time counts, even if it is polled late.
            biased;
            output = future => Some(output),
            () = self.sleep(span) => None,
        }
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Clock")
    }
}
