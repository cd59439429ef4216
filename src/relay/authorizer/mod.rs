//! Authorization of viewers. A viewer is identified by its token, or by the grant that `authorize` returned. Its scopes
//! decide which feeds and streams it may read; where they cannot, the server decides (docs/relay-access.md).

mod authorize;
mod environment;
mod identity;
mod policy;
mod probe;
mod probe_cache;
#[cfg(test)]
mod probe_cache_tests;
mod trigger;
mod viewer;

pub(super) use authorize::Authorizer;
#[cfg(test)]
pub(super) use probe::PROBE_TIMEOUTS;
#[cfg(test)]
pub(super) use probe_cache::{MAX_DECISIONS, MAX_PROBES};
pub use viewer::Grant;
pub(super) use viewer::{Viewer, bearer_token};
