//! Shared streams: one upstream for each stream of a run, whose viewers read one log (docs/relay-streams.md).

mod answer;
#[cfg(test)]
mod fallback_tests;
mod records;
mod run_end;
#[cfg(test)]
mod run_end_tests;
mod shared;
mod streams;
#[cfg(test)]
pub(super) mod tests;
mod upstream;

pub(crate) use answer::{Fallback, Reply, answer};
pub(crate) use streams::{StreamKey, Streams};
