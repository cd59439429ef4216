//! JSON strings, written straight into a string.

use std::fmt::Write as _;

/// Appends `text` as a JSON string, escaped as `JSON.stringify` and `serde_json` escape: `"`, `\`, the five short
/// escapes, and `\u00xx` for the other control characters.
pub(crate) fn push_string(out: &mut String, text: &str) {
    out.push('"');
    let mut from = 0;
    for (at, byte) in text.bytes().enumerate() {
        let escape = match byte {
            b'"' => "\\\"",
            b'\\' => "\\\\",
            b'\n' => "\\n",
            b'\r' => "\\r",
            b'\t' => "\\t",
            0x08 => "\\b",
            0x0c => "\\f",
            0..=0x1f => "",
            _ => continue,
        };
        out.push_str(&text[from..at]);
        if escape.is_empty() {
            // Writing into a String cannot fail.
            let _ = write!(out, "\\u{byte:04x}");
        } else {
            out.push_str(escape);
        }
        from = at + 1;
    }
    out.push_str(&text[from..]);
    out.push('"');
}

/// `text` as a JSON string.
pub(crate) fn string(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    push_string(&mut out, text);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_read_back_as_they_were() {
        for text in
            ["", "plain", "q\"q", "back\\slash", "a\nb\r\tc", "\u{0}\u{1f}\u{7f}", "ünïcödé \u{2028} 🚀", "\"", "\\"]
        {
            let mut out = String::new();
            push_string(&mut out, text);
            assert_eq!(serde_json::from_str::<String>(&out).expect("JSON"), text);
        }
    }

    #[test]
    fn every_character_is_written_as_serde_json_writes_it() {
        for code in 0..=0x2100 {
            let Some(character) = char::from_u32(code) else { continue };
            let text = format!("a{character}b");
            assert_eq!(string(&text), serde_json::Value::from(&*text).to_string(), "{code:#x}");
        }
    }
}
