//! The reasons why the server gave no answer, and the answer that the viewer gets instead.

use http::StatusCode;

use crate::serve::Response;

/// The reason why the server gave no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SendError {
    /// The request's body is too long.
    TooLarge,
    /// The request's body broke off.
    Broken,
    /// `Authorization` comes more than once, and readers disagree which one counts.
    Ambiguous,
    /// The server was not reached, or broke off.
    Unreachable,
    /// The server did not answer in time.
    TimedOut,
}

impl SendError {
    /// The viewer's answer.
    pub(crate) fn answer(self) -> Response {
        let (status, text) = match self {
            Self::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "Request body too large"),
            Self::Broken => (StatusCode::BAD_REQUEST, "The request body broke off"),
            Self::Ambiguous => (StatusCode::BAD_REQUEST, "More than one Authorization header"),
            Self::Unreachable => (StatusCode::BAD_GATEWAY, "The server could not be reached"),
            Self::TimedOut => (StatusCode::GATEWAY_TIMEOUT, "The server did not answer in time"),
        };
        Response::api_error(status, text)
    }
}
