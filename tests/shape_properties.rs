//! The feed machine against random servers: its rows equal those of a naive model, and no server makes it loop without
//! waits or hang.

use std::collections::{BTreeMap, BTreeSet};

use http::HeaderMap;
use proptest::prelude::*;
use trigger_native::error::ErrorCode;
use trigger_native::shape::{Change, Event, Failure, Feed, Limits, Now, Outcome, Step};
use trigger_native::{Error, retry::Policy};

const SCHEMA: &str = r#"{"a":{"type":"text"},"b":{"type":"text"}}"#;

type Texts = BTreeMap<String, String>;
type Rows = BTreeMap<String, Texts>;

#[derive(Clone, Debug)]
enum Op {
    Insert(u8, u8, u8),
    UpdateA(u8, u8),
    UpdateB(u8, Option<u8>),
    Delete(u8),
    Unknown,
}

#[derive(Clone, Debug)]
enum Response {
    Batch { before: Vec<Op>, up_to_date: bool, after: Vec<Op> },
    Refetch,
    Failure(u8),
}

fn op() -> impl Strategy<Value = Op> {
    let (key, text) = (0..4_u8, 0..3_u8);
    prop_oneof![
        (key.clone(), text.clone(), text.clone()).prop_map(|(key, a, b)| Op::Insert(key, a, b)),
        (key.clone(), text.clone()).prop_map(|(key, a)| Op::UpdateA(key, a)),
        (key.clone(), prop::option::of(text)).prop_map(|(key, b)| Op::UpdateB(key, b)),
        key.prop_map(Op::Delete),
        Just(Op::Unknown),
    ]
}

fn response() -> impl Strategy<Value = Response> {
    let ops = || prop::collection::vec(op(), 0..5);
    prop_oneof![
        6 => (ops(), any::<bool>(), ops()).prop_map(|(before, up_to_date, after)| Response::Batch { before, up_to_date, after }),
        1 => Just(Response::Refetch),
        2 => (0..7_u8).prop_map(Response::Failure),
    ]
}

