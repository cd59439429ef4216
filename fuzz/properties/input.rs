//! The bytes of one execution, cut into what a target needs. Parts are separated by a NUL, so that a mutation of one part
//! leaves the others as they were, and corpora and dictionaries stay readable.

use serde_json::Value;

/// The separator of parts.
const BETWEEN: u8 = 0;

/// The rest of an input.
#[derive(Clone, Debug)]
pub(super) struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// The next byte; 0 at the end.
    pub(super) fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        *first
    }

    /// The next part; `None` at the end.
    pub(super) fn part(&mut self) -> Option<&'a [u8]> {
        if self.0.is_empty() {
            return None;
        }
        let end = self.0.iter().position(|&byte| byte == BETWEEN).unwrap_or(self.0.len());
        let part = &self.0[..end];
        self.0 = self.0.get(end + 1..).unwrap_or_default();
        Some(part)
    }

    /// The next part as text, empty at the end.
    pub(super) fn text(&mut self) -> String {
        String::from_utf8_lossy(self.part().unwrap_or_default()).into_owned()
    }

    /// Everything that is left.
    pub(super) fn rest(self) -> &'a [u8] {
        self.0
    }
}

/// `bytes` cut into pieces whose sizes follow from `seed`: single bytes for 0, else up to 16 bytes.
pub(super) fn cut(bytes: &[u8], seed: u8) -> Vec<&[u8]> {
    let mut pieces = Vec::new();
    let (mut rest, mut state) = (bytes, u32::from(seed));
    while !rest.is_empty() {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let size = if seed == 0 { 1 } else { usize::try_from(state >> 28).unwrap_or_default() + 1 };
        let (piece, after) = rest.split_at(size.min(rest.len()));
        pieces.push(piece);
        rest = after;
    }
    pieces
}

/// Whether an object names a member twice. Readers of JSON differ about such a text.
pub(super) fn has_repeated_names(body: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(body) else { return true };
    let Ok(value) = serde_json::from_str::<Value>(text) else { return true };
    names(&value) != text_names(text)
}

fn names(value: &Value) -> usize {
    match value {
        Value::Array(items) => items.iter().map(names).sum(),
        Value::Object(members) => members.len() + members.values().map(names).sum::<usize>(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => 0,
    }
}

/// How many colons stand outside of strings: one for each member that a text names.
fn text_names(text: &str) -> usize {
    let (mut count, mut is_string, mut is_escaped) = (0, false, false);
    for byte in text.bytes() {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' => is_escaped = true,
            b'"' => is_string = !is_string,
            b':' if !is_string => count += 1,
            _ => {}
        }
    }
    count
}
