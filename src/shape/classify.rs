//! Classification of events: responses of the protocol, failures to retry, and errors that end the feed (I1, I9).

use http::HeaderMap;

use super::intern::Shortened;
use super::message::{self, Message};
use super::retryable_error::RetryableError;
use super::step::{Event, Failure, Now, Reason};
use crate::retry;
use crate::table::Schema;
use crate::{Error, Result};

/// An event, classified.
#[derive(Debug)]
pub(super) enum Classified<'a> {
    /// A whole response of the protocol.
    Batch(Batch<'a>),
    /// 204: up to date, without a body. Old servers send it, some without headers.
    NoContent { handle: Option<String>, offset: Option<String> },
    /// 409: the rows are invalid, and a snapshot (with this handle) is next.
    Refetch { handle: Option<String> },
    /// A failure that may pass.
    Retryable(RetryableError),
    /// A failure that ends the feed.
    Fatal(Error),
    /// The wait is over.
    Woken,
}

/// A whole response of the protocol.
#[derive(Debug)]
pub(super) struct Batch<'a> {
    pub(super) handle: String,
    pub(super) offset: String,
    pub(super) cursor: Option<String>,
    pub(super) schema: Option<Schema>,
    pub(super) messages: Vec<Message<'a>>,
}

/// The machine's knowledge at the time of the request.
#[derive(Clone, Copy, Debug)]
pub(super) struct RequestContext<'a> {
    /// Whether the types of the columns are known. Only the first response has to name them.
    pub(super) has_schema: bool,
    /// The offset of the request.
    pub(super) offset: &'a str,
}

/// Classifies an event (I1, I9).
pub(super) fn classify<'a>(event: Event<'a>, context: RequestContext<'_>, now: Now) -> Classified<'a> {
    match event {
        Event::Response { status, headers, body } => response(status, headers, body, context, now),
        Event::Failed(Failure::Connect(error)) => lost(Reason::Unreachable, error),
        Event::Failed(Failure::Silent(error)) => lost(Reason::Silent, error),
        Event::Failed(Failure::Cut(error)) => lost(Reason::Cut, error),
        Event::Failed(Failure::TooLarge(error)) => Classified::Fatal(error),
        Event::Woken => Classified::Woken,
    }
}

/// Classifies an event by the shortened body, where there is one, so that known long texts are not parsed again (I17).
/// A body that cannot be understood in that form is parsed as it came.
pub(super) fn classify_shortened<'a>(
    event: Event<'a>,
    shortened: Option<&'a Shortened>,
    context: RequestContext<'_>,
    now: Now,
) -> Classified<'a> {
    if let (Some(shortened), Event::Response { status, headers, .. }) = (shortened, &event) {
        let classified = classify(Event::Response { status: *status, headers, body: &shortened.body }, context, now);
        if let Classified::Batch(mut batch) = classified
            && shortened.restore(&mut batch.messages)
        {
            return Classified::Batch(batch);
        }
    }
    classify(event, context, now)
}

fn response<'a>(
    status: u16,
    headers: &HeaderMap,
    body: &'a [u8],
    context: RequestContext<'_>,
    now: Now,
) -> Classified<'a> {
    match status {
        204 => {
            Classified::NoContent { handle: text(headers, "electric-handle"), offset: text(headers, "electric-offset") }
        }
        200..=299 => match batch(headers, body, context) {
            Ok(batch) => Classified::Batch(batch),
            Err(error) => Classified::Retryable(RetryableError::protocol(status, error)),
        },
        // The body of a 409 may be an array, an object or empty: only the header counts.
        409 => Classified::Refetch { handle: text(headers, "electric-handle") },
        // `x-should-retry` does not count here: the same request can never be right.
        400 | 401 | 403 => Classified::Fatal(Error::api(status, headers, body)),
        400.. => refused(status, headers, body, now),
        // An informational response, or a redirect that the HTTP client did not follow.
        0..=199 | 300..=399 => {
            let message = format!("the server answered {status}, which is no answer to a feed request");
            Classified::Retryable(RetryableError::protocol(status, Error::protocol(message)))
        }
    }
}

fn refused<'a>(status: u16, headers: &HeaderMap, body: &[u8], now: Now) -> Classified<'a> {
    let error = Error::api(status, headers, body);
    if !retry::is_retryable(status, headers) {
        return Classified::Fatal(error);
    }
    let reason = match status {
        404 => Reason::NotFoundYet,
        429 => Reason::RateLimited,
        _ => Reason::Server,
    };
    let retry_after_ms = retry::server_delay(status, headers, now.unix_ms)
        .map(|delay| u64::try_from(delay.as_millis()).unwrap_or(u64::MAX));
    Classified::Retryable(RetryableError { reason, status: Some(status), retry_after_ms, error })
}

fn lost<'a>(reason: Reason, error: Error) -> Classified<'a> {
    Classified::Retryable(RetryableError { reason, status: error.status(), retry_after_ms: None, error })
}

