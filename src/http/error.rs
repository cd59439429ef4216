//! Errors of HTTP: those of reqwest as errors of this crate, and silence.

use std::error::Error as StdError;
use std::time::Duration;

use super::{storage, tls};
use crate::error::{Error, ErrorCode};

/// The error of a connection that sent nothing for `silence`.
pub(crate) fn silent(silence: Duration) -> Error {
    Error::new(ErrorCode::Silent, format!("the server sent nothing for {} ms", silence.as_millis()))
}

impl From<reqwest::Error> for Error {
    fn from(error: reqwest::Error) -> Self {
        // The URL is left out: it can carry ids and, in presigned URLs, a signature.
        let error = error.without_url();
        if let Some(refusal) = storage::refusal(&error) {
            return refusal;
        }
        if let Some(certificate) = tls::certificate_error(&error) {
            return certificate.with_source(error);
        }
        let (code, message) = if error.is_timeout() {
            (ErrorCode::Timeout, "the server did not answer in time")
        } else if error.is_builder() {
            (ErrorCode::InvalidRequest, "the request could not be built: check the base URL and headers")
        } else if error.is_decode() && !is_broken_off(&error) {
            (ErrorCode::Protocol, "the server's answer cannot be decompressed")
        } else {
            (ErrorCode::Connection, "Connection error.")
        };
        Self::new(code, message).with_source(error)
    }
}

/// Whether the connection broke amid a body. reqwest calls such a body undecodable, like one that is
/// not compressed as its headers say; an error of the connection among the causes tells them apart.
fn is_broken_off(error: &reqwest::Error) -> bool {
    let mut next = error.source();
    while let Some(cause) = next {
        if cause.is::<hyper::Error>() {
            return true;
        }
        // A decompressor wraps the error in an I/O error, which does not name it as its source.
        let held = cause.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
        next = held.map_or_else(|| cause.source(), |held| Some(held as &(dyn StdError + 'static)));
    }
    false
}
