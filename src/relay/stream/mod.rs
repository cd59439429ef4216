//! One upstream for each stream of a run, for any number of viewers (docs/relay-streams.md).

mod answer;
mod entry;
mod parts;
mod share;
#[cfg(test)]
pub(super) mod tests;

pub(crate) use answer::{GoOn, Reply, answer};
pub(crate) use share::{StreamKey, Streams};
