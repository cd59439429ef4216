//! Answers that break off at any byte: nothing is lost, and nothing comes twice. The server is the emulator, behind the
//! proxy that breaks them off.

#![allow(clippy::print_stdout, reason = "how many places there were is a figure of docs/reliability.md")]

mod emulator_support;
#[path = "support/fault_proxy/mod.rs"]
mod fault_proxy;

use std::sync::Arc;
use std::time::Duration;

use emulator_support::Emulator;
use fault_proxy::{Action, How, Protocol, Proxy, Rule};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::timeout;
use trigger_native::config::Endpoint;
use trigger_native::connection::RetryPolicy;
use trigger_native::http::ClientOptions;
use trigger_native::hub::{End, FeedSpec, Hub, ReaderOptions};
use trigger_native::stream::{Plan, Reader, StreamSpec};

const FAILSAFE: Duration = Duration::from_secs(20);
const CHUNKS: usize = 4;

fn retry() -> RetryPolicy {
    RetryPolicy { min_delay_ms: 1, max_delay_ms: 10, ..RetryPolicy::default() }
}

struct World {
    emulator: Emulator,
    proxy: Proxy,
    endpoint: Endpoint,
}

impl World {
    async fn start() -> Self {
        let emulator = Emulator::start(json!({})).await;
        let server = emulator.running.url().trim_start_matches("http://").parse().expect("an address");
        let proxy = Proxy::start(server, Protocol::Http1).expect("a port");
        let endpoint = Endpoint::new(proxy.url(), emulator.running.secret_key(), None).expect("an endpoint");
        Self { emulator, proxy, endpoint }
    }

    async fn post(&self, path: &str, body: Value) -> Value {
        let answer = self.emulator.send(Method::POST, path, Some(body)).await;
        assert!(answer.status < 300, "{path}: {} {}", answer.status, answer.body);
        serde_json::from_str(&answer.body).unwrap_or_default()
    }

    async fn run(&self, columns: Value) -> String {
        self.post("/emulator/runs", columns).await["id"].as_str().expect("an id").to_owned()
    }

    /// The bytes of an answer on the wire, up to the place where `whole` holds.
    async fn bytes(&self, path: &str, whole: impl Fn(&str) -> bool) -> usize {
        let address = self.proxy.url().trim_start_matches("http://");
        let mut socket = tokio::net::TcpStream::connect(address).await.expect("a connection");
        let key = self.emulator.running.secret_key();
        let head = format!("GET {path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {key}\r\n\r\n");
        socket.write_all(head.as_bytes()).await.expect("sent");
        let mut answer = Vec::new();
        while !whole(&String::from_utf8_lossy(&answer)) {
            let read = timeout(FAILSAFE, socket.read_buf(&mut answer)).await.expect("in time").expect("an answer");
            assert!(read > 0, "the answer is whole: {}", String::from_utf8_lossy(&answer));
        }
        answer.len()
    }

    /// The next answer breaks off after `at` bytes.
    fn break_at(&self, at: usize, how: How) {
        let action = Action::Break { at: Some(at), how, forward: true };
        self.proxy.set(vec![Rule { contains: Vec::new(), after: 0, count: Some(1), action }]);
    }

    async fn ends_with_nothing_open(&self) {
        let ended = async {
            while self.proxy.open().requests > 0 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        timeout(FAILSAFE, ended).await.expect("no request is left");
    }
}

/// How every other answer ends, so that both ways are met at every part of it.
fn how(at: usize) -> How {
    if at.is_multiple_of(2) { How::Reset } else { How::Close }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_feed_whose_answer_breaks_off_at_any_byte_delivers_the_final_state_once() {
    let world = World::start().await;
    let run = world.run(json!({ "status": "COMPLETED_SUCCESSFULLY", "completedAt": 1 })).await;
    let path = format!("/realtime/v1/runs/{run}");
    let size = world.bytes(&format!("{path}?offset=-1"), |answer| answer.ends_with(']')).await;
    assert!(size > 500, "{size} bytes");
    let spec = FeedSpec { endpoint: world.endpoint.clone(), path: path.into(), query: [].into(), retry: retry() };
    for at in 0..size {
        world.break_at(at, how(at));
        let reader = Hub::global()
            .open(&spec, ReaderOptions { until_finished: true, until_gone: true, ..ReaderOptions::default() });
        let mut seen = Vec::new();
        loop {
            let batch = timeout(FAILSAFE, reader.next()).await.expect("in time");
            seen.extend(batch.rows.iter().map(|item| item.row.get("status").expect("a status").to_owned()));
            if let Some(end) = batch.end {
                assert!(matches!(end, End::Complete), "broken off at {at}: {end:?}");
                break;
            }
        }
        assert_eq!(seen, ["COMPLETED_SUCCESSFULLY"], "broken off at {at}");
        assert_eq!(world.proxy.open().left, 0, "the answer was broken off at {at}");
    }
    world.ends_with_nothing_open().await;
    println!("a feed's answer, broken off at each of {size} bytes");
}

async fn stream(version: &str) {
    let world = World::start().await;
    let run = world.run(json!({ "status": "EXECUTING", "streamsVersion": version, "realtimeStreams": ["ai"] })).await;
    let records: Vec<_> = (0..CHUNKS).map(|number| json!({ "data": format!("chunk {number}") })).collect();
    world.post(&format!("/emulator/runs/{run}/streams/ai"), json!({ "records": records })).await;
    let last = format!("chunk {}", CHUNKS - 1);
    let size = world.bytes(&format!("/realtime/v1/streams/{run}/ai"), |answer| answer.contains(&last)).await;
    assert!(size > 300, "{size} bytes");
    for at in 0..size {
        world.break_at(at, how(at));
        let options = Arc::new(ClientOptions::default());
        let spec = StreamSpec::new(world.endpoint.clone(), options, (&run, "ai"), Plan::default(), retry());
        let reader = Reader::open(spec.expect("a spec"), trigger_native::stream::ReaderOptions::default());
        let mut seen = Vec::new();
        while seen.len() < CHUNKS {
            let batch = timeout(FAILSAFE, reader.next()).await.expect("in time");
            assert!(batch.end.is_none(), "broken off at {at}: {seen:?}");
            seen.extend(batch.chunks.iter().map(|chunk| chunk.json.as_deref().expect("a value").to_owned()));
        }
        let expected: Vec<_> = (0..CHUNKS).map(|number| format!("\"chunk {number}\"")).collect();
        assert_eq!(seen, expected, "broken off at {at}");
        assert_eq!(world.proxy.open().left, 0, "the answer was broken off at {at}");
        reader.close();
    }
    world.ends_with_nothing_open().await;
    println!("a stream of {version}, broken off at each of {size} bytes");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_of_v1_that_breaks_off_at_any_byte_delivers_every_chunk_once() {
    stream("v1").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_of_v2_that_breaks_off_at_any_byte_delivers_every_chunk_once() {
    stream("v2").await;
}
