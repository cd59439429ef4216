//! Periods such as `15m` or `1.5 hours` (docs/server-protocol.md 3), in the grammar of jose.

use crate::error::{Error, ErrorCode, Result};

/// The longest period, in seconds: 2^53 − 1, the largest integer that is exact in JavaScript.
const MAX_SECONDS: f64 = 9_007_199_254_740_991.0;

/// Parses a period into whole seconds, negative for the past.
///
/// Optional sign, one optional space, an integer or decimal, one optional space, a unit, then
/// optionally ` ago` or ` from now` (not together with a sign). Letter case does not matter. A year is 365.25 days, and
/// half a second rounds up.
///
/// # Errors
/// `ERR_INVALID_EXPIRATION` for anything else, and for more than 2^53 − 1 seconds.
pub fn parse(text: &str) -> Result<i64> {
    seconds(text).ok_or_else(|| {
        Error::new(
            ErrorCode::InvalidExpiration,
            "expirationTime is not a period: write a number and a unit, such as \"15m\", \"1h\" or \"7 days\", or pass a Date or Unix seconds",
        )
    })
}

fn seconds(text: &str) -> Option<i64> {
    let (signed, negative, rest) = match text.as_bytes().first() {
        Some(b'-') => (true, true, &text[1..]),
        Some(b'+') => (true, false, &text[1..]),
        _ => (false, false, text),
    };
    let (number, rest) = number(skip_space(rest))?;
    let rest = skip_space(rest);
    let letters = rest.bytes().take_while(u8::is_ascii_alphabetic).count();
    let (unit, direction) = rest.split_at(letters);
    let past = match direction.to_ascii_lowercase().as_str() {
        "" => negative,
        " ago" if !signed => true,
        " from now" if !signed => false,
        _ => return None,
    };
    let whole = (number * unit_seconds(unit)?).round();
    if whole > MAX_SECONDS {
        return None;
    }
    #[expect(clippy::cast_possible_truncation, reason = "a whole number of at most 2^53")]
    let whole = whole as i64;
    Some(if past { -whole } else { whole })
}

fn skip_space(text: &str) -> &str {
    text.strip_prefix(' ').unwrap_or(text)
}

/// Splits off a leading `12` or `12.5`. `None` for `.5` and `12.`.
fn number(text: &str) -> Option<(f64, &str)> {
    let digits = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
    let mut end = digits(text);
    if end == 0 {
        return None;
    }
    if text[end..].starts_with('.') {
        let decimals = digits(&text[end + 1..]);
        if decimals == 0 {
            return None;
        }
        end += 1 + decimals;
    }
    Some((text[..end].parse().ok()?, &text[end..]))
}

fn unit_seconds(unit: &str) -> Option<f64> {
    Some(match unit.to_ascii_lowercase().as_str() {
        "s" | "sec" | "secs" | "second" | "seconds" => 1.0,
        "m" | "min" | "mins" | "minute" | "minutes" => 60.0,
        "h" | "hr" | "hrs" | "hour" | "hours" => 3_600.0,
        "d" | "day" | "days" => 86_400.0,
        "w" | "week" | "weeks" => 604_800.0,
        "y" | "yr" | "yrs" | "year" | "years" => 31_557_600.0,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn periods_are_read_as_jose_reads_them() {
        for (text, expected) in [
            ("15m", 900),
            ("1h", 3_600),
            ("1.5 hours", 5_400),
            ("+ 2 days", 172_800),
            (" 2d", 172_800),
            ("-5m", -300),
            ("5m ago", -300),
            ("5 MINS FROM NOW", 300),
            ("1y", 31_557_600),
            ("0.5s", 1),
            ("0.4s", 0),
            ("-0s", 0),
            ("007 s", 7),
            ("9007199254740991s", 9_007_199_254_740_991),
        ] {
            assert_eq!(parse(text).expect(text), expected, "{text}");
        }
    }

    #[test]
    fn anything_else_is_refused_with_what_to_write() {
        for text in [
            "",
            "soon",
            "15",
            "m",
            ".5h",
            "1.h",
            "1,5h",
            "1e3s",
            "5  m",
            "5m  ago",
            "5mago",
            "-5m ago",
            "+5m from now",
            "5m\n",
            "5m ",
            "5 µs",
            "٣m",
            "5ſ",
            "1 month",
            "--5m",
            "5m from  now",
            "99999999999999999999y",
        ] {
            let error = parse(text).expect_err(text);
            assert_eq!(error.code(), ErrorCode::InvalidExpiration);
            assert!(error.message().contains("\"15m\""));
        }
        assert!(parse(&"9".repeat(400)).is_err());
        assert!(parse(&format!("{}s", "9".repeat(400))).is_err());
    }

    proptest::proptest! {
        #[test]
        fn no_text_panics(text in ".*") {
            let _ = parse(&text);
        }
    }
}
