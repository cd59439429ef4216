//! Feeds beyond the budget of upstream connections: followed to their ends, with few long-polls and without a refusal.

mod emulator_support;

use std::sync::Arc;
use std::time::Duration;

use emulator_support::{Emulator, FAILSAFE};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::time::timeout;
use trigger_native::config::Endpoint;
use trigger_native::connection::{ConnectionState, Notice, RetryPolicy};
use trigger_native::hub::{Batch, Budget, BudgetOptions, End, FeedSpec, Hub, Reader, ReaderOptions};

const RUN: ReaderOptions = ReaderOptions { until_finished: true, until_gone: true, notices: false, copies: false };

fn endpoint(emulator: &Emulator) -> Endpoint {
    Endpoint::new(&emulator.running.url(), emulator.running.secret_key(), None).expect("an endpoint")
}

fn budget(emulator: &Emulator, connections: usize) -> Arc<Budget> {
    let options = BudgetOptions { connections: Some(connections), ..BudgetOptions::default() };
    Hub::budget(&endpoint(emulator), &options).expect("a limit")
}

fn open(emulator: &Emulator, budget: &Arc<Budget>, path: &str, query: &[(&'static str, &str)]) -> Reader {
    let query = query.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
    let spec = FeedSpec { endpoint: endpoint(emulator), path: path.into(), query, retry: RetryPolicy::default() };
    let options = if path.contains("/runs/") { RUN } else { ReaderOptions::default() };
    Hub::global().open_within(&spec, options, Some(budget))
}

fn open_run(emulator: &Emulator, budget: &Arc<Budget>, id: &str) -> Reader {
    open(emulator, budget, &format!("/realtime/v1/runs/{id}"), &[])
}

async fn next(reader: &Reader) -> Batch {
    timeout(FAILSAFE, reader.next()).await.expect("a batch in time")
}

/// The last row of a feed that ends.
async fn last(reader: &Reader) -> (String, String) {
    let mut last = None;
    loop {
        let batch = next(reader).await;
        last = batch.rows.last().map(|item| item.row.clone()).or(last);
        match batch.end {
            None => {}
            Some(End::Complete) => break,
            Some(End::Failed(error)) => unreachable!("{error}"),
        }
    }
    let row = last.expect("a row");
    let text = |name| row.get(name).unwrap_or_default().to_owned();
    (text("status"), text("output"))
}

async fn limits(emulator: &Emulator) -> Value {
    emulator.get("/emulator/limits").await.json()
}

async fn runs(emulator: &Emulator, count: usize, tags: &[&str]) -> Vec<String> {
    let mut ids = Vec::new();
    for _ in 0..count {
        ids.push(emulator.create(json!({ "status": "EXECUTING", "runTags": tags })).await);
    }
    ids
}

async fn complete(emulator: &Emulator, id: &str) {
    let output = format!("\"{id}\"");
    emulator.patch(id, json!({ "status": "COMPLETED_SUCCESSFULLY", "output": output })).await;
}

#[tokio::test]
async fn two_hundred_runs_end_with_their_outputs_over_eight_connections_of_a_plan_of_ten() {
    let emulator = Emulator::start(json!({ "maxConnections": 10 })).await;
    let budget = budget(&emulator, 8);
    let ids = runs(&emulator, 200, &[]).await;
    let readers: Vec<Reader> = ids.iter().map(|id| open_run(&emulator, &budget, id)).collect();
    for reader in &readers {
        assert_eq!(next(reader).await.rows.len(), 1);
    }
    for id in &ids {
        complete(&emulator, id).await;
    }
    for (reader, id) in readers.iter().zip(&ids) {
        assert_eq!(last(reader).await, ("COMPLETED_SUCCESSFULLY".to_owned(), format!("\"{id}\"")));
    }
    let limits = limits(&emulator).await;
    assert_eq!(limits["refused"], 0, "{limits}");
    assert!(limits["peak"].as_u64().expect("a number") <= 8, "{limits}");
}

#[tokio::test]
async fn within_the_budget_each_feed_polls_for_itself_and_nothing_else_is_asked() {
    let emulator = Emulator::start(json!({})).await;
    let budget = budget(&emulator, 4);
    let ids = runs(&emulator, 3, &[]).await;
    let readers: Vec<Reader> = ids.iter().map(|id| open_run(&emulator, &budget, id)).collect();
    for (reader, id) in readers.iter().zip(&ids) {
        next(reader).await;
        complete(&emulator, id).await;
        last(reader).await;
    }
    let stats: Value = serde_json::from_str(&emulator.running.stats()).expect("stats");
    assert_eq!(stats["byRoute"]["GET /realtime/v1/runs"], Value::Null, "{stats}");
    assert_eq!(budget.counts().connections, 4);
}

#[tokio::test]
async fn tags_and_batches_beyond_the_budget_are_followed_too() {
    let emulator = Emulator::start(json!({ "maxConnections": 3 })).await;
    let budget = budget(&emulator, 3);
    let ids = runs(&emulator, 4, &["a", "b"]).await;
    let of_runs: Vec<Reader> = ids.iter().map(|id| open_run(&emulator, &budget, id)).collect();
    for reader in &of_runs {
        next(reader).await;
    }
    let tags = [["a", "x"], ["b", "x"], ["a", "b"]].map(|tags| {
        let reader = open(&emulator, &budget, "/realtime/v1/runs", &[("tags", &tags.join(","))]);
        (reader, tags.contains(&"x"))
    });
    let (both, _) = &tags[2];
    assert_eq!(next(both).await.rows.len(), 4);
    complete(&emulator, &ids[0]).await;
    assert_eq!(next(both).await.rows.len(), 1);
    let more = emulator.create(json!({ "status": "EXECUTING", "runTags": ["b", "a", "x"] })).await;
    for (reader, _) in &tags {
        let found = next(reader).await;
        assert!(found.rows.iter().any(|item| item.row.get("friendlyId") == Some(&more)), "{found:?}");
    }
    assert_eq!(limits(&emulator).await["refused"], 0);
}

#[tokio::test]
async fn a_server_that_loses_the_environments_feed_loses_no_end() {
    let emulator = Emulator::start(json!({ "maxConnections": 10 })).await;
    let budget = budget(&emulator, 2);
    let ids = runs(&emulator, 5, &[]).await;
    let faults = json!({ "faults": [{ "kind": "status", "route": "GET /realtime/v1/runs", "status": 503 }] });
    let answer = emulator.send(Method::PUT, "/emulator/faults", Some(faults)).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    let readers: Vec<Reader> = ids.iter().map(|id| open_run(&emulator, &budget, id)).collect();
    for reader in &readers {
        next(reader).await;
    }
    for (reader, id) in readers.iter().zip(&ids) {
        complete(&emulator, id).await;
        assert_eq!(last(reader).await.0, "COMPLETED_SUCCESSFULLY");
    }
    assert!(limits(&emulator).await["peak"].as_u64() <= Some(2));
}

#[tokio::test]
async fn a_batch_that_nothing_tells_of_takes_its_turn_and_says_that_it_is_asked_for_meanwhile() {
    let emulator = Emulator::start(json!({ "maxConnections": 2, "holdMs": 1_000 })).await;
    let budget = budget(&emulator, 2);
    let mut readers = Vec::new();
    for n in 0..2 {
        let id = format!("batch_{n}");
        emulator.send(Method::POST, "/emulator/batches", Some(json!({ "id": id }))).await;
        emulator.create(json!({ "status": "EXECUTING", "batch": id, "metadata": { "n": n } })).await;
        let query = [].into();
        let path = format!("/realtime/v1/batches/{id}").into();
        let spec = FeedSpec { endpoint: endpoint(&emulator), path, query, retry: RetryPolicy::default() };
        let options = ReaderOptions { notices: true, ..ReaderOptions::default() };
        readers.push(Hub::global().open_within(&spec, options, Some(&budget)));
    }
    // One of the two long-polls is for the environment's feed, which tells of no batch.
    for reader in &readers {
        let mut states = Vec::new();
        while !states.contains(&ConnectionState::Polling) {
            states.extend(next(reader).await.notices.iter().filter_map(|notice| match notice {
                Notice::State(state) => Some(*state),
                Notice::Retry { .. } => None,
            }));
        }
        assert!(states.contains(&ConnectionState::Live), "{states:?}");
    }
    drop(readers);
    let none = async {
        while budget.counts().polling > 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(FAILSAFE, none).await.expect("feeds that left are not counted");
    assert!(limits(&emulator).await["peak"].as_u64() <= Some(2));
}

/// How many connections to a port this machine has open.
fn connections(port: u16) -> usize {
    let table = std::fs::read_to_string("/proc/net/tcp").expect("Linux");
    let remote = format!(":{port:04X}");
    let open = |line: &str| {
        let mut fields = line.split_whitespace().skip(2);
        fields.next().is_some_and(|peer| peer.ends_with(&remote)) && fields.next() == Some("01")
    };
    table.lines().filter(|line| open(line)).count()
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn feeds_that_wait_to_be_told_keep_no_connection() {
    let emulator = Emulator::start(json!({})).await;
    let port = emulator.running.url().rsplit(':').next().and_then(|port| port.parse().ok()).expect("a port");
    let budget = budget(&emulator, 3);
    let ids = runs(&emulator, 60, &[]).await;
    let readers: Vec<Reader> = ids.iter().map(|id| open_run(&emulator, &budget, id)).collect();
    for reader in &readers {
        next(reader).await;
    }
    let few = async {
        // The long-polls, and as many idle connections as the pool keeps.
        while budget.counts().shared < 58 || connections(port) > 3 + 16 + 2 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(FAILSAFE, few).await.expect("connections are handed back");
}

#[tokio::test]
async fn a_feed_that_nobody_reads_holds_no_connection() {
    let emulator = Emulator::start(json!({})).await;
    let budget = budget(&emulator, 2);
    runs(&emulator, 300, &["a"]).await;
    let unread = open(&emulator, &budget, "/realtime/v1/runs", &[("tags", "a")]);
    let lags = async {
        while unread.status().stats.rows < 300 || budget.counts().own > 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(FAILSAFE, lags).await.expect("others have its connection");
}

/// Not a failsafe: nothing else ends this wait but the watch that is left.
#[tokio::test]
async fn nothing_is_left_of_feeds_that_are_over() {
    let emulator = Emulator::start(json!({})).await;
    let budget = budget(&emulator, 2);
    let ids = runs(&emulator, 6, &[]).await;
    let readers: Vec<Reader> = ids.iter().map(|id| open_run(&emulator, &budget, id)).collect();
    for reader in &readers {
        next(reader).await;
    }
    drop(readers);
    let idle = async {
        while limits(&emulator).await["live"] != 0 || budget.counts().own + budget.counts().shared > 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(FAILSAFE, idle).await.expect("the environment's feed is dropped, too");
    assert_eq!(Arc::strong_count(&budget), 1);
}
