//! A failure after which the same request is made again.

use super::step::Reason;
use crate::error::Error;

/// A failure that may pass. [`RetryBudget`](super::retry_budget::RetryBudget) decides whether it is retried.
#[derive(Debug)]
pub(crate) struct RetryableError {
    pub(crate) reason: Reason,
    /// The HTTP status, where the server answered.
    pub(crate) status: Option<u16>,
    /// The wait that the server asks for (`Retry-After`, `x-ratelimit-reset`), in ms.
    pub(crate) retry_after_ms: Option<u64>,
    /// The error that the feed ends with when the retries are used up.
    pub(crate) error: Error,
}

impl RetryableError {
    /// A response that is not of the protocol.
    pub(super) fn protocol(status: u16, error: Error) -> Self {
        Self { reason: Reason::Protocol, status: Some(status), retry_after_ms: None, error }
    }

    /// A 204 to a snapshot request without the headers that the next request needs.
    pub(super) fn no_content() -> Self {
        let message = "the server answered a snapshot request with nothing (204) and no headers to go on from";
        Self::protocol(204, Error::protocol(message))
    }
}
