//! Replay of a v1 stream from before a position: the server sends events again that were handed over already, and this
//! drops them.

use bytes::Bytes;

use super::plan::Start;
use super::position::Position;
use super::{raw, v1};
use crate::error::Result;
use crate::sse::{Decoder, MAX_EVENT_BYTES};

/// The comment that keeps a connection alive while nothing new comes.
const PING: &[u8] = b": ping\n\n";

/// Filters the events of a stream that was asked for after [`Replay::resume`].
///
/// Several events can share an id, and the server resumes strictly after an id: a request after the last id that was
/// sent would lose the events with that id that were not (S2).
#[derive(Debug)]
pub(crate) struct Replay {
    position: Position,
    cursor: v1::Cursor,
    decoder: Decoder,
}

impl Replay {
    /// The events after the first `taken` events with this id.
    pub(crate) fn after(id: (u64, u64), taken: u64) -> Self {
        let position = Position::Shared { id, taken };
        Self { position, cursor: v1::Cursor::new(Start::At(position)), decoder: Decoder::new(MAX_EVENT_BYTES) }
    }

    /// The `Last-Event-ID` to send, `None` from the start.
    pub(crate) fn resume(&self) -> Option<String> {
        self.position.resume().map(String::from)
    }

    /// The events that `bytes` complete, without those that were sent already. An incomplete event waits for its rest.
    ///
    /// # Errors
    /// As [`Decoder::push`].
    pub(crate) fn pass(&mut self, bytes: &[u8]) -> Result<Bytes> {
        let (mut new, cursor) = (Vec::new(), &mut self.cursor);
        self.decoder.push(bytes, |event| {
            if cursor.admit(event.id) {
                new.extend_from_slice(raw::text(&event).as_bytes());
            }
        })?;
        // A comment is no event, but it keeps the viewer's connection alive.
        Ok(if new.is_empty() && bytes.starts_with(b":") { Bytes::from_static(PING) } else { new.into() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_told_comes_once_however_it_is_cut_and_pings_go_through() {
        let whole = "id: 7-0\ndata: a\n\nid: 7-0\ndata: b\n\nid: 7-0\ndata: c\n\nid: 8-0\ndata: d\n\n";
        for size in 1..whole.len() {
            let mut replay = Replay::after((7, 0), 2);
            assert_eq!(replay.resume().as_deref(), Some("6-18446744073709551615"));
            assert_eq!(replay.pass(b": ping\n\n").expect("a comment"), PING);
            let parts = whole.as_bytes().chunks(size).map(|part| replay.pass(part).expect("events"));
            let told = String::from_utf8(parts.collect::<Vec<_>>().concat()).expect("text");
            assert_eq!(told.replace(": ping\n\n", ""), &whole[34..], "{size}");
        }
    }

    #[test]
    fn what_is_gone_meanwhile_is_not_waited_for() {
        let mut replay = Replay::after((7, 0), 2);
        assert_eq!(replay.pass(b"id: 8-0\ndata: d\n\n").expect("an event"), "id: 8-0\ndata: d\n\n");
        assert_eq!(Replay::after((0, 0), 1).resume(), None);
    }
}
