//! Random ids and random spans.

use std::time::Duration;

use crate::error::{Error, Kind, Result};

/// How far a held poll strays from its set length, as a share of it (recorded: 17 to 23 s).
const STRAY: f64 = 0.15;

/// `c` and 24 lower-case letters and digits, as database ids look; a run's public id is
/// `run_` before it.
///
/// # Errors
/// `ERR_INTERNAL` when the system gives no randomness.
pub(super) fn database_id() -> Result<String> {
    let mut bytes = [0; 24];
    fill(&mut bytes)?;
    let digits = b"0123456789abcdefghijklmnopqrstuvwxyz";
    Ok(std::iter::once('c').chain(bytes.iter().map(|byte| char::from(digits[usize::from(*byte) % 36]))).collect())
}

/// `span` give or take 15 percent.
///
/// # Errors
/// `ERR_INTERNAL` when the system gives no randomness.
pub(super) fn strayed(span: Duration) -> Result<Duration> {
    let mut bytes = [0; 4];
    fill(&mut bytes)?;
    let share = f64::from(u32::from_le_bytes(bytes)) / f64::from(u32::MAX);
    Ok(span.mul_f64(1.0 - STRAY + 2.0 * STRAY * share))
}

/// Fills `bytes` with randomness.
///
/// # Errors
/// `ERR_INTERNAL` when the system gives no randomness.
pub(super) fn fill(bytes: &mut [u8]) -> Result<()> {
    getrandom::fill(bytes).map_err(|error| {
        Error::new(Kind::Internal, "ERR_INTERNAL", "the system gives no randomness").with_source(error)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_look_like_database_ids_and_differ() {
        let (one, two) = (database_id().expect("an id"), database_id().expect("an id"));
        assert_eq!(one.len(), 25);
        assert!(one.starts_with('c') && one.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit()));
        assert_ne!(one, two);
    }

    #[test]
    fn a_poll_is_held_within_fifteen_percent() {
        for _ in 0..200 {
            let held = strayed(Duration::from_secs(20)).expect("a span");
            assert!((Duration::from_secs(17)..=Duration::from_secs(23)).contains(&held), "{held:?}");
        }
    }
}
