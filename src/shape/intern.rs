//! Interning of long texts. A run with a payload of 300 KB sends that payload again with every update; a text that a
//! feed already has is recognised by its bytes in the body, before it is parsed, unescaped or copied (I17).
//!
//! One row must never get the text of another. Four steps see to that:
//!
//! 1. [`Interner::shorten`] copies the body without the known texts. In place of each stands a placeholder of one
//!    character, and [`Shortened`] holds its position together with the text.
//! 2. The short body is parsed, and [`Shortened::restore`] puts each text back. It goes by the address at which the
//!    parser read a placeholder, and never by what is written there. So no content, of a server or of a user, can pass
//!    for a placeholder.
//! 3. A placeholder that is not the value of a row's column is not found by step 2. Then the counts differ, the short
//!    body is dropped, and the body is parsed as it came.
//! 4. Rows change and texts are learned ([`Interner::note`], [`Interner::learn`]) only after that, so that nothing that
//!    is learned or dropped affects the present body.

use std::sync::Arc;

use memchr::memmem;

use super::message::{Message, Pairs};
use crate::table::{Row, Text};

/// The rule for the long texts that are recognised when they come again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InternLimits {
    /// The length from which a text is known, in bytes. Default 4 KiB: parsing a shorter one costs less than the
    /// search.
    pub min_bytes: usize,
    /// The number of texts that are searched for in each body; the latest ones are kept. Default 16.
    pub max_texts: usize,
    /// The size of those texts together, as JSON writes them, in bytes. Default 4 MiB.
    pub max_bytes: usize,
}

impl Default for InternLimits {
    fn default() -> Self {
        Self { min_bytes: 4 << 10, max_texts: 16, max_bytes: 4 << 20 }
    }
}

/// The long texts of a feed that came more than once.
#[derive(Clone, Debug)]
pub(super) struct Interner {
    limits: InternLimits,
    /// In order of learning, the latest last.
    known: Vec<Interned>,
    /// Column and text of those that came again in the present body without being known.
    candidates: Vec<(Box<str>, Arc<str>)>,
}

#[derive(Clone, Debug)]
struct Interned {
    /// `"column":"`, as it stands before the text.
    opening: Arc<str>,
    /// The text as JSON, with its closing quote.
    raw: Arc<[u8]>,
    text: Arc<str>,
}

/// A body with placeholders instead of known texts, and those texts.
#[derive(Debug)]
pub(super) struct Shortened {
    pub(super) body: Vec<u8>,
    /// The position in `body` of each placeholder, in ascending order, and the text that it stands for.
    taken: Vec<(usize, Arc<str>)>,
}

/// A placeholder: one character and the closing quote. Any text would do, because nothing compares it.
const PLACEHOLDER: &[u8] = b"-\"";

impl Interner {
    pub(super) fn new(limits: InternLimits) -> Self {
        Self { limits, known: Vec::new(), candidates: Vec::new() }
    }

    /// `body` with placeholders instead of known texts; `None` when it holds none.
    pub(super) fn shorten(&self, body: &[u8]) -> Option<Shortened> {
        if body.len() < self.limits.min_bytes || self.known.is_empty() {
            return None;
        }
        let mut matches: Vec<(usize, &Interned)> = Vec::new();
        for (index, first) in self.known.iter().enumerate() {
            if self.known[..index].iter().any(|before| before.opening == first.opening) {
                continue;
            }
            let alike = || self.known[index..].iter().filter(|interned| interned.opening == first.opening);
            let finder = memmem::Finder::new(first.opening.as_bytes());
            let mut from = 0;
            while let Some(at) = finder.find(&body[from..]) {
                from += at + first.opening.len();
                if let Some(interned) = alike().find(|interned| body[from..].starts_with(&interned.raw)) {
                    matches.push((from, interned));
                    from += interned.raw.len();
                }
            }
        }
        if matches.is_empty() {
            return None;
        }
        // Matches never overlap, because each is a whole string of the JSON (`can_open`).
        matches.sort_unstable_by_key(|&(from, _)| from);
        let kept = body.len() - matches.iter().map(|(_, interned)| interned.raw.len()).sum::<usize>();
        let mut short = Shortened {
            body: Vec::with_capacity(kept + matches.len() * PLACEHOLDER.len()),
            taken: Vec::with_capacity(matches.len()),
        };
        let mut from = 0;
        for (start, interned) in matches {
            short.body.extend_from_slice(&body[from..start]);
            short.taken.push((short.body.len(), interned.text.clone()));
            short.body.extend_from_slice(PLACEHOLDER);
            from = start + interned.raw.len();
        }
        short.body.extend_from_slice(&body[from..]);
        Some(short)
    }

