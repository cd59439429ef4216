//! Shared feeds: one upstream for each distinct feed, whatever columns its viewers leave out, and their answers from
//! memory (docs/relay-feeds.md).

mod answer;
mod body;
mod cache;
#[cfg(test)]
mod client_tests;
mod copy;
mod failure;
mod feeds;
mod key;
mod mark;
mod rows;
mod skips;
#[cfg(test)]
pub(super) mod tests;
#[cfg(test)]
mod truth_tests;
#[cfg(test)]
mod upstream_tests;

pub(crate) use answer::{Reply, answer};
pub(crate) use feeds::{Feeds, Seat};
pub(crate) use key::FeedKey;
