//! Bytes in any chunking, decoded to events.

use super::blocks::{Blocks, TooLong};
use super::fields::Fields;
use super::parser::Parser;
use crate::error::{Error, ErrorCode, Result};

/// The longest event taken, in bytes. A v2 batch holds about 1 MiB of records, whose JSON may be
/// escaped twice.
pub const MAX_EVENT_BYTES: usize = 16 * 1024 * 1024;

/// An event, as it lies in the bytes that brought it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event<'a> {
    /// The last id given, by this event or before. Empty where there was none.
    pub id: &'a str,
    /// Its kind, `message` where it says none.
    pub event: &'a str,
    /// Its data.
    pub data: &'a str,
}

/// The events of one body. What follows the last blank line is no event, and is never given out.
#[derive(Debug)]
pub struct Decoder {
    blocks: Blocks,
    longest: usize,
    reading: Reading,
}

impl Decoder {
    /// A decoder at the beginning of a body, for events of up to `longest` bytes.
    #[must_use]
    pub fn new(longest: usize) -> Self {
        let reading = Reading { id: String::new(), parser: None };
        Self { blocks: Blocks::new(longest), longest, reading }
    }

    /// Whether the beginning of an event came and not its end.
    #[must_use]
    pub fn is_amid(&self) -> bool {
        self.blocks.is_amid()
    }

    /// Takes the next bytes and gives the events they complete to `take`, in order.
    ///
    /// # Errors
    /// `ERR_TOO_LARGE` for an event that is too long, `ERR_PROTOCOL` should the parser refuse a
    /// line. Neither can be gone on from.
    pub fn push(&mut self, bytes: &[u8], mut take: impl FnMut(Event<'_>)) -> Result<()> {
        let Self { blocks, longest, reading } = self;
        let mut outcome = Ok(());
        let framed = blocks.push(bytes, |block| {
            if outcome.is_ok() {
                outcome = reading.block(block, &mut take);
            }
        });
        outcome?;
        framed.map_err(|TooLong| {
            let message = format!("an event of the stream is longer than {longest} bytes");
            Error::new(ErrorCode::TooLarge, message)
        })
    }
}

/// What is known between two blocks.
#[derive(Debug)]
struct Reading {
    /// The last id given.
    id: String,
    /// Made for the first block that needs it.
    parser: Option<Box<Parser>>,
}

impl Reading {
    fn block(&mut self, block: &[u8], take: &mut impl FnMut(Event<'_>)) -> Result<()> {
        let Some(fields) = Fields::read(block) else { return self.unusual(block, take) };
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

    fn unusual(&mut self, block: &[u8], take: &mut impl FnMut(Event<'_>)) -> Result<()> {
        let parser = self.parser.get_or_insert_with(|| Box::new(Parser::new()));
        let parsed = parser.block(&self.id, block).map_err(|_| {
            // The parser's own words would repeat the line.
            Error::protocol("the stream holds a line that is no server-sent event")
        })?;
        self.id = parsed.id;
        if let Some(event) = parsed.event {
            take(Event { id: &self.id, event: &event.event, data: &event.data });
        }
        Ok(())
    }
}
