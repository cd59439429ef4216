//! Copies over the emulator: one upstream, however many viewers.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::tests::{Received, options, request};
use super::{FeedKey, Feeds, Reply, Subscriber, answer};
use crate::emulator::{Running, start};
use crate::relay::Options;
use crate::serve::Request;

const FAILSAFE: Duration = Duration::from_secs(20);

pub(super) struct Emulator {
    running: Running,
    client: reqwest::Client,
}

impl Emulator {
    pub(super) async fn start() -> Self {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let client = reqwest::Client::builder().no_proxy().build().expect("a client");
        Self { running: start("{}").await.expect("an emulator"), client }
    }

    async fn send(&self, method: reqwest::Method, path: &str, body: Value) -> Value {
        let request = self.client.request(method, format!("{}{path}", self.running.url()));
        let request = request.bearer_auth(self.running.secret_key()).body(body.to_string());
        let response = request.send().await.expect("an answer");
        serde_json::from_str(&response.text().await.expect("a body")).unwrap_or_default()
    }

    pub(super) async fn create(&self, columns: Value) -> String {
        let run = self.send(reqwest::Method::POST, "/emulator/runs", columns).await;
        run["id"].as_str().expect("an id").to_owned()
    }

    pub(super) async fn patch(&self, id: &str, columns: Value) {
        self.send(reqwest::Method::PATCH, &format!("/emulator/runs/{id}"), columns).await;
    }

    pub(super) fn options(&self) -> Options {
        options(&self.running.url(), self.running.secret_key())
    }

    fn feeds(&self) -> Feeds {
        Feeds::new(&self.options(), CancellationToken::new(), Arc::default())
    }
}

async fn ask(subscriber: &Subscriber, request: &Request) -> Received {
    match timeout(FAILSAFE, answer(subscriber, request, &[], None)).await.expect("in time") {
        Reply::Answer(answer) => Received::of(answer).await,
        Reply::Upstream => panic!("asked to read upstream"),
    }
}

fn run(id: &str) -> FeedKey {
    FeedKey::run(id).expect("a key")
}

#[tokio::test]
async fn many_viewers_cost_one_upstream_whatever_they_leave_out() {
    let emulator = Emulator::start().await;
    let id = emulator.create(json!({ "payload": "\"hidden\"", "runTags": ["a"] })).await;
    let feeds = emulator.feeds();
    let viewers: Vec<Subscriber> = (0..50).map(|_| feeds.open(run(&id)).expect("room")).collect();
    let mut snapshots = Vec::new();
    for (n, subscriber) in viewers.iter().enumerate() {
        let skip = if n % 2 == 0 { "&skipColumns=payload" } else { "" };
        let snapshot = ask(subscriber, &request(&format!("offset=-1{skip}"))).await;
        assert_eq!(snapshot.text().contains("hidden"), n % 2 == 1);
        snapshots.push(snapshot);
    }
    assert_eq!((feeds.stats().open, feeds.stats().viewers, feeds.stats().started), (1, 50, 1));
    emulator.patch(&id, json!({ "status": "EXECUTING" })).await;
    for (subscriber, snapshot) in viewers.iter().zip(&snapshots) {
        let live = ask(subscriber, &snapshot.live()).await;
        assert_eq!(live.rows().iter().map(|(_, _, status)| status.as_str()).collect::<Vec<_>>(), ["EXECUTING"]);
    }
    let facts = viewers[0].facts().await.expect("facts");
    assert_eq!(facts.tags, ["a"]);
    let requests = emulator.send(reqwest::Method::GET, "/emulator/stats", json!(null)).await;
    let count = requests["byRoute"]["GET /realtime/v1/runs/{id}"].as_u64().expect("a count");
    assert!((2..=4).contains(&count), "{count} requests");
}

#[tokio::test]
async fn a_tag_feed_without_runs_is_up_to_date_and_its_first_run_is_new() {
    let emulator = Emulator::start().await;
    let feeds = emulator.feeds();
    let subscriber = feeds.open(FeedKey::tags(Some("news"), Some("1h"))).expect("room");
    let snapshot = ask(&subscriber, &request("offset=-1")).await;
    assert!(snapshot.rows().is_empty());
    assert!(snapshot.header("electric-schema").contains("\"runTags\":{\"type\":\"text\",\"dims\":1}"));
    emulator.create(json!({ "runTags": ["news"] })).await;
    let live = ask(&subscriber, &snapshot.live()).await;
    assert_eq!(live.rows().iter().map(|(operation, _, _)| operation.as_str()).collect::<Vec<_>>(), ["insert"]);
}

