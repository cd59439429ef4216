//! Levels of lines, and the most verbose level that any sink takes.

use std::sync::atomic::{AtomicU8, Ordering};

/// The importance of a line. A sink of one level also takes the lines of the levels above it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// A fault of this package.
    Error = 1,
    /// Refusals, retries, connections that failed, lines that were dropped.
    Warn,
    /// Feeds, streams and upstreams of a relay that start and end.
    Info,
    /// Connections that open and close.
    Debug,
}

impl Level {
    /// The level of this name.
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Error, Self::Warn, Self::Info, Self::Debug].into_iter().find(|level| level.as_str() == name)
    }

    /// The name, which is that of the console's function.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
        }
    }
}

/// The most verbose level that any sink takes; 0 without a sink.
static MAX_LEVEL: AtomicU8 = AtomicU8::new(0);

/// Whether any sink takes lines of `level`.
#[inline]
pub(crate) fn enabled(level: Level) -> bool {
    MAX_LEVEL.load(Ordering::Relaxed) >= level as u8
}

/// Sets the level that [`enabled`] compares with.
pub(super) fn set(max: Option<Level>) {
    MAX_LEVEL.store(max.map_or(0, |level| level as u8), Ordering::Relaxed);
}
