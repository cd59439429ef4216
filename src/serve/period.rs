//! Spans of time as a trigger's options have them: `6s`, `1h30m`.

/// Reads a trigger's `delay` or `ttl`: one or more of `<n>w`, `<n>d`, `<n>h`/`<n>hr`, `<n>m`,
/// `<n>s` in a row, such as `1h30m`. The result is in milliseconds.
pub(crate) fn span_ms(text: &str) -> Option<u64> {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_delay_may_have_several_parts() {
        assert_eq!(span_ms("6s"), Some(6_000));
        assert_eq!(span_ms("1h30m"), Some(5_400_000));
        for text in ["", "soon", "x", "5", "1.5h", "-1s", "99999999999999999999s"] {
            assert_eq!(span_ms(text), None, "{text}");
        }
    }
}
