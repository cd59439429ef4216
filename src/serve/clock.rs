//! The clock of the relay and the emulator: the system's, or one that a test moves.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::manual_clock::ManualClock;
use crate::clock::unix_ms;

/// Where the time comes from, and what sleeps by it.
#[derive(Clone)]
pub(crate) struct Clock(Arc<Source>);

enum Source {
    /// Goes by itself: the time in Unix milliseconds, and when counting began.
    Real(Box<dyn Fn() -> u64 + Send + Sync>, Instant),
    /// Moved by hand.
    Manual(Arc<ManualClock>),
}

impl Clock {
    /// The machine's clock.
    pub(crate) fn system() -> Self {
        Self::from_fn(unix_ms)
    }

    /// A clock that says what `now` says, in Unix milliseconds, and sleeps in real time.
    pub(crate) fn from_fn(now: impl Fn() -> u64 + Send + Sync + 'static) -> Self {
        Self(Arc::new(Source::Real(Box::new(now), Instant::now())))
    }

    /// A clock that stands at `start_ms`, in Unix milliseconds, until it is moved.
    pub(crate) fn manual(start_ms: u64) -> Self {
        Self(Arc::new(Source::Manual(Arc::new(ManualClock::new(Duration::from_millis(start_ms))))))
    }

    /// What moves the clock; `None` for one that goes by itself.
    pub(crate) fn as_manual(&self) -> Option<&Arc<ManualClock>> {
        match &*self.0 {
            Source::Real(..) => None,
            Source::Manual(clock) => Some(clock),
        }
    }

    /// Now, in milliseconds since the Unix epoch.
    pub(crate) fn now_ms(&self) -> u64 {
        match &*self.0 {
            Source::Real(now, _) => now(),
            Source::Manual(clock) => u64::try_from(clock.now().as_millis()).unwrap_or(u64::MAX),
        }
    }

    /// Now on a scale of its own that never goes back, for [`Self::sleep_until`].
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

    /// Sleeps for so long.
    pub(crate) async fn sleep(&self, span: Duration) {
        self.sleep_until(self.moment().saturating_add(span)).await;
    }

    /// What `future` gives, unless so long passes first.
    pub(crate) async fn timeout<F: Future>(&self, span: Duration, future: F) -> Option<F::Output> {
        tokio::select! {
            // What is there in time counts, however late it is looked at.
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
