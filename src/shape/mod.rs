//! The pure state machine of a run feed: the Electric HTTP shape protocol
//! (docs/server-protocol.md 4).
//!
//! Time, randomness and bytes are arguments. A driver calls [`Feed::start`], passes the outcome of each request to
//! [`Feed::on`], and carries out the returned [`Step`]. No code here opens a socket, sleeps or reads a clock. The
//! invariants are numbered in `docs/protocol.md`.

#[cfg(test)]
mod check_tests;
mod classify;
mod cursor;
mod feed;
#[cfg(test)]
mod feed_tests;
#[cfg(test)]
mod harness;
mod instant;
mod intern;
#[cfg(test)]
mod limit_tests;
mod limits;
mod message;
mod query;
#[cfg(test)]
mod refresh_tests;
#[cfg(test)]
mod retention_tests;
mod retry_budget;
mod retryable_error;
mod row_store;
mod seen_cache;
mod step;
mod streak;
#[cfg(test)]
pub(crate) mod truth;

pub use feed::Feed;
pub use intern::InternLimits;
pub use limits::Limits;
pub use query::Query;
pub(crate) use retryable_error::RetryableError;
pub use row_store::Retention;
pub use step::{Change, Event, Failure, Now, Outcome, Phase, Reason, Retry, Step};
pub(crate) use streak::Streak;

pub(crate) use crate::table::ByKey;
pub use crate::table::{Column, ColumnType, Columns, Row, Schema};
