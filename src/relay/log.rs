//! The log lines of a relay: upstreams of shared feeds and streams, and refused viewers.

use http::StatusCode;

use super::stats::Refusal;
use crate::log::{Level, Span, SpanKind, log};

static UPSTREAM: SpanKind = SpanKind::plain(Level::Info, "relay upstream started", "relay upstream ended");

/// Logs an upstream: the relay reads `path` of the server for its viewers until the span ends.
pub(super) fn upstream(path: &str) -> Span {
    Span::start(&UPSTREAM, || vec![("path", path.to_owned().into())])
}

/// Logs a response that is a refusal. `path` is the route's: other text of a request could hold a token.
pub(super) fn refused(path: Option<&str>, status: StatusCode) {
    let Some(refusal) = Refusal::of(status) else { return };
    log!(Warn, "relay viewer refused", "path" => path, "status" => status.as_u16(), "reason" => refusal.name());
}
