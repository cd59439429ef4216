//! The true state of every run of a server, and how it came to be.

use std::collections::{BTreeMap, BTreeSet};

use super::rng::SeededRng;
use crate::timestamp::format_timestamp;

/// The columns of a run that are not null.
pub(crate) type Cells = BTreeMap<String, String>;

pub(crate) const COLUMNS: [&str; 14] = [
    "id",
    "friendlyId",
    "taskIdentifier",
    "status",
    "createdAt",
    "updatedAt",
    "runTags",
    "batchId",
    "payload",
    "output",
    "metadata",
    "payloadType",
    "outputType",
    "metadataType",
];
/// The type of every text.
pub(crate) const TYPE: &str = "text/plain";
pub(crate) const LONG_COLUMNS: [&str; 3] = ["payload", "output", "metadata"];
pub(crate) const TAGS: [&str; 3] = ["a", "b", "c"];
/// A status in which a run stays, where [`Habits::stays_finished`] says so.
pub(crate) const FINISHED: &str = "COMPLETED_SUCCESSFULLY";
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

/// What runs do on a server.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Habits {
    /// The most runs at once.
    pub(crate) max_rows: usize,
    /// Whether runs are deleted.
    pub(crate) deletes: bool,
    /// Whether a finished run keeps its status, as on a real server.
    pub(crate) stays_finished: bool,
    /// The bytes of the longest texts, 0 for none beyond the usual.
    pub(crate) long_bytes: usize,
}

/// One change of a run.
#[derive(Clone, Debug)]
pub(crate) struct Changed {
    pub(crate) key: String,
    /// `None` where the run is new.
    pub(crate) before: Option<Cells>,
    /// `None` where the run was deleted.
    pub(crate) after: Option<Cells>,
}

/// The runs of a server.
#[derive(Debug)]
pub(crate) struct Table {
    pub(crate) rows: BTreeMap<String, Cells>,
    /// The time on the server in Unix milliseconds. Each change is at least 1 ms later.
    pub(crate) now_ms: u64,
    habits: Habits,
    created_ms: BTreeMap<usize, u64>,
}

impl Table {
    pub(crate) fn new(habits: Habits, now_ms: u64) -> Self {
        Self { rows: BTreeMap::new(), now_ms, habits, created_ms: BTreeMap::new() }
    }

    /// The key of a run's row.
    pub(crate) fn key(n: usize) -> String {
        format!("\"public\".\"TaskRun\"/\"c{n}\"")
    }

    /// The header that names the types of these columns.
    pub(crate) fn schema(shows: impl Fn(&str) -> bool) -> String {
        let shown = COLUMNS.iter().filter(|name| shows(name));
        let columns: Vec<String> = shown
            .map(|&name| format!(r#""{name}":{{"type":"text"{}}}"#, if name == "runTags" { ",\"dims\":1" } else { "" }))
            .collect();
        format!("{{{}}}", columns.join(","))
    }

    /// Makes a random change of a random run.
    pub(crate) fn change(&mut self, rng: &mut SeededRng) -> Changed {
        let n = rng.below(self.habits.max_rows);
        self.change_of(n, rng)
    }

    /// Makes a random change of the run `n`.
    pub(crate) fn change_of(&mut self, n: usize, rng: &mut SeededRng) -> Changed {
        self.now_ms += 1;
        let key = Self::key(n);
        let Some(before) = self.rows.get(&key).cloned() else { return self.insert(n, key, rng) };
        let mut after = before.clone();
        let finished = self.habits.stays_finished && before.get("status").is_some_and(|status| status == FINISHED);
        match rng.below(16) {
            // The first run stays: feeds of one run follow it.
            0..=1 if self.habits.deletes && n > 0 => {
                self.rows.remove(&key);
                return Changed { key, before: Some(before), after: None };
            }
            // The same row once more.
            2 => {}
            3 => {
                after.insert("status".into(), FINISHED.into());
            }
            4 => {
                after.insert("runTags".into(), tags(Some(before["runTags"].as_str()), rng));
            }
            5..=9 if !finished => {
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
        self.put(key, Some(before), after)
    }

    /// Gives the run `n`, which is there, this status.
    pub(crate) fn set_status(&mut self, n: usize, status: &str) -> Changed {
        self.now_ms += 1;
        let key = Self::key(n);
        let before = self.rows.get(&key).cloned();
        let mut after = before.clone().unwrap_or_default();
        after.insert("status".into(), status.into());
        self.put(key, before, after)
    }

    fn put(&mut self, key: String, before: Option<Cells>, mut after: Cells) -> Changed {
        if before.as_ref() != Some(&after) {
            after.insert("updatedAt".into(), format_timestamp(self.now_ms));
        }
        self.rows.insert(key.clone(), after.clone());
        Changed { key, before, after: Some(after) }
    }

    fn insert(&mut self, n: usize, key: String, rng: &mut SeededRng) -> Changed {
        // A third of the runs are two hours old, outside of a window of one hour. A run that comes back keeps its age.
        let created_ms = self.now_ms - if rng.one_in(3) { 7_200_000 } else { 0 };
        let created_ms = *self.created_ms.entry(n).or_insert(created_ms);
        let mut cells = Cells::from([
            ("id".into(), format!("c{n}")),
            ("friendlyId".into(), format!("run_{n}")),
            ("taskIdentifier".into(), "task".into()),
            ("status".into(), "PENDING".into()),
            ("createdAt".into(), format_timestamp(created_ms)),
            ("runTags".into(), tags(None, rng)),
        ]);
        cells.extend(LONG_COLUMNS.map(|column| (format!("{column}Type"), TYPE.to_owned())));
        if n.is_multiple_of(3) {
            cells.insert("batchId".into(), "batch_1".into());
        }
        for column in LONG_COLUMNS {
            if let Some(text) = self.text(n, rng) {
                cells.insert(column.into(), text);
            }
        }
        self.put(key, None, cells)
    }

    /// A text of this run alone, or one that other runs may have too.
    fn text(&self, n: usize, rng: &mut SeededRng) -> Option<String> {
        let long = if self.habits.long_bytes > 0 && rng.one_in(4) { rng.below(self.habits.long_bytes) } else { 0 };
        let text = match rng.below(8) {
            0 => return None,
            1..=3 => rng.pick(&TEXTS).to_owned(),
            4 => format!("of run {n}"),
            5 => return Some(format!("{{\"of\":{n},\"at\":\"{}\"}}", self.now_ms)),
            _ => format!("of run {n} at {} {}", self.now_ms, rng.pick(&TEXTS)),
        };
        // Long texts of one run begin alike, as those of many runs do.
        Some(if long > 0 { format!("{}{text}", "a long text ".repeat(long / 12)) } else { text })
    }
}

/// The literal of random tags, and of those that `before` has.
fn tags(before: Option<&str>, rng: &mut SeededRng) -> String {
    let mut tags: BTreeSet<&str> =
        TAGS.into_iter().filter(|tag| before.is_some_and(|text| text.contains(tag))).collect();
    tags.extend(TAGS.into_iter().filter(|_| rng.one_in(2)));
    format!("{{{}}}", tags.into_iter().collect::<Vec<_>>().join(","))
}
