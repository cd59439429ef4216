//! The expiry of a token, checked before a token is signed or requested (docs/server-protocol.md 3).

use super::period;
use crate::error::{Error, ErrorCode, Result};

/// The default life of a token, in seconds (docs/server-protocol.md 3).
const DEFAULT_TTL: f64 = 900.0;

/// The latest expiry, in Unix seconds: the year 5138. A larger number is far more likely in milliseconds, and a period
/// that ends later a typing error.
const MAX_EXP: f64 = 1e11;

/// The time at which a token expires.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Expiry<'a> {
    /// 15 minutes from now.
    #[default]
    Default,
    /// At these Unix seconds. A fraction is kept, as in the official SDK.
    At(f64),
    /// After this period, see [`parse_period`](super::parse_period).
    Period(&'a str),
}

impl Expiry<'_> {
    /// The `exp` claim in Unix seconds, for a token minted at `now` (Unix seconds).
    ///
    /// # Errors
    /// `ERR_INVALID_EXPIRATION` for a time that is not finite, negative, not later than `now` or beyond the year 5138
    /// (a number in milliseconds, a period that is too long), and for a text that is not a period.
    pub fn resolve(self, now: i64) -> Result<f64> {
        #[expect(clippy::cast_precision_loss, reason = "a clock's seconds are far below 2^53")]
        let now_seconds = now as f64;
        let exp = match self {
            Self::Default => return Ok(now_seconds + DEFAULT_TTL),
            Self::At(at) if !at.is_finite() => return Err(refuse("is not a finite number or a valid Date")),
            Self::At(at) if at < 0.0 => return Err(refuse("is negative")),
            Self::At(at) if at > MAX_EXP => {
                return Err(refuse("looks like milliseconds: numbers are Unix seconds, divide by 1000"));
            }
            Self::At(at) => at,
            #[expect(clippy::cast_precision_loss, reason = "a period is at most 2^53 seconds")]
            Self::Period(text) => now_seconds + period::parse(text)? as f64,
        };
        if exp <= now_seconds {
            return Err(refuse("is not in the future"));
        }
        if exp > MAX_EXP {
            return Err(refuse("is beyond the year 5138"));
        }
        Ok(exp)
    }
}

fn refuse(why: &str) -> Error {
    Error::new(
        ErrorCode::InvalidExpiration,
        format!(
            "expirationTime {why}: pass a period such as \"1h\", a Date in the future, or Unix seconds in the future"
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_795_339_568;

    #[test]
    fn a_token_lives_15_minutes_unless_told_otherwise() {
        for (expiry, exp) in [
            (Expiry::Default, 1_795_340_468.0),
            (Expiry::Period("1h"), 1_795_343_168.0),
            (Expiry::At(1_795_339_569.0), 1_795_339_569.0),
            (Expiry::At(1_795_339_568.5), 1_795_339_568.5),
            (Expiry::At(1e11), 1e11),
            (Expiry::Period("98204660432s"), 1e11),
        ] {
            assert_eq!(expiry.resolve(NOW).expect("valid").to_bits(), f64::to_bits(exp), "{expiry:?}");
        }
    }

    #[test]
    fn an_expiry_that_cannot_be_meant_is_refused_with_what_is_accepted() {
        for (expiry, why) in [
            (Expiry::At(f64::NAN), "finite"),
            (Expiry::At(f64::INFINITY), "finite"),
            (Expiry::At(-1.0), "negative"),
            (Expiry::At(0.0), "not in the future"),
            (Expiry::At(1_795_339_568.0), "not in the future"),
            (Expiry::At(1_795_339_568_000.0), "Unix seconds, divide by 1000"),
            (Expiry::At(100_000_000_000.5), "Unix seconds, divide by 1000"),
            (Expiry::Period("99999999y"), "beyond the year 5138"),
            (Expiry::Period("98204660433s"), "beyond the year 5138"),
            (Expiry::Period("0s"), "not in the future"),
            (Expiry::Period("-5m"), "not in the future"),
            (Expiry::Period("5m ago"), "not in the future"),
            (Expiry::Period("soon"), "not a period"),
        ] {
            let error = expiry.resolve(NOW).expect_err(why);
            assert_eq!(error.code(), ErrorCode::InvalidExpiration);
            assert!(error.message().contains(why), "{error}");
            assert!(error.message().contains("Date"), "{error}");
        }
    }
}
