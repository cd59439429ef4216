//! Backpressure on a feed of many runs, long histories, and tokens that are renewed.

mod support;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use support::{Server, feed_answer, row};
use tokio::sync::Semaphore;
use tokio::time::timeout;
use trigger_native::config::Endpoint;
use trigger_native::connection::{ConnectionState, Notice, RetryPolicy};
use trigger_native::credential::Credential;
use trigger_native::hub::{Batch, End, FeedSpec, Hub, Reader, ReaderOptions};
use trigger_native::secret::Secret;

const FAILSAFE: Duration = Duration::from_secs(30);
const MANY: ReaderOptions = ReaderOptions { until_finished: false, until_gone: false, notices: false, copies: false };
const DONE: &str = "COMPLETED_SUCCESSFULLY";

fn spec(server: &Server) -> FeedSpec {
    FeedSpec {
        endpoint: Endpoint::new(&server.url(), "tr_dev_test", None).expect("an endpoint"),
        path: "/realtime/v1/runs".into(),
        query: [("tags", "a".to_owned())].into(),
        retry: RetryPolicy::default(),
    }
}

async fn next(reader: &Reader) -> Batch {
    timeout(FAILSAFE, reader.next()).await.expect("a batch in time")
}

fn version(request: &http::Request<hyper::body::Incoming>) -> Option<usize> {
    request.uri().query().unwrap_or("").split('&').find_map(|pair| pair.strip_prefix("offset=1_")?.parse().ok())
}

