//! The parser, for whatever a block may be.

use std::convert::Infallible;
use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use eventsource_stream::{Event, EventStream, EventStreamError};
use futures_util::Stream;

use super::blocks::lines;
use crate::lock::lock;

/// `eventsource-stream`, given line by line.
pub(super) struct Parser {
    /// The line handed to the parser next.
    lines: LineSource,
    stream: EventStream<LineSource>,
}

/// What a block was.
#[derive(Debug)]
pub(super) struct Parsed {
    /// Its event, if it has data.
    pub(super) event: Option<Event>,
    /// The last id after it.
    pub(super) id: String,
}

type Refused = EventStreamError<Infallible>;

impl Parser {
    pub(super) fn new() -> Self {
        let lines = LineSource::default();
        let mut parser = Self { stream: EventStream::new(lines.clone()), lines };
        // It panics when what it is given first begins with a byte order mark, as the second of two would: a comment
        // comes first.
        let begun = parser.line(":");
        debug_assert!(matches!(begun, Ok(None)), "a comment is no event");
        parser
    }

    /// Reads a block that comes after the id `id`.
    pub(super) fn block(&mut self, id: &str, block: &[u8]) -> Result<Parsed, Refused> {
        self.line(&format!("id: {id}"))?;
        let mut event = None;
        for line in lines(block) {
            event = self.line(&String::from_utf8_lossy(line))?.or(event);
        }
        // A block may come without its blank line: where that is an LF after a CR of another chunk.
        if event.is_none() {
            event = self.line("")?;
        }
        if let Some(event) = event {
            return Ok(Parsed { id: event.id.clone(), event: Some(event) });
        }
        // It tells the last id with an event only.
        self.line("data")?;
        let told = self.line("")?;
        Ok(Parsed { event: None, id: told.map(|event| event.id).unwrap_or_default() })
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

/// Where the parser finds the next line: a stream that never ends.
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
