//! The machine of a stream: recordings cut anywhere, connections dropped anywhere, ends told apart.

#![allow(
    clippy::panic,
    clippy::print_stdout,
    reason = "a test fails by panicking, and prints the seed to repeat it with"
)]

use std::path::Path;

use http::HeaderMap;
use proptest::prelude::*;
use trigger_native::error::Kind;
use trigger_native::shape::{Now, Reason};
use trigger_native::stream::{Ending, Event, Failure, Limits, Machine, Outcome, Plan, Request, Start, Step};
use trigger_native::{Error, Result};

/// A machine with a clock of its own.
struct Bench {
    machine: Machine,
    step: Step,
    at: u64,
    values: Vec<String>,
}

impl Bench {
    fn new(plan: Plan) -> Self {
        let mut machine = Machine::new(plan, Limits::default());
        let step = machine.start();
        Self { machine, step, at: 0, values: Vec::new() }
    }

    fn now(&self) -> Now {
        Now { monotonic_ms: self.at, unix_ms: 1_000_000 + self.at, jitter: 0.5 }
    }

    fn on(&mut self, event: Event<'_>) -> &Step {
        let now = self.now();
        let Outcome { step, chunks } = self.machine.on(event, now);
        self.values.extend(chunks.into_iter().map(|chunk| chunk.json.map_or("undefined".into(), String::from)));
        self.step = step;
        &self.step
    }

    fn open(&mut self, v2: bool) -> &Step {
        let version: &[(&str, &str)] = if v2 { &[("x-stream-version", "v2")] } else { &[] };
        self.on(Event::Opened { status: 200, headers: &headers(version) })
    }

    fn text(&mut self, text: &str) -> &Step {
        self.on(Event::Bytes(text.as_bytes()))
    }

    fn cut(&mut self) -> &Step {
        self.on(Event::Failed(Failure::Cut(Error::new(Kind::Connection, "ERR_CONNECTION", "cut"))))
    }

    /// The wait passes.
    fn wake(&mut self) -> Request {
        if let Step::Wait { ms, .. } = self.step {
            self.at += ms;
            self.on(Event::Woken);
        }
        self.request()
    }

    fn request(&self) -> Request {
        let Step::Request(request) = &self.step else { panic!("no request: {:?}", self.step) };
        request.clone()
    }

    fn end(&self) -> &Result<Ending> {
        let Step::End(result) = &self.step else { panic!("no end: {:?}", self.step) };
        result
    }
}

fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
    pairs
        .iter()
        .map(|(name, value)| {
            (name.parse::<http::HeaderName>().expect("a name"), value.parse::<http::HeaderValue>().expect("a value"))
        })
        .collect()
}

fn timeout(seconds: u16) -> Plan {
    Plan { timeout_s: Some(seconds), ..Plan::default() }
}

const FOLLOW: Plan = Plan { start: Start::Beginning, timeout_s: None, follow: true };
const DONE: &str = "data: [DONE]\n\n";

fn batch(seq: u64, value: &str) -> String {
    let body = serde_json::Value::from(format!("{{\"data\":{value},\"id\":\"id{seq}\"}}"));
    format!(
        "event: batch\nid: {seq},{},9\ndata: {{\"records\":[{{\"seq_num\":{seq},\"timestamp\":1,\"body\":{body}}}]}}\n\n",
        seq + 1
    )
}

fn ping(tail: u64) -> String {
    format!("event: ping\ndata: {{\"timestamp\":1,\"tail\":{{\"seq_num\":{tail},\"timestamp\":1}}}}\n\n")
}

fn v1(ms: u64, value: &str) -> String {
    format!("id: {ms}-0\ndata: {value}\n\n")
}

// Recordings

struct Recorded {
    name: String,
    headers: HeaderMap,
    status: u16,
    timeout_s: Option<u16>,
    after: Option<u64>,
    body: String,
    ended: bool,
    duration_ms: u64,
}

