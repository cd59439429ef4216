//! A server with a truth of its own, for tests that hold what readers see against it: seeded, so that what failed once
//! fails again.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::HeaderMap;

use super::*;
use crate::retry::Policy;
use crate::serve::clock::to_wire;

/// A seeded source of chance (SplitMix64).
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Below `most`, which is not 0.
    pub(crate) fn below(&mut self, most: usize) -> usize {
        usize::try_from(self.draw() >> 33).expect("31 bits") % most
    }

    pub(crate) fn one_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }

    fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[self.below(from.len())]
    }
}

/// Says which seed failed.
struct Seed(u64);

impl Drop for Seed {
    fn drop(&mut self) {
        if std::thread::panicking() {
            #[allow(clippy::print_stderr, reason = "the seed is what a failure is told by")]
            {
                eprintln!("TRIGGER_NATIVE_FUZZ_SEED={} shows it again", self.0);
            }
        }
    }
}

/// Plays `play` with one seed after the other: `scenarios` of them, or for as long as `TRIGGER_NATIVE_FUZZ_SECONDS` says,
/// then from a random one on. `play` returns how many answers it checked.
pub(crate) fn fuzz(scenarios: u64, mut play: impl FnMut(u64) -> u64) {
    let told = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let (only, seconds) = (told("TRIGGER_NATIVE_FUZZ_SEED"), told("TRIGGER_NATIVE_FUZZ_SECONDS"));
    let end = seconds.map(|seconds| Instant::now() + Duration::from_secs(seconds));
    let first = only.unwrap_or_else(|| if end.is_some() { u64::from_le_bytes(crate::random::bytes()) >> 1 } else { 1 });
    let (mut played, mut checked) = (0, 0);
    while match (only, end) {
        (Some(_), _) => played == 0,
        (None, Some(end)) => Instant::now() < end,
        (None, None) => played < scenarios,
    } {
        let seed = Seed(first.wrapping_add(played));
        checked += play(seed.0);
        played += 1;
    }
    #[allow(clippy::print_stderr, reason = "shown with --nocapture: what a long run came to")]
    {
        eprintln!("{played} scenarios from seed {first}, {checked} answers checked");
    }
}

/// The columns of a run that are not null.
pub(crate) type Cells = BTreeMap<String, String>;

const LONG_COLUMNS: [&str; 3] = ["payload", "output", "metadata"];
const COLUMNS: [&str; 9] =
    ["id", "friendlyId", "taskIdentifier", "status", "createdAt", "updatedAt", "payload", "output", "metadata"];
/// Texts that look like what stands around texts, like gaps, and like each other.
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

/// A server, and what is true there.
pub(crate) struct World {
    /// Whether it tells whole rows and deletes none, as the cloud's; else as Electric.
    pub(crate) whole: bool,
    pub(crate) rows: BTreeMap<String, Cells>,
    /// Unix milliseconds: later with every change.
    pub(crate) now_ms: u64,
    most_rows: usize,
    created_ms: BTreeMap<usize, u64>,
    handle: u64,
    /// What it tells under this handle, from a snapshot on.
    script: Vec<String>,
}

impl World {
    pub(crate) fn new(dice: &mut Dice, now_ms: u64) -> Self {
        let most_rows = 1 + dice.below(24);
        let whole = dice.one_in(2);
        Self {
            whole,
            rows: BTreeMap::new(),
            now_ms,
            most_rows,
            created_ms: BTreeMap::new(),
            handle: 0,
            script: Vec::new(),
        }
    }

