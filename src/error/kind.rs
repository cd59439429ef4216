//! The kinds of error: one for each JavaScript class.

/// The kind of a failure. Every variant becomes one JavaScript class (`js/errors/errors.js`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// The server answered with an error status. Becomes the `ApiError` subclass of that status.
    Api,
    /// No answer came: DNS, connect, TLS, reset. Becomes `ApiConnectionError`.
    Connection,
    /// A deadline of ours passed: an attempt, a call, or silence on a feed.
    Timeout,
    /// The answer is not of the protocol: HTML, missing headers, JSON cut short.
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
