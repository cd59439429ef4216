//! The common part of feeds and streams as long-lived connections to the server: the visible state, notices about it,
//! the retry policy, and the renewal of an expiring token.

mod notice;
mod renewal;
mod retry_policy;
mod state;

pub use notice::Notice;
pub(crate) use renewal::{Connection, TokenRenewal, generation};
pub use retry_policy::RetryPolicy;
pub use state::ConnectionState;
