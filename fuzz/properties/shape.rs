//! Run feeds: any sequence of answers. The optimization that recognises long texts changes nothing, the rows are those of
//! a naive reader, and what JavaScript gets is JSON.

use std::collections::BTreeMap;

use http::{HeaderMap, HeaderValue};
use serde_json::Value;

use super::input::{Input, has_repeated_names};
use crate::error::{Error, ErrorCode};
use crate::run::render;
use crate::shape::{Change, Event, Failure, Feed, InternLimits, Limits, Now, Retention, Step};

const SCHEMA: &str = r#"{"friendlyId":{"type":"text"},"status":{"type":"text"},"payload":{"type":"text"},"runTags":{"type":"text","dims":1},"isTest":{"type":"bool"},"usageDurationMs":{"type":"int4"},"costInCents":{"type":"float8"},"error":{"type":"jsonb"},"createdAt":{"type":"timestamp"}}"#;

/// The most answers of one execution.
const MAX_ANSWERS: usize = 24;

/// Feeds the answers of the input to three machines: one that recognises long texts, one that never does, and one that
/// keeps few finished runs.
pub fn shape(data: &[u8]) {
    let long = InternLimits { min_bytes: 8, max_texts: 3, max_bytes: 1 << 12 };
    let never = InternLimits { min_bytes: usize::MAX, ..long };
    let few = Retention { finished: 2, finished_bytes: 256, remembered: 4 };
    let mut recognising = Machine::new(long, Retention::default());
    let mut plain = Machine::new(never, Retention::default());
    let mut forgetting = Machine::new(long, few);
    let mut model = Some(Model::default());
    let mut input = Input::new(data);
    for _ in 0..MAX_ANSWERS {
        let Some(part) = input.part() else { break };
        let (kind, body) = part.split_first().map_or((0, &[][..]), |(kind, body)| (*kind, body));
        let answer = Answer { kind, body };
        model = model.and_then(|model| model.take(&answer));
        let (first, second) = (recognising.take(&answer), plain.take(&answer));
        assert_eq!(first, second, "a long text that is recognised changes what a reader sees");
        forgetting.take(&answer);
        if let Some(model) = model.as_ref().filter(|_| !plain.is_over) {
            assert_eq!(plain.rows(), model.published, "not the rows of a naive reader");
        }
    }
}

/// One answer of a server: its head by `kind`, and its body.
struct Answer<'a> {
    kind: u8,
    body: &'a [u8],
}

impl Answer<'_> {
    fn status(&self) -> u16 {
        match self.kind & 0x1f {
            0..=15 => 200,
            16 => 204,
            17 => 409,
            18 => 400,
            19 => 404,
            20 => 429,
            21 => 503,
            22 => 301,
            _ => 200,
        }
    }

    /// Whether the answer is a plain one of one shape, whose rows a naive reader follows.
    fn is_plain(&self) -> bool {
        self.kind & 0x1f < 8
    }

    fn headers(&self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        let mut set = |name: &'static str, value: &str| {
            if let Ok(value) = HeaderValue::from_str(value) {
                headers.insert(name, value);
            }
        };
        set("electric-schema", SCHEMA);
        set("electric-offset", ["0_0", "1_0", "0_inf", "7_1"][usize::from(self.kind >> 5) % 4]);
        set("electric-handle", "h-1");
        match self.kind & 0x1f {
            10 => set("electric-handle", "h-2"),
            11 => set("electric-handle", ""),
            12 => set("electric-schema", &String::from_utf8_lossy(self.body)),
            13 => set("electric-cursor", &String::from_utf8_lossy(self.body)),
            19 => set("x-should-retry", "true"),
            20 | 21 => set("retry-after", &String::from_utf8_lossy(self.body)),
            _ => {}
        }
        headers
    }
}

struct Machine {
    feed: Feed,
    now: u64,
    is_over: bool,
}

impl Machine {
    fn new(intern: InternLimits, retention: Retention) -> Self {
        let limits = Limits { retention, intern, ..Limits::default() };
        let mut machine = Self { feed: Feed::new(limits), now: 1_000, is_over: false };
        machine.feed.start(machine.present());
        machine
    }

    fn present(&self) -> Now {
        Now { monotonic_ms: self.now, unix_ms: 1_795_335_407_000 + self.now, jitter: 0.25 }
    }

