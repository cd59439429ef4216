//! A want that follows a stream: the parts of its GET's answer, decoded to values.
//!
//! Nothing is queued: the next part is read when the page takes it.

use std::fmt::Write as _;
use std::io;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::stream::{BoxStream, unfold};
use http::StatusCode;
use tokio::time::Instant;

use super::event::Refused;
use super::step::Step;
use crate::error::{Error, ErrorCode};
use crate::json::push_string;
use crate::relay::limits::Permit;
use crate::relay::stream::{Fallback, Parts, Subscriber, first_answer};
use crate::serve::Response;
use crate::serve::stream::StreamVersion;
use crate::stream::{Chunk, Position, Values};

/// The silence after which the answer would end, which is longer than a live response lasts: a stream ends with its run.
const SILENCE: Duration = Duration::from_secs(600);
/// The silence after which the server ends a body that it answers a page with alone, in seconds. The page then goes on
/// with what the relay has.
pub(super) const FALLBACK_SILENCE_S: u64 = 5;

/// A body of the server's that ends sooner was not silent for that long: the page asks again after a pause.
const SOONEST_END: Duration = Duration::from_secs(1);

/// What the answer brings.
enum Told {
    /// Bytes; whether they are from the relay's log.
    Bytes(io::Result<Bytes>, bool),
    /// Its end; whether the stream is over.
    End(bool),
}

/// A want that follows a stream.
pub(super) struct StreamFollowing {
    told: BoxStream<'static, Told>,
    values: Values,
    /// Whether all that was there at first was told.
    is_ready: bool,
    began: Instant,
    /// How it ended, once it did.
    over: Option<Result<(), Refused>>,
}

impl StreamFollowing {
    /// Follows a stream from the place that the page has reached.
    ///
    /// # Errors
    /// What its GET would have been answered with; the 400 for a place that is none.
    pub(super) async fn open(
        stream: Subscriber,
        at: &[String],
        fallback: Fallback,
        permit: &mut Permit,
    ) -> Result<Self, Refused> {
        let after = at.last().map(|text| Position::parse_lenient(text).ok_or_else(no_place)).transpose()?;
        let version = first_answer(&stream).await?;
        let mut values = Values::new(version == StreamVersion::V2, after);
        let last = values.resume();
        let last = match after {
            Some(Position::Record(seen)) if version == StreamVersion::V2 => stream.resume_after(last, seen),
            _ => last,
        };
        let parts = match Parts::of_log(stream, version, last.as_deref(), SILENCE, fallback) {
            Ok(parts) => parts,
            Err(fallback) => {
                permit.count_as_proxied().map_err(Response::from)?;
                Parts::Upstream(fallback(last.map(String::from)).await.ok_or_else(broken)?, None)
            }
        };
        Ok(Self::new(parts, values))
    }

    pub(super) fn new(parts: Parts, values: Values) -> Self {
        let told = unfold(Some(parts), |parts| async {
            Some(match parts?.next().await {
                (Some(part), rest) => (Told::Bytes(part, matches!(rest, Parts::Log(_))), Some(rest)),
                (None, rest) => (Told::End(matches!(rest, Parts::Ended { is_over: true })), None),
            })
        });
        Self { told: told.boxed(), values, is_ready: false, began: Instant::now(), over: None }
    }

    /// What comes next. `waker` is woken when there may be something after [`Step::Idle`].
    pub(super) fn step(&mut self, waker: &Waker) -> Step {
        let mut context = Context::from_waker(waker);
        if self.over.is_none() {
            let mut chunks = Vec::new();
            match self.told.poll_next_unpin(&mut context) {
                Poll::Pending if self.is_ready => return Step::Idle,
                Poll::Pending => return self.ready(),
                Poll::Ready(Some(Told::Bytes(Ok(bytes), is_of_log))) => match self.values.push(&bytes, &mut chunks) {
                    Ok(false) => {}
                    Ok(true) if is_of_log => self.over = Some(Ok(())),
                    Ok(true) => self.over = Some(Err(self.silent())),
                    Err(error) => self.over = Some(Err(unreadable(&error))),
                },
                Poll::Ready(Some(Told::End(true))) => self.over = Some(Ok(())),
                Poll::Ready(Some(Told::End(false))) => self.over = Some(Err(self.silent())),
                Poll::Ready(Some(Told::Bytes(Err(_), _)) | None) => self.over = Some(Err(broken())),
            }
            if let Some(text) = text(&chunks) {
                return Step::Chunk(text);
            }
            // A part may hold a thousand values that the page has already: others have their turn before the next one.
            if self.over.is_none() {
                return Step::Later;
            }
        }
        match &self.over {
            Some(Err(refused)) => Step::Failed(refused.clone()),
            Some(Ok(())) if self.is_ready => Step::End,
            Some(Ok(())) | None => self.ready(),
        }
    }

    /// The server's own body was silent, or was cut: the page asks again at once, and goes on at its place.
    fn silent(&self) -> Refused {
        if self.began.elapsed() < SOONEST_END { broken() } else { broken().at_once() }
    }

    fn ready(&mut self) -> Step {
        self.is_ready = true;
        Step::Ready { is_partial: false }
    }
}

fn no_place() -> Refused {
    Refused::new(StatusCode::BAD_REQUEST, "at is no place of a stream: leave it out to begin anew", false)
}

fn broken() -> Refused {
    Refused::new(StatusCode::SERVICE_UNAVAILABLE, "The stream broke off: ask again", true)
}

/// An event that cannot be read may be whole the next time; one that is too long never is.
fn unreadable(error: &Error) -> Refused {
    let may_pass = error.code() != ErrorCode::TooLarge;
    Refused::new(StatusCode::BAD_GATEWAY, &error.to_string(), may_pass)
}

/// The second half of the event's data, with its line: all but the want's id. `None` without a value.
fn text(chunks: &[Chunk]) -> Option<Bytes> {
    if chunks.is_empty() {
        return None;
    }
    let at = chunks.iter().rev().find_map(|chunk| chunk.position);
    let mut text = String::from("data: {");
    if let Some(at) = at {
        text.push_str("\"at\":");
        push_string(&mut text, &at.to_string());
        text.push(',');
    }
    text.push_str("\"parts\":[");
    for (index, chunk) in chunks.iter().enumerate() {
        text.push_str(if index == 0 { "{\"id\":" } else { ",{\"id\":" });
        push_string(&mut text, &chunk.position.map(Position::event_id).unwrap_or_default());
        if let Some(json) = &chunk.json {
            text.push_str(",\"chunk\":");
            // Between the tokens of JSON a line may end, but not in an event; in its texts no line end is as such.
            if json.contains(['\n', '\r']) {
                text.extend(json.chars().map(|letter| if matches!(letter, '\n' | '\r') { ' ' } else { letter }));
            } else {
                text.push_str(json);
            }
        }
        // Writing to a `String` cannot fail.
        let _ = write!(text, ",\"timestamp\":{}}}", chunk.written_ms.unwrap_or_default());
    }
    text.push_str("]}]\n\n");
    Some(text.into())
}
