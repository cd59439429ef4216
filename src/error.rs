//! The one error of the crate: what happened, in words a user can act on, and never a secret.
//!
//! A terminal failure of any call, feed or mint is an [`Error`]. Each has a [`Kind`], which says
//! what JavaScript class it becomes, and a stable [`Error::code`]. Errors from a server keep its
//! status, headers and body text, so that the official SDK's error fields can be rebuilt.

use std::error::Error as StdError;
use std::fmt;

/// The longest server body kept in an error, in bytes. Longer ones are cut.
const BODY_KEPT: usize = 16 * 1024;

/// A `Result` whose error is this crate's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong. Every variant becomes one JavaScript class (`js/errors/errors.js`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// The server answered with an error status. Becomes the `ApiError` subclass of that status.
    Api,
    /// No answer came: DNS, connect, TLS, reset. Becomes `ApiConnectionError`.
    Connection,
    /// A deadline of ours passed: an attempt, a call, or silence on a feed.
    Timeout,
    /// What came back is not the protocol: HTML, missing headers, JSON cut short.
    Protocol,
    /// The server answers, but again and again without any progress (defect 7).
    NoProgress,
    /// No key, or a key that cannot do this, or a base URL that is none.
    Config,
    /// An argument that cannot be right: an id, a scope, an expiry.
    Argument,
    /// A value of a row or a packet that cannot be decoded.
    Decode,
    /// The caller aborted.
    Aborted,
    /// A fault of this package: a panic, a poisoned lock.
    Internal,
}

/// An error of this crate. Cheap to move; `Debug` and `Display` never show a secret.
pub struct Error(Box<Inner>);

struct Inner {
    kind: Kind,
    code: &'static str,
    message: String,
    answer: Option<ErrorAnswer>,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

/// What the server said, kept for the official error fields (`status`, `headers`, `error`, …).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ErrorAnswer {
    /// The HTTP status.
    pub status: u16,
    /// Lower-case names and values, without those that carry credentials.
    pub headers: Vec<(String, String)>,
    /// The body as text, cut at 16 KiB.
    pub body: String,
}

impl Error {
    /// An error of `kind` with a stable `code` (`ERR_…`) and a message that names the fix.
    pub fn new(kind: Kind, code: &'static str, message: impl Into<String>) -> Self {
        Self(Box::new(Inner { kind, code, message: message.into(), answer: None, source: None }))
    }

    /// The server's own refusal: `status`, its headers and its body.
    pub fn api(status: u16, headers: &http::HeaderMap, body: &[u8]) -> Self {
        let body = String::from_utf8_lossy(&body[..body.len().min(BODY_KEPT)]).into_owned();
        let mut error = Self::new(Kind::Api, api_code(status), format!("the server answered {status}"));
        error.0.answer = Some(ErrorAnswer { status, headers: kept_headers(headers), body });
        error
    }

    /// An argument that cannot be right.
    pub fn argument(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(Kind::Argument, code, message)
    }

    /// A configuration that cannot work.
    pub fn config(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(Kind::Config, code, message)
    }

    /// An answer that is not the protocol.
    pub fn protocol(message: impl Into<String>) -> Self {
        Self::new(Kind::Protocol, "ERR_PROTOCOL", message)
    }

    /// A fault of ours that a task ended with: `what` panicked.
    pub(crate) fn panicked(what: &str) -> Self {
        Self::new(Kind::Internal, "ERR_INTERNAL", format!("a fault of trigger-native: {what} panicked"))
    }

    /// Keeps `source` for `Error::source`.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    /// Keeps where JSON that came from outside is wrong. What is in it stays out: serde's own words
    /// repeat the value they stumble over, and that can be a key which a server sends back.
    #[must_use]
    pub fn with_json(self, error: &serde_json::Error) -> Self {
        let what = match error.classify() {
            serde_json::error::Category::Io | serde_json::error::Category::Syntax => "no JSON",
            serde_json::error::Category::Data => "not the JSON that was expected",
            serde_json::error::Category::Eof => "JSON that breaks off",
        };
        self.with_source(format!("{what}: line {}, column {}", error.line(), error.column()))
    }

    /// What went wrong.
    pub fn kind(&self) -> Kind {
        self.0.kind
    }

    /// The stable code, `ERR_…`.
    pub fn code(&self) -> &'static str {
        self.0.code
    }

    /// The message, without the server's body.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// The server's answer, where there was one.
    pub fn answer(&self) -> Option<&ErrorAnswer> {
        self.0.answer.as_ref()
    }

    /// The HTTP status, where the server answered.
    pub fn status(&self) -> Option<u16> {
        self.answer().map(|answer| answer.status)
    }

    /// The causes in one line, outermost first, where they say more than the message.
    pub fn causes(&self) -> Option<String> {
        let mut line = String::new();
        let mut next: Option<&dyn StdError> = self.source();
        while let Some(cause) = next {
            let text = cause.to_string();
            if !self.0.message.contains(&text) && !line.contains(&text) {
                line.push_str(if line.is_empty() { "" } else { ": " });
                line.push_str(&text);
            }
            next = cause.source();
        }
        (!line.is_empty()).then_some(line)
    }
}

