//! Durations in the form of a trigger's options: `6s`, `1h30m`.

/// The milliseconds of a second, a minute, an hour, a day and a week.
const UNITS: [u64; 5] = [1_000, 60_000, 3_600_000, 86_400_000, 604_800_000];

/// Parses a trigger's `delay` or `ttl`, or a feed's `createdAt`, into milliseconds: one or more of `<n>w`, `<n>d`,
/// `<n>h`/`<n>hr`, `<n>m`, `<n>s` in a row, such as `1h30m`. If a unit comes twice, the first counts
/// (docs/server-protocol.md 7).
pub(crate) fn parse_ms(text: &str) -> Option<u64> {
    let mut rest = text;
    let mut parts = [None; UNITS.len()];
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let number: u64 = rest[..digits].parse().ok()?;
        let after = &rest[digits..];
        let letters = after.find(|c: char| c.is_ascii_digit()).unwrap_or(after.len());
        let unit = match &after[..letters] {
            "s" => 0,
            "m" => 1,
            "h" | "hr" => 2,
            "d" => 3,
            "w" => 4,
            _ => return None,
        };
        parts[unit].get_or_insert(number.checked_mul(UNITS[unit])?);
        rest = &after[letters..];
    }
    let total = parts.into_iter().flatten().try_fold(0, u64::checked_add)?;
    (!text.is_empty()).then_some(total)
}

/// Formats a duration in the largest unit that divides it, hours at most.
pub(crate) fn format_ms(ms: u64) -> String {
    match ms {
        ms if ms.is_multiple_of(UNITS[2]) => format!("{}h", ms / UNITS[2]),
        ms if ms.is_multiple_of(UNITS[1]) => format!("{}m", ms / UNITS[1]),
        ms => format!("{}s", ms / UNITS[0]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_delay_may_have_several_parts() {
        assert_eq!(parse_ms("6s"), Some(6_000));
        assert_eq!(parse_ms("1h30m"), Some(5_400_000));
        for text in ["", "soon", "x", "5", "1.5h", "-1s", "99999999999999999999s"] {
            assert_eq!(parse_ms(text), None, "{text}");
        }
    }

    #[test]
    fn of_a_unit_that_comes_twice_the_first_counts() {
        assert_eq!(parse_ms("1m1m"), Some(60_000));
        assert_eq!(parse_ms("2h5s1hr"), Some(7_205_000));
    }

    #[test]
    fn a_span_is_written_so_that_it_is_read_the_same() {
        for ms in [0, 1_000, 61_000, 60_000, 5_400_000, 86_400_000, 604_800_000] {
            assert_eq!(parse_ms(&format_ms(ms)), Some(ms));
        }
    }
}
