//! What an event means to the machine: answers are read, failures are sorted.

use http::HeaderMap;

use super::message::{self, Message};
use super::repeat::Shortened;
use super::schema::Schema;
use super::step::{Event, Failure, Now, Reason};
use super::trouble::Trouble;
use crate::retry;
use crate::{Error, Result};

/// An event, read.
#[derive(Debug)]
pub(super) enum Seen<'a> {
    /// A whole answer of the protocol.
    Batch(Batch<'a>),
    /// 204: up to date, without a body (old servers). Its headers may be missing.
    Empty { handle: Option<String>, offset: Option<String> },
    /// 409: drop everything, start over (with this handle).
    Refetch { handle: Option<String> },
    /// Something that may pass.
    Trouble(Trouble),
    /// Something that will not.
    Fatal(Error),
    /// The wait is over.
    Woken,
}

/// A whole answer of the protocol.
#[derive(Debug)]
pub(super) struct Batch<'a> {
    pub(super) handle: String,
    pub(super) offset: String,
    pub(super) cursor: Option<String>,
    pub(super) schema: Option<Schema>,
    pub(super) messages: Vec<Message<'a>>,
}

/// What the machine knew when the request was made.
#[derive(Clone, Copy, Debug)]
pub(super) struct Known<'a> {
    /// Whether the columns' types are known: only the first answer has to name them.
    pub(super) schema: bool,
    /// The offset of the request.
    pub(super) offset: &'a str,
}

/// Reads an event (I1, I9).
pub(super) fn read<'a>(event: Event<'a>, known: Known<'_>, now: Now) -> Seen<'a> {
    match event {
        Event::Answer { status, headers, body } => answer(status, headers, body, known, now),
        Event::Failed(Failure::Connect(error)) => lost(Reason::Unreachable, error),
        Event::Failed(Failure::Silent(error)) => lost(Reason::Silent, error),
        Event::Failed(Failure::Cut(error)) => lost(Reason::Cut, error),
        Event::Failed(Failure::TooLarge(error)) => Seen::Fatal(error),
        Event::Woken => Seen::Woken,
    }
}

/// As [`read`], of the short form of the answer's body where there is one: a text that came before is not read again
/// (I17). What is not wholly understood in that form is read as it came.
pub(super) fn read_short<'a>(event: Event<'a>, short: Option<&'a Shortened>, known: Known<'_>, now: Now) -> Seen<'a> {
    if let (Some(short), Event::Answer { status, headers, .. }) = (short, &event) {
        let seen = read(Event::Answer { status: *status, headers, body: &short.body }, known, now);
        if let Seen::Batch(mut batch) = seen
            && short.restore(&mut batch.messages)
        {
            return Seen::Batch(batch);
        }
    }
    read(event, known, now)
}

fn answer<'a>(status: u16, headers: &HeaderMap, body: &'a [u8], known: Known<'_>, now: Now) -> Seen<'a> {
    match status {
        204 => Seen::Empty { handle: text(headers, "electric-handle"), offset: text(headers, "electric-offset") },
        200..=299 => match batch(headers, body, known) {
            Ok(batch) => Seen::Batch(batch),
            Err(error) => {
                Seen::Trouble(Trouble { reason: Reason::Protocol, status: Some(status), server_ms: None, error })
            }
        },
        // Its body may be an array, an object or nothing: only the header counts.
        409 => Seen::Refetch { handle: text(headers, "electric-handle") },
        // Nothing the server could say makes these right without another request.
        400 | 401 | 403 => Seen::Fatal(Error::api(status, headers, body)),
        400.. => refused(status, headers, body, now),
        // A redirect or an informational answer that got here: nobody could follow it.
        0..=199 | 300..=399 => Seen::Trouble(Trouble {
            reason: Reason::Protocol,
            status: Some(status),
            server_ms: None,
            error: Error::protocol(format!("the server answered {status}, which is no answer to a feed request")),
        }),
    }
}

fn refused<'a>(status: u16, headers: &HeaderMap, body: &[u8], now: Now) -> Seen<'a> {
    let error = Error::api(status, headers, body);
    if !retry::is_retryable(status, headers) {
        return Seen::Fatal(error);
    }
    let reason = match status {
        404 => Reason::NotFoundYet,
        429 => Reason::RateLimited,
        _ => Reason::Server,
    };
    let server_ms = retry::server_delay(status, headers, now.unix_ms)
        .map(|delay| u64::try_from(delay.as_millis()).unwrap_or(u64::MAX));
    Seen::Trouble(Trouble { reason, status: Some(status), server_ms, error })
}

fn lost<'a>(reason: Reason, error: Error) -> Seen<'a> {
    Seen::Trouble(Trouble { reason, status: error.status(), server_ms: None, error })
}

fn batch<'a>(headers: &HeaderMap, body: &'a [u8], known: Known<'_>) -> Result<Batch<'a>> {
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
    if schema.is_none() && !known.schema {
        return Err(missing("electric-schema"));
    }
    let messages = if body.iter().all(u8::is_ascii_whitespace) {
        // Nothing can be meant by an empty body that moves on: the changes were lost on the way.
        if offset != known.offset {
            return Err(Error::protocol("the answer has no body: it was cut short"));
        }
        Vec::new()
    } else {
        message::parse(body)?
    };
    Ok(Batch { handle, offset, cursor, schema, messages })
}

/// A header as text; one that is empty says nothing.
fn text(headers: &HeaderMap, name: &str) -> Option<String> {
    headers.get(name).and_then(|value| value.to_str().ok()).filter(|text| !text.is_empty()).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: Known<'static> = Known { schema: true, offset: "0_0" };
    const NOW: Now = Now { monotonic_ms: 0, unix_ms: 0, jitter: 0.5 };

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs.iter().map(|&(name, value)| (name.parse().expect("a name"), value.parse().expect("a value"))).collect()
    }

    fn see(status: u16, pairs: &[(&'static str, &str)], body: &'static str) -> String {
        let headers = headers(pairs);
        match read(Event::Answer { status, headers: &headers, body: body.as_bytes() }, KNOWN, NOW) {
            Seen::Batch(batch) => format!("batch of {}", batch.messages.len()),
            Seen::Empty { .. } => "empty".to_owned(),
            Seen::Refetch { handle } => format!("refetch {handle:?}"),
            Seen::Trouble(trouble) => format!("{} {:?}", trouble.reason.as_str(), trouble.server_ms),
            Seen::Fatal(error) => error.code().to_string(),
            Seen::Woken => "woken".to_owned(),
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
        let event = Event::Answer { status: 200, headers: &headers, body: b"[]" };
        let Seen::Trouble(trouble) = read(event, Known { schema: false, offset: "-1" }, NOW) else {
            panic!("an answer without types is no protocol")
        };
        assert!(trouble.error.message().contains("electric-schema"));
    }
}