fn batch<'a>(headers: &HeaderMap, body: &'a [u8], context: RequestContext<'_>) -> Result<Batch<'a>> {
    let missing = |name: &str| {
        let kind = text(headers, "content-type").map_or_else(String::new, |kind| format!(" ({kind})"));
        Error::protocol(format!(
            "the answer{kind} has no {name} header: it is not from a Trigger.dev realtime API. \
             Is the base URL right, or is a proxy in between?"
        ))
    };
    let handle = text(headers, "electric-handle").ok_or_else(|| missing("electric-handle"))?;
    let offset = text(headers, "electric-offset").ok_or_else(|| missing("electric-offset"))?;
    let cursor = text(headers, "electric-cursor");
    let schema = headers.get("electric-schema").map(|header| Schema::parse(header.as_bytes())).transpose()?;
    if schema.is_none() && !context.has_schema {
        return Err(missing("electric-schema"));
    }
    let messages = if body.iter().all(u8::is_ascii_whitespace) {
        // An empty body with a new offset has lost its messages on the way.
        if offset != context.offset {
            return Err(Error::protocol("the answer has no body: it was cut short"));
        }
        Vec::new()
    } else {
        message::parse(body)?
    };
    Ok(Batch { handle, offset, cursor, schema, messages })
}

/// A header as text; `None` where it is missing, empty or not text.
fn text(headers: &HeaderMap, name: &str) -> Option<String> {
    headers.get(name).and_then(|value| value.to_str().ok()).filter(|text| !text.is_empty()).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONTEXT: RequestContext<'static> = RequestContext { has_schema: true, offset: "0_0" };
    const NOW: Now = Now { monotonic_ms: 0, unix_ms: 0, jitter: 0.5 };

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs.iter().map(|&(name, value)| (name.parse().expect("a name"), value.parse().expect("a value"))).collect()
    }

    fn see(status: u16, pairs: &[(&'static str, &str)], body: &'static str) -> String {
        let headers = headers(pairs);
        match classify(Event::Response { status, headers: &headers, body: body.as_bytes() }, CONTEXT, NOW) {
            Classified::Batch(batch) => format!("batch of {}", batch.messages.len()),
            Classified::NoContent { .. } => "empty".to_owned(),
            Classified::Refetch { handle } => format!("refetch {handle:?}"),
            Classified::Retryable(error) => format!("{} {:?}", error.reason.as_str(), error.retry_after_ms),
            Classified::Fatal(error) => error.code().to_string(),
            Classified::Woken => "woken".to_owned(),
        }
    }

    const GOOD: [(&str, &str); 2] = [("electric-handle", "h"), ("electric-offset", "0_0")];

    #[test]
    fn refusals_end_the_feed_at_once_unless_the_server_says_they_pass() {
        for (status, code) in [(400, "ERR_BAD_REQUEST"), (401, "ERR_AUTHENTICATION"), (403, "ERR_PERMISSION_DENIED")] {
            assert_eq!(see(status, &[("x-should-retry", "true")], ""), code);
        }
        assert_eq!(see(404, &[], ""), "ERR_NOT_FOUND");
        assert_eq!(see(404, &[("x-should-retry", "false")], ""), "ERR_NOT_FOUND");
        assert_eq!(see(404, &[("x-should-retry", "true")], ""), "not-found-yet None");
        assert_eq!(see(422, &[], ""), "ERR_UNPROCESSABLE_ENTITY");
        assert_eq!(see(503, &[("x-should-retry", "false")], ""), "ERR_SERVER");
    }

    #[test]
    fn what_passes_says_how_long_to_wait() {
        assert_eq!(see(503, &[("retry-after", "5")], ""), "server-error Some(5000)");
        assert_eq!(see(429, &[("x-ratelimit-reset", "12000")], ""), "rate-limited Some(12000)");
        assert_eq!(see(429, &[], ""), "rate-limited None");
        assert_eq!(see(500, &[], ""), "server-error None");
        assert_eq!(see(408, &[], ""), "server-error None");
    }

    #[test]
    fn a_must_refetch_needs_no_body() {
        for body in ["", "{\"message\":\"gone\"}", "[{\"headers\":{\"control\":\"must-refetch\"}}]", "<html>"] {
            assert_eq!(see(409, &[("electric-handle", "new")], body), "refetch Some(\"new\")");
        }
        assert_eq!(see(409, &[("electric-handle", "")], ""), "refetch None");
    }

    #[test]
    fn an_answer_that_is_no_protocol_is_tried_again() {
        assert_eq!(see(200, &[("content-type", "text/html")], "<html>"), "protocol None");
        assert_eq!(see(200, &GOOD, "<html>"), "protocol None");
        assert_eq!(see(200, &GOOD, "[{\"key\":"), "protocol None");
        assert_eq!(see(200, &GOOD[..1], "[]"), "protocol None");
        assert_eq!(see(200, &GOOD[1..], "[]"), "protocol None");
        assert_eq!(see(304, &GOOD, "[]"), "protocol None");
        assert_eq!(see(200, &[GOOD[0], GOOD[1], ("electric-schema", "{")], "[]"), "protocol None");
    }

    #[test]
    fn an_empty_body_may_not_move_the_offset() {
        assert_eq!(see(200, &GOOD, ""), "batch of 0");
        assert_eq!(see(200, &[GOOD[0], ("electric-offset", "1_0")], " \n"), "protocol None");
    }

    #[test]
    fn the_first_answer_must_name_the_types() {
        let headers = headers(&GOOD);
        let event = Event::Response { status: 200, headers: &headers, body: b"[]" };
        let Classified::Retryable(error) = classify(event, RequestContext { has_schema: false, offset: "-1" }, NOW)
        else {
            panic!("an answer without types is no protocol")
        };
        assert!(error.error.message().contains("electric-schema"));
    }
}
