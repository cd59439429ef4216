//! Parts that many readers are told alike: their bytes are made once, and kept while one of them has them to send.

use std::sync::{Arc, Mutex, Weak};

use crate::lock::lock;
use bytes::Bytes;

/// Shorter parts are made for each reader: that costs less than looking for them.
const SHORTEST: usize = 4 << 10;
/// The most parts of one stream that are looked through.
const MOST: usize = 16;

/// What tells parts of one stream apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Part {
    /// The index of its first record, and of what follows its last.
    pub(super) records: (u64, u64),
    /// How many records and bytes its reader was sent, with it (v2).
    pub(super) sent: (u64, u64),
    /// The tail that it tells (v2).
    pub(super) tail: Option<(u64, u64)>,
}

/// The parts of one stream that are on their way to readers.
#[derive(Debug, Default)]
pub(super) struct Shared(Mutex<Vec<(Part, Weak<Vec<u8>>)>>);

struct Whole(Arc<Vec<u8>>);

impl AsRef<[u8]> for Whole {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Shared {
    /// The bytes of a part of about `size` bytes.
    pub(super) fn part(&self, part: Part, size: usize, make: impl FnOnce() -> Vec<u8>) -> Bytes {
        if size < SHORTEST {
            return make().into();
        }
        let mut parts = lock(&self.0);
        parts.retain(|(_, bytes)| bytes.strong_count() > 0);
        if let Some(bytes) = parts.iter().find(|(found, _)| *found == part).and_then(|(_, bytes)| bytes.upgrade()) {
            return Bytes::from_owner(Whole(bytes));
        }
        // Others wait for it meanwhile instead of making it, too.
        let bytes = Arc::new(make());
        if parts.len() >= MOST {
            parts.remove(0);
        }
        parts.push((part, Arc::downgrade(&bytes)));
        Bytes::from_owner(Whole(bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(first: u64, sent: u64, tail: Option<(u64, u64)>) -> Part {
        Part { records: (first, first + 1), sent: (sent, 0), tail }
    }

    #[test]
    fn what_readers_are_told_alike_is_made_once_while_one_has_it() {
        let (shared, all) = (Shared::default(), part(0, 1, None));
        let mut made = 0;
        let mut ask = |part, size: usize| {
            shared.part(part, size, || {
                made += 1;
                vec![b'x'; size]
            })
        };
        let first = ask(all, SHORTEST);
        let second = ask(all, SHORTEST);
        assert_eq!(first.as_ptr(), second.as_ptr());
        for other in [part(1, 1, None), part(0, 2, None), part(0, 1, Some((1, 1)))] {
            assert_ne!(ask(other, SHORTEST).as_ptr(), first.as_ptr());
        }
        // Short ones are each reader's own.
        assert_ne!(ask(all, SHORTEST - 1).as_ptr(), ask(all, SHORTEST - 1).as_ptr());
        drop((first, second));
        ask(all, SHORTEST);
        assert_eq!(made, 7);
        assert!(shared.0.lock().expect("whole").len() <= 2, "what nobody has is forgotten");
    }

    #[test]
    fn few_parts_are_looked_through() {
        let shared = Shared::default();
        let all: Vec<_> = (0..100).map(|at| shared.part(part(at, 1, None), SHORTEST, || vec![0; SHORTEST])).collect();
        assert_eq!((all.len(), shared.0.lock().expect("whole").len()), (100, MOST));
    }
}