/// Each live request brings `size` more finished runs, as long as there are permits.
async fn finishing(size: usize) -> (Server, Arc<Semaphore>) {
    let go = Arc::new(Semaphore::new(0));
    let permits = go.clone();
    let server = Server::start(move |_, request| {
        let go = permits.clone();
        async move {
            let Some(version) = version(&request) else { return feed_answer(0, "") };
            // An offset that was served once is served again at once, as a real server does.
            while go.available_permits() <= version {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            let rows: Vec<String> = (0..size).map(|n| row(&format!("run_{version}_{n}"), DONE, version)).collect();
            feed_answer(version + 1, &rows.join(","))
        }
    })
    .await;
    (server, go)
}

/// Reads until `count` runs came. Returns how often each came.
async fn read(reader: &Reader, count: usize) -> HashMap<String, usize> {
    let mut seen = HashMap::new();
    while seen.len() < count {
        let batch = next(reader).await;
        assert!(batch.end.is_none(), "it goes on");
        for item in batch.rows {
            *seen.entry(item.row.get("friendlyId").expect("an id").to_owned()).or_default() += 1;
        }
    }
    seen
}

#[tokio::test]
async fn a_reader_that_stops_holds_back_the_wire_and_then_gets_every_final_state_once() {
    let (server, go) = finishing(100).await;
    let reader = Hub::global().open(&spec(&server), MANY);
    go.add_permits(100);
    // Two responses exceed the lag: the feed asks for nothing after them.
    timeout(FAILSAFE, async {
        while server.seen().len() < 3 {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    })
    .await
    .expect("it asks until the reader lags");
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(server.seen().len(), 3, "a snapshot and two polls, then no more");
    let seen = read(&reader, 10_000).await;
    assert!(seen.values().all(|&times| times == 1));
    assert_eq!(reader.coalesced(), 0);
}

#[tokio::test]
async fn a_reader_that_stops_does_not_hold_back_the_others_and_loses_nothing() {
    let (server, go) = finishing(100).await;
    let spec = spec(&server);
    let (quick, slow) = (Hub::global().open(&spec, MANY), Hub::global().open(&spec, MANY));
    go.add_permits(50);
    let seen = read(&quick, 5_000).await;
    assert!(seen.values().all(|&times| times == 1));
    let seen = read(&slow, 5_000).await;
    assert!(seen.values().all(|&times| times == 1), "from the place where it stopped");
    slow.close();
    assert!(matches!(next(&slow).await.end, Some(End::Complete)));
    go.add_permits(1);
    read(&quick, 100).await;
}

#[tokio::test]
async fn a_full_reader_that_leaves_ends_its_feed() {
    let (server, go) = finishing(100).await;
    let spec = spec(&server);
    let (quick, slow) = (Hub::global().open(&spec, MANY), Hub::global().open(&spec, MANY));
    go.add_permits(30);
    read(&quick, 3_000).await;
    timeout(FAILSAFE, async {
        while !server.seen().iter().any(|url| url.contains("offset=1_30&")) {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    })
    .await
    .expect("the quick one waits for more");
    drop(slow);
    drop(quick);
    let asked = server.seen().len();
    go.add_permits(10);
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(server.seen().len(), asked, "no request follows");
}

#[tokio::test]
async fn a_late_reader_of_a_long_history_gets_a_snapshot_of_its_own() {
    let server = Server::start(|_, request| async move {
        match version(&request) {
            None => {
                feed_answer(0, &(0..3_000).map(|n| row(&format!("run_{n}"), DONE, n)).collect::<Vec<_>>().join(","))
            }
            Some(_) => std::future::pending().await,
        }
    })
    .await;
    let spec = spec(&server);
    let early = Hub::global().open(&spec, MANY);
    assert_eq!(read(&early, 3_000).await.len(), 3_000);
    let late = Hub::global().open(&spec, MANY);
    assert_eq!(read(&late, 3_000).await.len(), 3_000);
    assert_eq!(server.seen().iter().filter(|url| url.contains("offset=-1")).count(), 2);
}

/// A feed of one run, whose server accepts only `good` tokens.
async fn guarded(good: &'static [&'static str]) -> Server {
    Server::start(move |_, request| async move {
        let token = request.headers()["authorization"].to_str().expect("text").trim_start_matches("Bearer ").to_owned();
        if !good.contains(&token.as_str()) {
            let refusal = "{\"error\":\"Public Access Token is invalid\"}";
            return http::Response::builder().status(401).body(refusal.into()).expect("an answer");
        }
        match version(&request) {
            None => feed_answer(0, &row("run_1", "EXECUTING", 0)),
            Some(0) => feed_answer(1, &row("run_1", DONE, 1)),
            Some(_) => std::future::pending().await,
        }
    })
    .await
}

fn renewable(server: &Server, token: &str) -> (FeedSpec, Credential) {
    let credential = Credential::new(Secret::new(token));
    let spec = spec(server);
    (FeedSpec { endpoint: spec.endpoint.with_credential(credential.clone()), ..spec }, credential)
}

#[tokio::test]
async fn a_refused_token_is_renewed_once_for_all_readers_and_they_see_it_happen() {
    let server = guarded(&["new"]).await;
    let (spec, credential) = renewable(&server, "old");
    let options = ReaderOptions { until_finished: true, until_gone: true, notices: true, copies: false };
    let readers: Vec<Reader> = (0..50).map(|_| Hub::global().open(&spec, options)).collect();
    timeout(FAILSAFE, credential.requested()).await.expect("a token is wanted");
    credential.supply(Secret::new("new"));
    for reader in &readers {
        let (mut states, mut numbers) = (Vec::new(), Vec::new());
        loop {
            let batch = next(reader).await;
            for notice in &batch.notices {
                match notice {
                    Notice::State(state) => states.push(*state),
                    Notice::Retry { .. } => panic!("a renewal is no retry"),
                }
            }
            numbers.extend(batch.rows.iter().map(|item| item.row.get("number").expect("a number").to_owned()));
            if batch.end.is_some() {
                break;
            }
        }
        assert_eq!(numbers, ["0", "1"]);
        assert!(states.contains(&ConnectionState::Refreshing), "{states:?}");
        assert_eq!(states.last(), Some(&ConnectionState::Ended));
    }
    assert_eq!(server.seen().len(), 3, "one refusal, one snapshot, one poll");
}

#[tokio::test]
async fn a_second_refusal_in_a_row_is_the_end() {
    let server = guarded(&[]).await;
    let (spec, credential) = renewable(&server, "old");
    let reader = Hub::global().open(&spec, MANY);
    let wishes = Arc::new(AtomicUsize::new(0));
    let count = wishes.clone();
    let program = tokio::spawn(async move {
        loop {
            credential.requested().await;
            count.fetch_add(1, Ordering::SeqCst);
            credential.supply(Secret::new("also bad"));
        }
    });
    let Some(End::Failed(error)) = next(&reader).await.end else { panic!("it ends") };
    program.abort();
    assert_eq!(error.status(), Some(401));
    assert_eq!(wishes.load(Ordering::SeqCst), 1);
    assert_eq!(server.seen().len(), 2);
}

#[tokio::test]
async fn a_wish_that_is_refused_ends_with_the_servers_own_refusal() {
    let server = guarded(&[]).await;
    let (spec, credential) = renewable(&server, "old");
    let reader = Hub::global().open(&spec, MANY);
    timeout(FAILSAFE, credential.requested()).await.expect("a token is wanted");
    credential.refuse();
    let Some(End::Failed(error)) = next(&reader).await.end else { panic!("it ends") };
    assert_eq!(error.status(), Some(401));
}

#[tokio::test]
async fn feeds_are_shared_by_credential_and_not_by_token() {
    let server = guarded(&["a", "b"]).await;
    let (spec, credential) = renewable(&server, "a");
    let _first = Hub::global().open(&spec, MANY);
    credential.supply(Secret::new("b"));
    let _second = Hub::global().open(&spec, MANY);
    let (other, _credential) = renewable(&server, "b");
    assert_eq!(spec, FeedSpec { endpoint: spec.endpoint.clone(), ..spec.clone() });
    assert_ne!(spec, other);
    timeout(FAILSAFE, async {
        while server.seen().len() < 2 {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    })
    .await
    .expect("it goes live");
    assert_eq!(server.seen().iter().filter(|url| url.contains("offset=-1")).count(), 1);
}
