//! Which servers have answered: those are there, and whoever waits for one of them in vain need not
//! doubt their address.

use std::collections::VecDeque;
use std::hash::BuildHasher as _;
use std::sync::Mutex;

use crate::lock::lock;
use once_cell::sync::Lazy;

/// So many are remembered, the latest.
const MOST: usize = 64;

/// Numbers stand for base URLs: the texts are of no use, and can hold a user's name.
static SEEN: Lazy<(foldhash::fast::RandomState, Mutex<VecDeque<u64>>)> = Lazy::new(Default::default);

/// The server of `base_url` answered.
pub(super) fn note(base_url: &str) {
    let (hasher, seen) = &*SEEN;
    let number = hasher.hash_one(base_url);
    let mut seen = lock(seen);
    if !seen.contains(&number) {
        seen.truncate(MOST - 1);
        seen.push_front(number);
    }
}

/// Whether it has.
pub(super) fn has(base_url: &str) -> bool {
    let (hasher, seen) = &*SEEN;
    lock(seen).contains(&hasher.hash_one(base_url))
}
