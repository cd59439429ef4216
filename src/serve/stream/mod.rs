//! Streams of a run: their logs, and the readers that render them as v1 and v2 (docs/server-protocol.md 5).

mod log;
mod log_state;
#[cfg(test)]
mod log_tests;
mod part_cache;
mod record;
mod timeout;
mod v1;
mod v2;
mod version;

pub(crate) use log::Log;
pub(crate) use record::Record;
pub(crate) use timeout::parse_timeout;
pub(crate) use v1::{V1, parse_event_id};
pub(crate) use v2::V2;
pub(crate) use version::{StreamName, StreamVersion};