/// Every answer of a stream in every recording.
fn recordings() -> Vec<Recorded> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/wire");
    let mut all = Vec::new();
    for entry in std::fs::read_dir(&folder).expect("the recordings") {
        let path = entry.expect("an entry").path();
        if path.extension().is_none_or(|extension| extension != "json") {
            continue;
        }
        let text = std::fs::read_to_string(&path).expect("a recording");
        let recording: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        for exchange in recording["exchanges"].as_array().expect("exchanges") {
            let line = exchange["request"]["line"].as_str().expect("a line");
            if !line.starts_with("GET /realtime/v1/streams/") || exchange["response"].is_null() {
                continue;
            }
            let asked = |name: &str| {
                let all = exchange["request"]["headers"].as_array().expect("headers");
                let found = all.iter().find(|pair| pair[0].as_str().is_some_and(|key| key.eq_ignore_ascii_case(name)));
                found.and_then(|pair| pair[1].as_str()).map(str::to_owned)
            };
            let response = &exchange["response"];
            let mut headers = HeaderMap::new();
            for pair in response["headers"].as_array().expect("headers") {
                let (name, value) = (pair[0].as_str().expect("a name"), pair[1].as_str().expect("a value"));
                headers.append(
                    name.parse::<http::HeaderName>().expect("a name"),
                    value.parse::<http::HeaderValue>().expect("a value"),
                );
            }
            let chunks = response["chunks"].as_array().expect("chunks");
            all.push(Recorded {
                name: format!("{}: {line}", path.display()),
                headers,
                status: u16::try_from(response["status"].as_u64().expect("a status")).expect("a status"),
                timeout_s: asked("timeout-seconds").and_then(|seconds| seconds.parse().ok()),
                after: asked("last-event-id").and_then(|id| id.parse().ok()),
                body: chunks.iter().filter_map(|chunk| chunk["text"].as_str()).collect(),
                ended: exchange["endedBy"] == "server",
                duration_ms: exchange["durationMs"].as_u64().unwrap_or(0),
            });
        }
    }
    assert!(all.iter().any(|recorded| recorded.status == 200), "no stream was recorded in {}", folder.display());
    all
}

/// What a reader of the recording sees, worked out without the machine.
fn expected(recorded: &Recorded) -> Vec<serde_json::Value> {
    let is_v2 = recorded.headers.get("x-stream-version").is_some_and(|version| version == "v2");
    let mut seen = std::collections::HashSet::new();
    let mut values = Vec::new();
    for block in recorded.body.split("\n\n") {
        let field = |name: &str| block.lines().find_map(|line| line.strip_prefix(name)).map(str::trim_start);
        let Some(data) = field("data:") else { continue };
        if !is_v2 {
            values.push(serde_json::from_str(data).unwrap_or_else(|_| data.into()));
        } else if field("event:") == Some("batch") {
            let batch: serde_json::Value = serde_json::from_str(data).expect("a batch");
            for record in batch["records"].as_array().expect("records") {
                let Some(body) = record["body"].as_str().filter(|_| record["headers"][0][0] != "") else { continue };
                let body: serde_json::Value = serde_json::from_str(body).expect("a body");
                if seen.insert(body["id"].to_string()) {
                    values.push(body["data"].clone());
                }
            }
        }
    }
    values
}

fn replay(recorded: &Recorded, chunks: &[&[u8]]) -> Bench {
    let start = recorded.after.map_or(Start::Beginning, Start::After);
    let mut bench = Bench::new(Plan { start, timeout_s: recorded.timeout_s, follow: false });
    bench.on(Event::Opened { status: recorded.status, headers: &recorded.headers });
    for chunk in chunks {
        if matches!(bench.step, Step::Read { .. }) {
            bench.on(Event::Bytes(chunk));
        }
    }
    bench
}

fn parsed(values: &[String]) -> Vec<serde_json::Value> {
    values.iter().map(|value| serde_json::from_str(value).expect("JSON")).collect()
}

