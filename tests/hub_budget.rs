//! Feeds beyond the budget of upstream connections: followed to their ends, with few long-polls and without a refusal.

mod emulator_support;

use std::sync::Arc;
use std::time::Duration;

use emulator_support::{Emulator, FAILSAFE};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::time::timeout;
use trigger_native::config::Endpoint;
use trigger_native::connection::RetryPolicy;
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
