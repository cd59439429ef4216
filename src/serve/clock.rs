//! Time as whoever answers sees it, and the two ways the wire writes it.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::Instant;

use super::manual_clock::ManualClock;

const DAY_MS: i64 = 86_400_000;

/// Where the time comes from, and what sleeps by it.
#[derive(Clone)]
pub(crate) struct Clock(Arc<Source>);

enum Source {
    /// Goes by itself: the time in Unix milliseconds, and when counting began.
    Real(Box<dyn Fn() -> u64 + Send + Sync>, Instant),
    /// Moved by hand.
    Manual(Arc<ManualClock>),
}

impl Clock {
    /// The machine's clock.
    pub(crate) fn system() -> Self {
        Self::from_fn(|| {
            let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
            u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
        })
    }

    /// A clock that says what `now` says, in Unix milliseconds, and sleeps in real time.
    pub(crate) fn from_fn(now: impl Fn() -> u64 + Send + Sync + 'static) -> Self {
        Self(Arc::new(Source::Real(Box::new(now), Instant::now())))
    }

    /// A clock that stands at `start_ms`, in Unix milliseconds, until it is moved.
    pub(crate) fn manual(start_ms: u64) -> Self {
        Self(Arc::new(Source::Manual(Arc::new(ManualClock::new(Duration::from_millis(start_ms))))))
    }

    /// What moves the clock; `None` for one that goes by itself.
    pub(crate) fn as_manual(&self) -> Option<&Arc<ManualClock>> {
        match &*self.0 {
            Source::Real(..) => None,
            Source::Manual(clock) => Some(clock),
        }
    }

    /// Now, in milliseconds since the Unix epoch.
    pub(crate) fn now_ms(&self) -> u64 {
        match &*self.0 {
            Source::Real(now, _) => now(),
            Source::Manual(clock) => u64::try_from(clock.now().as_millis()).unwrap_or(u64::MAX),
        }
    }

    /// Now on a scale of its own that never goes back, for [`Self::sleep_until`].
    pub(crate) fn moment(&self) -> Duration {
        match &*self.0 {
            Source::Real(_, begin) => begin.elapsed(),
            Source::Manual(clock) => clock.now(),
        }
    }

    /// Sleeps until [`Self::moment`] is `due`.
    pub(crate) async fn sleep_until(&self, due: Duration) {
        match &*self.0 {
            Source::Real(_, begin) => match begin.checked_add(due) {
                Some(due) => tokio::time::sleep_until(due).await,
                None => std::future::pending().await,
            },
            Source::Manual(clock) => clock.sleep_until(due).await,
        }
    }

    /// Sleeps for so long.
    pub(crate) async fn sleep(&self, span: Duration) {
        self.sleep_until(self.moment().saturating_add(span)).await;
    }

    /// What `future` gives, unless so long passes first.
    pub(crate) async fn timeout<F: Future>(&self, span: Duration, future: F) -> Option<F::Output> {
        tokio::select! {
            // What is there in time counts, however late it is looked at.
            biased;
            output = future => Some(output),
            () = self.sleep(span) => None,
        }
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Clock")
    }
}

/// `2026-11-22T08:16:42.432`: UTC without a `Z`, as the feed writes timestamps
/// (docs/server-protocol.md 4).
pub(crate) fn to_wire(ms: u64) -> String {
    // Year 9999: beyond it the text would need a fifth digit of the year.
    let ms = i64::try_from(ms).unwrap_or(i64::MAX).min(253_402_300_799_999);
    let (days, in_day) = (ms.div_euclid(DAY_MS), ms.rem_euclid(DAY_MS));
    let (year, month, day) = date_of(days);
    let (hour, minute, second, milli) = (in_day / 3_600_000, in_day / 60_000 % 60, in_day / 1000 % 60, in_day % 1000);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{milli:03}")
}

/// Reads `2026-11-22T08:16:42[.432][Z]`, always as UTC. `None` for anything else.
pub(crate) fn from_wire(text: &str) -> Option<u64> {
    let text = text.strip_suffix('Z').unwrap_or(text);
    let (date, time) = text.split_once(['T', ' '])?;
    let mut date = date.splitn(3, '-').map(number);
    let (year, month, day) = (date.next()??, date.next()??, date.next()??);
    let (time, fraction) = time.split_once('.').unwrap_or((time, "0"));
    let mut time = time.splitn(3, ':').map(number);
    let (hour, minute, second) = (time.next()??, time.next()??, time.next()??);
    number(fraction)?;
    let milli = number(&format!("{fraction:0<3}")[..3])?;
    let fits = (1970..=9999).contains(&year)
        && (1..=12).contains(&month)
        && (1..=31).contains(&day)
        && hour < 24
        && minute < 60
        && second < 60;
    let days = fits.then(|| days_to(year, month, day))?;
    // A day the month does not have would come back as another date.
    (date_of(days) == (year, month, day)).then_some(())?;
    u64::try_from(days * DAY_MS + ((hour * 60 + minute) * 60 + second) * 1000 + milli).ok()
}

fn number(text: &str) -> Option<i64> {
    (!text.is_empty() && text.len() <= 9 && text.bytes().all(|byte| byte.is_ascii_digit()))
        .then(|| text.parse().ok())
        .flatten()
}

/// The Gregorian date of a day number (0 is 1970-01-01), counted in 400-year eras from March.
fn date_of(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let of_era = shifted.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

/// The day number of a Gregorian date; the inverse of [`date_of`].
fn days_to(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, year_of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let month_from_march = (month + 9) % 12;
    let of_year = (153 * month_from_march + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timestamps_are_written_as_the_feed_writes_them() {
        assert_eq!(to_wire(0), "1970-01-01T00:00:00.000");
        // A snapshot's offset and its updatedAt, as recorded.
        assert_eq!(to_wire(1_795_335_402_432), "2026-11-22T08:16:42.432");
        assert_eq!(to_wire(1_709_208_000_000), "2024-02-29T12:00:00.000");
    }

    #[test]
    fn what_was_written_is_read_back() {
        for ms in [0, 951_782_400_000, 1_795_335_402_432, 4_102_444_799_999, 253_402_300_799_999] {
            assert_eq!(from_wire(&to_wire(ms)), Some(ms));
        }
        assert_eq!(from_wire("2026-11-22T08:16:42Z"), from_wire("2026-11-22T08:16:42.000"));
        assert_eq!(from_wire("2026-11-22T08:16:42.4Z"), Some(1_795_335_402_400));
    }

    #[test]
    fn what_is_no_date_is_refused() {
        for text in [
            "",
            "soon",
            "2026-11-22",
            "2026-02-30T00:00:00",
            "2026-13-01T00:00:00",
            "2026-11-22T25:00:00Z",
            "2026-11-22T08:16:42.é",
        ] {
            assert_eq!(from_wire(text), None, "{text}");
        }
    }
}
