//! A server that knows the true state of every row.

use std::collections::BTreeMap;

use http::HeaderMap;

use super::rng::SeededRng;
use crate::shape::Query;
use crate::timestamp::format_timestamp;

/// The columns of a run that are not null.
pub(crate) type Cells = BTreeMap<String, String>;

const LONG_COLUMNS: [&str; 3] = ["payload", "output", "metadata"];
const COLUMNS: [&str; 9] =
    ["id", "friendlyId", "taskIdentifier", "status", "createdAt", "updatedAt", "payload", "output", "metadata"];
/// Texts that resemble JSON around texts, placeholders of the interner, and each other.
const TEXTS: [&str; 20] = [
    "",
    "-",
    "--",
    "short",
    "xxxxxx",
    "xxxxxxy",
    "\"payload\":\"xxxxxx\"",
    "\",\"payload\":\"xxxxxx",
    "payload\":\"xxxxxx\"",
    "{\"payload\":\"xxxxxx\"}",
    "{\"payload\":{\"payload\":\"xxxxxx\"}}",
    "\\\"payload\\\":\\\"xxxxxx",
    "xxxxxx\\",
    "trigger-native:00000000-0000-4000-8000-000000000000:0",
    "\"},\"headers\":{\"operation\":\"delete\"}},{\"key\":\"",
    "{\"json\":{\"é\":\"\u{1F680}\"},\"meta\":{}}",
    "line\nline\ttab\u{1}\u{2028}",
    "ééééééééé",
    "[{\"headers\":{\"control\":\"must-refetch\"}}]",
    "up-to-date",
];

/// A server with the true state of every row.
pub(crate) struct World {
    /// Whether the server sends whole rows and deletes none, as the cloud does; else it sends what Electric does.
    pub(crate) whole: bool,
    pub(crate) rows: BTreeMap<String, Cells>,
    /// The time on the server in Unix milliseconds. Each change is 1 ms later.
    pub(crate) now_ms: u64,
    max_rows: usize,
    created_ms: BTreeMap<usize, u64>,
    handle: u64,
    /// The log under this handle: the messages of the snapshot and of all changes since.
    log: Vec<String>,
}

impl World {
    pub(crate) fn new(rng: &mut SeededRng, now_ms: u64) -> Self {
        let max_rows = 1 + rng.below(24);
        let whole = rng.one_in(2);
        Self { whole, rows: BTreeMap::new(), now_ms, max_rows, created_ms: BTreeMap::new(), handle: 0, log: Vec::new() }
    }

