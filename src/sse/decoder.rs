//! Bytes in any chunking, decoded to events.

use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};

use eventsource_stream::{Event, EventStream, EventStreamError};
use futures_util::Stream;

use super::lines::{Lines, TooLong};
use crate::error::{Error, Kind, Result};

/// The longest event taken, in bytes. A v2 batch holds about 1 MiB of records, whose JSON may be
/// escaped twice.
pub const LONGEST_EVENT: usize = 16 * 1024 * 1024;

/// The events of one body. What follows the last blank line is no event, and is never given out.
pub struct Decoder {
    lines: Lines,
    /// The line handed to the parser next.
    hand: Hand,
    parser: EventStream<Hand>,
    longest: usize,
    /// Bytes of the event that is coming in.
    size: usize,
}

impl Decoder {
    /// A decoder at the beginning of a body, for events of up to `longest` bytes.
    #[must_use]
    pub fn new(longest: usize) -> Self {
        let hand = Hand::default();
        let mut decoder =
            Self { lines: Lines::new(longest), parser: EventStream::new(hand.clone()), hand, longest, size: 0 };
        // The parser panics when what it is given first begins with a byte order mark, as the
        // second of two would: a comment comes first.
        decoder.hand.put(":\n".to_owned());
        let begun = decoder.poll();
        debug_assert!(begun.is_none(), "a comment is no event");
        decoder
    }

    /// Takes the next bytes and appends the events they complete to `events`.
    ///
    /// # Errors
    /// `ERR_TOO_LARGE` for an event that is too long, `ERR_PROTOCOL` should the parser refuse a
    /// line. Neither can be gone on from.
    pub fn push(&mut self, bytes: &[u8], events: &mut Vec<Event>) -> Result<()> {
        let mut lines = std::mem::replace(&mut self.lines, Lines::new(0));
        let mut outcome = Ok(());
        let framed = lines.push(bytes, |line| {
            if outcome.is_ok() {
                outcome = self.line(line, events);
            }
        });
        self.lines = lines;
        outcome?;
        framed.map_err(|TooLong| self.too_large())
    }

    fn line(&mut self, line: &[u8], events: &mut Vec<Event>) -> Result<()> {
        self.size = if line.is_empty() { 0 } else { self.size + line.len() };
        if self.size > self.longest {
            return Err(self.too_large());
        }
        let mut text = String::with_capacity(line.len() + 1);
        text.push_str(&String::from_utf8_lossy(line));
        text.push('\n');
        self.hand.put(text);
        match self.poll() {
            Some(Ok(event)) => events.push(event),
            // The parser's own words would repeat the line.
            Some(Err(_)) => return Err(Error::protocol("the stream holds a line that is no server-sent event")),
            None => {}
        }
        Ok(())
    }

    /// What the parser makes of the line in its hand.
    fn poll(&mut self) -> Option<Result<Event, EventStreamError<std::convert::Infallible>>> {
        match Pin::new(&mut self.parser).poll_next(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(event) => event,
            Poll::Pending => None,
        }
    }

    fn too_large(&self) -> Error {
        Error::new(
            Kind::Protocol,
            "ERR_TOO_LARGE",
            format!("an event of the stream is longer than {} bytes", self.longest),
        )
    }
}

impl fmt::Debug for Decoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Decoder").field("longest", &self.longest).field("size", &self.size).finish_non_exhaustive()
    }
}

/// Where the parser finds the next line: a stream that never ends.
#[derive(Clone, Debug, Default)]
struct Hand(Arc<Mutex<Option<String>>>);

impl Hand {
    fn put(&self, line: String) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(line);
    }
}

impl Stream for Hand {
    type Item = Result<String, std::convert::Infallible>;

    fn poll_next(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        match self.0.lock().unwrap_or_else(PoisonError::into_inner).take() {
            Some(line) => Poll::Ready(Some(Ok(line))),
            None => Poll::Pending,
        }
    }
}
