//! Notices: news about a connection rather than about its data (defect 6).

use super::state::ConnectionState;
use crate::shape::Retry;

/// News about a connection.
#[derive(Clone, Copy, Debug)]
pub enum Notice {
    /// The state changed.
    State(ConnectionState),
    /// A request is made again after a wait.
    Retry {
        /// The reason, and the number of attempts so far.
        retry: Retry,
        /// The wait, in milliseconds.
        wait_ms: u64,
    },
}
