//! The error itself. One made of a server's answer keeps its status, headers and body text, so that the official SDK's
//! error fields can be rebuilt.

use std::error::Error as StdError;
use std::fmt;

use super::code::ErrorCode;
use super::kind::Kind;

/// The longest server body kept in an error, in bytes. Longer ones are cut.
const BODY_KEPT: usize = 16 * 1024;

/// A `Result` whose error is this crate's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An error of this crate. Cheap to move; `Debug` and `Display` never show a secret.
pub struct Error(Box<Inner>);

struct Inner {
    kind: Kind,
    code: ErrorCode,
    message: String,
    answer: Option<ErrorAnswer>,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

/// The server's answer, kept for the official error fields (`status`, `headers`, `error`, …).
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
    /// An error with a stable `code` and a message that names the fix. Its kind follows from the code.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self(Box::new(Inner { kind: code.kind(), code, message: message.into(), answer: None, source: None }))
    }

    /// The same error of another kind: for the two codes that are of two kinds.
    #[must_use]
    pub fn of_kind(mut self, kind: Kind) -> Self {
        self.0.kind = kind;
        self
    }

    /// The server's own refusal: `status`, its headers and its body.
    pub fn api(status: u16, headers: &http::HeaderMap, body: &[u8]) -> Self {
        let body = String::from_utf8_lossy(&body[..body.len().min(BODY_KEPT)]).into_owned();
        let mut error = Self::new(ErrorCode::of_status(status), format!("the server answered {status}"));
        error.0.answer = Some(ErrorAnswer { status, headers: kept_headers(headers), body });
        error
    }

    /// An answer that is not the protocol.
    pub fn protocol(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::Protocol, message)
    }

    /// A fault of ours that a task ended with: `what` panicked.
    pub(crate) fn panicked(what: &str) -> Self {
        Self::new(ErrorCode::Internal, format!("a fault of trigger-native: {what} panicked"))
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

    /// The kind of the failure.
    pub fn kind(&self) -> Kind {
        self.0.kind
    }

    /// The stable code, `ERR_…`.
    pub fn code(&self) -> ErrorCode {
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
        assert_eq!(error.code(), ErrorCode::NotFound);
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
