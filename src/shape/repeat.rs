//! Long texts that come again with every update of a row (a payload of 300 KB): found by comparing
//! bytes, before anything of them is read, unescaped or copied.
//!
//! A body in which such a text stands again is read with a short mark in its place. Marks hold
//! randomness of this process, so that no text of a server's can be one by chance or on purpose.

use std::sync::Arc;

use memchr::memmem;
use once_cell::sync::Lazy;

use super::message::Message;

/// Shorter texts cost less than looking for them, in bytes.
const LONG: usize = 4 * 1024;
/// The most texts that are looked for, and their bytes as they came: the latest are kept.
const MOST: usize = 16;
const MOST_BYTES: usize = 4 << 20;

static MARK: Lazy<String> = Lazy::new(|| format!("trigger-native:{}:", crate::random::uuid()));

/// The long texts of a feed's rows, as they came.
#[derive(Clone, Debug, Default)]
pub(super) struct Repeats {
    /// Latest last.
    known: Vec<Repeat>,
}

#[derive(Clone, Debug)]
struct Repeat {
    /// `"column":"`.
    opening: Arc<str>,
    /// The text as JSON writes it, with its closing quote.
    raw: Arc<[u8]>,
    text: Arc<str>,
}

impl Repeats {
    /// `body` with marks in place of the texts that are known, and how many; `None` when there are none.
    pub(super) fn mark(&self, body: &[u8]) -> Option<(Vec<u8>, usize)> {
        if body.len() < LONG || self.known.is_empty() {
            return None;
        }
        let mut places: Vec<(usize, usize, usize)> = Vec::new();
        for (index, repeat) in self.known.iter().enumerate() {
            for at in memmem::find_iter(body, repeat.opening.as_bytes()) {
                let from = at + repeat.opening.len();
                if body[from..].starts_with(&repeat.raw) {
                    places.push((from, from + repeat.raw.len(), index));
                }
            }
        }
        // Equal texts are known once for each column, so that places never overlap.
        places.sort_unstable();
        let (mut marked, mut from) = (Vec::with_capacity(body.len().min(64 * 1024)), 0);
        for &(start, end, index) in &places {
            marked.extend_from_slice(&body[from..start]);
            marked.extend_from_slice(MARK.as_bytes());
            marked.extend_from_slice(index.to_string().as_bytes());
            marked.push(b'"');
            from = end;
        }
        marked.extend_from_slice(&body[from..]);
        (!places.is_empty()).then_some((marked, places.len()))
    }

    /// How many texts of the changes are marks.
    pub(super) fn count(&self, messages: &[Message<'_>]) -> usize {
        let texts = messages.iter().filter_map(|message| match message {
            Message::Insert { value, .. } | Message::Update { value, .. } => Some(value),
            Message::Delete { .. }
            | Message::Bad { .. }
            | Message::UpToDate
            | Message::MustRefetch
            | Message::Ignored => None,
        });
        texts.flatten().filter(|(_, text)| text.as_deref().is_some_and(|text| self.find(text).is_some())).count()
    }

    /// The text that a mark stands for.
    pub(super) fn find(&self, mark: &str) -> Option<&Arc<str>> {
        let index: usize = mark.strip_prefix(MARK.as_str())?.parse().ok()?;
        self.known.get(index).map(|repeat| &repeat.text)
    }

    /// Remembers the text of a column that came in `body`, if it is long.
    pub(super) fn learn(&mut self, column: &str, text: &Arc<str>, body: &[u8]) {
        if text.len() < LONG || self.known.iter().any(|repeat| Arc::ptr_eq(&repeat.text, text)) {
            return;
        }
        let opening = format!("\"{column}\":\"");
        let raw = memmem::find_iter(body, opening.as_bytes()).find_map(|at| {
            let literal = &body[at + opening.len() - 1..];
            let mut reader = serde_json::Deserializer::from_slice(literal).into_iter::<std::borrow::Cow<'_, str>>();
            let found = reader.next()?.ok()?;
            (*found == **text).then(|| Arc::from(&literal[1..reader.byte_offset()]))
        });
        let Some(raw) = raw else { return };
        self.known.retain(|repeat| *repeat.opening != *opening || repeat.raw != raw);
        self.known.push(Repeat { opening: opening.into(), raw, text: text.clone() });
        let mut bytes: usize = self.known.iter().map(|repeat| repeat.raw.len()).sum();
        while self.known.len() > MOST || bytes > MOST_BYTES {
            bytes -= self.known.remove(0).raw.len();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(payload: &str, output: &str) -> Vec<u8> {
        serde_json::json!([{ "key": "a", "value": { "payload": payload, "output": output }, "headers": { "operation": "update" } }])
            .to_string()
            .into_bytes()
    }

    #[test]
    fn a_long_text_that_comes_again_is_marked_and_found_again() {
        let long: Arc<str> = "{\"a\":\"é \\ \u{1F680}\"}".repeat(400).into();
        let mut repeats = Repeats::default();
        assert!(repeats.mark(&body(&long, "x")).is_none(), "nothing is known yet");
        repeats.learn("payload", &long, &body(&long, "x"));
        let (marked, count) = repeats.mark(&body(&long, "x")).expect("marked");
        assert_eq!(count, 1);
        assert!(marked.len() < 300, "{} bytes", marked.len());
        let messages = super::super::message::parse(&marked).expect("a body");
        assert_eq!(repeats.count(&messages), 1);
        let Message::Update { value, .. } = &messages[0] else { panic!("an update") };
        let mark = value[0].1.as_deref().expect("a text");
        assert!(Arc::ptr_eq(repeats.find(mark).expect("found"), &long));
        assert_eq!(value[1].1.as_deref(), Some("x"));
    }

    #[test]
    fn a_text_that_only_begins_alike_or_stands_in_another_column_is_not_marked() {
        let long: Arc<str> = "x".repeat(LONG).into();
        let mut repeats = Repeats::default();
        repeats.learn("payload", &long, &body(&long, ""));
        assert!(repeats.mark(&body(&format!("{long}y"), "")).is_none());
        assert!(repeats.mark(&body("", &long)).is_none());
        // Within a text, quotes are escaped: what looks like a column there is none.
        assert!(repeats.mark(&body(&format!("{{\"payload\":\"{long}\"}}"), "")).is_none());
    }

    #[test]
    fn only_the_latest_are_kept() {
        let mut repeats = Repeats::default();
        for n in 0..2 * MOST {
            let text: Arc<str> = format!("{n}").repeat(LONG).into();
            repeats.learn("payload", &text, &body(&text, ""));
        }
        assert_eq!(repeats.known.len(), MOST);
        let short: Arc<str> = "short".into();
        repeats.learn("payload", &short, &body(&short, ""));
        assert_eq!(repeats.known.len(), MOST);
    }
}