    /// Notes the long texts that a row brings again without being known. `last` is the last version of the row.
    pub(super) fn note(&mut self, last: &Row, pairs: &Pairs<'_>) {
        for (column, text) in pairs {
            let Some(Text::Read(text)) = text else { continue };
            if text.len() < self.limits.min_bytes || !can_open(column) {
                continue;
            }
            let Some(known) = last.text(column).filter(|known| ***known == **text) else { continue };
            if self.candidates.iter().any(|(name, seen)| **name == **column && Arc::ptr_eq(seen, known)) {
                continue;
            }
            if self.candidates.len() >= self.limits.max_texts.max(1) {
                self.candidates.remove(0);
            }
            self.candidates.push((column.as_ref().into(), known.clone()));
        }
    }

    /// Learns the texts that [`Interner::note`] noted, in the form in which they stand in `body`.
    pub(super) fn learn(&mut self, body: &[u8]) {
        let mut candidates = std::mem::take(&mut self.candidates);
        while let Some((column, _)) = candidates.first() {
            let opening: Arc<str> = format!("\"{column}\":\"").into();
            let (mut wanted, rest): (Vec<_>, Vec<_>) = candidates.iter().cloned().partition(|(name, _)| name == column);
            for at in memmem::find_iter(body, opening.as_bytes()) {
                if wanted.is_empty() {
                    break;
                }
                let literal = &body[at + opening.len() - 1..];
                let mut reader = serde_json::Deserializer::from_slice(literal).into_iter::<std::borrow::Cow<'_, str>>();
                let Some(Ok(found)) = reader.next() else { continue };
                if let Some(index) = wanted.iter().position(|(_, text)| **text == *found) {
                    let (_, text) = wanted.swap_remove(index);
                    self.insert(Interned {
                        opening: opening.clone(),
                        raw: literal[1..reader.byte_offset()].into(),
                        text,
                    });
                }
            }
            candidates = rest;
        }
    }

    fn insert(&mut self, interned: Interned) {
        self.known.retain(|known| known.opening != interned.opening || known.raw != interned.raw);
        self.known.push(interned);
        let mut bytes: usize = self.known.iter().map(|interned| interned.raw.len()).sum();
        while self.known.len() > self.limits.max_texts || bytes > self.limits.max_bytes {
            bytes -= self.known.remove(0).raw.len();
        }
    }
}

impl Shortened {
    /// Puts the texts back into the messages that were parsed from the short body. False when a placeholder is not the
    /// value of a row's column: the body has to be parsed as it came.
    pub(super) fn restore<'a>(&'a self, messages: &mut [Message<'a>]) -> bool {
        let mut restored = 0;
        for message in messages {
            let (Message::Insert { value, .. } | Message::Update { value, .. }) = message else { continue };
            for text in value.iter_mut().filter_map(|(_, text)| text.as_mut()) {
                if let Some(known) = self.taken_at(text) {
                    *text = Text::Interned(known.clone());
                    restored += 1;
                }
            }
        }
        restored == self.taken.len()
    }