/// A seed for where to cut: TEST_SEED, or a new one. Printed when a test fails.
fn seed() -> u64 {
    let given = std::env::var("TEST_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = given.unwrap_or_else(|| u64::from_le_bytes(trigger_native::random::bytes()) >> 12);
    println!("seed {seed}: repeat with TEST_SEED={seed}");
    seed
}

fn random_cuts(bytes: &[u8], state: &mut u64) -> Vec<Vec<u8>> {
    let (mut rest, mut chunks) = (bytes, Vec::new());
    while !rest.is_empty() {
        *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let (chunk, after) = rest.split_at(((*state >> 33) as usize % 40 + 1).min(rest.len()));
        chunks.push(chunk.to_vec());
        rest = after;
    }
    chunks
}

#[test]
fn every_recorded_stream_yields_its_values_however_its_bytes_are_cut() {
    let mut state = seed();
    let mut values = 0;
    for recorded in recordings().iter().filter(|recorded| recorded.status == 200) {
        let bytes = recorded.body.as_bytes();
        let expected = expected(recorded);
        values += expected.len();
        let random = random_cuts(bytes, &mut state);
        let random: Vec<&[u8]> = random.iter().map(Vec::as_slice).collect();
        for chunks in [vec![bytes], bytes.chunks(1).collect(), random] {
            let mut bench = replay(recorded, &chunks);
            assert_eq!(parsed(&bench.values), expected, "{}", recorded.name);
            if recorded.ended {
                bench.at = recorded.duration_ms;
                if matches!(bench.step, Step::Read { .. }) {
                    bench.on(Event::Closed);
                }
                assert_eq!(*bench.end().as_ref().expect("no error"), Ending::Idle, "{}", recorded.name);
            }
        }
    }
    assert!(values > 0, "nothing was compared");
}

#[test]
fn every_recorded_refusal_ends_the_stream_with_its_status() {
    let mut refusals = 0;
    for recorded in recordings().iter().filter(|recorded| recorded.status >= 400) {
        refusals += 1;
        let mut bench = Bench::new(Plan::default());
        bench.on(Event::Refused {
            status: recorded.status,
            headers: &recorded.headers,
            body: recorded.body.as_bytes(),
        });
        let error = bench.end().as_ref().expect_err(&recorded.name);
        assert_eq!((error.kind(), error.status()), (Kind::Api, Some(recorded.status)));
    }
    assert!(refusals > 0, "nothing was compared");
}

// Ends

#[test]
fn a_v2_window_ends_with_its_marker_and_is_dropped_without_it() {
    let mut bench = Bench::new(timeout(5));
    bench.open(true);
    bench.text(&batch(0, "1"));
    bench.on(Event::Closed);
    assert_eq!(bench.wake().last_event_id.as_deref(), Some("0"));
    bench.open(true);
    bench.text(&(batch(1, "2") + DONE));
    assert_eq!(*bench.end().as_ref().expect("no error"), Ending::Idle);
    assert_eq!(bench.values, ["1", "2"]);
}

#[test]
fn a_v1_body_that_ends_before_its_time_was_dropped_and_one_that_ends_after_it_is_idle() {
    let mut bench = Bench::new(timeout(5));
    bench.open(false);
    bench.text(&(v1(1, "1") + &v1(2, "2")));
    bench.on(Event::Closed);
    assert_eq!(bench.wake().last_event_id.as_deref(), Some("1-0"));
    bench.open(false);
    bench.text(&(v1(2, "2") + &v1(3, "3")));
    bench.at += 5_000;
    bench.on(Event::Closed);
    assert_eq!(*bench.end().as_ref().expect("no error"), Ending::Idle);
    assert_eq!(bench.values, ["1", "2", "3"]);
}

#[test]
fn a_v1_body_that_ends_early_and_empty_again_and_again_has_ended() {
    let mut bench = Bench::new(Plan::default());
    bench.open(false);
    bench.text(&v1(1, "1"));
    bench.on(Event::Closed);
    for _ in 0..2 {
        bench.wake();
        bench.open(false);
        bench.on(Event::Closed);
    }
    bench.wake();
    bench.open(false);
    bench.on(Event::Closed);
    assert_eq!(*bench.end().as_ref().expect("no error"), Ending::Idle);
    assert!(bench.at < 10_000);
}

#[test]
fn a_server_that_says_nothing_more_comes_ends_the_stream() {
    let mut bench = Bench::new(Plan::default());
    bench.on(Event::Opened {
        status: 200,
        headers: &headers(&[("x-stream-version", "v2"), ("x-session-settled", "true")]),
    });
    bench.on(Event::Closed);
    assert_eq!(*bench.end().as_ref().expect("no error"), Ending::Complete);
}

#[test]
fn a_followed_stream_opens_window_after_window_until_the_run_is_over() {
    let mut bench = Bench::new(FOLLOW);
    bench.open(true);
    bench.text(&batch(0, "1"));
    bench.at += 60_000;
    bench.text(DONE);
    assert_eq!(bench.request().last_event_id.as_deref(), Some("0"));
    bench.open(true);
    bench.text(&ping(1));
    assert!(matches!(bench.step, Step::Read { quiet_ms: None }), "{:?}", bench.step);
    assert!(matches!(bench.on(Event::RunOver), Step::Read { quiet_ms: Some(_) }));
    bench.text(&batch(1, "2"));
    bench.on(Event::Quiet);
    assert_eq!(*bench.end().as_ref().expect("no error"), Ending::Complete);
    assert_eq!(bench.values, ["1", "2"]);
}

#[test]
fn a_stream_opened_after_its_run_ends_where_the_server_says_the_tail_is() {
    let mut bench = Bench::new(FOLLOW);
    bench.on(Event::RunOver);
    bench.open(true);
    bench.text(&batch(0, "1"));
    assert!(matches!(bench.step, Step::Read { .. }));
    bench.text(&ping(2));
    assert!(matches!(bench.step, Step::Read { .. }), "one more record is on its way");
    bench.text(&(batch(1, "2") + &ping(2)));
    assert_eq!(*bench.end().as_ref().expect("no error"), Ending::Complete);
    assert_eq!(bench.values, ["1", "2"]);
}

#[test]
fn a_connection_that_may_be_dead_does_not_tell_that_a_stream_is_drained() {
    let mut bench = Bench::new(FOLLOW);
    bench.open(true);
    bench.text(&batch(0, "1"));
    bench.at += 30_000;
    bench.on(Event::RunOver);
    assert_eq!(bench.request().last_event_id.as_deref(), Some("0"), "asked anew, over another connection");
    bench.open(true);
    bench.text(&(batch(1, "2") + &ping(2)));
    assert_eq!(*bench.end().as_ref().expect("no error"), Ending::Complete);
    assert_eq!(bench.values, ["1", "2"]);
}

#[test]
fn a_dropped_stream_of_a_run_that_is_over_is_still_resumed() {
    let mut bench = Bench::new(FOLLOW);
    bench.open(true);
    bench.on(Event::RunOver);
    bench.text(&batch(0, "1"));
    bench.cut();
    assert_eq!(bench.wake().last_event_id.as_deref(), Some("0"));
    bench.open(true);
    bench.text(&(batch(1, "2") + &ping(2)));
    assert_eq!(bench.values, ["1", "2"]);
    assert_eq!(*bench.end().as_ref().expect("no error"), Ending::Complete);
}

#[test]
fn windows_that_end_at_once_are_not_asked_for_without_pause() {
    let mut bench = Bench::new(FOLLOW);
    for _ in 0..20 {
        bench.open(true);
        bench.text(DONE);
        bench.wake();
    }
    assert!(bench.at >= 20_000, "20 windows in {} ms", bench.at);
}

// Failures

#[test]
fn what_cannot_pass_ends_at_once_and_what_can_is_asked_again_as_the_server_says() {
    for status in [400, 401, 403, 404, 409, 410, 413, 422] {
        let mut bench = Bench::new(Plan::default());
        // 404 of a stream is final, whatever the server says of other calls.
        bench.on(Event::Refused { status, headers: &HeaderMap::new(), body: b"{\"error\":\"no\"}" });
        assert_eq!(bench.end().as_ref().expect_err("refused").status(), Some(status));
    }
    for (status, pairs, reason, least) in [
        (429, vec![("x-ratelimit-reset", "1012000")], Reason::RateLimited, 12_000),
        (503, vec![("retry-after", "5")], Reason::Server, 5_000),
        (503, vec![("retry-after", "500")], Reason::Server, 30_000),
        (500, vec![], Reason::Server, 100),
    ] {
        let mut bench = Bench::new(Plan::default());
        bench.on(Event::Refused { status, headers: &headers(&pairs), body: b"" });
        let Step::Wait { ms, retry: Some(retry) } = bench.step else { panic!("{status}: {:?}", bench.step) };
        assert_eq!((retry.reason, retry.status, retry.attempt), (reason, Some(status), 1));
        assert!(ms >= least && ms <= 30_000, "{status}: {ms} ms");
    }
}

#[test]
fn a_server_that_never_recovers_ends_the_stream_after_the_time_to_retry() {
    let mut bench = Bench::new(Plan::default());
    let mut requests = 0;
    while !matches!(bench.step, Step::End(_)) {
        requests += 1;
        bench.on(Event::Refused { status: 503, headers: &HeaderMap::new(), body: b"" });
        if matches!(bench.step, Step::Wait { .. }) {
            bench.wake();
        }
    }
    assert_eq!(bench.end().as_ref().expect_err("over").status(), Some(503));
    assert!((299_000..=301_000).contains(&bench.at), "after {} ms", bench.at);
    assert!(requests < 60, "{requests} requests");
}

#[test]
fn what_is_no_stream_ends_within_20_seconds_and_30_requests() {
    type Break = fn(&mut Bench);
    let breaks: [(&str, Break); 4] = [
        ("ERR_PROTOCOL", |bench| {
            bench.on(Event::Opened { status: 200, headers: &headers(&[("content-type", "text/html")]) });
        }),
        ("ERR_PROTOCOL", |bench| {
            bench.on(Event::Opened { status: 304, headers: &HeaderMap::new() });
        }),
        ("ERR_PROTOCOL", |bench| {
            bench.open(true);
            bench.text("event: batch\ndata: {\"records\":[{\n\n");
        }),
        ("ERR_STREAM", |bench| {
            bench.open(true);
            bench.text("event: error\ndata: no such basin\n\n");
        }),
    ];
    for (code, broken) in breaks {
        let mut bench = Bench::new(Plan::default());
        let mut requests = 0;
        while !matches!(bench.step, Step::End(_)) {
            requests += 1;
            broken(&mut bench);
            if matches!(bench.step, Step::Wait { .. }) {
                bench.wake();
            }
        }
        assert_eq!(bench.end().as_ref().expect_err("no stream").code(), code);
        assert!(bench.at <= 20_000 && requests <= 30, "{requests} requests in {} ms", bench.at);
    }
}

#[test]
fn a_connection_that_held_is_no_failure_whatever_ends_it() {
    let mut bench = Bench::new(FOLLOW);
    for _ in 0..100 {
        bench.open(true);
        bench.text(&ping(0));
        bench.at += 20_000;
        bench.text(&ping(0));
        bench.cut();
        bench.wake();
    }
    assert!(bench.at > 2_000_000, "a proxy that cuts every 20 s never ends the stream");
}

#[test]
fn reading_from_the_tail_asks_for_it_once() {
    let mut bench = Bench::new(Plan { start: Start::Latest, ..Plan::default() });
    assert!(bench.request().latest);
    bench.cut();
    assert!(bench.wake().latest, "nothing was answered yet");
    bench.open(true);
    bench.text(&ping(7));
    bench.cut();
    assert_eq!(bench.wake(), Request { last_event_id: Some("6".into()), ..Request::default() });
}

#[test]
fn a_reader_that_comes_back_asks_for_what_it_lacks_whatever_the_version() {
    let at = |place: &str| Plan { start: Start::At(place.parse().expect(place)), ..Plan::default() };
    let asked = |bench: &Bench| bench.request().last_event_id.map(String::from);
    let mut bench = Bench::new(at("100"));
    assert_eq!(asked(&bench).as_deref(), Some("36"));
    bench.open(true);
    bench.text(&(batch(99, "1") + &batch(100, "2") + &batch(101, "3")));
    assert_eq!(bench.values, ["3"]);

    let mut bench = Bench::new(at("7-0+1"));
    assert_eq!(asked(&bench).as_deref(), Some("6-18446744073709551615"));
    bench.open(false);
    bench.text(&(v1(7, "1") + &v1(7, "2") + &v1(8, "3")));
    assert_eq!(bench.values, ["2", "3"]);
}

#[test]
fn a_place_in_another_version_of_the_stream_is_read_from_the_start() {
    for (place, v2) in [("100", false), ("7-0+1", true), ("~3", true)] {
        let plan = Plan { start: Start::At(place.parse().expect(place)), ..Plan::default() };
        let mut bench = Bench::new(plan);
        bench.open(v2);
        assert_eq!(bench.request(), Request::default(), "{place}");
        bench.open(v2);
        bench.text(&if v2 { batch(0, "1") } else { v1(1, "1") });
        assert_eq!(bench.values, ["1"]);
    }
}

// Any connection dropped anywhere

/// A server that keeps a stream and resumes as the real one does.
struct Origin {
    v2: bool,
    /// On v1 an entry's number is its id; several values can share it.
    entries: Vec<(u64, String)>,
}

impl Origin {
    fn body(&self, request: &Request) -> String {
        let after = request.last_event_id.as_deref().map(|id| id.split('-').next().and_then(|ms| ms.parse().ok()));
        let after: Option<u64> = after.map(|ms| ms.expect("an id the server parses"));
        let rest = self.entries.iter().filter(|(id, _)| after.is_none_or(|after| *id > after));
        let events = rest.map(|(id, value)| if self.v2 { batch(*id, value) } else { v1(*id, value) });
        events.chain([if self.v2 { DONE.to_owned() } else { ": ping\n\n".to_owned() }]).collect()
    }
}

/// Reads `origin` over connections that break after so many bytes, then over one that does not.
fn read(origin: &Origin, breaks: &[usize]) -> Bench {
    let mut bench = Bench::new(timeout(5));
    for length in breaks {
        let body = origin.body(&bench.wake());
        bench.open(origin.v2);
        for chunk in body.as_bytes()[..(*length).min(body.len().saturating_sub(1))].chunks(7) {
            bench.on(Event::Bytes(chunk));
        }
        bench.cut();
    }
    let body = origin.body(&bench.wake());
    bench.open(origin.v2);
    bench.text(&body);
    bench
}

proptest! {
    #[test]
    fn a_v2_stream_dropped_anywhere_loses_and_repeats_nothing(
        values in prop::collection::vec(0..1000u32, 1..30),
        breaks in prop::collection::vec(0..3_000usize, 0..8),
    ) {
        let entries = values.iter().enumerate().map(|(at, value)| (at as u64, value.to_string())).collect();
        let bench = read(&Origin { v2: true, entries }, &breaks);
        prop_assert_eq!(&bench.values, &values.iter().map(u32::to_string).collect::<Vec<_>>());
        prop_assert_eq!(*bench.end().as_ref().expect("no error"), Ending::Idle);
    }

    #[test]
    fn a_v1_stream_dropped_anywhere_loses_and_repeats_nothing(
        groups in prop::collection::vec(1..5usize, 1..12),
        breaks in prop::collection::vec(0..800usize, 0..8),
    ) {
        let entries: Vec<(u64, String)> = groups
            .iter()
            .enumerate()
            .flat_map(|(id, count)| (0..*count).map(move |at| (id as u64 + 1, format!("{{\"id\":{id},\"at\":{at}}}"))))
            .collect();
        let expected: Vec<String> = entries.iter().map(|(_, value)| value.clone()).collect();
        let bench = read(&Origin { v2: false, entries }, &breaks);
        prop_assert_eq!(bench.values, expected);
    }

    #[test]
    fn any_bytes_and_any_order_of_events_never_panic(
        plan in (any::<bool>(), any::<bool>()),
        events in prop::collection::vec((0..9u8, prop::collection::vec(any::<u8>(), 0..40)), 0..40),
    ) {
        let start = if plan.0 { Start::Latest } else { Start::Beginning };
        let mut bench = Bench::new(Plan { start, timeout_s: None, follow: plan.1 });
        for (kind, bytes) in events {
            bench.at += u64::from(kind) * 100;
            match kind {
                0 => bench.open(true),
                1 => bench.open(false),
                2 => bench.on(Event::Bytes(&bytes)),
                3 => bench.on(Event::Closed),
                4 => bench.cut(),
                5 => bench.on(Event::Woken),
                6 => bench.on(Event::Quiet),
                7 => bench.on(Event::RunOver),
                _ => bench.text("event: batch\ndata: {\"records\":[{\"seq_num\":1}]}\n\nid: 1-0\ndata: x\n\n"),
            };
        }
    }
}
