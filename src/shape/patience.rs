//! How long the machine goes on in trouble: counts and times since the last progress.

use super::limits::Limits;
use super::step::{Now, Reason, Retry};
use super::trouble::Trouble;
use crate::error::ErrorCode;
use crate::{Error, Result};

/// A wait, and why.
pub(super) type Pause = (u64, Retry);

/// What went wrong since the last progress.
#[derive(Clone, Debug, Default)]
pub(super) struct Patience {
    /// Everything that went wrong, and when it began.
    attempts: u32,
    since: Option<u64>,
    /// Answers in a row that are no protocol, and answers in a row that say "not found yet".
    garbled: Run,
    missing: Run,
    /// Must-refetches with nothing published between them.
    refetches: u32,
    /// Answers that brought nothing: those that count towards the end, and all of them.
    idle: u32,
    quiet: u32,
}

#[derive(Clone, Debug, Default)]
struct Run {
    count: u32,
    since: Option<u64>,
}

impl Run {
    fn count(&mut self, since: u64) -> (u32, u64) {
        self.count = self.count.saturating_add(1);
        (self.count, *self.since.get_or_insert(since))
    }
}

impl Patience {
    /// Something was published, or the server held a live request: all is forgiven (I12).
    pub(super) fn progress(&mut self) {
        *self = Self::default();
    }

    /// A snapshot grew: all is forgiven too, unless it is one that follows a must-refetch. A feed
    /// that is dropped and rebuilt for ever grows every time and still gets nowhere.
    pub(super) fn growth(&mut self) {
        if self.refetches == 0 {
            *self = Self::default();
        }
    }

    /// A look was answered (I20): that is no failure, and what it brought is news, but whether the server holds requests
    /// again is not known yet. So the next wait after a refusal is no shorter for it.
    pub(super) fn looked(&mut self, news: bool, churn: bool, now: Now, limits: &Limits) -> Result<()> {
        let attempts = self.attempts;
        if news {
            self.progress();
            self.attempts = attempts;
        }
        // Nothing went wrong, and nothing came: one more answer that came at once and brought nothing (I11).
        if !news && attempts == 0 { self.idle(churn, now, limits).map(drop) } else { Ok(()) }
    }

    /// A failure: how long to wait, or the error to end with (I9, I10).
    pub(super) fn trouble(&mut self, trouble: Trouble, asked_at: u64, now: Now, limits: &Limits) -> Result<Pause> {
        let Trouble { reason, status, server_ms, error } = trouble;
        self.attempts = self.attempts.saturating_add(1);
        let since = *self.since.get_or_insert(now.monotonic_ms);
        let mut policy = limits.failures;
        let (run, for_ms) = match reason {
            Reason::Protocol | Reason::Cut => {
                self.missing = Run::default();
                let (count, since) = self.garbled.count(asked_at);
                (Some((count >= limits.protocol_failures, since)), limits.protocol_for_ms)
            }
            Reason::NotFoundYet => {
                self.garbled = Run::default();
                policy = limits.not_found;
                let (count, since) = self.missing.count(asked_at);
                (Some((count >= policy.max_attempts, since)), limits.not_found_for_ms)
            }
            Reason::RateLimited
            | Reason::Server
            | Reason::Unreachable
            | Reason::Silent
            | Reason::Refetch
            | Reason::NoProgress => {
                self.garbled = Run::default();
                self.missing = Run::default();
                (None, u64::MAX)
            }
        };
        let backoff = millis(policy.backoff(self.attempts, now.jitter));
        // What the server asks for is a least wait; the back-off on top spreads those it told the same.
        let wait = server_ms.unwrap_or(0).saturating_add(backoff).clamp(limits.min_wait_ms, limits.max_wait_ms);
        let next = now.monotonic_ms.saturating_add(wait);
        let over = match run {
            Some((spent, since)) => spent || next.saturating_sub(since) > for_ms,
            None => false,
        };
        if over || next.saturating_sub(since) > limits.retry_for_ms {
            return Err(error);
        }
        Ok((wait, Retry { attempt: self.attempts, status, reason }))
    }

    /// A must-refetch: at once the first time, then after a wait (I11; defect 7).
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

    /// A quick answer that brought nothing (I11; defect 7). One that at least moved on and named
    /// changes (`churn`: of columns that are skipped) slows the machine down, but not for ever
    /// more, and never ends it.
    pub(super) fn idle(&mut self, churn: bool, now: Now, limits: &Limits) -> Result<Option<Pause>> {
        self.quiet = self.quiet.saturating_add(1);
        if !churn {
            self.idle = self.idle.saturating_add(1);
        }
        if self.idle >= limits.idle_answers {
            return Err(no_progress(format!("{} answers in a row came at once and brought nothing new", self.idle)));
        }
        if self.quiet <= limits.idle_free {
            return Ok(None);
        }
        let (wait, retry) = idle_wait(self.quiet - limits.idle_free, Some(200), Reason::NoProgress, now, limits);
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
