//! What went wrong, and may go right next time.

use super::step::Reason;
use crate::error::Error;

/// A failure that may pass.
#[derive(Debug)]
pub(crate) struct Trouble {
    pub(crate) reason: Reason,
    pub(crate) status: Option<u16>,
    /// How long the server asks to wait, in ms.
    pub(crate) server_ms: Option<u64>,
    /// What to end with, should it not pass.
    pub(crate) error: Error,
}
