//! Server-sent events: bytes in any chunking → whole blocks → events.
//!
//! A framer cuts the bytes into blocks and limits their size. Framer of the few forms that the server sends are read in
//! place (`fields.rs`). All other blocks go to the parser `eventsource-stream`, which takes some 50 instructions a
//! byte; both give the same events. The parser gets whole lines only: on raw chunks its version 0.2.3 panics on a
//! leading byte order mark, takes quadratic time and has no size limit.

mod decoder;
mod fields;
mod framer;
mod parser;

pub use decoder::{Decoder, Event, MAX_EVENT_BYTES};
pub use framer::{Framer, TooLong};
