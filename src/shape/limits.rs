//! How much a feed puts up with before it ends with a typed error.

use std::time::Duration;

use super::book::Keep;
use super::repeat::LongTexts;
use crate::retry::Policy;

/// How much a feed puts up with. Every count and time starts over on progress: a change that is
/// published, or a live request the server held.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limits {
    /// Give up when nothing but retryable failures came for so long, in ms. Default 300,000.
    pub retry_for_ms: u64,
    /// Answers in a row that are not the protocol. Default 30 (defect 1).
    pub protocol_failures: u32,
    /// For how long they may last, from the first such request, in ms. Default 15,000: defect 1
    /// promises 20 s, and the last request takes time too.
    pub protocol_for_ms: u64,
    /// Attempts and waits at a feed that is "not found yet" (404 with `x-should-retry: true`).
    /// Default 5 attempts, 1 s × 1.6 between them, as for calls.
    pub not_found: Policy,
    /// For how long, in ms. Default 10,000.
    pub not_found_for_ms: u64,
    /// 409s in a row with no progress between them. Default 8 (defect 7).
    pub refetches: u32,
    /// Quick answers in a row that bring nothing. Default 12 (defect 7).
    pub idle_answers: u32,
    /// How many of those are simply asked again at once. Default 2.
    pub idle_free: u32,
    /// The longest wait after an answer that moved on and named changes, but changed nothing a
    /// reader sees, in ms. Default 1,000: with `skipColumns` that is what a busy run looks like.
    pub churn_wait_ms: u64,
    /// A live answer held for so long is no quick one, whatever it brings, in ms. Default 1,000.
    pub held_ms: u64,
    /// After so long without a request at the server, in ms, a feed that was live asks once without
    /// holding. Default 1,000: servers remember about 2 s of changes between two polls (docs/server-protocol.md 7).
    pub gap_ms: u64,
    /// An answer that took longer came late, in ms: nobody knows since when it waited to be read.
    /// Default 30,000, above the server's polls of at most 23 s.
    pub longest_hold_ms: u64,
    /// The waits after failures: full jitter. Default 500 ms × 1.6, at most 10 s: so late at most is
    /// what happened while a server was away, once it is back.
    pub failures: Policy,
    /// The waits after answers that bring nothing. Default 500 ms × 1.6, at most 5 s.
    pub idle: Policy,
    /// No wait is shorter, however the dice fall, in ms. Default 100.
    pub min_wait_ms: u64,
    /// No wait is longer, whatever the server asks, in ms. Default 30,000.
    pub max_wait_ms: u64,
    /// How much is kept of runs that are over (defect 10).
    pub keep: Keep,
    /// Which texts are recognised when they come again (I17).
    pub long_texts: LongTexts,
}

impl Default for Limits {
    fn default() -> Self {
        let failures = Policy {
            max_attempts: u32::MAX,
            min_delay: Duration::from_millis(500),
            max_delay: Duration::from_secs(10),
            factor: 1.6,
            full_jitter: true,
        };
        Self {
            retry_for_ms: 300_000,
            protocol_failures: 30,
            protocol_for_ms: 15_000,
            not_found: Policy::default(),
            not_found_for_ms: 10_000,
            refetches: 8,
            idle_answers: 12,
            idle_free: 2,
            churn_wait_ms: 1_000,
            held_ms: 1_000,
            gap_ms: 1_000,
            longest_hold_ms: 30_000,
            failures,
            idle: Policy { max_delay: Duration::from_secs(5), ..failures },
            min_wait_ms: 100,
            max_wait_ms: 30_000,
            keep: Keep::default(),
            long_texts: LongTexts::default(),
        }
    }
}
