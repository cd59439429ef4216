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
pub(crate) mod tests;
mod upstream;

pub(crate) use answer::{Fallback, Parts, Reply, answer, first_answer};
pub(crate) use streams::{StreamKey, Streams, Subscriber};
