//! What the responses of a relay share.

use std::sync::Arc;

use bytes::Bytes;
use tokio_util::sync::CancellationToken;

use super::event;
use super::opening::Opener;
use super::place::Digests;
use crate::relay::digest::Digest;
use crate::relay::limits::{InFlightBody, InFlightBytes};
use crate::relay::stats::{Bound, Stats};
use crate::serve::clock::Clock;

/// What the responses of a relay share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) opener: Opener,
    pub(super) digests: Digests,
    pub(super) in_flight: Arc<InFlightBytes>,
    pub(super) stats: Arc<Stats>,
    pub(super) clock: Clock,
    pub(super) stop: CancellationToken,
}

impl Shared {
    /// Long bytes, which count as under way until the connection has sent them; `None` for short ones.
    pub(super) fn count(&self, text: &Bytes, owner: Option<Digest>) -> Result<Option<Bytes>, ()> {
        if !event::is_long(text) {
            return Ok(None);
        }
        let Ok(guard) = self.in_flight.enter(text, owner) else {
            self.stats.limit(Bound::BytesUnderWay);
            return Err(());
        };
        Ok(Some(Bytes::from_owner(Counted { text: text.clone(), _guard: guard })))
    }
}

/// Bytes that count as under way until they are dropped.
struct Counted {
    text: Bytes,
    _guard: Option<InFlightBody>,
}

impl AsRef<[u8]> for Counted {
    fn as_ref(&self) -> &[u8] {
        &self.text
    }
}
