//! The decision of a feed that has no permit: to wait, or to ask once without `live`.

use std::time::Duration;

/// How long a feed that is told may be silent before it is checked: servers lose notifications (docs/server-protocol.md 7).
const CHECK_TOLD: Duration = Duration::from_secs(30);
/// How often a feed that nothing tells is checked.
const CHECK_UNTOLD: Duration = Duration::from_secs(3);

/// How old the last answer may become, give or take 15 percent by a `share` in `[0, 1)`.
pub(super) fn check_after(is_told: bool, share: f64) -> Duration {
    let interval = if is_told { CHECK_TOLD } else { CHECK_UNTOLD };
    interval.mul_f64(0.85 + 0.3 * share)
}

/// What a feed without a permit knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Standing {
    /// The environment's feed is up to date, and tells of this feed's runs.
    pub(super) is_told: bool,
    /// The last answer was asked for since that is so: no change can have been missed.
    pub(super) is_synced: bool,
    /// A change was told since the last answer was asked for.
    pub(super) is_changed: bool,
    /// The last answer is as old as it may become.
    pub(super) is_due: bool,
}

/// What follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Ask now: something changed.
    Ask,
    /// Ask at the pace of checks: something may have changed.
    Check,
    /// Wait for a change, a permit, or the time of the next check.
    Wait,
}

/// The verdict. No change is lost: whatever was told since the last answer was asked for is asked for, and so is what may
/// have happened while nobody told.
pub(super) fn verdict(standing: Standing) -> Verdict {
    match standing {
        Standing { is_changed: true, .. } => Verdict::Ask,
        Standing { is_told: true, is_synced: false, .. } | Standing { is_due: true, .. } => Verdict::Check,
        Standing { .. } => Verdict::Wait,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_feed_is_checked_after_thirty_seconds_of_silence_and_every_three_where_nothing_tells_it() {
        let seconds = |is_told, share| check_after(is_told, share).as_secs_f64();
        for (is_told, least, most) in [(true, 25.5, 34.5), (false, 2.55, 3.45)] {
            let found = (seconds(is_told, 0.0), seconds(is_told, 1.0));
            assert!((found.0 - least).abs() < 1e-6 && (found.1 - most).abs() < 1e-6, "{is_told}: {found:?}");
        }
    }

    /// Every standing there is.
    fn all() -> impl Iterator<Item = Standing> {
        (0..16_u8).map(|bits| Standing {
            is_told: bits & 1 != 0,
            is_synced: bits & 2 != 0,
            is_changed: bits & 4 != 0,
            is_due: bits & 8 != 0,
        })
    }

    #[test]
    fn a_feed_waits_only_while_nothing_changed_nothing_is_due_and_nothing_can_have_been_missed() {
        for standing in all() {
            let Standing { is_told, is_synced, is_changed, is_due } = standing;
            let expected = if is_changed {
                Verdict::Ask
            } else if is_due || (is_told && !is_synced) {
                Verdict::Check
            } else {
                Verdict::Wait
            };
            assert_eq!(verdict(standing), expected, "{standing:?}");
        }
    }
}
