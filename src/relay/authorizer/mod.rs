//! Who may read what: a viewer is identified by its token or by what `authorize` granted, and its scopes decide, or the
//! server where they cannot (docs/relay-access.md).

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
