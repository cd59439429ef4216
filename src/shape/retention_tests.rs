//! Retention of finished runs, against a reader that keeps everything (I16).

use std::collections::{BTreeMap, BTreeSet};

use http::HeaderMap;
use proptest::prelude::*;

use super::*;

const SCHEMA: &str = r#"{"status":{"type":"text"}}"#;
const DONE: &str = "COMPLETED_SUCCESSFULLY";

type Content = BTreeMap<&'static str, String>;

/// A change on the server.
#[derive(Clone, Debug)]
enum Op {
    Start(u8),
    Finish(u8),
    Note(u8, u8),
    Delete(u8),
    /// An update with the whole row, unchanged.
    Repeat(u8),
}

/// A server that sends whole rows (native) or only the changed columns (Electric), and a naive reader of the same
/// changes.
struct World {
    whole: bool,
    truth: BTreeMap<u8, Content>,
    naive: BTreeMap<u8, Content>,
    expected: Vec<(u8, Content)>,
}

impl World {
    fn message(operation: &str, key: u8, content: &Content) -> String {
        serde_json::json!({ "key": key.to_string(), "value": content, "headers": { "operation": operation } })
            .to_string()
    }

    fn apply(&mut self, op: &Op) -> Option<String> {
        let set = |world: &mut Self, key: u8, column: &'static str, text: String| {
            let row = world.truth.get_mut(&key)?;
            row.insert(column, text.clone());
            let changed = Content::from([(column, text)]);
            Some(Self::message("update", key, if world.whole { row } else { &changed }))
        };
        match op {
            Op::Start(key) if !self.truth.contains_key(key) => {
                let columns =
                    [("friendlyId", format!("run_{key}")), ("status", "EXECUTING".into()), ("note", "-".into())];
                self.truth.insert(*key, Content::from(columns));
                Some(Self::message("insert", *key, &self.truth[key]))
            }
            Op::Start(_) => None,
            Op::Finish(key) => set(self, *key, "status", DONE.into()),
            Op::Note(key, note) => set(self, *key, "note", note.to_string()),
            Op::Delete(key) => self.truth.remove(key).map(|row| Self::message("delete", *key, &row)),
            Op::Repeat(key) => self.truth.get(key).map(|row| Self::message("update", *key, row)),
        }
    }

    /// Publishes the changes of the naive reader, which keeps everything.
    fn settle(&mut self) {
        for (key, row) in &self.truth {
            if self.naive.get(key) != Some(row) {
                self.expected.push((*key, row.clone()));
            }
        }
        self.naive = self.truth.clone();
    }
}

fn now(monotonic_ms: u64) -> Now {
    Now { monotonic_ms, unix_ms: 0, jitter: 0.5 }
}

struct Run {
    emitted: Vec<(u8, Content)>,
    snapshots: usize,
    most_rows: usize,
}

fn content(row: &Row) -> Content {
    ["friendlyId", "status", "note"].into_iter().filter_map(|name| Some((name, row.get(name)?.to_owned()))).collect()
}