    /// The text that the placeholder at the address of `text` stands for. Text that is only equal to a placeholder, or
    /// outside the short body, has none.
    fn taken_at(&self, text: &Text<'_>) -> Option<&Arc<str>> {
        let Text::Read(std::borrow::Cow::Borrowed(text)) = text else { return None };
        let offset = text.as_ptr().addr().checked_sub(self.body.as_ptr().addr())?;
        let index = self.taken.binary_search_by_key(&offset, |&(at, _)| at).ok()?;
        Some(&self.taken[index].1)
    }
}

/// Whether `"column":"` always opens a whole string in JSON: inside a string its quotes would be escaped, and a name of
/// these characters between the end of one string and the start of another is not JSON.
fn can_open(column: &str) -> bool {
    !column.is_empty() && column.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

#[cfg(test)]
mod tests {
    use super::super::message;
    use super::*;

    const LONG: usize = 4 << 10;

    fn body(payload: &str, output: &str) -> Vec<u8> {
        serde_json::json!([{ "key": "a", "value": { "payload": payload, "output": output }, "headers": { "operation": "update" } }])
            .to_string()
            .into_bytes()
    }

    fn pairs(column: &'static str, text: &str) -> Pairs<'static> {
        vec![(column.into(), Some(Text::Read(text.to_owned().into())))]
    }

    /// Brings a text twice in a column.
    fn learn(interner: &mut Interner, column: &'static str, text: &str, body: &[u8]) -> Arc<str> {
        let last = Row::merge_texts(&mut Arc::default(), None, None, pairs(column, text));
        interner.note(&last, &pairs(column, text));
        interner.learn(body);
        last.text(column).expect("a text").clone()
    }

    fn interner() -> Interner {
        Interner::new(InternLimits::default())
    }

    #[test]
    fn a_long_text_that_comes_again_is_taken_out_and_put_back() {
        let long = "{\"a\":\"é \\ \u{1F680}\"}".repeat(400);
        let mut interner = interner();
        assert!(interner.shorten(&body(&long, "x")).is_none(), "nothing is known yet");
        let text = learn(&mut interner, "payload", &long, &body(&long, "x"));
        let short = interner.shorten(&body(&long, "-")).expect("short");
        assert!(short.body.len() < 300, "{} bytes", short.body.len());
        let mut messages = message::parse(&short.body).expect("a body");
        // Texts learned or dropped between `shorten` and `restore` do not count.
        interner.known.clear();
        assert!(short.restore(&mut messages));
        let Message::Update { value, .. } = &messages[0] else { panic!("an update") };
        let Some(Text::Interned(known)) = &value[0].1 else { panic!("a known text") };
        assert!(Arc::ptr_eq(known, &text));
        assert_eq!(value[1].1.as_deref(), Some("-"), "what is written in the gap stands for nothing elsewhere");
    }

    #[test]
    fn a_text_that_only_begins_alike_or_stands_in_another_column_is_left() {
        let long = "x".repeat(LONG);
        let mut interner = interner();
        learn(&mut interner, "payload", &long, &body(&long, ""));
        assert!(interner.shorten(&body(&format!("{long}y"), "")).is_none());
        assert!(interner.shorten(&body("", &long)).is_none());
        // Quotes inside a string are escaped, so nothing in it looks like a column.
        assert!(interner.shorten(&body(&format!("{{\"payload\":\"{long}\"}}"), "")).is_none());
    }

    #[test]
    fn a_text_that_was_no_columns_sends_the_body_back_to_be_read_whole() {
        let long = "x".repeat(LONG);
        let mut interner = interner();
        learn(&mut interner, "payload", &long, &body(&long, ""));
        for (value, operation) in [
            (serde_json::json!({ "nested": { "payload": long } }), "update"),
            (serde_json::json!({ "payload": long }), "delete"),
            (serde_json::json!({ "payload": long }), "unknown"),
        ] {
            let body = serde_json::json!([{ "key": "a", "value": value, "headers": { "operation": operation } }]);
            let short = interner.shorten(body.to_string().as_bytes()).expect("short");
            let mut messages = message::parse(&short.body).expect("a body");
            assert!(!short.restore(&mut messages), "{operation}");
        }
    }

    #[test]
    fn a_column_whose_name_is_json_itself_is_never_looked_for() {
        let long = "x".repeat(LONG);
        let mut interner = interner();
        for column in ["", ",", "a\\", "a\"b", " ", "ä"] {
            learn(&mut interner, column, &long, format!("[{{\"{column}\":\"{long}\"}}]").as_bytes());
            assert!(interner.known.is_empty(), "{column}");
        }
    }

    #[test]
    fn long_texts_of_several_columns_and_runs_are_each_put_back_where_they_stood() {
        let [a, b, c] = ["a", "b", "c"].map(|letter| letter.repeat(LONG));
        let body = serde_json::json!([
            { "key": "1", "value": { "payload": a, "output": c }, "headers": { "operation": "insert" } },
            { "key": "2", "value": { "output": c, "payload": b }, "headers": { "operation": "update" } },
        ])
        .to_string();
        let mut interner = interner();
        let texts = [("payload", &a), ("output", &c), ("payload", &b)]
            .map(|(column, text)| learn(&mut interner, column, text, body.as_bytes()));
        let short = interner.shorten(body.as_bytes()).expect("short");
        assert!(short.body.len() < 300, "{} bytes: all four are taken out", short.body.len());
        let mut messages = message::parse(&short.body).expect("a body");
        assert!(short.restore(&mut messages));
        let [Message::Insert { value: first, .. }, Message::Update { value: second, .. }] = &messages[..] else {
            panic!("two changes")
        };
        let [payload, output, other] = &texts;
        for (pairs, expected) in [(first, [payload, output]), (second, [output, other])] {
            for ((column, text), expected) in pairs.iter().zip(expected) {
                let Some(Text::Interned(text)) = text else { panic!("{column} is known") };
                assert!(Arc::ptr_eq(text, expected), "{column}");
            }
        }
    }

    #[test]
    fn what_is_kept_has_a_least_length_and_the_latest_push_out_the_oldest_by_number_and_by_size() {
        let known = |limits, texts: &[&str]| -> Vec<String> {
            let mut interner = Interner::new(limits);
            for text in texts {
                learn(&mut interner, "payload", text, &body(text, ""));
            }
            interner.known.iter().map(|known| known.text.to_string()).collect()
        };
        // With its closing quote, a text has a byte more.
        let limits = InternLimits { min_bytes: 4, max_texts: 3, max_bytes: 15 };
        assert_eq!(known(limits, &["aaaa", "bbb", "cccc"]), ["aaaa", "cccc"]);
        assert_eq!(known(limits, &["aaaa", "bbbb", "aaaa", "cccc"]), ["bbbb", "aaaa", "cccc"], "each once");
        assert_eq!(known(limits, &["aaaa", "bbbb", "cccc", "dddd"]), ["bbbb", "cccc", "dddd"]);
        assert_eq!(known(limits, &["aaaa", "bbbb", "cccccccc"]), ["bbbb", "cccccccc"], "14 bytes");
        assert_eq!(known(limits, &["aaaa", "bbbb", "cccccccccc"]), ["cccccccccc"], "11, which with 5 would be 16");
        assert!(known(limits, &["aaaa", "ccccccccccccccc"]).is_empty());
    }

    #[test]
    fn only_the_latest_are_kept() {
        let most = InternLimits::default().max_texts;
        let mut interner = interner();
        for n in 0..2 * most {
            let text = format!("{n}").repeat(LONG);
            learn(&mut interner, "payload", &text, &body(&text, ""));
        }
        assert_eq!(interner.known.len(), most);
        learn(&mut interner, "payload", "short", &body("short", ""));
        assert_eq!(interner.known.len(), most);
        let huge = "x".repeat(InternLimits::default().max_bytes);
        learn(&mut interner, "payload", &huge, &body(&huge, ""));
        assert!(interner.known.is_empty(), "more than may be kept");
    }
}
