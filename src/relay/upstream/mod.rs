//! One request to the server on a viewer's behalf, sent once. The relay adds nothing of its own to it.

mod client;
mod error;
mod headers;
#[cfg(test)]
pub(super) mod tests;

pub(super) use client::{Outbound, Timeouts, break_off_on, fetch, send};
pub(super) use error::SendError;
pub(super) use headers::bearer;
