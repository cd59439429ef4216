//! The limits of a relay: viewers, proxied requests, upstreams and bytes in flight (docs/relay.md, "Bounds").

mod eviction;
mod in_flight;
mod limiter;
mod quota;

pub(super) use in_flight::{BudgetExceeded, InFlightBody, InFlightBytes, Reserved};
pub(super) use limiter::{Limiter, Permit, too_many_requests};
pub(super) use quota::{Quota, QuotaPermit};
