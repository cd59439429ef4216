//! Encoded parts that several readers of one stream send. A part is encoded once, and freed with its last reader.

use std::sync::{Arc, Mutex, Weak};

use crate::lock::lock;
use bytes::Bytes;

/// Shorter parts are encoded for each reader: that costs less than the search for one.
const MIN_SHARED_BYTES: usize = 4 << 10;
/// The most parts that are searched. Beyond them the oldest is left out.
const MAX_PARTS: usize = 16;

/// Identifies a part of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PartKey {
    /// The index of its first record, and the index after its last.
    pub(super) records: (u64, u64),
    /// How many records and bytes its reader was sent, this part included (v2).
    pub(super) sent: (u64, u64),
    /// The tail that it reports (v2).
    pub(super) tail: Option<(u64, u64)>,
}

/// The parts of one stream that readers are sending.
#[derive(Debug, Default)]
pub(super) struct PartCache(Mutex<Vec<(PartKey, Weak<Vec<u8>>)>>);

struct SharedBytes(Arc<Vec<u8>>);

impl AsRef<[u8]> for SharedBytes {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl PartCache {
    /// The bytes of a part of about `size` bytes.
    pub(super) fn get_or_encode(&self, part: PartKey, size: usize, make: impl FnOnce() -> Vec<u8>) -> Bytes {
        if size < MIN_SHARED_BYTES {
            return make().into();
        }
        let mut parts = lock(&self.0);
        parts.retain(|(_, bytes)| bytes.strong_count() > 0);
        if let Some(bytes) = parts.iter().find(|(found, _)| *found == part).and_then(|(_, bytes)| bytes.upgrade()) {
            return Bytes::from_owner(SharedBytes(bytes));
        }
        // Encoded under the lock: other readers of the part wait for it.
        let bytes = Arc::new(make());
        if parts.len() >= MAX_PARTS {
            parts.remove(0);
        }
        parts.push((part, Arc::downgrade(&bytes)));
        Bytes::from_owner(SharedBytes(bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(first: u64, sent: u64, tail: Option<(u64, u64)>) -> PartKey {
        PartKey { records: (first, first + 1), sent: (sent, 0), tail }
    }

    #[test]
    fn what_readers_are_told_alike_is_made_once_while_one_has_it() {
        let (shared, all) = (PartCache::default(), part(0, 1, None));
        let mut made = 0;
        let mut ask = |part, size: usize| {
            shared.get_or_encode(part, size, || {
                made += 1;
                vec![b'x'; size]
            })
        };
        let first = ask(all, MIN_SHARED_BYTES);
        let second = ask(all, MIN_SHARED_BYTES);
        assert_eq!(first.as_ptr(), second.as_ptr());
        for other in [part(1, 1, None), part(0, 2, None), part(0, 1, Some((1, 1)))] {
            assert_ne!(ask(other, MIN_SHARED_BYTES).as_ptr(), first.as_ptr());
        }
        // Each reader encodes short parts itself.
        assert_ne!(ask(all, MIN_SHARED_BYTES - 1).as_ptr(), ask(all, MIN_SHARED_BYTES - 1).as_ptr());
        drop((first, second));
        ask(all, MIN_SHARED_BYTES);
        assert_eq!(made, 7);
        assert!(shared.0.lock().expect("whole").len() <= 2, "what nobody has is forgotten");
    }

    #[test]
    fn few_parts_are_looked_through() {
        let shared = PartCache::default();
        let all: Vec<_> = (0..100)
            .map(|at| shared.get_or_encode(part(at, 1, None), MIN_SHARED_BYTES, || vec![0; MIN_SHARED_BYTES]))
            .collect();
        assert_eq!((all.len(), shared.0.lock().expect("whole").len()), (100, MAX_PARTS));
    }
}
