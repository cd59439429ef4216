//! The hub: one live feed for each distinct [`FeedSpec`] of the process, shared by any number of readers (defect 15).
//!
//! The first reader starts a feed, and the last one ends it. The feed's driver asks the server, hands the responses to
//! the pure machine in `shape`, and publishes the changes to every reader.
//!
//! A feed asks no further while all of its readers lag. A reader that is full while others keep up goes on by itself,
//! from where it is (defect 9). Rows of finished runs are evicted (defect 10, invariant I16): a reader that joins a feed
//! without all of its rows starts a new feed, with a snapshot of its own, which the next to join share.

mod backpressure;
mod batch;
mod driver;
mod feed;
#[cfg(test)]
mod feed_tests;
#[allow(clippy::module_inception, reason = "the type that the folder is named after")]
mod hub;
mod inbox;
#[cfg(test)]
mod interleave_tests;
mod queue;
mod reader;
mod registry;
mod spec;
mod status;
#[cfg(test)]
mod stress_tests;
mod subscribers;
mod upstream;

pub use batch::{Batch, End, Fault, Item};
pub use hub::Hub;
pub use inbox::ReaderOptions;
pub use reader::Reader;
pub use spec::FeedSpec;
pub use status::{Stats, Status};
pub use upstream::{Budget, CostLimits, Counts as BudgetCounts, Options as BudgetOptions};
