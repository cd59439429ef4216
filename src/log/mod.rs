//! Log lines for operators: connections, feeds, streams, viewers of a relay, with ids and without secrets.
//!
//! Off, a line costs one relaxed load of an atomic: its fields are neither computed nor allocated. `TRIGGER_NATIVE_LOG`
//! prints lines to standard error; `configure({ logger })` hands them to JavaScript (`bridge/log.rs`).

mod level;
mod line;
mod macros;
pub mod panics;
mod sinks;
mod span;
mod text;

pub use level::Level;
pub(crate) use level::enabled;
pub use line::{Line, Value};
pub(crate) use line::{origin_of, path_of};
pub(crate) use macros::log;
pub use sinks::{Sink, add, remove};
pub(crate) use sinks::{emit, from_environment};
pub(crate) use span::{Span, SpanKind};
