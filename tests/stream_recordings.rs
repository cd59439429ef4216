//! Every recorded stream, read by the machine with its bytes cut at random.

#![allow(clippy::print_stdout, reason = "a test prints the seed to repeat it with")]

mod stream_support;
mod wire_support;

use http::HeaderMap;
use stream_support::Bench;
use trigger_native::error::Kind;
use trigger_native::stream::{Ending, Event, Plan, Start, Step};

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

/// Every response of a stream in every recording.
fn recordings() -> Vec<Recorded> {
    let mut all = Vec::new();
    for (name, exchanges) in wire_support::recordings() {
        for exchange in &exchanges {
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
            let chunks = response["chunks"].as_array().expect("chunks");
            all.push(Recorded {
                name: format!("{name}: {line}"),
                headers: wire_support::headers(response),
                status: u16::try_from(response["status"].as_u64().expect("a status")).expect("a status"),
                timeout_s: asked("timeout-seconds").and_then(|seconds| seconds.parse().ok()),
                after: asked("last-event-id").and_then(|id| id.parse().ok()),
                body: chunks.iter().filter_map(|chunk| chunk["text"].as_str()).collect(),
                ended: exchange["endedBy"] == "server",
                duration_ms: exchange["durationMs"].as_u64().unwrap_or(0),
            });
        }
    }
    assert!(all.iter().any(|recorded| recorded.status == 200), "no stream was recorded");
    all
}

/// The values that a reader of the recording sees, computed without the machine.
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

/// The seed of the cuts: TEST_SEED, or a new one. A failing test prints it.
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
