//! The pure state machine of a run feed: the Electric HTTP shape protocol
//! (docs/server-protocol.md 4).
//!
//! Time, randomness and bytes are arguments: a driver asks what [`Feed::start`] says, hands every
//! answer to [`Feed::on`], and does what the returned [`Step`] says. Nothing here opens a socket,
//! sleeps or reads a clock. The invariants are numbered in `docs/protocol.md`.

mod book;
mod feed;
#[cfg(test)]
mod feed_tests;
#[cfg(test)]
mod gap_tests;
#[cfg(test)]
mod keep_tests;
#[cfg(test)]
mod limit_tests;
mod limits;
mod memory;
mod message;
mod patience;
mod place;
mod query;
mod repeat;
mod row;
mod schema;
#[cfg(test)]
mod script;
mod seen;
mod step;
mod trouble;
#[cfg(test)]
pub(crate) mod truth;

pub use book::Keep;
pub use feed::Feed;
pub use limits::Limits;
pub use query::Query;
pub use repeat::LongTexts;
pub(crate) use row::ByKey;
pub use row::{Columns, Row};
pub use schema::{Column, ColumnType, Schema};
pub use step::{Change, Event, Failure, Now, Outcome, Phase, Reason, Retry, Step};
pub(crate) use trouble::Trouble;
