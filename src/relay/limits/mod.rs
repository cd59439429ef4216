//! How much a relay serves at once (docs/relay.md, "Bounds").

mod eviction;
mod in_flight;
mod limiter;
mod quota;

pub(super) use in_flight::{InFlightBody, InFlightBytes};
pub(super) use limiter::{Limiter, Permit, too_many_requests};
pub(super) use quota::{Quota, QuotaPermit};
