//! Timestamps of rows: UTC without a `Z` (docs/server-protocol.md 4).

/// The Unix milliseconds of `YYYY-MM-DD[T ]HH:MM:SS[.fraction]`; a finer fraction is cut, as
/// JavaScript's `Date` does. `None` for anything else, which JavaScript then reads its own way.
pub(super) fn unix_ms(text: &str) -> Option<i64> {
    let bytes = text.as_bytes();
    let digits = |from: usize, to: usize| -> Option<i64> {
        bytes
            .get(from..to)?
            .iter()
            .try_fold(0, |number, byte| byte.is_ascii_digit().then(|| number * 10 + i64::from(byte - b'0')))
    };
    let is = |at: usize, expected: &[u8]| bytes.get(at).is_some_and(|byte| expected.contains(byte));
    if !(is(4, b"-") && is(7, b"-") && is(10, b"T ") && is(13, b":") && is(16, b":")) {
        return None;
    }
    let (year, month, day) = (digits(0, 4)?, digits(5, 7)?, digits(8, 10)?);
    let (hour, minute, second) = (digits(11, 13)?, digits(14, 16)?, digits(17, 19)?);
    let in_month = days_in_month(year, month)?;
    if !(1..=in_month).contains(&day) || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let milli = match bytes.get(19..)? {
        [] => 0,
        [b'.', fraction @ ..] if !fraction.is_empty() && fraction.iter().all(u8::is_ascii_digit) => {
            let digit = |place: usize| fraction.get(place).map_or(0, |byte| i64::from(byte - b'0'));
            digit(0) * 100 + digit(1) * 10 + digit(2)
        }
        _ => return None,
    };
    let seconds = ((days_since_epoch(year, month, day) * 24 + hour) * 60 + minute) * 60 + second;
    Some(seconds * 1000 + milli)
}

fn days_in_month(year: i64, month: i64) -> Option<i64> {
    match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => Some(31),
        4 | 6 | 9 | 11 => Some(30),
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => Some(29),
        2 => Some(28),
        _ => None,
    }
}

/// Days from 1970-01-01 in the proleptic Gregorian calendar, counting years from March so that
/// the leap day is the last of its year.
fn days_since_epoch(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    365 * year + year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400) + of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_timestamps_are_read() {
        for (text, ms) in [
            ("1970-01-01T00:00:00", 0),
            ("1970-01-01 00:00:00.001", 1),
            ("2026-11-22T08:16:47.097", 1_795_335_407_097),
            ("2026-11-22 08:24:59.923456", 1_795_335_899_923),
            ("2024-02-29T23:59:59.9", 1_709_251_199_900),
            ("1969-12-31T23:59:59.999", -1),
            ("0000-03-01T00:00:00", -62_162_035_200_000),
        ] {
            assert_eq!(unix_ms(text), Some(ms), "{text}");
        }
    }

    #[test]
    fn anything_else_is_left_to_javascript() {
        for text in [
            "",
            "infinity",
            "2026-11-22",
            "2026-11-22T08:16:47Z",
            "2026-11-22T08:16:47+00",
            "2026-02-29T00:00:00",
            "2026-13-01T00:00:00",
            "2026-00-01T00:00:00",
            "2026-01-00T00:00:00",
            "2026-01-01T24:00:00",
            "2026-01-01T00:60:00",
            "2026-01-01T00:00:00.",
            "2026-01-01T00:00:00.1x",
            "2026-01-01t00:00:00",
            "2026-01-01T00:00:0ü",
            "12026-01-01T00:00:00",
        ] {
            assert_eq!(unix_ms(text), None, "{text}");
        }
    }
}
