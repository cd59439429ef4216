//! The upstream quota: counts the open shared upstreams of each token that opened them (`limits.feedsPerToken`).

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex};

use crate::lock::lock;
use crate::relay::digest::Digest;

/// The open upstreams of each token.
#[derive(Debug)]
pub(crate) struct Quota {
    max: usize,
    counts: Mutex<HashMap<Digest, usize>>,
}

/// One upstream that counts for the token that opened it, until this is dropped.
#[derive(Debug)]
pub(crate) struct QuotaPermit {
    quota: Arc<Quota>,
    owner: Digest,
}

impl Quota {
    /// A quota of `max` upstreams for each token.
    pub(crate) fn new(max: usize) -> Arc<Self> {
        Arc::new(Self { max, counts: Mutex::default() })
    }

    /// Counts one more upstream of `owner`; `None` where `owner` has `max` already.
    pub(crate) fn take(self: &Arc<Self>, owner: Digest) -> Option<QuotaPermit> {
        let mut counts = lock(&self.counts);
        let count = counts.entry(owner).or_default();
        if *count >= self.max {
            return None;
        }
        *count += 1;
        Some(QuotaPermit { quota: self.clone(), owner })
    }
}

impl Drop for QuotaPermit {
    fn drop(&mut self) {
        decrement(&mut lock(&self.quota.counts), &self.owner);
    }
}

/// Lowers a token's count by one. A count of 0 leaves the map, so that a token that is gone takes no memory.
pub(super) fn decrement<K: Hash + Eq>(counts: &mut HashMap<K, usize>, key: &K) {
    if let Some(count) = counts.get_mut(key) {
        *count = count.saturating_sub(1);
        if *count == 0 {
            counts.remove(key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quota_is_of_one_token_and_given_back() {
        let quota = Quota::new(1);
        let first = quota.take([1; 32]).expect("room");
        assert!(quota.take([1; 32]).is_none() && quota.take([2; 32]).is_some());
        drop(first);
        assert!(quota.take([1; 32]).is_some());
    }
}