#[tokio::test]
async fn a_snapshot_is_what_the_server_itself_answers() {
    let emulator = Emulator::start().await;
    let id = emulator.create(json!({ "runTags": ["a", "q\"u"], "metadata": { "p": 1 } })).await;
    let feeds = emulator.feeds();
    let subscriber = feeds.open(run(&id)).expect("room");
    for query in ["offset=-1", "offset=-1&skipColumns=payload,metadata,nonsense,id"] {
        let ours = ask(&subscriber, &request(query)).await;
        let url = format!("{}/realtime/v1/runs/{id}?{query}", emulator.running.url());
        let theirs = emulator.client.get(url).bearer_auth(emulator.running.secret_key());
        let theirs = theirs.headers(request("").headers).send().await.expect("an answer");
        let header =
            |name: &str| theirs.headers().get(name).map_or("", |value| value.to_str().expect("text")).to_owned();
        for name in ["electric-schema", "content-type", "cache-control", "vary", "access-control-allow-origin"] {
            assert_eq!(ours.header(name), header(name), "{name}");
        }
        assert_eq!(ours.text(), theirs.text().await.expect("a body"));
    }
}

#[tokio::test]
async fn an_unknown_run_is_a_404_and_one_that_comes_later_is_found() {
    let emulator = Emulator::start().await;
    let feeds = emulator.feeds();
    let subscriber = feeds.open(run("run_none")).expect("room");
    assert!(subscriber.facts().await.is_err());
    let answer = ask(&subscriber, &request("offset=-1")).await;
    assert_eq!((answer.status, answer.text()), (404, r#"{"error":"Not found"}"#));
    assert_eq!(answer.header("x-should-retry"), "false");
    drop(subscriber);
    timeout(FAILSAFE, async {
        while feeds.stats().open > 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await
    .expect("it is asked again some time");
    assert_eq!(feeds.stats().failed, 1);
}

#[tokio::test]
async fn a_refusal_of_the_relays_own_key_is_no_401_to_viewers() {
    let emulator = Emulator::start().await;
    let id = emulator.create(json!({})).await;
    let feeds =
        Feeds::new(&options(&emulator.running.url(), "tr_dev_another_key"), CancellationToken::new(), Arc::default());
    let answer = ask(&feeds.open(run(&id)).expect("room"), &request("offset=-1")).await;
    assert_eq!(answer.status, 502);
    assert!(answer.text().contains("TRIGGER_SECRET_KEY") && !answer.text().contains("another_key"));
}

#[tokio::test]
async fn a_copy_is_kept_a_while_after_its_last_viewer_and_then_ends() {
    let emulator = Emulator::start().await;
    let id = emulator.create(json!({})).await;
    let options = Options { keep: Duration::from_millis(300), ..emulator.options() };
    let feeds = Feeds::new(&options, CancellationToken::new(), Arc::default());
    for _ in 0..3 {
        let subscriber = feeds.open(run(&id)).expect("room");
        assert_eq!(ask(&subscriber, &request("offset=-1")).await.status, 200);
    }
    assert_eq!((feeds.stats().started, feeds.stats().open, feeds.stats().viewers), (1, 1, 0));
    timeout(FAILSAFE, async {
        while feeds.stats().open > 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await
    .expect("it ends");
}

#[tokio::test]
async fn a_feed_nobody_reads_makes_way_and_one_that_is_read_does_not() {
    let emulator = Emulator::start().await;
    let mut options = emulator.options();
    options.limits.feeds = 1;
    let stop = CancellationToken::new();
    let feeds = Feeds::new(&options, stop.clone(), Arc::default());
    let subscriber = feeds.open(run("run_1")).expect("room");
    let refused = Received::of(feeds.open(run("run_2")).expect_err("it is full")).await;
    assert_eq!((refused.status, refused.header("retry-after")), (429, "1"));
    assert!(feeds.open(run("run_1")).is_ok(), "it is there already");
    drop(subscriber);
    assert!(feeds.open(run("run_2")).is_ok());
    assert_eq!((feeds.stats().open, feeds.stats().started), (1, 2));
    stop.cancel();
    assert!(feeds.open(run("run_2")).is_err());
    timeout(FAILSAFE, async {
        while feeds.stats().open > 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await
    .expect("all of them end");
}
