//! Streams of a run: what is kept of them, and how the two versions write it
//! (docs/server-protocol.md 5).

mod kept;
mod log;
#[cfg(test)]
mod log_tests;
mod record;
mod shared;
mod silence;
mod v1;
mod v2;
mod version;

pub(crate) use log::Log;
pub(crate) use record::Record;
pub(crate) use silence::silence;
pub(crate) use v1::{V1, place_of};
pub(crate) use v2::V2;
pub(crate) use version::{StreamName, StreamVersion};
