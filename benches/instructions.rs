//! The work whose instructions `scripts/instructions.mjs` counts under callgrind. Times differ from run to run; counts
//! of instructions hardly do.
//!
//! Usage: `instructions <work> <iterations>`, and `instructions growth-<work> <length>` for `scripts/growth.mjs`. The set-up costs the same for any number of iterations, so the difference
//! of two counts is the cost of the iterations alone.

mod growth;

use std::fmt::Write as _;
use std::hint::black_box;

use http::{HeaderMap, HeaderValue};
use trigger_native::run::render;
use trigger_native::secret::Secret;
use trigger_native::shape::{self, Event, Feed, Now};
use trigger_native::stream::{self, Machine, Plan};
use trigger_native::token::{Expiry, Grant, Minter, Use};

type Outcome = Result<(), Box<dyn std::error::Error>>;

const SCHEMA: &str = r#"{"friendlyId":{"type":"text"},"status":{"type":"text"},"createdAt":{"type":"timestamp"},"updatedAt":{"type":"timestamp"},"startedAt":{"type":"timestamp"},"isTest":{"type":"bool"},"usageDurationMs":{"type":"int4"},"costInCents":{"type":"float8"},"runTags":{"type":"text","dims":1},"error":{"type":"jsonb"},"realtimeStreams":{"type":"text","dims":1}}"#;
const NOW: Now = Now { monotonic_ms: 0, unix_ms: 1_767_225_600_000, jitter: 0.5 };
/// The number of chunks of a stream, of 1 KB each.
const CHUNKS: usize = 64;

