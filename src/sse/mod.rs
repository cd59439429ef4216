//! Server-sent events: bytes in any chunking → whole lines → events.
//!
//! The parser itself is `eventsource-stream`. Given raw chunks, its 0.2.3 panics on a leading
//! byte order mark, takes quadratic time on big chunks and has no size limit, so it is given
//! nothing but whole lines, from a framer that has one.

mod decoder;
mod lines;

pub use decoder::{Decoder, LONGEST_EVENT};
pub use eventsource_stream::Event;
pub use lines::{Lines, TooLong};
