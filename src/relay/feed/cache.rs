//! Bodies that were written, so that viewers who need the same one share it.

use std::collections::VecDeque;
use std::sync::Arc;

use super::body::SharedBody;
use super::rows::Told;
use super::skips::Skips;
use crate::shape::Schema;

/// Bodies kept: viewers of one feed mostly wait at the same place.
pub(super) const MOST: usize = 16;
/// Their size together, in bytes. A longer one is given and not kept.
pub(super) const LARGEST: usize = 64 << 20;

/// What a body says, of which rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Content {
    /// All there are, up to date with the change `to`.
    Snapshot {
        to: u64,
        /// The oldest creation shown, in Unix milliseconds.
        created_since_ms: u64,
    },
    /// Exactly these: never derived from where a viewer goes on, for two who go on at one place may lack different
    /// things.
    News(Told),
}

/// Everything that a body depends on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct CacheKey {
    pub(super) content: Content,
    /// The columns that are left out: part of the key, so that a body is never given to who may see less (F4).
    pub(super) skips: Skips,
    /// The columns there are, which says what can be left out.
    pub(super) schema: Arc<Schema>,
    /// Whether statuses are those of old clients.
    pub(super) old_statuses: bool,
}

/// Bodies that were written, the one used last at the end.
#[derive(Debug, Default)]
pub(super) struct Cache {
    bodies: VecDeque<(CacheKey, Arc<SharedBody>)>,
    bytes: usize,
    /// How many were written.
    pub(super) written: u64,
}

impl Cache {
    /// The body of `key`, written by `write` if nobody needed it before.
    pub(super) fn get(&mut self, key: &CacheKey, write: impl FnOnce() -> SharedBody) -> Arc<SharedBody> {
        if let Some(body) = self.find(key) {
            return body;
        }
        self.written += 1;
        let body = Arc::new(write());
        self.bytes += body.size();
        self.bodies.push_back((key.clone(), body.clone()));
        while self.bodies.len() > MOST || self.bytes > LARGEST {
            let Some((_, oldest)) = self.bodies.pop_front() else { break };
            self.bytes -= oldest.size();
        }
        body
    }

    /// The body of `key`, if somebody needed it before.
    pub(super) fn find(&mut self, key: &CacheKey) -> Option<Arc<SharedBody>> {
        let at = self.bodies.iter().rposition(|(kept, _)| kept == key)?;
        let found = self.bodies.remove(at)?;
        let body = found.1.clone();
        self.bodies.push_back(found);
        Some(body)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(to: u64) -> CacheKey {
        CacheKey {
            content: Content::Snapshot { to, created_since_ms: 0 },
            skips: Skips::default(),
            schema: Arc::default(),
            old_statuses: false,
        }
    }

    #[test]
    fn a_body_is_written_once_and_the_oldest_make_way() {
        let mut cache = Cache::default();
        for round in 0..3 {
            for to in 0..1_000 {
                cache.get(&key(to), || SharedBody::new("x".into(), 0));
                cache.get(&key(to), || SharedBody::new("y".into(), 0));
            }
            assert_eq!(cache.written, (round + 1) * 1_000);
            assert!(cache.bodies.len() <= MOST);
        }
        cache.get(&key(9_999), || SharedBody::new("z".repeat(LARGEST), 0));
        assert_eq!((cache.bodies.len(), cache.bytes), (0, 0), "too long to be kept");
    }
}
