//! UTC timestamps, as rows and requests write them, in Unix milliseconds.

const DAY_MS: i64 = 86_400_000;

/// Writes `2026-11-22T08:16:42.432`: UTC without a `Z`, as rows have it (docs/server-protocol.md 4). A time after
/// the year 9999 becomes the last millisecond of that year, because the format has four digits for it.
pub(crate) fn format_timestamp(ms: u64) -> String {
    let ms = i64::try_from(ms).unwrap_or(i64::MAX).min(253_402_300_799_999);
    let (days, in_day) = (ms.div_euclid(DAY_MS), ms.rem_euclid(DAY_MS));
    let (year, month, day) = date_of(days);
    let (hour, minute, second, milli) = (in_day / 3_600_000, in_day / 60_000 % 60, in_day / 1000 % 60, in_day % 1000);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{milli:03}")
}

/// Reads a timestamp with or without a `Z`, otherwise as [`parse_timestamp`]. `None` for anything else, and for a time
/// before 1970.
pub(crate) fn parse_utc(text: &str) -> Option<u64> {
    u64::try_from(parse_timestamp(text.strip_suffix('Z').unwrap_or(text))?).ok()
}

/// Reads `YYYY-MM-DD[T ]HH:MM:SS[.fraction]` as UTC, in Unix milliseconds. Digits beyond milliseconds are cut off, as
/// JavaScript's `Date` does. `None` for anything else: the JavaScript side hands such a text to `Date`.
pub(crate) fn parse_timestamp(text: &str) -> Option<i64> {
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

/// The day number (0 is 1970-01-01) of a date of the proleptic Gregorian calendar. Years are counted from March, so
/// that the leap day is the last of its year.
fn days_since_epoch(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    365 * year + year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400) + of_year - 719_468
}

/// The Gregorian date of a day number (0 is 1970-01-01), the inverse of [`days_since_epoch`]: counted in 400-year eras
/// of 146,097 days, from March.
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
            assert_eq!(parse_timestamp(text), Some(ms), "{text}");
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
            assert_eq!(parse_timestamp(text), None, "{text}");
        }
    }

    #[test]
    fn timestamps_are_written_as_the_feed_writes_them() {
        assert_eq!(format_timestamp(0), "1970-01-01T00:00:00.000");
        // A snapshot's offset and its updatedAt, as recorded.
        assert_eq!(format_timestamp(1_795_335_402_432), "2026-11-22T08:16:42.432");
        assert_eq!(format_timestamp(1_709_208_000_000), "2024-02-29T12:00:00.000");
    }

    #[test]
    fn what_was_written_is_read_back() {
        for ms in [0, 951_782_400_000, 1_795_335_402_432, 4_102_444_799_999, 253_402_300_799_999] {
            assert_eq!(parse_utc(&format_timestamp(ms)), Some(ms));
        }
        assert_eq!(parse_utc("2026-11-22T08:16:42Z"), parse_utc("2026-11-22T08:16:42.000"));
        assert_eq!(parse_utc("2026-11-22T08:16:42.4Z"), Some(1_795_335_402_400));
    }

    #[test]
    fn what_is_no_date_is_refused() {
        for text in [
            "",
            "soon",
            "2026-11-22",
            "2026-02-30T00:00:00",
            "2026-1-2T0:0:0",
            "2026-13-01T00:00:00",
            "2026-11-22T25:00:00Z",
            "2026-11-22T08:16:42.é",
        ] {
            assert_eq!(parse_utc(text), None, "{text}");
        }
    }
}
