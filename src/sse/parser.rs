//! The parser for blocks of any form.

use std::convert::Infallible;
use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use eventsource_stream::{Event, EventStream, EventStreamError};
use futures_util::Stream;

use super::framer::lines;
use crate::lock::lock;

/// `eventsource-stream`, driven line by line.
pub(super) struct Parser {
    /// Holds the next line for the parser.
    lines: LineSource,
    stream: EventStream<LineSource>,
}

/// The result of one block.
#[derive(Debug)]
pub(super) struct Parsed {
    /// The event of the block, if it has data.
    pub(super) event: Option<Event>,
    /// The last id after the block.
    pub(super) id: String,
}

type Refused = EventStreamError<Infallible>;

impl Parser {
    pub(super) fn new() -> Self {
        let lines = LineSource::default();
        let mut parser = Self { stream: EventStream::new(lines.clone()), lines };
        // The parser panics when its first bytes are a byte order mark, such as the second of two. So a comment comes
        // first.
        let begun = parser.line(":");
        debug_assert!(matches!(begun, Ok(None)), "a comment is no event");
        parser
    }

    /// Reads a block. `id` is the last id before it.
    pub(super) fn block(&mut self, id: &str, block: &[u8]) -> Result<Parsed, Refused> {
        self.line(&format!("id: {id}"))?;
        let mut event = None;
        for line in lines(block) {
            event = self.line(&String::from_utf8_lossy(line))?.or(event);
        }
        // A block lacks its blank line where that is an LF and its CR came in an earlier chunk.
        if event.is_none() {
            event = self.line("")?;
        }
        if let Some(event) = event {
            return Ok(Parsed { id: event.id.clone(), event: Some(event) });
        }
        // The parser gives the last id with an event only, so an empty event asks for it.
        self.line("data")?;
        let probe = self.line("")?;
        Ok(Parsed { event: None, id: probe.map(|event| event.id).unwrap_or_default() })
    }

    fn line(&mut self, line: &str) -> Result<Option<Event>, Refused> {
        self.lines.put([line, "\n"].concat());
        match Pin::new(&mut self.stream).poll_next(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(event) => event.transpose(),
            Poll::Pending => Ok(None),
        }
    }
}

impl fmt::Debug for Parser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Parser").finish_non_exhaustive()
    }
}

/// The stream that the parser reads: it yields the line that was put, and never ends.
#[derive(Clone, Debug, Default)]
struct LineSource(Arc<Mutex<Option<String>>>);

impl LineSource {
    fn put(&self, line: String) {
        *lock(&self.0) = Some(line);
    }
}

impl Stream for LineSource {
    type Item = Result<String, Infallible>;

    fn poll_next(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        match lock(&self.0).take() {
            Some(line) => Poll::Ready(Some(Ok(line))),
            None => Poll::Pending,
        }
    }
}
