//! Postgres numbers as JSON numbers.

use std::fmt::Write as _;

/// Appends `text` as a JSON number. `false`, with nothing appended, for a text that is not a number, and for a number
/// that JavaScript cannot hold: one that is not finite, or an integer beyond 2^53.
pub(super) fn push_number(out: &mut String, text: &str) -> bool {
    let Ok(value) = text.parse::<f64>() else { return false };
    if !value.is_finite() || (is_integer(text) && value.abs() > MAX_SAFE) {
        return false;
    }
    if is_literal(text) {
        out.push_str(text);
    } else {
        let _ = write!(out, "{value}");
    }
    true
}

/// 2^53 - 1.
const MAX_SAFE: f64 = 9_007_199_254_740_991.0;

fn is_integer(text: &str) -> bool {
    text.strip_prefix(['-', '+']).unwrap_or(text).bytes().all(|byte| byte.is_ascii_digit())
}

/// Whether the text of a finite number is valid JSON as it stands.
fn is_literal(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text).as_bytes();
    let leading_zero = digits.first() == Some(&b'0') && digits.get(1).is_some_and(u8::is_ascii_digit);
    let bare_dot = digits.iter().enumerate().any(|(at, &byte)| {
        byte == b'.'
            && !(at > 0 && digits[at - 1].is_ascii_digit() && digits.get(at + 1).is_some_and(u8::is_ascii_digit))
    });
    digits.first().is_some_and(u8::is_ascii_digit) && !leading_zero && !bare_dot
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_back_as_they_were() {
        for (text, value) in
            [("0", 0.0_f64), ("-0.5", -0.5), ("1e3", 1000.0), ("007", 7.0), ("+5", 5.0), (".5", 0.5), ("5.", 5.0)]
        {
            let mut out = String::new();
            assert!(push_number(&mut out, text), "{text}");
            assert_eq!(serde_json::from_str::<f64>(&out).expect(text).to_bits(), value.to_bits());
        }
        for (text, written) in [("9007199254740991", true), ("9007199254740993", false), ("-9007199254740993", false)] {
            assert_eq!(push_number(&mut String::new(), text), written, "{text}");
        }
    }

    #[test]
    fn what_is_no_number_writes_nothing() {
        for text in ["", "x", "NaN", "Infinity", "1e999", "0x10", "1 2", "-", "1_000"] {
            let mut out = String::new();
            assert!(!push_number(&mut out, text), "{text}");
            assert_eq!(out, "");
        }
    }
}