fn main() -> Outcome {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [work, iterations, ..] = &args[..] else { return Err("usage: instructions <work> <iterations>".into()) };
    let iterations: usize = iterations.parse()?;
    match work.as_str() {
        "mint" => mint(iterations),
        "decode" => decode(iterations, r#"{"user_1234","bench"}"#),
        "arrays" => decode(iterations, &array(64)),
        "merge" => merge(iterations),
        "sse-v1" => sse(iterations, None, &v1()),
        "sse-v2" => sse(iterations, Some("v2"), &v2()),
        other => other
            .strip_prefix("growth-")
            .and_then(|work| growth::run(work, iterations))
            .unwrap_or_else(|| Err(format!("no such work: {other}").into())),
    }
}

/// Mints tokens with known claims, each for another run.
fn mint(iterations: usize) -> Outcome {
    let claims = serde_json::from_str(r#"{"sub":"env_bench","pub":true}"#)?;
    let minter = Minter::new(&Secret::new("tr_dev_benchbenchbenchbench00"), &claims);
    let scopes: Vec<String> = (0..16).map(|run| format!(r#"["read:runs:run_{run:024}"]"#)).collect();
    for iteration in 0..iterations {
        let scopes = Some(scopes[iteration % scopes.len()].as_str());
        let grant = Grant { usage: Use::Public, scopes, realtime: None, expiry: Expiry::Period("1h") };
        black_box(minter.mint(black_box(&grant), 1_767_225_600)?);
    }
    Ok(())
}

/// Renders a row as JSON for JavaScript.
fn decode(iterations: usize, tags: &str) -> Outcome {
    let mut feed = begun(tags);
    take(&mut feed, &response(1, tags));
    let schema = feed.schema().ok_or("no schema")?.clone();
    let (_, row) = feed.rows().next().ok_or("no row")?;
    let mut out = String::new();
    for _ in 0..iterations {
        out.clear();
        render(black_box(row), &schema, None, &mut out)?;
        black_box(&out);
    }
    Ok(())
}

/// Gives a live feed a response with one update.
fn merge(iterations: usize) -> Outcome {
    let tags = r#"{"user_1234","bench"}"#;
    let mut feed = begun(tags);
    let responses: Vec<FeedResponse> = (1..=16).map(|version| response(version, tags)).collect();
    for iteration in 0..iterations {
        let outcome = take(&mut feed, black_box(&responses[iteration % responses.len()]));
        if outcome.changes.len() != 1 {
            return Err("an update changed nothing".into());
        }
        black_box(outcome);
    }
    Ok(())
}

/// Reads a stream of 64 chunks of 1 KB, from the first byte to the last.
fn sse(iterations: usize, version: Option<&'static str>, bytes: &[u8]) -> Outcome {
    let mut headers = HeaderMap::new();
    headers.insert("content-type", HeaderValue::from_static("text/event-stream"));
    if let Some(version) = version {
        headers.insert("x-stream-version", HeaderValue::from_static(version));
    }
    for _ in 0..iterations {
        let mut machine = Machine::new(Plan::default(), stream::Limits::default());
        machine.start();
        machine.on(stream::Event::Opened { status: 200, headers: &headers }, NOW);
        let mut chunks = 0;
        // Parts of 16 KiB, as from a socket: their ends are not those of events.
        for part in black_box(bytes).chunks(16 * 1_024) {
            chunks += machine.on(stream::Event::Bytes(part), NOW).chunks.len();
        }
        if chunks != CHUNKS {
            return Err(format!("{chunks} of {CHUNKS} chunks came").into());
        }
    }
    Ok(())
}

struct FeedResponse {
    headers: HeaderMap,
    body: String,
}

fn begun(tags: &str) -> Feed {
    let mut feed = Feed::new(shape::Limits::default());
    feed.start(NOW);
    take(&mut feed, &response(0, tags));
    feed
}

fn take(feed: &mut Feed, response: &FeedResponse) -> shape::Outcome {
    feed.on(Event::Response { status: 200, headers: &response.headers, body: response.body.as_bytes() }, NOW)
}

fn response(version: u32, tags: &str) -> FeedResponse {
    let mut headers = HeaderMap::new();
    headers.insert("content-type", HeaderValue::from_static("application/json"));
    headers.insert("electric-handle", HeaderValue::from_static("bench"));
    headers.insert("electric-schema", HeaderValue::from_static(SCHEMA));
    if let Ok(offset) = HeaderValue::from_str(&format!("1767225600000_{version}")) {
        headers.insert("electric-offset", offset);
    }
    let operation = if version == 0 { "insert" } else { "update" };
    let tags = serde_json::Value::from(tags);
    let body = format!(
        r#"[{{"key":"\"public\".\"TaskRun\"/\"run_1\"","value":{{"id":"run_1","taskIdentifier":"bench-task","createdAt":"2026-01-01T00:00:00.000","updatedAt":"2026-01-01T00:00:00.{version:03}","startedAt":"2026-01-01T00:00:00.100","delayUntil":null,"queuedAt":"2026-01-01T00:00:00.050","expiredAt":null,"completedAt":null,"friendlyId":"run_1","number":"0","isTest":"f","status":"EXECUTING","usageDurationMs":"{version}","costInCents":"0.0025","baseCostInCents":"0.0025","ttl":"10m","payload":"{{\"json\":{{\"user\":\"user_1234\"}}}}","payloadType":"application/super+json","metadata":"{{\"progress\":{version}}}","metadataType":"application/json","output":null,"outputType":"application/super+json","runTags":{tags},"error":null,"realtimeStreams":"{{}}"}},"headers":{{"operation":"{operation}"}}}},{{"headers":{{"control":"up-to-date"}}}}]"#
    );
    FeedResponse { headers, body }
}

/// A Postgres array literal with plain, quoted and escaped elements.
fn array(elements: usize) -> String {
    let elements: Vec<String> = (0..elements)
        .map(|number| match number % 4 {
            0 | 1 => format!("tag_{number}"),
            2 => format!("\"user: {number}, plan\""),
            _ => format!("\"say \\\"{number}\\\"\""),
        })
        .collect();
    format!("{{{}}}", elements.join(","))
}

fn text() -> String {
    "lorem ipsum dolor sit amet ".chars().cycle().take(1_000).collect()
}

fn v1() -> Vec<u8> {
    let mut out = String::new();
    for number in 0..CHUNKS {
        // Writing into a String cannot fail.
        let _ = write!(out, "id: 1767225600000-{number}\ndata: {{\"n\":{number},\"text\":\"{}\"}}\n\n", text());
    }
    out.into_bytes()
}

fn v2() -> Vec<u8> {
    let mut out = String::new();
    for first in (0..CHUNKS).step_by(8) {
        let records: Vec<String> = (first..first + 8)
            .map(|number| {
                let body = serde_json::json!({"data": {"n": number, "text": text()}, "id": format!("part{number}")});
                let body = body.to_string();
                serde_json::json!({"seq_num": number, "timestamp": 1_767_225_600_000_u64, "body": body}).to_string()
            })
            .collect();
        let _ = write!(out, "event: batch\ndata: {{\"records\":[{}]}}\n\n", records.join(","));
    }
    out.into_bytes()
}
