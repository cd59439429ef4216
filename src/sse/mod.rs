//! Server-sent events: bytes in any chunking → whole blocks → events.
//!
//! The parser is `eventsource-stream`. Given raw chunks, its 0.2.3 panics on a leading byte order
//! mark, takes quadratic time on big chunks and has no size limit, so it is given nothing but whole
//! lines, from a framer that has one. It takes some 50 instructions a byte: blocks of the few shapes
//! that streams are made of are read as they lie there, to the same events, and it reads all others.

mod blocks;
mod decoder;
mod fields;
mod parser;

pub use blocks::{Blocks, TooLong};
pub use decoder::{Decoder, Event, MAX_EVENT_BYTES};
