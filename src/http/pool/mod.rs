//! The connection pool of long requests: the polls of feeds, and streams.
//!
//! A feed always has exactly one request out, and a stream has one for as long as it is read. Over
//! HTTP/1.1 each therefore has a connection of its own; over HTTP/2 they share connections, each
//! with no more streams than its server allows: beyond that a connection queues in silence, and a
//! long-poll would starve the others (docs/transport.md).

mod client;
mod connect;
mod connection;
mod decode;
mod error;
mod headers;
mod http1;
mod http2;
mod liveness;
#[cfg(test)]
mod memory;
mod origin;
mod purpose;
mod request;
mod stream;
mod stream_decoder;

pub use client::LongPollClient;
#[cfg(any(test, fuzzing))]
pub(crate) use decode::Encoding;
#[cfg(test)]
pub(crate) use memory::{MemoryListener, Switch};
pub(super) use stream::{Body, OpenOutcome, open};
#[cfg(any(test, fuzzing))]
pub(crate) use stream_decoder::StreamDecoder;