/// Drives a feed with this `retention` through groups of changes. Each group is one live response; `None` is a 409.
fn drive(world: &mut World, retention: Retention, groups: &[Option<Vec<Op>>]) -> Run {
    let mut feed = Feed::new(Limits { retention, ..Limits::default() });
    let mut run = Run { emitted: Vec::new(), snapshots: 0, most_rows: 0 };
    let (mut clock, mut groups, mut answer) = (0, groups.iter(), 0_u32);
    let mut step = feed.start(now(clock));
    loop {
        clock += 5_000;
        let mut headers = HeaderMap::new();
        let mut insert = |name: &'static str, value: &str| headers.insert(name, value.parse().expect("a value"));
        insert("electric-schema", SCHEMA);
        let outcome = match &step {
            Step::Wait { .. } => feed.on(Event::Woken, now(clock)),
            Step::End(result) => panic!("ended: {result:?}"),
            Step::Request(query) => {
                let mut messages: Vec<String> = Vec::new();
                if query.live {
                    match groups.next() {
                        None => return run,
                        Some(None) => {
                            insert("electric-handle", &format!("h{clock}"));
                            step =
                                feed.on(Event::Response { status: 409, headers: &headers, body: b"" }, now(clock)).step;
                            continue;
                        }
                        Some(Some(ops)) => messages.extend(ops.iter().filter_map(|op| world.apply(op))),
                    }
                } else {
                    // Empty snapshots after 409s in a row are followed by a wait, and that by a refresh (I20).
                    run.snapshots += usize::from(query.offset == "-1");
                    messages.extend(world.truth.iter().map(|(key, row)| World::message("insert", *key, row)));
                }
                world.settle();
                answer += 1;
                messages.push(r#"{"headers":{"control":"up-to-date"}}"#.into());
                let handle = query.handle.clone().unwrap_or_else(|| "h".into());
                insert("electric-handle", &handle);
                insert("electric-offset", &format!("{answer}_0"));
                let body = format!("[{}]", messages.join(","));
                feed.on(Event::Response { status: 200, headers: &headers, body: body.as_bytes() }, now(clock))
            }
        };
        for change in &outcome.changes {
            match change {
                Change::Row { key, row } => run.emitted.push((key.parse().expect("a key"), content(row))),
                Change::Gone { .. } | Change::Evicted { .. } => {}
                Change::Malformed { key, why } => panic!("{key:?}: {why}"),
            }
        }
        run.most_rows = run.most_rows.max(feed.rows().count());
        step = outcome.step;
    }
}

fn of_key(rows: &[(u8, Content)], wanted: u8) -> Vec<&Content> {
    rows.iter().filter(|(key, _)| *key == wanted).map(|(_, row)| row).collect()
}

fn op() -> impl Strategy<Value = Op> {
    let key = 0..24_u8;
    prop_oneof![
        3 => key.clone().prop_map(Op::Start),
        3 => key.clone().prop_map(Op::Finish),
        2 => (key.clone(), 0..3_u8).prop_map(|(key, note)| Op::Note(key, note)),
        1 => key.clone().prop_map(Op::Delete),
        1 => key.prop_map(Op::Repeat),
    ]
}

proptest! {
    #[test]
    fn a_reader_sees_what_one_that_keeps_everything_sees(
        whole in any::<bool>(),
        groups in prop::collection::vec(prop::option::weighted(0.95, prop::collection::vec(op(), 1..6)), 1..120),
    ) {
        let mut world = World {
            whole,
            truth: BTreeMap::new(),
            naive: BTreeMap::new(),
            expected: Vec::new(),
        };
        let retention = Retention { finished: 2, finished_bytes: 1 << 20, remembered: 64 };
        let run = drive(&mut world, retention, &groups);
        let keys: BTreeSet<u8> = world.expected.iter().chain(&run.emitted).map(|(key, _)| *key).collect();
        for key in keys {
            prop_assert_eq!(of_key(&run.emitted, key), of_key(&world.expected, key), "run {}", key);
        }
        let refetched = groups.iter().filter(|group| group.is_none()).count();
        if whole {
            prop_assert_eq!(run.snapshots, 1 + refetched, "whole rows never need another snapshot");
        }
    }
}

#[test]
fn a_refresh_after_must_refetches_in_a_row_is_no_snapshot() {
    let mut world = World { whole: true, truth: BTreeMap::new(), naive: BTreeMap::new(), expected: Vec::new() };
    assert_eq!(drive(&mut world, Retention::default(), &[None, None, None]).snapshots, 4);
}

#[test]
fn a_long_history_of_finished_runs_keeps_no_more_rows_than_the_limit_and_no_run_is_told_twice() {
    let mut feed = Feed::new(Limits::default());
    let mut step = feed.start(now(0));
    let (mut told, mut most) = (0, 0);
    let total = 33_150;
    for n in 0..2 * total {
        let Step::Request(query) = &step else { panic!("it goes on") };
        let pairs = [
            ("electric-handle", "h".to_owned()),
            ("electric-offset", format!("{n}_0")),
            ("electric-schema", SCHEMA.to_owned()),
        ];
        let headers: HeaderMap =
            pairs.iter().map(|(name, text)| (name.parse().expect("a name"), text.parse().expect("a value"))).collect();
        assert!(query.live || n == 0);
        // Every run comes a second time, much later. Remembered ones are not published again.
        let run = if n < total { n } else { total - 1 - (n - total) };
        let body = format!(
            r#"[{{"key":"{run}","value":{{"friendlyId":"run_{run}","status":"{DONE}"}},"headers":{{"operation":"update"}}}},{{"headers":{{"control":"up-to-date"}}}}]"#
        );
        let outcome =
            feed.on(Event::Response { status: 200, headers: &headers, body: body.as_bytes() }, now(n * 5_000));
        let rows = outcome.changes.iter().filter(|change| matches!(change, Change::Row { .. })).count();
        told += rows;
        if n >= total && n < total + 30_000 {
            assert_eq!(rows, 0, "run {run} was told again");
        }
        most = most.max(feed.rows().count());
        step = outcome.step;
    }
    assert!(most <= 1_281, "{most} rows were kept");
    assert!(told >= 33_150);
}

#[test]
fn a_partial_update_of_a_run_that_was_let_go_is_told_whole() {
    let mut world = World { whole: false, truth: BTreeMap::new(), naive: BTreeMap::new(), expected: Vec::new() };
    let retention = Retention { finished: 1, finished_bytes: 1 << 20, remembered: 64 };
    let mut groups: Vec<Option<Vec<Op>>> = (0..9).map(|n| Some(vec![Op::Start(n), Op::Finish(n)])).collect();
    groups.push(Some(vec![Op::Note(0, 7)]));
    let run = drive(&mut world, retention, &groups);
    assert_eq!(run.snapshots, 2, "one more snapshot tells the whole row");
    let (key, last) = run.emitted.last().expect("rows");
    assert_eq!((*key, last["note"].as_str(), last["status"].as_str()), (0, "7", DONE));
    assert_eq!(run.emitted.len(), 10, "and nothing else again");
    assert!(run.most_rows <= 9 + 2);
}

#[test]
fn runs_that_a_new_snapshot_lacks_no_longer_count_among_those_that_are_kept() {
    let retention = Retention { finished: 4, finished_bytes: 1 << 20, remembered: 64 };
    let mut rows = row_store::RowStore::new(retention, InternLimits::default());
    let mut finished = |keys: std::ops::Range<u8>| {
        rows.clear();
        for key in keys {
            let value = vec![("status".into(), Some(DONE.into()))];
            rows.apply(message::Message::Insert { key: key.to_string().into(), value });
        }
        let changes = rows.publish();
        changes.iter().filter(|change| matches!(change, Change::Evicted { .. })).count()
    };
    for round in 0..5 {
        assert_eq!(finished(4 * round..4 * round + 4), 0, "each snapshot has as many as are kept");
    }
    assert!(finished(100..110) > 0, "more than those are let go");
}
