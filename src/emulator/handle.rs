//! A handle to a running emulator: it replaces the tasks and moves the clock.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value};

use super::engine::Engine;
use super::options::LATEST_MS;
use super::script::Tasks;
use crate::error::{Error, ErrorCode, Result};
use crate::timestamp::format_timestamp;

/// A handle to a running emulator. It may outlive the emulator, and has no effect then.
#[derive(Clone)]
pub struct Handle(Arc<Engine>);

impl Handle {
    pub(super) fn new(engine: Arc<Engine>) -> Self {
        Self(engine)
    }

    /// Replaces the scripts that the emulator was given, for later runs. `scripts_json` is an object by task id; the
    /// built-in tasks stay. Returns how many tasks there are.
    ///
    /// # Errors
    /// `ERR_INVALID_SCRIPT`; then the tasks stay as they were.
    pub fn replace_tasks(&self, scripts_json: &str) -> Result<usize> {
        match serde_json::from_str(scripts_json) {
            Ok(Value::Object(scripts)) => self.replace(scripts),
            Ok(_) | Err(_) => Err(Error::new(ErrorCode::InvalidScript, "the tasks are no JSON object")),
        }
    }

    pub(super) fn replace(&self, scripts: Map<String, Value>) -> Result<usize> {
        let tasks = Tasks::new(scripts)?;
        let count = tasks.list().len();
        self.0.replace_tasks(tasks);
        Ok(count)
    }

    /// Moves the clock by so many milliseconds, and waits until everything due is done. Returns the new time:
    /// `2026-01-01T00:00:00.000Z`.
    ///
    /// # Errors
    /// `ERR_CLOCK` for the system's clock, and beyond the year 9999.
    pub async fn advance(&self, ms: u64) -> Result<String> {
        let Some(clock) = self.0.clock.as_manual() else {
            return Err(Error::new(
                ErrorCode::Clock,
                "the clock goes by itself: start with clock: \"manual\" to move it",
            ));
        };
        if self.0.now_ms().checked_add(ms).is_none_or(|then| then > LATEST_MS) {
            return Err(Error::new(ErrorCode::Clock, "the clock ends with the year 9999"));
        }
        clock.advance(Duration::from_millis(ms)).await;
        Ok(self.now())
    }

    /// The clock's time: `2026-01-01T00:00:00.000Z`.
    pub fn now(&self) -> String {
        format!("{}Z", format_timestamp(self.0.now_ms()))
    }

    pub(super) fn is_manual(&self) -> bool {
        self.0.clock.as_manual().is_some()
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Handle")
    }
}
