//! The cursor of a stream in either version: what was read, and where a new request resumes.

use super::chunk::{Chunk, json_or_text};
use super::plan::Start;
use super::position::Position;
use super::{raw, v1, v2};
use crate::error::{Error, ErrorCode, Result};
use crate::sse;

/// The cursor of a stream. The version is known from the first response on.
#[derive(Debug)]
pub(super) enum Cursor {
    Unknown,
    V1(v1::Cursor),
    V2(v2::Cursor),
}

/// The outcome of an event for the cursor.
pub(super) enum Consumed {
    /// A new value or record; whether the cursor is at the tail now.
    New { at_tail: bool },
    /// Nothing new; whether the server said that the cursor is at the tail.
    Nothing { at_tail: bool },
    /// The end of the window.
    Done,
}

impl Cursor {
    /// The `Last-Event-ID` of the next request, and whether the request asks to begin at the tail.
    pub(super) fn resume(&mut self, start: Start) -> (Option<Box<str>>, bool) {
        match self {
            Self::Unknown => match start {
                Start::At(position) => (position.resume(), false),
                start @ (Start::Beginning | Start::Latest | Start::After(_)) => v2::Cursor::new(start).resume(),
            },
            Self::V1(cursor) => {
                let after = cursor.resume();
                let latest = after.is_none() && cursor.is_fresh() && matches!(start, Start::Latest);
                (after, latest)
            }
            Self::V2(cursor) => cursor.resume(),
        }
    }

    /// Reads one event, and adds what is new to `chunks`.
    ///
    /// # Errors
    /// An event that cannot be read, or the server's `event: error`.
    pub(super) fn take(
        &mut self,
        event: &sse::Event<'_>,
        as_it_came: bool,
        chunks: &mut Vec<Chunk>,
    ) -> Result<Consumed> {
        match self {
            Self::Unknown => Ok(Consumed::Nothing { at_tail: false }),
            Self::V1(cursor) => {
                if !cursor.admit(event.id) {
                    return Ok(Consumed::Nothing { at_tail: false });
                }
                chunks.push(if as_it_came {
                    raw::event(event)
                } else {
                    let position = cursor.position();
                    let written_ms = position.and_then(Position::written_ms);
                    Chunk { json: Some(json_or_text(event.data)), position, written_ms }
                });
                Ok(Consumed::New { at_tail: false })
            }
            Self::V2(cursor) => {
                let seen = cursor.seen();
                let decoded = match event.event {
                    "batch" => cursor.batch(event.data)?,
                    "ping" => cursor.ping(event.data),
                    "error" => {
                        let why: String = event.data.chars().take(500).collect();
                        return Err(Error::new(
                            ErrorCode::Stream,
                            format!("the server could not read the stream: {why}"),
                        ));
                    }
                    "message" if event.data.trim() == "[DONE]" => return Ok(Consumed::Done),
                    // Events of later servers.
                    _ => v2::Decoded::default(),
                };
                if as_it_came {
                    raw::records(event.data, seen, chunks);
                } else {
                    chunks.extend(decoded.chunks);
                }
                let at_tail = decoded.at_tail;
                Ok(if decoded.advanced { Consumed::New { at_tail } } else { Consumed::Nothing { at_tail } })
            }
        }
    }
}