impl From<reqwest::Error> for Error {
    fn from(error: reqwest::Error) -> Self {
        // The URL is left out: it can carry ids and, in presigned URLs, a signature.
        let error = error.without_url();
        if let Some(refusal) = crate::http::certificate_refusal(&error) {
            return refusal.with_source(error);
        }
        let (kind, code, message) = if error.is_timeout() {
            (Kind::Timeout, "ERR_TIMEOUT", "the server did not answer in time")
        } else if error.is_builder() {
            (Kind::Config, "ERR_INVALID_REQUEST", "the request could not be built: check the base URL and headers")
        } else if error.is_decode() && !is_broken_off(&error) {
            (Kind::Protocol, "ERR_PROTOCOL", "the server's answer cannot be decompressed")
        } else {
            (Kind::Connection, "ERR_CONNECTION", "Connection error.")
        };
        Self::new(kind, code, message).with_source(error)
    }
}

/// Whether the connection broke amid a body, which reqwest calls undecodable like a body that is not what it says: then an
/// error of the connection is among the causes.
fn is_broken_off(error: &reqwest::Error) -> bool {
    let mut next = error.source();
    while let Some(cause) = next {
        if cause.is::<hyper::Error>() {
            return true;
        }
        // Of a compressed body: an error of I/O, which does not count what it holds among its causes.
        let held = cause.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
        next = held.map_or_else(|| cause.source(), |held| Some(held as &(dyn StdError + 'static)));
    }
    false
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Error")
            .field("kind", &self.0.kind)
            .field("code", &self.0.code)
            .field("message", &self.0.message)
            .field("status", &self.status())
            .field("source", &self.0.source)
            .finish()
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_deref().map(|source| source as &(dyn StdError + 'static))
    }
}

fn api_code(status: u16) -> &'static str {
    match status {
        400 => "ERR_BAD_REQUEST",
        401 => "ERR_AUTHENTICATION",
        403 => "ERR_PERMISSION_DENIED",
        404 => "ERR_NOT_FOUND",
        409 => "ERR_CONFLICT",
        422 => "ERR_UNPROCESSABLE_ENTITY",
        429 => "ERR_RATE_LIMIT",
        500.. => "ERR_SERVER",
        _ => "ERR_API",
    }
}

/// Headers worth keeping in an error: all but those that carry credentials.
fn kept_headers(headers: &http::HeaderMap) -> Vec<(String, String)> {
    headers
        .iter()
        .filter(|(name, _)| !matches!(name.as_str(), "set-cookie" | "x-trigger-jwt" | "authorization"))
        .map(|(name, value)| (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_api_error_keeps_status_and_body_but_no_credentials() {
        let mut headers = http::HeaderMap::new();
        headers.insert("x-trigger-jwt", "secret".parse().expect("a header value"));
        headers.insert("x-should-retry", "false".parse().expect("a header value"));
        let error = Error::api(404, &headers, b"{\"error\":\"Run not found\"}");
        let answer = error.answer().expect("the answer is kept");
        assert_eq!(error.kind(), Kind::Api);
        assert_eq!(error.code(), "ERR_NOT_FOUND");
        assert_eq!(answer.headers, [("x-should-retry".to_owned(), "false".to_owned())]);
        assert!(!format!("{error:?}").contains("secret"));
    }

    #[test]
    fn a_huge_error_body_is_cut() {
        let error = Error::api(500, &http::HeaderMap::new(), &vec![b'x'; 1 << 20]);
        assert_eq!(error.answer().map(|answer| answer.body.len()), Some(BODY_KEPT));
    }

    #[test]
    fn causes_are_named_once_and_the_message_is_not_among_them() {
        let inner = Error::protocol("inner").with_source(Error::protocol("innermost inner no"));
        let error = Error::protocol("no").with_source(inner);
        assert_eq!(error.causes().as_deref(), Some("inner: innermost inner no"));
        assert_eq!(Error::protocol("no").with_source(Error::protocol("no")).causes(), None);
        assert_eq!(Error::protocol("no").causes(), None);
    }

    #[test]
    fn json_that_cannot_be_read_is_not_repeated() {
        for (body, words) in [
            ("\"tr_dev_hidden\"", "not the JSON that was expected: line 1"),
            ("{\"a\":", "JSON that breaks off: line 1"),
            ("tr_dev_hidden", "no JSON: line 1"),
        ] {
            let error = serde_json::from_str::<std::collections::BTreeMap<String, u8>>(body).expect_err(body);
            let error = Error::protocol("unread").with_json(&error);
            let causes = error.causes().expect(body);
            assert!(causes.starts_with(words), "{causes}");
            assert!(!format!("{error:?}{causes}").contains("hidden"));
        }
    }
}
