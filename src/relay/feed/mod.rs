//! Shared feeds: one upstream for each distinct feed, whose viewers are answered from a copy in memory
//! (docs/relay-feeds.md).

mod answer;
#[cfg(test)]
mod answer_tests;
mod body;
mod body_cache;
#[cfg(test)]
mod browser_tests;
mod changes;
#[cfg(test)]
mod client_tests;
mod columns;
mod copy;
mod delete_mark;
mod failure;
mod feeds;
#[cfg(test)]
mod interleave_tests;
mod key;
#[cfg(test)]
mod partial_tests;
mod rows;
#[cfg(test)]
mod rows_tests;
mod run_end;
mod since;
mod skipped;
#[cfg(test)]
mod stranger_tests;
#[cfg(test)]
pub(super) mod tests;
mod text_cache;
#[cfg(test)]
mod truth_tests;
#[cfg(test)]
mod upstream_tests;
mod view;

pub(crate) use answer::{Reply, answer};
pub(super) use columns::ColumnSet;
pub(crate) use feeds::{Feeds, Subscriber};
pub(crate) use key::FeedKey;
pub(super) use skipped::SkippedColumns;
pub(super) use text_cache::TextKey;
pub(super) use view::{Changed, Gone, RowView, Standing, States};
