//! Failures and idle responses since the last progress: how long to wait after each, and when to give up (I10 to I12).

use super::limits::Limits;
use super::retryable_error::RetryableError;
use super::step::{Now, Reason, Retry};
use super::streak::Streak;
use crate::error::ErrorCode;
use crate::{Error, Result};

/// A wait in ms, and its reason.
pub(super) type Pause = (u64, Retry);

/// Counts and times since the last progress, held against [`Limits`].
#[derive(Clone, Debug, Default)]
pub(super) struct RetryBudget {
    /// All failures, and the monotonic ms of the first.
    attempts: u32,
    since: Option<u64>,
    /// Responses in a row that are not of the protocol.
    malformed: Streak,
    /// Responses in a row that say "not found yet".
    not_found: Streak,
    /// One of the failures was a refusal (429).
    refused: bool,
    /// The monotonic ms at which the wait after the last failure ends.
    asks_at: Option<u64>,
    /// Must-refetches with nothing published between them.
    refetches: u32,
    /// Quick responses that brought nothing, without those that named changes of skipped columns (`churn`).
    idle: u32,
    /// All quick responses that brought nothing.
    unproductive: u32,
}

impl RetryBudget {
    /// Starts over, because a change was published or the server held a live request (I12).
    pub(super) fn progress(&mut self) {
        *self = Self::default();
    }

    /// Starts over, because a snapshot grew (I12). A snapshot after a must-refetch does not count: a feed that is
    /// dropped and rebuilt for ever grows each time, and never gets anywhere.
    pub(super) fn growth(&mut self) {
        if self.refetches == 0 {
            *self = Self::default();
        }
    }

    /// Counts the response to a refresh (I20). News start the budget over, except for the number of attempts: a refresh
    /// does not show that the server takes live requests again, so the next wait after a refusal is no shorter. A check
    /// starts it over likewise, whatever it brings: how often a feed is asked for is its driver's to decide. It shows that
    /// failures are over, and nothing of a server that answers long-polls at once (I11).
    pub(super) fn refreshed(
        &mut self,
        news: bool,
        churn: bool,
        now: Now,
        (is_check, limits): (bool, &Limits),
    ) -> Result<()> {
        let Self { attempts, refused, idle, unproductive, .. } = *self;
        if news || is_check {
            self.progress();
            if refused || !is_check {
                (self.attempts, self.refused) = (attempts, refused);
            }
            if !news {
                (self.idle, self.unproductive) = (idle, unproductive);
            }
        }
        // Without a failure before, an empty refresh is one more quick response that brought nothing (I11).
        if !news && !is_check && attempts == 0 { self.idle(churn, now, limits).map(drop) } else { Ok(()) }
    }

    /// Counts a failure of a request that the server may have held until it broke (`was_held`). Returns the wait
    /// before the next request, or the error that ends the feed (I10).
    pub(super) fn failure(
        &mut self,
        failure: RetryableError,
        was_held: bool,
        now: Now,
        limits: &Limits,
    ) -> Result<Pause> {
        let RetryableError { reason, status, retry_after_ms, error } = failure;
        // The server held the request as it should, or it took its time, or answered others well since the last failure:
        // something on the way broke.
        let was_slow = self.asks_at.is_some_and(|at| now.monotonic_ms.saturating_sub(at) >= limits.slow_ms);
        if was_held || was_slow {
            self.malformed = Streak::default();
        }
        self.attempts = self.attempts.saturating_add(1);
        self.refused |= reason == Reason::RateLimited;
        let since = *self.since.get_or_insert(now.monotonic_ms);
        let mut policy = limits.failures;
        // An outage that came before has no part in the wait of a streak: the server can be reached again, and with the
        // waits of the outage two broken answers would take the whole time of a streak.
        let mut nth = self.attempts;
        let (streak, for_ms) = match reason {
            Reason::Protocol | Reason::Cut => {
                self.not_found = Streak::default();
                let (count, since) = self.malformed.count(now);
                nth = count;
                (Some((count >= limits.protocol_failures, since)), limits.protocol_for_ms)
            }
            Reason::NotFoundYet => {
                self.malformed = Streak::default();
                policy = limits.not_found;
                let (count, since) = self.not_found.count(now);
                nth = count;
                (Some((count >= policy.max_attempts, since)), limits.not_found_for_ms)
            }
            Reason::RateLimited
            | Reason::Server
            | Reason::Unreachable
            | Reason::Silent
            | Reason::Refetch
            | Reason::NoProgress => {
                self.malformed = Streak::default();
                self.not_found = Streak::default();
                (None, u64::MAX)
            }
        };
        let backoff = millis(policy.backoff(nth, now.jitter));
        // The server's wait is the minimum. The back-off on top spreads the clients that got the same one.
        let wait = retry_after_ms.unwrap_or(0).saturating_add(backoff).clamp(limits.min_wait_ms, limits.max_wait_ms);
        let next = now.monotonic_ms.saturating_add(wait);
        self.asks_at = Some(next);
        let exhausted = match streak {
            Some((is_last, since)) => is_last || next.saturating_sub(since) > for_ms,
            None => false,
        };
        if exhausted || next.saturating_sub(since) > limits.retry_for_ms {
            return Err(error);
        }
        Ok((wait, Retry { attempt: self.attempts, status, reason }))
    }

    /// Counts a must-refetch. The first is followed at once, the later ones after a wait (I11; defect 7).
    pub(super) fn refetch(&mut self, now: Now, limits: &Limits) -> Result<Option<Pause>> {
        self.refetches = self.refetches.saturating_add(1);
        if self.refetches >= limits.refetches {
            return Err(no_progress(format!(
                "the server said \"must-refetch\" {} times without anything new between them",
                self.refetches
            )));
        }
        let nth = self.refetches - 1;
        Ok((nth > 0).then(|| idle_wait(nth, Some(409), Reason::Refetch, now, limits)))
    }

    /// Counts a quick response that brought nothing (I11; defect 7). A response that moved on and named changes, all of
    /// skipped columns (`churn`), slows the feed to a request a second at most, and never ends it.
    pub(super) fn idle(&mut self, churn: bool, now: Now, limits: &Limits) -> Result<Option<Pause>> {
        self.unproductive = self.unproductive.saturating_add(1);
        if !churn {
            self.idle = self.idle.saturating_add(1);
        }
        if self.idle >= limits.idle_responses {
            return Err(no_progress(format!("{} answers in a row came at once and brought nothing new", self.idle)));
        }
        if self.unproductive <= limits.idle_free {
            return Ok(None);
        }
        let (wait, retry) = idle_wait(self.unproductive - limits.idle_free, Some(200), Reason::NoProgress, now, limits);
        let wait = if churn { wait.min(limits.churn_wait_ms).max(limits.min_wait_ms) } else { wait };
        Ok(Some((wait, retry)))
    }
}

fn idle_wait(nth: u32, status: Option<u16>, reason: Reason, now: Now, limits: &Limits) -> Pause {
    let wait = millis(limits.idle.backoff(nth, now.jitter)).clamp(limits.min_wait_ms, limits.max_wait_ms);
    (wait, Retry { attempt: nth, status, reason })
}

fn no_progress(what: String) -> Error {
    Error::new(ErrorCode::NoProgress, format!("{what}: a cache or a proxy may be answering in its place"))
}

fn millis(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