fn message(op: &Op) -> String {
    let change = |operation, key: &u8, value: String| {
        format!(r#"{{"key":"k{key}","value":{{{value}}},"headers":{{"operation":"{operation}"}}}}"#)
    };
    match op {
        Op::Insert(key, a, b) => change("insert", key, format!(r#""a":"{a}","b":"{b}""#)),
        Op::UpdateA(key, a) => change("update", key, format!(r#""a":"{a}""#)),
        Op::UpdateB(key, Some(b)) => change("update", key, format!(r#""b":"{b}""#)),
        Op::UpdateB(key, None) => change("update", key, r#""b":null"#.to_owned()),
        Op::Delete(key) => change("delete", key, String::new()),
        Op::Unknown => r#"{"headers":{"control":"snapshot-end"}}"#.to_owned(),
    }
}

fn apply(rows: &mut Rows, op: &Op) {
    let key = |key: &u8| format!("k{key}");
    match op {
        Op::Insert(at, a, b) => {
            rows.insert(key(at), [("a".into(), a.to_string()), ("b".into(), b.to_string())].into());
        }
        Op::UpdateA(at, a) => {
            rows.entry(key(at)).or_default().insert("a".into(), a.to_string());
        }
        Op::UpdateB(at, Some(b)) => {
            rows.entry(key(at)).or_default().insert("b".into(), b.to_string());
        }
        Op::UpdateB(at, None) => {
            rows.entry(key(at)).or_default().remove("b");
        }
        Op::Delete(at) => {
            rows.remove(&key(at));
        }
        Op::Unknown => {}
    }
}

fn headers(offset: &str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in [("electric-handle", "h"), ("electric-offset", offset), ("electric-schema", SCHEMA)] {
        headers.insert(name, value.parse().expect("a header"));
    }
    headers
}

/// A retryable failure of one of seven kinds.
fn failure(feed: &mut Feed, kind: u8, now: Now) -> Outcome {
    let none = HeaderMap::new();
    let lost = || Error::new(ErrorCode::Connection, "lost");
    let good = headers("cut");
    let event = match kind {
        0 => Event::Response { status: 503, headers: &none, body: b"" },
        1 => Event::Response { status: 429, headers: &none, body: b"" },
        2 => Event::Response { status: 200, headers: &none, body: b"<html>" },
        3 => Event::Response { status: 200, headers: &good, body: br#"[{"key":"k0","va"# },
        4 => Event::Failed(Failure::Connect(lost())),
        5 => Event::Failed(Failure::Silent(lost())),
        _ => Event::Failed(Failure::Cut(lost())),
    };
    feed.on(event, now)
}

/// Limits that never end a feed, so that every sequence plays to its end.
fn patient() -> Limits {
    Limits {
        retry_for_ms: u64::MAX,
        protocol_failures: u32::MAX,
        protocol_for_ms: u64::MAX,
        not_found: Policy { max_attempts: u32::MAX, ..Policy::default() },
        not_found_for_ms: u64::MAX,
        refetches: u32::MAX,
        idle_responses: u32::MAX,
        ..Limits::default()
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn readers_see_what_a_naive_model_sees(responses in prop::collection::vec(response(), 1..40), jitter in 0.0..1.0) {
        let mut now = Now { monotonic_ms: 0, unix_ms: 0, jitter };
        let mut feed = Feed::new(patient());
        let mut step = feed.start(now);
        let (mut current, mut published, mut reader) = (Rows::new(), Rows::new(), Rows::new());
        let mut offset = "-1".to_owned();
        for (index, response) in responses.iter().enumerate() {
            if let Step::Wait { ms, .. } = step {
                now.monotonic_ms += ms;
                step = feed.on(Event::Woken, now).step;
            }
            let Step::Request(query) = &step else { panic!("it neither waits nor asks: {step:?}") };
            prop_assert_eq!(&query.offset, &offset, "it goes on from where it was");
            now.monotonic_ms += 10;
            let outcome = match response {
                Response::Batch { before, up_to_date, after } => {
                    offset = index.to_string();
                    for op in before {
                        apply(&mut current, op);
                    }
                    let mut messages: Vec<String> = before.iter().map(message).collect();
                    if *up_to_date {
                        published = current.clone();
                        messages.push(r#"{"headers":{"control":"up-to-date"}}"#.to_owned());
                    }
                    for op in after {
                        apply(&mut current, op);
                    }
                    messages.extend(after.iter().map(message));
                    let body = format!("[{}]", messages.join(","));
                    feed.on(Event::Response { status: 200, headers: &headers(&offset), body: body.as_bytes() }, now)
                }
                Response::Refetch => {
                    offset = "-1".to_owned();
                    current.clear();
                    // The server keeps its handle, so a later response with it is not stale.
                    feed.on(Event::Response { status: 409, headers: &headers("0"), body: b"" }, now)
                }
                Response::Failure(kind) => failure(&mut feed, *kind, now),
            };
            let mut seen = BTreeSet::new();
            for change in &outcome.changes {
                let key = match change {
                    Change::Row { key, .. } | Change::Gone { key } => key,
                    Change::Evicted { .. } | Change::Malformed { .. } => panic!("nothing of the kind happens here: {change:?}"),
                };
                prop_assert!(seen.insert(key.to_string()), "two changes of {} at once", key);
                match change {
                    Change::Row { key, row } => {
                        let row: Texts = row.iter().map(|(name, text)| (name.to_owned(), text.to_owned())).collect();
                        let before = reader.insert(key.to_string(), row.clone());
                        prop_assert_ne!(before, Some(row), "a row that did not change was repeated");
                    }
                    Change::Gone { key } => prop_assert!(reader.remove(&**key).is_some(), "gone, but never there"),
                    Change::Evicted { .. } | Change::Malformed { .. } => {}
                }
            }
            prop_assert_eq!(&reader, &published);
            let rows: BTreeSet<&str> = feed.rows().map(|(key, _)| &**key).collect();
            prop_assert_eq!(rows, published.keys().map(String::as_str).collect::<BTreeSet<_>>());
            step = outcome.step;
        }
    }

    #[test]
    fn no_server_makes_it_loop_hot_or_hang(
        cycle in prop::collection::vec(0..14_u8, 1..5),
        latency in 0..3_u64,
        jitter in 0.0..1.0,
    ) {
        let mut now = Now { monotonic_ms: 0, unix_ms: 0, jitter };
        let mut feed = Feed::new(Limits::default());
        let mut step = feed.start(now);
        // A row that a must-refetch removes and a snapshot brings back is news each time, for as long as a server does so.
        let (mut requests, mut news, mut newest_ms) = (0_u64, 0_u64, 0);
        let mut turns = cycle.iter().cycle();
        for turn in 0_u64.. {
            if news > 100 {
                break;
            }
            prop_assert!(turn < 100_000, "it neither ends nor lets time pass");
            match step {
                Step::Request(_) => {
                    requests += 1;
                    now.monotonic_ms += latency;
                    let kind = *turns.next().expect("a cycle never ends");
                    let outcome = useless(&mut feed, kind, turn, now);
                    news += outcome.changes.len() as u64;
                    if !outcome.changes.is_empty() {
                        newest_ms = now.monotonic_ms;
                    }
                    step = outcome.step;
                }
                Step::Wait { ms, .. } => {
                    prop_assert!((100..=30_000).contains(&ms), "a wait of {} ms", ms);
                    now.monotonic_ms += ms;
                    step = feed.on(Event::Woken, now).step;
                }
                Step::End(result) => {
                    prop_assert!(result.is_err(), "an end without a reason");
                    break;
                }
            }
            let bound = 40 + now.monotonic_ms / 80 + 8 * news;
            prop_assert!(requests <= bound, "{} requests in {} ms", requests, now.monotonic_ms);
            if now.monotonic_ms - newest_ms > 400_000 {
                // Only responses that move on and name changes may continue for ever, slowly.
                prop_assert!(cycle.contains(&13), "it never gave up");
                break;
            }
        }
    }

    #[test]
    fn no_bytes_make_it_panic(
        status in 100..600_u16,
        body in prop::collection::vec(any::<u8>(), 0..64),
        text in r#"[\[\]{}",:a-z0-9\\]{0,64}"#,
    ) {
        let now = Now { monotonic_ms: 0, unix_ms: 0, jitter: 0.5 };
        for body in [&body[..], text.as_bytes()] {
            let mut feed = Feed::new(Limits::default());
            feed.start(now);
            feed.on(Event::Response { status, headers: &headers("0"), body }, now);
        }
    }
}

/// A response that brings nothing after its first time.
fn useless(feed: &mut Feed, kind: u8, turn: u64, now: Now) -> Outcome {
    let row = message(&Op::Insert(0, 0, 0));
    let up_to_date = r#"{"headers":{"control":"up-to-date"}}"#;
    let (offset, body) = match kind {
        0..=6 => return failure(feed, kind, now),
        7 => ("0".to_owned(), format!("[{up_to_date}]")),
        8 => ("0".to_owned(), format!("[{row}]")),
        9 => ("0".to_owned(), format!("[{row},{up_to_date}]")),
        10 => (turn.to_string(), "[]".to_owned()),
        11 => (turn.to_string(), format!("[{up_to_date}]")),
        12 => {
            let (status, body) = if turn.is_multiple_of(2) { (409, &b"[]"[..]) } else { (204, &b""[..]) };
            return feed.on(Event::Response { status, headers: &headers("0"), body }, now);
        }
        _ => (turn.to_string(), format!("[{row},{up_to_date}]")),
    };
    feed.on(Event::Response { status: 200, headers: &headers(&offset), body: body.as_bytes() }, now)
}
