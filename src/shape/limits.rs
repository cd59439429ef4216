//! The limits of one feed: when it gives up with a typed error, how long it waits, and what it keeps.

use std::time::Duration;

use super::intern::InternLimits;
use super::row_store::Retention;
use crate::retry::Policy;

/// The limits of one feed. Every count and time starts over on progress: a change that is published, or a live request
/// that the server held (I12).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limits {
    /// The feed ends after retryable failures alone for so long, in ms. Default 300,000.
    pub retry_for_ms: u64,
    /// The feed ends after so many responses in a row that are not of the protocol. Default 30 (defect 1).
    pub protocol_failures: u32,
    /// The feed ends after such responses for so long, counted from the first failure, in ms. Default 15,000: defect 1
    /// promises 20 s, and the last request takes time too.
    pub protocol_for_ms: u64,
    /// Attempts and waits for a run that is "not found yet" (404 with `x-should-retry: true`). Default 5 attempts, 1 s
    /// × 1.6 between them, as for calls.
    pub not_found: Policy,
    /// The feed ends after "not found yet" for so long, in ms. Default 10,000.
    pub not_found_for_ms: u64,
    /// The feed ends after so many must-refetches (409) without progress between them. Default 8 (defect 7).
    pub refetches: u32,
    /// The feed ends after so many quick responses in a row that bring nothing. Default 12 (defect 7).
    pub idle_responses: u32,
    /// After so many such responses, the next request still goes out at once. Default 2.
    pub idle_free: u32,
    /// The longest wait after a response that moved on and named changes, none of which a reader sees, in ms. Default
    /// 1,000: a busy run whose busy columns are skipped (`skipColumns`) looks like that.
    pub churn_wait_ms: u64,
    /// A failure so long after the wait for the last one, in ms, is none of a server that speaks no protocol: something on
    /// the way broke, or a slow server was restarted. Default 5,000.
    pub slow_ms: u64,
    /// A live response that took so long was held and counts as progress, whatever it brings, in ms. Default 1,000.
    pub min_hold_ms: u64,
    /// A feed that was live asks once without `live` when its last response is older than this, in ms. Default 1,000:
    /// servers remember about 2 s of changes between two polls (I20, docs/server-protocol.md 7).
    pub refresh_after_ms: u64,
    /// A response that took longer was read late, and its age is unknown, in ms. Default 30,000, above the server's
    /// polls of at most 23 s.
    pub max_hold_ms: u64,
    /// The waits after failures: full jitter. Default 500 ms × 1.6, at most 10 s, so that a server that comes back is
    /// asked within 10 s.
    pub failures: Policy,
    /// The waits after responses that bring nothing: full jitter. Default 500 ms × 1.6, at most 5 s.
    pub idle: Policy,
    /// The shortest wait, whatever the jitter, in ms. Default 100.
    pub min_wait_ms: u64,
    /// The longest wait, whatever the server asks for, in ms. Default 30,000.
    pub max_wait_ms: u64,
    /// The finished runs that stay in memory (I16; defect 10).
    pub retention: Retention,
    /// The rule for the long texts that are recognised when they come again (I17).
    pub intern: InternLimits,
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
            idle_responses: 12,
            idle_free: 2,
            churn_wait_ms: 1_000,
            slow_ms: 5_000,
            min_hold_ms: 1_000,
            refresh_after_ms: 1_000,
            max_hold_ms: 30_000,
            failures,
            idle: Policy { max_delay: Duration::from_secs(5), ..failures },
            min_wait_ms: 100,
            max_wait_ms: 30_000,
            retention: Retention::default(),
            intern: InternLimits::default(),
        }
    }
}
