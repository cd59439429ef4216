//! How much is logged.

use std::sync::atomic::{AtomicU8, Ordering};

/// How much a line matters. A level takes those above it along.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// A fault of this package ended something.
    Error = 1,
    /// A refusal, a retry, a loss.
    Warn,
    /// Feeds, streams and upstreams that start and end.
    Info,
    /// Connections besides.
    Debug,
}

impl Level {
    /// The level of this name.
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Error, Self::Warn, Self::Info, Self::Debug].into_iter().find(|level| level.as_str() == name)
    }

    /// Its name, which is that of a console's function.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
        }
    }
}

/// The most that any sink takes; 0 while there is none.
static MOST: AtomicU8 = AtomicU8::new(0);

/// Whether any sink takes lines of `level`.
#[inline]
pub(crate) fn enabled(level: Level) -> bool {
    MOST.load(Ordering::Relaxed) >= level as u8
}

/// Sets what [`enabled`] says.
pub(super) fn set(most: Option<Level>) {
    MOST.store(most.map_or(0, |level| level as u8), Ordering::Relaxed);
}
