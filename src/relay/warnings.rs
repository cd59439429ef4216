//! Warnings for the operator of a relay, each given once: which setting to fix where the server refuses the relay's key
//! or cannot be reached.

use std::collections::HashSet;
use std::fmt;
use std::sync::{Arc, Mutex};

use crate::lock::lock;

/// How many different warnings are given in the life of a relay.
const MAX_WARNINGS: usize = 100;

/// Where a warning goes.
type Sink = dyn Fn(String) + Send + Sync;

/// Gives each warning once. Cheap to clone; clones remember the same warnings.
#[derive(Clone, Default)]
pub struct Warnings(Option<Arc<Inner>>);

struct Inner {
    sink: Box<Sink>,
    given: Mutex<HashSet<String>>,
}

impl Warnings {
    /// Warnings that go to `sink`.
    pub fn new(sink: impl Fn(String) + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(Inner { sink: Box::new(sink), given: Mutex::default() })))
    }

    /// Gives a warning, unless it was given before.
    pub(crate) fn warn(&self, text: &str) {
        let Some(inner) = &self.0 else { return };
        let mut given = lock(&inner.given);
        if given.len() < MAX_WARNINGS && given.insert(text.to_owned()) {
            drop(given);
            (inner.sink)(text.to_owned());
        }
    }
}

impl fmt::Debug for Warnings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Warnings")
    }
}

/// The reasons why the relay's own key cannot read from the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum UpstreamError {
    /// 401: the server does not know the key.
    Unauthorized,
    /// 403: the key lacks a right.
    Forbidden,
    /// The base URL does not answer.
    Unreachable,
}

impl UpstreamError {
    /// The text for the viewer and the log: which setting to fix, and no value of it.
    pub(crate) fn text(self) -> &'static str {
        match self {
            Self::Unauthorized => {
                "The server refused the relay's own key: set accessToken or TRIGGER_SECRET_KEY to the secret key of the environment, and baseURL or TRIGGER_API_URL to the server it is of"
            }
            Self::Forbidden => {
                "The relay's own key has no rights to read this: set accessToken or TRIGGER_SECRET_KEY to the environment's root key, or to one with read:runs"
            }
            Self::Unreachable => {
                "The relay cannot reach the Trigger.dev server: check baseURL or TRIGGER_API_URL, and the network"
            }
        }
    }

    /// The error behind a status of the server's; `None` for a status that is not about the relay's key.
    pub(crate) fn of(status: u16) -> Option<Self> {
        match status {
            401 => Some(Self::Unauthorized),
            403 => Some(Self::Forbidden),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_line_is_told_once_and_names_what_to_set() {
        let (warn, seen) = std::sync::mpsc::channel();
        let warnings = Warnings::new(move |line| warn.send(line).expect("it listens"));
        for error in [
            UpstreamError::Unauthorized,
            UpstreamError::Unreachable,
            UpstreamError::Unauthorized,
            UpstreamError::Forbidden,
        ] {
            warnings.clone().warn(error.text());
        }
        assert_eq!(seen.try_iter().count(), 3);
        assert!(UpstreamError::Unauthorized.text().contains("TRIGGER_SECRET_KEY"));
        assert!(UpstreamError::Unreachable.text().contains("TRIGGER_API_URL"));
    }

    #[test]
    fn a_server_that_fails_in_ever_new_ways_fills_no_log() {
        let (warn, seen) = std::sync::mpsc::channel();
        let warnings = Warnings::new(move |line| warn.send(line).expect("it listens"));
        for n in 0..3 * MAX_WARNINGS {
            warnings.warn(&n.to_string());
        }
        assert_eq!(seen.try_iter().count(), MAX_WARNINGS);
    }
}