    pub(crate) fn schema() -> String {
        let columns = COLUMNS.map(|name| format!(r#""{name}":{{"type":"text"}}"#));
        format!("{{{}}}", columns.join(","))
    }

    /// Something happens.
    pub(crate) fn change(&mut self, dice: &mut Dice) {
        self.now_ms += 1;
        let n = dice.below(self.most_rows);
        let key = format!("\"public\".\"TaskRun\"/\"c{n}\"");
        let Some(before) = self.rows.get(&key) else { return self.insert(n, key, dice) };
        let mut after = before.clone();
        match dice.below(16) {
            0..=1 if !self.whole => return self.delete(&key, dice),
            // The very same once more.
            2 => {}
            3..=4 => {
                after.insert("status".into(), "COMPLETED_SUCCESSFULLY".into());
            }
            5..=9 => {
                after.insert("status".into(), dice.pick(&["EXECUTING", "DEQUEUED", "PENDING"]).into());
            }
            _ => {
                let column = dice.pick(&LONG_COLUMNS).to_owned();
                match self.text(n, dice) {
                    Some(text) => after.insert(column, text),
                    None => after.remove(&column),
                };
            }
        }
        if after != *before {
            after.insert("updatedAt".into(), to_wire(self.now_ms));
        }
        let told: Vec<&str> =
            COLUMNS.iter().copied().filter(|name| self.whole || after.get(*name) != before.get(*name)).collect();
        self.script.push(message("update", &key, &after, &told, dice));
        self.rows.insert(key, after);
    }

    fn insert(&mut self, n: usize, key: String, dice: &mut Dice) {
        // Some were made before a window of an hour begins. One that comes back was made when it was made.
        let created_ms = self.now_ms - if dice.one_in(3) { 7_200_000 } else { 0 };
        let created_ms = *self.created_ms.entry(n).or_insert(created_ms);
        let mut cells = Cells::from([
            ("id".into(), format!("c{n}")),
            ("friendlyId".into(), format!("run_{n}")),
            ("taskIdentifier".into(), "task".into()),
            ("status".into(), "PENDING".into()),
            ("createdAt".into(), to_wire(created_ms)),
            ("updatedAt".into(), to_wire(self.now_ms)),
        ]);
        for column in LONG_COLUMNS {
            if let Some(text) = self.text(n, dice) {
                cells.insert(column.into(), text);
            }
        }
        self.script.push(message("insert", &key, &cells, &COLUMNS, dice));
        self.rows.insert(key, cells);
    }

    fn delete(&mut self, key: &str, dice: &mut Dice) {
        let Some(cells) = self.rows.remove(key) else { return };
        // With what it had, sometimes.
        let told: &[&str] = if dice.one_in(2) { &COLUMNS } else { &COLUMNS[..1] };
        self.script.push(message("delete", key, &cells, told, dice));
    }

    /// A text that is this run's alone, or one that any may have.
    fn text(&self, n: usize, dice: &mut Dice) -> Option<String> {
        match dice.below(8) {
            0 => None,
            1..=3 => Some(dice.pick(&TEXTS).to_owned()),
            4 => Some(format!("of run {n}")),
            5 => Some(format!("{{\"of\":{n},\"at\":\"{}\"}}", self.now_ms)),
            _ => Some(format!("of run {n} at {} {}", self.now_ms, dice.pick(&TEXTS))),
        }
    }

    /// What it answers to a feed's request; and whether that is all there is to tell.
    pub(crate) fn answer(&mut self, query: &Query, dice: &mut Dice) -> (u16, HeaderMap, Vec<u8>, bool) {
        let is_snapshot = query.offset == "-1";
        if dice.one_in(24) || (!is_snapshot && query.handle != Some(self.handle())) {
            self.handle += 1;
            let headers = [("electric-handle", self.handle())];
            return (409, named(&headers), br#"[{"headers":{"control":"must-refetch"}}]"#.to_vec(), false);
        }
        if is_snapshot {
            self.script.clear();
            for (key, cells) in &self.rows {
                self.script.push(message("insert", key, cells, &COLUMNS, dice));
            }
        }
        let from = if is_snapshot { 0 } else { query.offset.parse().expect("an offset of ours") };
        let to = if dice.one_in(4) { from + dice.below(self.script.len() - from + 1) } else { self.script.len() };
        let mut messages: Vec<String> = self.script[from..to].to_vec();
        if dice.one_in(8) {
            let noise = [
                r#"{"headers":{"control":"snapshot-end"}}"#,
                r#"{"key":"x","value":{"payload":"xxxxxx"},"headers":{"operation":"unknown"}}"#,
                r#"{"payload":"xxxxxx","headers":{"control":"unknown","payload":"xxxxxx"}}"#,
            ];
            messages.insert(dice.below(messages.len() + 1), dice.pick(&noise).into());
        }
        let is_all = to == self.script.len();
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

fn message(operation: &str, key: &str, cells: &Cells, columns: &[&str], dice: &mut Dice) -> String {
    let value: Vec<String> = columns
        .iter()
        .map(|name| match cells.get(*name) {
            // A server may send a bare object: its JSON is the text.
            Some(text) if is_compact_object(text) && dice.one_in(4) => format!("\"{name}\":{text}"),
            Some(text) => format!("\"{name}\":{}", literal(text, dice)),
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

/// A JSON string; the same text is not always written the same way.
fn literal(text: &str, dice: &mut Dice) -> String {
    if text.is_ascii() && dice.one_in(6) {
        let escaped = text.bytes().map(|byte| format!("\\u{byte:04x}")).collect::<Vec<_>>().concat();
        return format!("\"{escaped}\"");
    }
    serde_json::Value::from(text).to_string()
}

/// A feed's machine, and what a reader of it has.
pub(crate) struct Follower {
    feed: Feed,
    step: Step,
    clock_ms: u64,
    pub(crate) rows: BTreeMap<String, Cells>,
    let_go: BTreeSet<String>,
    /// Until when it knows all that happened.
    pub(crate) told_ms: u64,
}

impl Follower {
    /// With texts that are long from 6 bytes on, and few of them known; `keep` is of finished runs.
    pub(crate) fn new(dice: &mut Dice, finished: usize) -> Self {
        let forever = Policy { max_attempts: u32::MAX, ..Policy::default() };
        let limits = Limits {
            retry_for_ms: u64::MAX,
            protocol_failures: u32::MAX,
            protocol_for_ms: u64::MAX,
            not_found: forever,
            refetches: u32::MAX,
            idle_answers: u32::MAX,
            keep: Keep { finished, ..Keep::default() },
            long_texts: LongTexts { min_bytes: 6, most: dice.below(5), most_bytes: 16 + dice.below(200) },
            ..Limits::default()
        };
        let mut feed = Feed::new(limits);
        let step = feed.start(at(0));
        Self { feed, step, clock_ms: 0, rows: BTreeMap::new(), let_go: BTreeSet::new(), told_ms: 0 }
    }

    pub(crate) fn present(&self) -> impl Iterator<Item = (&Arc<str>, &Arc<Row>)> {
        self.feed.rows()
    }

    /// One request and its answer, or a wait. What is told must be true, and after an answer that told all there is,
    /// all that is true must have been told.
    pub(crate) fn turn(&mut self, world: &mut World, dice: &mut Dice) -> Vec<Change> {
        // An answer in time, or one that took longer than a server holds.
        self.clock_ms += if dice.one_in(4) { 40_000 } else { 5_000 };
        let (outcome, is_all) = match &self.step {
            Step::Wait { .. } => (self.feed.on(Event::Woken, at(self.clock_ms)), false),
            Step::End(result) => panic!("it ended: {result:?}"),
            Step::Request(query) => {
                let (status, headers, mut body, mut is_all) = world.answer(query, dice);
                if dice.one_in(40) {
                    body.truncate(body.len() / 2);
                    is_all = false;
                }
                (self.feed.on(Event::Answer { status, headers: &headers, body: &body }, at(self.clock_ms)), is_all)
            }
        };
        for change in &outcome.changes {
            self.take(change, world);
        }
        self.step = outcome.step;
        if is_all && matches!(&self.step, Step::Request(query) if query.offset != "-1") {
            for (key, cells) in &world.rows {
                assert_eq!(self.rows.get(key), Some(cells), "{key} as the server has it");
            }
            // A run that was let go is not told of any more, unless its delete itself is seen (I16).
            self.rows.retain(|key, _| world.rows.contains_key(key) || !self.let_go.contains(key));
            assert_eq!(self.rows.len(), world.rows.len(), "runs that are gone");
            self.told_ms = world.now_ms;
        }
        outcome.changes
    }

    fn take(&mut self, change: &Change, world: &World) {
        match change {
            Change::Row { key, row } => {
                let told: Cells = row.iter().map(|(name, text)| (name.to_owned(), text.to_owned())).collect();
                assert_eq!(Some(&told), world.rows.get(&**key), "told of {key}");
                let before = self.rows.insert(key.to_string(), told.clone());
                assert!(before.as_ref() != Some(&told), "{key} was told twice");
                self.let_go.remove(&**key);
            }
            Change::Gone { key } => {
                assert!(!world.rows.contains_key(&**key), "{key} is there");
                assert!(self.rows.remove(&**key).is_some(), "{key} was never told");
                self.let_go.remove(&**key);
            }
            Change::LetGo { key } => {
                self.let_go.insert(key.to_string());
            }
            Change::Bad { key, why } => panic!("{key:?}: {why}"),
        }
    }
}

fn at(monotonic_ms: u64) -> Now {
    Now { monotonic_ms, unix_ms: 0, jitter: 0.5 }
}

#[test]
fn whatever_a_server_sends_every_run_is_told_as_it_is() {
    fuzz(500, |seed| {
        let mut dice = Dice::new(seed);
        let mut world = World::new(&mut dice, 1_795_335_402_432);
        let finished = if dice.one_in(2) { dice.below(4) } else { 1_000 };
        let mut follower = Follower::new(&mut dice, finished);
        for _ in 0..40 {
            for _ in 0..dice.below(4) {
                world.change(&mut dice);
            }
            follower.turn(&mut world, &mut dice);
        }
        40
    });
}
