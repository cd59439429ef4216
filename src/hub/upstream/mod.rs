//! A budget of upstream connections: at most so many long-polls at once for the feeds of one environment.
//!
//! Within the budget each feed polls for itself. Beyond it, a feed has no request in flight: the feed of the whole
//! environment, which is one long-poll however many runs there are, tells which run changed, and the feed of that run
//! then asks once without `live`, which no server counts. Rows come from the feed's own log alone, so that no update
//! is merged from two sources, and none can go back in time.

mod budget;
mod cost;
mod environment;
mod interests;
mod pacer;
mod permits;
mod registry;
mod subject;
mod turn;
#[cfg(test)]
mod turn_tests;
mod verdict;

pub use budget::{Budget, Counts, Options};
pub use cost::CostLimits;
pub(super) use environment::Changes;
pub(super) use registry::budget;
pub(super) use turn::{Turn, Turns};
