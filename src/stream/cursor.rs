//! Where a stream stands, in either version.

use super::chunk::{Chunk, json_or_text};
use super::plan::Start;
use super::{raw, v1, v2};
use crate::error::{Error, ErrorCode, Result};
use crate::sse;

/// Where the stream stands. The version is known from the first answer on.
#[derive(Debug)]
pub(super) enum Cursor {
    Unknown,
    V1(v1::Cursor),
    V2(v2::Cursor),
}

/// What an event was.
pub(super) enum Consumed {
    /// Something new; whether the place is at the tail now.
    New { tail: bool },
    /// Nothing new; whether the server said that the place is at the tail.
    Nothing { tail: bool },
    /// The end of the window.
    Done,
}

impl Cursor {
    /// What the next request says: `Last-Event-ID`, and whether to begin at the tail.
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

    /// Reads one event: what is new goes to `chunks`.
    ///
    /// # Errors
    /// What cannot be read, or what the server says went wrong.
    pub(super) fn take(
        &mut self,
        event: &sse::Event<'_>,
        as_it_came: bool,
        chunks: &mut Vec<Chunk>,
    ) -> Result<Consumed> {
        match self {
            Self::Unknown => Ok(Consumed::Nothing { tail: false }),
            Self::V1(cursor) => {
                if !cursor.admit(event.id) {
                    return Ok(Consumed::Nothing { tail: false });
                }
                chunks.push(if as_it_came {
                    raw::event(event)
                } else {
                    Chunk { json: Some(json_or_text(event.data)), position: cursor.position() }
                });
                Ok(Consumed::New { tail: false })
            }
            Self::V2(cursor) => {
                let seen = cursor.seen();
                let brought = match event.event {
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
                    chunks.extend(brought.chunks);
                }
                let tail = brought.at_tail;
                Ok(if brought.moved { Consumed::New { tail } } else { Consumed::Nothing { tail } })
            }
        }
    }
}
