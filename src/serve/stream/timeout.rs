//! The `Timeout-Seconds` of a stream: how long it may be silent before it ends.

use std::time::Duration;

/// The timeout of a reader that sends none.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(60);
/// The longest timeout, in seconds.
const MAX_TIMEOUT_S: i64 = 600;

/// Parses `Timeout-Seconds` as the server does: a text that begins with no number, and 0, is the default (recorded:
/// `sse-v1`).
pub(crate) fn parse_timeout(text: Option<&str>) -> Result<Duration, &'static str> {
    let text = text.unwrap_or_default().trim();
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    let length = digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
    let seconds: i64 = digits[..length].parse().unwrap_or(if length > 0 { i64::MAX } else { 0 });
    if text.starts_with('-') && seconds > 0 {
        return Err("Timeout seconds must be greater than 0");
    }
    match u64::try_from(seconds) {
        Ok(0) | Err(_) => Ok(DEFAULT_TIMEOUT),
        Ok(_) if seconds > MAX_TIMEOUT_S => Err("Timeout seconds must be less than 600"),
        Ok(seconds) => Ok(Duration::from_secs(seconds)),
    }
}

#[cfg(test)]
mod tests {
    use super::parse_timeout;

    #[test]
    fn a_silence_is_read_as_the_server_reads_it() {
        let seconds = |text| parse_timeout(text).map(|wait| wait.as_secs());
        for (text, expected) in [
            (None, Ok(60)),
            (Some(""), Ok(60)),
            (Some("abc"), Ok(60)),
            (Some("0"), Ok(60)),
            (Some("1"), Ok(1)),
            (Some("600"), Ok(600)),
            (Some("12 s"), Ok(12)),
            (Some("-1"), Err("Timeout seconds must be greater than 0")),
            (Some("601"), Err("Timeout seconds must be less than 600")),
            (Some("99999999999999999999"), Err("Timeout seconds must be less than 600")),
        ] {
            assert_eq!(seconds(text), expected, "{text:?}");
        }
    }
}
