//! Long texts that come again with every update of a row (a payload of 300 KB): recognised by comparing
//! bytes, before anything of them is read, unescaped or copied (I17).
//!
//! 1. [`Interner::shorten`] copies a body without the texts that are known. Where one stood, a text of one
//!    character stands, and [`Shortened`] holds the place and the text itself.
//! 2. The short body is read, and [`Shortened::restore`] puts every text back where it was taken out: by the
//!    place a text was read at, never by what is written there. So nothing that a server or a user writes can
//!    stand for another text, in this body or in any other.
//! 3. Where a text was taken out of something that is no column of a row, it does not find its place again:
//!    the body is read as it came.
//! 4. Only after that are rows changed and texts learned ([`Interner::note`], [`Interner::learn`]): what is
//!    learned or forgotten then is of no consequence for this body.

use std::sync::Arc;

use memchr::memmem;

use super::message::{Message, Pairs};
use crate::table::{Row, Text};

/// Which texts are recognised when they come again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InternLimits {
    /// Shorter ones cost less than looking for them, in bytes. Default 4 KiB.
    pub min_bytes: usize,
    /// The most that are looked for: the latest are kept. Default 16.
    pub max_texts: usize,
    /// Their bytes together, as they came. Default 4 MiB.
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
    /// Latest last.
    known: Vec<Interned>,
    /// Column and text of those that came again in the present body and were not recognised.
    candidates: Vec<(Box<str>, Arc<str>)>,
}

#[derive(Clone, Debug)]
struct Interned {
    /// `"column":"`.
    opening: Arc<str>,
    /// The text as JSON writes it, with its closing quote.
    raw: Arc<[u8]>,
    text: Arc<str>,
}

/// A body without the texts that were recognised in it, and those texts.
#[derive(Debug)]
pub(super) struct Shortened {
    pub(super) body: Vec<u8>,
    /// Where in `body` each text was taken out, in ascending order.
    taken: Vec<(usize, Arc<str>)>,
}

/// What stands where a text was taken out. Any text would do: it is never looked at.
const PLACEHOLDER: &[u8] = b"-\"";

impl Interner {
    pub(super) fn new(limits: InternLimits) -> Self {
        Self { limits, known: Vec::new(), candidates: Vec::new() }
    }

    /// `body` without the texts that are known; `None` when there are none in it.
    pub(super) fn shorten(&self, body: &[u8]) -> Option<Shortened> {
        if body.len() < self.limits.min_bytes || self.known.is_empty() {
            return None;
        }
        let mut places: Vec<(usize, &Interned)> = Vec::new();
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
                    places.push((from, interned));
                    from += interned.raw.len();
                }
            }
        }
        if places.is_empty() {
            return None;
        }
        // They never overlap: each is a whole string of the JSON (`can_open`).
        places.sort_unstable_by_key(|&(from, _)| from);
        let kept = body.len() - places.iter().map(|(_, interned)| interned.raw.len()).sum::<usize>();
        let mut short = Shortened {
            body: Vec::with_capacity(kept + places.len() * PLACEHOLDER.len()),
            taken: Vec::with_capacity(places.len()),
        };
        let mut from = 0;
        for (start, interned) in places {
            short.body.extend_from_slice(&body[from..start]);
            short.taken.push((short.body.len(), interned.text.clone()));
            short.body.extend_from_slice(PLACEHOLDER);
            from = start + interned.raw.len();
        }
        short.body.extend_from_slice(&body[from..]);
        Some(short)
    }

    /// Notes the long texts that a row brings again although they were not recognised; `last` is its last version.
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

    /// Remembers what [`Interner::note`] noted of `body`, as it stands there.
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
                if let Some(place) = wanted.iter().position(|(_, text)| **text == *found) {
                    let (_, text) = wanted.swap_remove(place);
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
    /// Puts the texts back into the messages that were read of its body. False when not all of them have their place
    /// in a row: the body as it came has to be read then.
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

    /// The text that was taken out where `text` was read: where its bytes are those of the body, not equal to them.
    fn taken_at(&self, text: &Text<'_>) -> Option<&Arc<str>> {
        let Text::Read(std::borrow::Cow::Borrowed(text)) = text else { return None };
        let place = text.as_ptr().addr().checked_sub(self.body.as_ptr().addr())?;
        let index = self.taken.binary_search_by_key(&place, |&(at, _)| at).ok()?;
        Some(&self.taken[index].1)
    }
}

/// Whether `"column":"` can only open a text in JSON, and a whole one: within a text its quotes would be escaped, and
/// between two of them such a name is no JSON at all.
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

    /// A text that came twice in a column.
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
        // Whatever is learned and forgotten between.
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
        // Within a text, quotes are escaped: what looks like a column there is none.
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
