//! Streams of a run: what is kept of them, and how the two versions write it (protocol.md 5).

mod log;
mod v1;
mod v2;
mod version;

pub(super) use log::Log;
pub(super) use v1::V1;
pub(super) use v2::V2;
pub(super) use version::{StreamName, StreamVersion};
