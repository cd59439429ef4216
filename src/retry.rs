//! The waits between two attempts: pure arithmetic over the server's response.
//!
//! Time and randomness are arguments (`jitter` is in `[0, 1)`), so that every rule is testable without a
//! clock. Sources: docs/server-protocol.md 6, defects 6 and 19.

use std::time::Duration;

/// The schedule of one kind of call.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Policy {
    /// Attempts in all, the first included. Default 5.
    pub max_attempts: u32,
    /// The wait before the second attempt, before jitter. Default 1 s.
    pub min_delay: Duration,
    /// The longest wait, also where the server asks for a longer one. Default 30 s.
    pub max_delay: Duration,
    /// The factor from each wait to the next. Default 1.6.
    pub factor: f64,
    /// Whether a wait is drawn from `[0, delay)` (full jitter). Default false.
    pub full_jitter: bool,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            max_attempts: 5,
            min_delay: Duration::from_secs(1),
            max_delay: Duration::from_secs(30),
            factor: 1.6,
            full_jitter: false,
        }
    }
}

impl Policy {
    /// The wait after the failed attempt `attempt` (from 1), or `None` when it was the last.
    #[must_use]
    pub fn delay(&self, attempt: u32, jitter: f64) -> Option<Duration> {
        (attempt < self.max_attempts).then(|| self.backoff(attempt, jitter))
    }

    /// The wait after the failed attempt `attempt` (from 1), however many there were.
    #[must_use]
    pub fn backoff(&self, attempt: u32, jitter: f64) -> Duration {
        let exponent = i32::try_from(attempt.saturating_sub(1)).unwrap_or(i32::MAX);
        let whole = (self.min_delay.as_secs_f64() * self.factor.powi(exponent)).min(self.max_delay.as_secs_f64());
        Duration::from_secs_f64(if self.full_jitter { whole * jitter } else { whole })
    }
}

/// Whether a request that got this response may be sent again: the server's `x-should-retry` decides, else
/// 408, 409, 429 and every 5xx are retryable.
#[must_use]
pub fn is_retryable(status: u16, headers: &http::HeaderMap) -> bool {
    match headers.get("x-should-retry").map(http::HeaderValue::as_bytes) {
        Some(b"true") => true,
        Some(b"false") => false,
        _ => matches!(status, 408 | 409 | 429 | 500..),
    }
}

/// The wait that the server asks for: `Retry-After` (seconds or an HTTP date), else on a 429
/// `x-ratelimit-reset` (Unix milliseconds). `None` when neither can be read.
#[must_use]
pub fn server_delay(status: u16, headers: &http::HeaderMap, unix_ms: u64) -> Option<Duration> {
    let text = |name| headers.get(name).and_then(|value: &http::HeaderValue| value.to_str().ok()).map(str::trim);
    if let Some(after) = text("retry-after") {
        if let Ok(seconds) = after.parse::<f64>() {
            // A negative or infinite number of seconds is ignored; the caller caps a huge one.
            return (seconds.is_finite() && seconds >= 0.0).then(|| Duration::from_secs_f64(seconds.min(1e9)));
        }
        if let Ok(date) = httpdate::parse_http_date(after) {
            let at = date.duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
            return Some(at.saturating_sub(Duration::from_millis(unix_ms)));
        }
    }
    if status == 429 {
        let reset: u64 = text("x-ratelimit-reset")?.parse().ok()?;
        return Some(Duration::from_millis(reset.saturating_sub(unix_ms)));
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> http::HeaderMap {
        pairs.iter().map(|&(name, value)| (name.parse().expect("a name"), value.parse().expect("a value"))).collect()
    }

    #[test]
    fn waits_grow_and_are_capped() {
        let policy = Policy::default();
        assert_eq!(policy.delay(1, 0.5), Some(Duration::from_secs(1)));
        assert_eq!(policy.delay(2, 0.5), Some(Duration::from_millis(1600)));
        assert_eq!(policy.delay(5, 0.5), None);
        assert_eq!(policy.backoff(u32::MAX, 0.5), Duration::from_secs(30));
    }

    #[test]
    fn full_jitter_draws_from_zero_to_the_whole_wait() {
        let policy = Policy { full_jitter: true, ..Policy::default() };
        assert_eq!(policy.backoff(1, 0.0), Duration::ZERO);
        assert_eq!(policy.backoff(1, 0.5), Duration::from_millis(500));
    }

    #[test]
    fn the_servers_own_word_on_retrying_wins() {
        assert!(is_retryable(503, &headers(&[])));
        assert!(!is_retryable(404, &headers(&[])));
        assert!(is_retryable(404, &headers(&[("x-should-retry", "true")])));
        assert!(!is_retryable(503, &headers(&[("x-should-retry", "false")])));
    }

    #[test]
    fn retry_after_is_read_as_seconds_or_as_a_date() {
        assert_eq!(server_delay(503, &headers(&[("retry-after", "30")]), 0), Some(Duration::from_secs(30)));
        let date = headers(&[("retry-after", "Thu, 01 Jan 1970 00:01:00 GMT")]);
        assert_eq!(server_delay(503, &date, 15_000), Some(Duration::from_secs(45)));
        assert_eq!(server_delay(503, &headers(&[("retry-after", "-3")]), 0), None);
        assert_eq!(server_delay(503, &headers(&[("retry-after", "soon")]), 0), None);
    }

    #[test]
    fn the_rate_limit_reset_counts_on_a_429_only() {
        let reset = headers(&[("x-ratelimit-reset", "12000")]);
        assert_eq!(server_delay(429, &reset, 2_000), Some(Duration::from_secs(10)));
        assert_eq!(server_delay(429, &reset, 20_000), Some(Duration::ZERO));
        assert_eq!(server_delay(503, &reset, 2_000), None);
    }
}