    /// What a reader sees of one answer: changes and the step, as text.
    fn take(&mut self, answer: &Answer<'_>) -> Vec<String> {
        if self.is_over {
            return Vec::new();
        }
        self.now += 2_000;
        let headers = answer.headers();
        let event = if answer.kind & 0x1f == 23 {
            Event::Failed(Failure::Cut(Error::new(ErrorCode::Connection, "cut")))
        } else {
            Event::Response { status: answer.status(), headers: &headers, body: answer.body }
        };
        let outcome = self.feed.on(event, self.present());
        let mut seen: Vec<String> = outcome.changes.iter().map(|change| self.shown(change)).collect();
        let mut step = outcome.step;
        if let Step::Wait { ms, .. } = step {
            assert!(ms <= Limits::default().max_wait_ms, "a wait of {ms} ms");
            self.now += ms;
            step = self.feed.on(Event::Woken, self.present()).step;
        }
        match step {
            Step::Request(query) => {
                let written = query.with(&[("skipColumns", "a&b=c")]);
                let read = url::form_urlencoded::parse(written.as_bytes()).count();
                assert_eq!(read, query.pairs().len() + 1, "the query is read as it was written");
                seen.push(written);
            }
            Step::Wait { ms, .. } => unreachable!("woken after a wait, it waits {ms} ms more"),
            Step::End(result) => {
                self.is_over = true;
                seen.push(format!("{:?}", result.err().map(|error| error.code())));
            }
        }
        seen
    }

    /// A change as text, with the row as it is rendered for JavaScript.
    fn shown(&self, change: &Change) -> String {
        let Change::Row { key, row } = change else { return format!("{change:?}") };
        let cells: Vec<_> = row.iter().collect();
        let schema = self.feed.schema().expect("rows have a schema");
        let mut json = "kept".to_owned();
        match render(row, schema, None, &mut json) {
            Ok(()) => {
                let run: Value = serde_json::from_str(&json["kept".len()..]).expect("a run is JSON");
                assert_eq!(run["id"].as_str(), row.get("friendlyId"), "the id of a run");
                assert!(run.get("payload").is_none_or(|packet| packet["data"].as_str() == row.get("payload")));
            }
            Err(_) => assert_eq!(json, "kept", "nothing is written of a row that is no run"),
        }
        format!("{key} {cells:?} {json}")
    }

    fn rows(&self) -> Rows {
        let texts =
            |row: &crate::shape::Row| row.iter().map(|(name, text)| (name.to_owned(), text.to_owned())).collect();
        self.feed.rows().map(|(key, row)| (key.to_string(), texts(row))).collect()
    }
}

type Rows = BTreeMap<String, BTreeMap<String, String>>;

/// A naive reader of plain answers: it parses each body anew, and publishes all rows on an up-to-date.
#[derive(Default)]
struct Model {
    current: Rows,
    published: Rows,
}

impl Model {
    /// The reader after one more answer; `None` where the answer is none that it understands.
    fn take(mut self, answer: &Answer<'_>) -> Option<Self> {
        let Ok(Value::Array(messages)) = serde_json::from_slice(answer.body) else { return None };
        if !answer.is_plain() || has_repeated_names(answer.body) {
            return None;
        }
        // The published rows follow the last up-to-date: what comes after it in a body waits for the next.
        let last = messages.iter().rposition(|message| {
            message.is_object() && message.get("key").is_none() && message["headers"]["control"] == "up-to-date"
        });
        for (at, message) in messages.iter().enumerate() {
            let message = message.as_object()?;
            let headers = message.get("headers")?.as_object()?;
            match (message.get("key"), headers.get("operation")) {
                (Some(Value::String(key)), Some(Value::String(operation))) if headers.len() == 1 => {
                    self.change(key, operation, message.get("value"))?;
                }
                (None, None) if headers.get("control").is_some_and(|control| control != "must-refetch") => {}
                _ => return None,
            }
            if Some(at) == last {
                self.published.clone_from(&self.current);
            }
        }
        Some(self)
    }

    fn change(&mut self, key: &str, operation: &str, value: Option<&Value>) -> Option<()> {
        let texts = value.and_then(Value::as_object);
        if operation == "delete" {
            self.current.remove(key);
            return Some(());
        }
        let texts = texts?;
        if operation == "insert" {
            self.current.remove(key);
        } else if operation != "update" {
            return None;
        }
        let row = self.current.entry(key.to_owned()).or_default();
        for (name, text) in texts {
            match text {
                Value::String(text) => drop(row.insert(name.clone(), text.clone())),
                Value::Null => drop(row.remove(name)),
                // A text of its own kind, which the machine writes in its own way.
                _ => return None,
            }
        }
        Some(())
    }
}
