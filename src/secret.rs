//! A key or token that no log and no error can show.

use std::fmt;
use std::sync::Arc;

/// The text in the place of a secret, in errors and in log lines.
pub(crate) const PLACEHOLDER: &str = "(secret)";

/// A key or token. Never printed: `Debug` says only how long it is.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Secret(Arc<str>);

impl Secret {
    /// Keeps `value`.
    pub fn new(value: impl Into<Arc<str>>) -> Self {
        Self(value.into())
    }

    /// The text itself, for signing and for the `Authorization` header only.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secret({} bytes)", self.0.len())
    }
}