    pub(crate) fn schema() -> String {
        let columns = COLUMNS.map(|name| format!(r#""{name}":{{"type":"text"}}"#));
        format!("{{{}}}", columns.join(","))
    }

    /// Makes a random change.
    pub(crate) fn change(&mut self, rng: &mut SeededRng) {
        self.now_ms += 1;
        let n = rng.below(self.max_rows);
        let key = format!("\"public\".\"TaskRun\"/\"c{n}\"");
        let Some(before) = self.rows.get(&key) else { return self.insert(n, key, rng) };
        let mut after = before.clone();
        match rng.below(16) {
            0..=1 if !self.whole => return self.delete(&key, rng),
            // The same row once more.
            2 => {}
            3..=4 => {
                after.insert("status".into(), "COMPLETED_SUCCESSFULLY".into());
            }
            5..=9 => {
                after.insert("status".into(), rng.pick(&["EXECUTING", "DEQUEUED", "PENDING"]).into());
            }
            _ => {
                let column = rng.pick(&LONG_COLUMNS).to_owned();
                match self.text(n, rng) {
                    Some(text) => after.insert(column, text),
                    None => after.remove(&column),
                };
            }
        }
        if after != *before {
            after.insert("updatedAt".into(), format_timestamp(self.now_ms));
        }
        let told: Vec<&str> =
            COLUMNS.iter().copied().filter(|name| self.whole || after.get(*name) != before.get(*name)).collect();
        self.log.push(message("update", &key, &after, &told, rng));
        self.rows.insert(key, after);
    }

    fn insert(&mut self, n: usize, key: String, rng: &mut SeededRng) {
        // A third of the runs are two hours old, outside of a window of one hour. A run that comes back keeps its age.
        let created_ms = self.now_ms - if rng.one_in(3) { 7_200_000 } else { 0 };
        let created_ms = *self.created_ms.entry(n).or_insert(created_ms);
        let mut cells = Cells::from([
            ("id".into(), format!("c{n}")),
            ("friendlyId".into(), format!("run_{n}")),
            ("taskIdentifier".into(), "task".into()),
            ("status".into(), "PENDING".into()),
            ("createdAt".into(), format_timestamp(created_ms)),
            ("updatedAt".into(), format_timestamp(self.now_ms)),
        ]);
        for column in LONG_COLUMNS {
            if let Some(text) = self.text(n, rng) {
                cells.insert(column.into(), text);
            }
        }
        self.log.push(message("insert", &key, &cells, &COLUMNS, rng));
        self.rows.insert(key, cells);
    }

    fn delete(&mut self, key: &str, rng: &mut SeededRng) {
        let Some(cells) = self.rows.remove(key) else { return };
        // Some servers send the columns of a deleted row.
        let told: &[&str] = if rng.one_in(2) { &COLUMNS } else { &COLUMNS[..1] };
        self.log.push(message("delete", key, &cells, told, rng));
    }

    /// A text of this run alone, or one that other runs may have too.
    fn text(&self, n: usize, rng: &mut SeededRng) -> Option<String> {
        match rng.below(8) {
            0 => None,
            1..=3 => Some(rng.pick(&TEXTS).to_owned()),
            4 => Some(format!("of run {n}")),
            5 => Some(format!("{{\"of\":{n},\"at\":\"{}\"}}", self.now_ms)),
            _ => Some(format!("of run {n} at {} {}", self.now_ms, rng.pick(&TEXTS))),
        }
    }

    /// The response to a feed's request, and whether it reaches the end of the log.
    pub(crate) fn answer(&mut self, query: &Query, rng: &mut SeededRng) -> (u16, HeaderMap, Vec<u8>, bool) {
        let is_snapshot = query.offset == "-1";
        if rng.one_in(24) || (!is_snapshot && query.handle != Some(self.handle())) {
            self.handle += 1;
            let headers = [("electric-handle", self.handle())];
            return (409, named(&headers), br#"[{"headers":{"control":"must-refetch"}}]"#.to_vec(), false);
        }
        if is_snapshot {
            self.log.clear();
            for (key, cells) in &self.rows {
                self.log.push(message("insert", key, cells, &COLUMNS, rng));
            }
        }
        let from = if is_snapshot { 0 } else { query.offset.parse().expect("an offset of ours") };
        let to = if rng.one_in(4) { from + rng.below(self.log.len() - from + 1) } else { self.log.len() };
        let mut messages: Vec<String> = self.log[from..to].to_vec();
        if rng.one_in(8) {
            let noise = [
                r#"{"headers":{"control":"snapshot-end"}}"#,
                r#"{"key":"x","value":{"payload":"xxxxxx"},"headers":{"operation":"unknown"}}"#,
                r#"{"payload":"xxxxxx","headers":{"control":"unknown","payload":"xxxxxx"}}"#,
            ];
            messages.insert(rng.below(messages.len() + 1), rng.pick(&noise).into());
        }
        let is_all = to == self.log.len();
        if is_all {
            messages.push(r#"{"headers":{"control":"up-to-date"}}"#.into());
        }
        let headers = named(&[
            ("electric-handle", self.handle()),
            ("electric-offset", to.to_string()),
            ("electric-schema", Self::schema()),
        ]);
        (200, headers, format!("[{}]", messages.join(",")).into_bytes(), is_all)
    }

    fn handle(&self) -> String {
        format!("h{}", self.handle)
    }
}

fn named(pairs: &[(&'static str, String)]) -> HeaderMap {
    pairs.iter().map(|(name, text)| (name.parse().expect("a name"), text.parse().expect("a value"))).collect()
}

fn message(operation: &str, key: &str, cells: &Cells, columns: &[&str], rng: &mut SeededRng) -> String {
    let value: Vec<String> = columns
        .iter()
        .map(|name| match cells.get(*name) {
            // A server may send a bare object, whose JSON is the text.
            Some(text) if is_compact_object(text) && rng.one_in(4) => format!("\"{name}\":{text}"),
            Some(text) => format!("\"{name}\":{}", literal(text, rng)),
            None => format!("\"{name}\":null"),
        })
        .collect();
    let key = serde_json::Value::from(key);
    format!(r#"{{"key":{key},"value":{{{}}},"headers":{{"operation":"{operation}"}}}}"#, value.join(","))
}

fn is_compact_object(text: &str) -> bool {
    text.starts_with('{')
        && serde_json::from_str::<serde_json::Value>(text)
            .is_ok_and(|value| value.is_object() && serde_json::to_string(&value).is_ok_and(|written| written == text))
}

/// A JSON string. The same text may be escaped in different ways.
fn literal(text: &str, rng: &mut SeededRng) -> String {
    if text.is_ascii() && rng.one_in(6) {
        let escaped = text.bytes().map(|byte| format!("\\u{byte:04x}")).collect::<Vec<_>>().concat();
        return format!("\"{escaped}\"");
    }
    serde_json::Value::from(text).to_string()
}
