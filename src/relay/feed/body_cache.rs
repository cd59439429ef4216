//! The bodies of answers, cached: viewers that need the same one share it (F10).

use std::collections::VecDeque;
use std::sync::Arc;

use super::body::SharedBody;
use super::changes::ChangeIds;
use super::skipped::SkippedColumns;
use crate::shape::Schema;

/// How many bodies are cached of a feed, whose viewers mostly wait at the same cursor.
pub(super) const MAX_BODIES: usize = 16;
/// How many bytes of bodies are cached of a feed. A longer body is sent and not cached.
pub(super) const MAX_BYTES: usize = 64 << 20;

/// The rows of a body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Content {
    /// All rows, up to the change `to`.
    Snapshot {
        to: u64,
        /// The oldest creation shown, in Unix milliseconds.
        created_since_ms: u64,
    },
    /// Exactly these changes. The viewer's cursor does not name them: two viewers at one cursor may lack different
    /// changes.
    Changes(ChangeIds),
}

/// Everything that a body depends on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct BodyKey {
    pub(super) content: Content,
    /// The columns that are left out, so that no body goes to a viewer that may see less (F4).
    pub(super) skipped: SkippedColumns,
    /// The columns that exist, which say what can be left out.
    pub(super) schema: Arc<Schema>,
    /// Whether statuses are those of old clients.
    pub(super) old_statuses: bool,
}

/// The cache. The body used last is at the end.
#[derive(Debug, Default)]
pub(super) struct BodyCache {
    bodies: VecDeque<(BodyKey, Arc<SharedBody>)>,
    bytes: usize,
    /// How many bodies were ever written.
    pub(super) written: u64,
}

impl BodyCache {
    /// The body of `key`, written by `write` where it is not cached.
    pub(super) fn get(&mut self, key: &BodyKey, write: impl FnOnce() -> SharedBody) -> Arc<SharedBody> {
        if let Some(body) = self.find(key) {
            return body;
        }
        self.written += 1;
        let body = Arc::new(write());
        self.bytes += body.size();
        self.bodies.push_back((key.clone(), body.clone()));
        while self.bodies.len() > MAX_BODIES || self.bytes > MAX_BYTES {
            let Some((_, oldest)) = self.bodies.pop_front() else { break };
            self.bytes -= oldest.size();
        }
        body
    }

    /// The body of `key`, if it is cached.
    pub(super) fn find(&mut self, key: &BodyKey) -> Option<Arc<SharedBody>> {
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

    fn key(to: u64) -> BodyKey {
        BodyKey {
            content: Content::Snapshot { to, created_since_ms: 0 },
            skipped: SkippedColumns::default(),
            schema: Arc::default(),
            old_statuses: false,
        }
    }

    #[test]
    fn a_body_is_written_once_and_the_oldest_make_way() {
        let mut cache = BodyCache::default();
        for round in 0..3 {
            for to in 0..1_000 {
                cache.get(&key(to), || SharedBody::new("x".into(), 0));
                cache.get(&key(to), || SharedBody::new("y".into(), 0));
            }
            assert_eq!(cache.written, (round + 1) * 1_000);
            assert!(cache.bodies.len() <= MAX_BODIES);
        }
        cache.get(&key(9_999), || SharedBody::new("z".repeat(MAX_BYTES), 0));
        assert_eq!((cache.bodies.len(), cache.bytes), (0, 0), "too long to be kept");
    }

    #[test]
    fn bodies_that_are_too_long_together_make_way_the_oldest_first() {
        let mut cache = BodyCache::default();
        // With its compressed form, each counts as half of what may be kept.
        for to in 0..3 {
            cache.get(&key(to), || SharedBody::new("x".repeat(MAX_BYTES / 3), 0));
        }
        assert_eq!([0, 1, 2].map(|to| cache.find(&key(to)).is_some()), [false, true, true]);
        cache.get(&key(3), || SharedBody::new("x".repeat(100), 0));
        assert_eq!([1, 2, 3].map(|to| cache.find(&key(to)).is_some()), [false, true, true]);
    }
}
