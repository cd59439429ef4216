//! The errors of a connection of the pool.

use crate::error::{Error, ErrorCode};

/// Why a request has no response head.
#[derive(Debug)]
pub(super) struct SendError {
    pub(super) error: Error,
    /// The server did not act on the request, which can therefore be sent again at once.
    pub(super) unsent: bool,
}

/// The error of a connection that could not be opened, or that broke.
pub(super) fn connection_error() -> Error {
    Error::new(ErrorCode::Connection, "Connection error.")
}
