//! The servers that have answered before. A call that waits for one of them in vain need not doubt its
//! base URL.

use std::collections::VecDeque;
use std::hash::BuildHasher as _;
use std::sync::Mutex;

use once_cell::sync::Lazy;

use crate::lock::lock;

/// The most servers remembered: the latest.
const MAX_SERVERS: usize = 64;

/// Hashes of base URLs: their text is not needed, and can hold a user's name.
static KNOWN: Lazy<(foldhash::fast::RandomState, Mutex<VecDeque<u64>>)> = Lazy::new(Default::default);

/// Records that the server of `base_url` answered.
pub(super) fn record(base_url: &str) {
    let (hasher, known) = &*KNOWN;
    let hash = hasher.hash_one(base_url);
    let mut known = lock(known);
    if !known.contains(&hash) {
        known.truncate(MAX_SERVERS - 1);
        known.push_front(hash);
    }
}

/// Whether the server of `base_url` has answered.
pub(super) fn contains(base_url: &str) -> bool {
    let (hasher, known) = &*KNOWN;
    lock(known).contains(&hasher.hash_one(base_url))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_servers_that_answered_are_remembered_and_no_more_than_the_limit() {
        let url = |n: usize| format!("https://answered-{n}.example");
        assert!(!contains(&url(0)));
        for n in 0..10 * MAX_SERVERS {
            record(&url(n));
            record(&url(n));
            assert!(contains(&url(n)));
        }
        assert!(!contains(&url(0)));
        assert_eq!(lock(&KNOWN.1).len(), MAX_SERVERS);
        // Half of them, since other tests' servers may answer meanwhile.
        assert!(contains(&url(10 * MAX_SERVERS - MAX_SERVERS / 2)), "a server that answers twice counts once");
    }
}
