//! `JSON.stringify(JSON.parse(text))`. The official SDK passes the server's claims through both, and our tokens equal
//! its tokens byte for byte.

use std::fmt::Write as _;

use serde_json::{Map, Number, Value};

use crate::json::push_string;

/// The members of an object in JavaScript's order: array indices in ascending order, then the other names as they came.
pub(super) fn members(object: &Map<String, Value>) -> Vec<(&str, &Value)> {
    let mut members: Vec<_> = object.iter().map(|(name, value)| (name.as_str(), value)).collect();
    // The sort is stable, so that names that are not an index keep their order.
    members.sort_by_key(|(name, _)| array_index(name).map_or(u64::MAX, u64::from));
    members
}

/// Appends `value` as `JSON.stringify(JSON.parse(text))` has it.
pub(super) fn push_value(out: &mut String, value: &Value) {
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(true) => out.push_str("true"),
        Value::Bool(false) => out.push_str("false"),
        Value::Number(number) => push_number(out, number),
        Value::String(text) => push_string(out, text),
        Value::Array(items) => {
            out.push('[');
            for (at, item) in items.iter().enumerate() {
                if at > 0 {
                    out.push(',');
                }
                push_value(out, item);
            }
            out.push(']');
        }
        Value::Object(object) => {
            out.push('{');
            for (at, (name, item)) in members(object).into_iter().enumerate() {
                if at > 0 {
                    out.push(',');
                }
                push_string(out, name);
                out.push(':');
                push_value(out, item);
            }
            out.push('}');
        }
    }
}

/// Appends a finite number as JavaScript prints it.
pub(super) fn push_f64(out: &mut String, number: f64) {
    let size = number.abs();
    // Writing into a String cannot fail.
    let _ = if number.fract() == 0.0 && size < 9e15 {
        // JavaScript prints an integer below 2^53 without a fraction, and zero without a sign.
        #[expect(clippy::cast_possible_truncation, reason = "whole, and below 2^53")]
        let whole = number as i64;
        write!(out, "{whole}")
    } else if (1e-6..1e21).contains(&size) {
        write!(out, "{number}")
    } else {
        let text = format!("{number:e}");
        match text.split_once('e') {
            Some((digits, exponent)) if !exponent.starts_with('-') => write!(out, "{digits}e+{exponent}"),
            Some(_) | None => write!(out, "{text}"),
        }
    };
}

fn push_number(out: &mut String, number: &Number) {
    // JavaScript has doubles only, and rounds integers beyond 2^53 too.
    match number.as_f64() {
        Some(float) if float.is_finite() => push_f64(out, float),
        Some(_) | None => out.push_str("null"),
    }
}

/// `name` as an array index: in canonical form, at most 2^32 − 2.
fn array_index(name: &str) -> Option<u32> {
    let canonical = name == "0" || (!name.starts_with('0') && name.bytes().all(|byte| byte.is_ascii_digit()));
    name.parse().ok().filter(|&index: &u32| canonical && index != u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The expected texts are the output of `JSON.stringify(JSON.parse(text))` in Node.
    #[test]
    fn numbers_and_names_come_out_as_javascript_prints_them() {
        for (text, expected) in [
            (
                "[1.0, 1e3, -0, -0.0, 0.1, 1e21, 1e20, 123456789012345678901234]",
                "[1,1000,0,0,0.1,1e+21,100000000000000000000,1.2345678901234569e+23]",
            ),
            (
                "[9007199254740993, 18446744073709551615, 1e-7, 0.000001, 1.5e-10]",
                "[9007199254740992,18446744073709552000,1e-7,0.000001,1.5e-10]",
            ),
            (
                r#"{"b":1,"10":2,"2":3,"a":4,"01":5,"4294967295":6}"#,
                r#"{"2":3,"10":2,"b":1,"a":4,"01":5,"4294967295":6}"#,
            ),
            ("\"\\u2028\\u001f\\b\\/é😀\\u007f\"", "\"\u{2028}\\u001f\\b/é😀\u{7f}\""),
        ] {
            let mut out = String::new();
            push_value(&mut out, &serde_json::from_str(text).expect("valid JSON"));
            assert_eq!(out, expected);
        }
    }
}
