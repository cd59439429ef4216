//! What whoever runs a relay is told, once: what to set where the server refuses its key or is not there.

use std::collections::HashSet;
use std::fmt;
use std::sync::{Arc, Mutex};

use crate::lock::lock;

/// The most notices that are told.
const MOST: usize = 100;

/// Where a line goes.
type Line = dyn Fn(String) + Send + Sync;

/// Tells each line once. Cheap to clone; clones remember the same lines.
#[derive(Clone, Default)]
pub struct Notices(Option<Arc<Inner>>);

struct Inner {
    tell: Box<Line>,
    told: Mutex<HashSet<String>>,
}

impl Notices {
    /// Notices that go to `tell`.
    pub fn new(tell: impl Fn(String) + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(Inner { tell: Box::new(tell), told: Mutex::default() })))
    }

    /// Tells a line, unless it was told.
    pub(crate) fn tell(&self, line: &str) {
        let Some(inner) = &self.0 else { return };
        let mut told = lock(&inner.told);
        if told.len() < MOST && told.insert(line.to_owned()) {
            drop(told);
            (inner.tell)(line.to_owned());
        }
    }
}

impl fmt::Debug for Notices {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Notices")
    }
}

/// What keeps a relay from its server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// 401: the key is none of the server's.
    WrongKey,
    /// 403: the key may not do this.
    NoRights,
    /// Nobody answers at the base URL.
    Unreachable,
}

impl Trouble {
    /// What the viewer, and the log, are told: what to set, and no value of it.
    pub(crate) fn text(self) -> &'static str {
        match self {
            Self::WrongKey => {
                "The server refused the relay's own key: set accessToken or TRIGGER_SECRET_KEY to the secret key of the environment, and baseURL or TRIGGER_API_URL to the server it is of"
            }
            Self::NoRights => {
                "The relay's own key has no rights to read this: set accessToken or TRIGGER_SECRET_KEY to the environment's root key, or to one with read:runs"
            }
            Self::Unreachable => {
                "The relay cannot reach the Trigger.dev server: check baseURL or TRIGGER_API_URL, and the network"
            }
        }
    }

    /// What is behind a status of the server's, if it is about the relay itself.
    pub(crate) fn of(status: u16) -> Option<Self> {
        match status {
            401 => Some(Self::WrongKey),
            403 => Some(Self::NoRights),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_line_is_told_once_and_names_what_to_set() {
        let (tell, told) = std::sync::mpsc::channel();
        let notices = Notices::new(move |line| tell.send(line).expect("it listens"));
        for trouble in [Trouble::WrongKey, Trouble::Unreachable, Trouble::WrongKey, Trouble::NoRights] {
            notices.clone().tell(trouble.text());
        }
        assert_eq!(told.try_iter().count(), 3);
        assert!(Trouble::WrongKey.text().contains("TRIGGER_SECRET_KEY"));
        assert!(Trouble::Unreachable.text().contains("TRIGGER_API_URL"));
    }
}
