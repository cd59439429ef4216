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
