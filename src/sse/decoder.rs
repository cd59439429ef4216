//! The decoder: bytes in any chunking, decoded to events.

use super::fields::Fields;
use super::framer::{Framer, TooLong};
use super::parser::Parser;
use crate::error::{Error, ErrorCode, Result};

/// The size limit of an event, in bytes. A v2 batch holds about 1 MiB of records, whose JSON may be escaped twice.
pub const MAX_EVENT_BYTES: usize = 16 * 1024 * 1024;

/// An event, borrowed from the bytes of its block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event<'a> {
    /// The last id of this event or one before. Empty where no event had one.
    pub id: &'a str,
    /// The type of the event; `message` by default.
    pub event: &'a str,
    /// The data of the event.
    pub data: &'a str,
}

/// Decodes the events of one body. Bytes after the last blank line are not an event, and are dropped.
#[derive(Debug)]
pub struct Decoder {
    framer: Framer,
    max_bytes: usize,
    reader: EventReader,
}

impl Decoder {
    /// A decoder for a new body, with events of up to `max_bytes`.
    #[must_use]
    pub fn new(max_bytes: usize) -> Self {
        let reader = EventReader { id: String::new(), parser: None };
        Self { framer: Framer::new(max_bytes), max_bytes, reader }
    }

    /// Whether an event has begun and not ended.
    #[must_use]
    pub fn is_partial(&self) -> bool {
        self.framer.is_partial()
    }

    /// Takes the next bytes and passes the events that they complete to `take`, in order.
    ///
    /// # Errors
    /// `ERR_TOO_LARGE` for an event that is too long, `ERR_PROTOCOL` for a line that the parser refuses. The decoder
    /// cannot be used after either.
    pub fn push(&mut self, bytes: &[u8], mut take: impl FnMut(Event<'_>)) -> Result<()> {
        let Self { framer, max_bytes, reader } = self;
        let mut outcome = Ok(());
        let framed = framer.push(bytes, |block| {
            if outcome.is_ok() {
                outcome = reader.block(block, &mut take);
            }
        });
        outcome?;
        framed.map_err(|TooLong| {
            let message = format!("an event of the stream is longer than {max_bytes} bytes");
            Error::new(ErrorCode::TooLarge, message)
        })
    }
}

/// The state between two blocks.
#[derive(Debug)]
struct EventReader {
    /// The last id of an event.
    id: String,
    /// Created for the first block that [`Fields`] does not read.
    parser: Option<Box<Parser>>,
}

impl EventReader {
    fn block(&mut self, block: &[u8], take: &mut impl FnMut(Event<'_>)) -> Result<()> {
        let Some(fields) = Fields::read(block) else { return self.parse(block, take) };
        if let Some(id) = fields.id
            && *id != *self.id
        {
            id.clone_into(&mut self.id);
        }
        if let Some(data) = fields.data {
            let event = fields.event.filter(|event| !event.is_empty()).unwrap_or("message");
            take(Event { id: &self.id, event, data });
        }
        Ok(())
    }

    fn parse(&mut self, block: &[u8], take: &mut impl FnMut(Event<'_>)) -> Result<()> {
        let parser = self.parser.get_or_insert_with(|| Box::new(Parser::new()));
        let parsed = parser.block(&self.id, block).map_err(|_| {
            // The parser's message would repeat the line, which may hold user data.
            Error::protocol("the stream holds a line that is no server-sent event")
        })?;
        self.id = parsed.id;
        if let Some(event) = parsed.event {
            take(Event { id: &self.id, event: &event.event, data: &event.data });
        }
        Ok(())
    }
}
