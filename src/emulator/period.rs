//! Spans of time as users write them: `15m`, `2 hours ago`, `1h30m`.

/// Reads a token's `expirationTime` string (protocol.md 3): an optional sign, a number, a unit,
/// optionally `ago` or `from now`. The result is in seconds, negative for the past.
pub(super) fn expiry_seconds(text: &str) -> Option<i64> {
    let text = text.trim_end_matches('\n').to_ascii_lowercase();
    let (sign, rest) = match text.as_bytes().first()? {
        b'-' => (Some(-1.0), one_space(&text[1..])),
        b'+' => (Some(1.0), one_space(&text[1..])),
        _ => (None, text.as_str()),
    };
    let (rest, direction) = if let Some(rest) = rest.strip_suffix(" from now") {
        (rest, Some(1.0))
    } else if let Some(rest) = rest.strip_suffix(" ago") {
        (rest, Some(-1.0))
    } else {
        (rest, None)
    };
    if sign.is_some() && direction.is_some() {
        return None;
    }
    let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
    let (number, unit) = (decimal(&rest[..digits])?, one_space(&rest[digits..]));
    let seconds = match unit {
        "s" | "sec" | "secs" | "second" | "seconds" => 1.0,
        "m" | "min" | "mins" | "minute" | "minutes" => 60.0,
        "h" | "hr" | "hrs" | "hour" | "hours" => 3_600.0,
        "d" | "day" | "days" => 86_400.0,
        "w" | "week" | "weeks" => 604_800.0,
        "y" | "yr" | "yrs" | "year" | "years" => 31_557_600.0,
        _ => return None,
    };
    let whole = (number * seconds).round() * sign.or(direction).unwrap_or(1.0);
    // Far beyond any expiry a server takes; the cast is exact below it.
    (whole.abs() < 1e15).then_some(whole as i64)
}

/// Reads a trigger's `delay` or `ttl`: one or more of `<n>w`, `<n>d`, `<n>h`/`<n>hr`, `<n>m`,
/// `<n>s` in a row, such as `1h30m`. The result is in milliseconds.
pub(super) fn span_ms(text: &str) -> Option<u64> {
    let mut rest = text;
    let mut total: u64 = 0;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let number: u64 = rest[..digits].parse().ok()?;
        let after = &rest[digits..];
        let letters = after.find(|c: char| c.is_ascii_digit()).unwrap_or(after.len());
        let unit = match &after[..letters] {
            "w" => 604_800_000,
            "d" => 86_400_000,
            "h" | "hr" => 3_600_000,
            "m" => 60_000,
            "s" => 1_000,
            _ => return None,
        };
        total = total.checked_add(number.checked_mul(unit)?)?;
        rest = &after[letters..];
    }
    (!text.is_empty()).then_some(total)
}

fn one_space(text: &str) -> &str {
    text.strip_prefix(' ').unwrap_or(text)
}

fn decimal(text: &str) -> Option<f64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    (digits(whole) && digits(fraction)).then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_expiry_is_read_with_its_direction() {
        for (text, seconds) in [
            ("15m", 900),
            ("1 hour", 3600),
            ("-5m", -300),
            ("5m ago", -300),
            ("2 DAYS from now", 172_800),
            ("1.5h", 5400),
            ("30d", 2_592_000),
        ] {
            assert_eq!(expiry_seconds(text), Some(seconds), "{text}");
        }
        for text in ["", "soon", "5", "m", "-5m ago", "5 m s", "1..5h", "1e3s", "9999999999999999y"] {
            assert_eq!(expiry_seconds(text), None, "{text}");
        }
    }

    #[test]
    fn a_delay_may_have_several_parts() {
        assert_eq!(span_ms("6s"), Some(6_000));
        assert_eq!(span_ms("1h30m"), Some(5_400_000));
        for text in ["", "soon", "x", "5", "1.5h", "-1s", "99999999999999999999s"] {
            assert_eq!(span_ms(text), None, "{text}");
        }
    }
}
