//! Test harness: copies whose rows the tests supply, and the answers that viewers get of them.

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, HeaderValue, Method, Version};
use http_body_util::BodyExt as _;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::copy::tests::{batch, endpoint, row};
use super::rows::Retention;
use super::{FeedKey, Reply, Subscriber, answer};
use crate::relay::Options;
use crate::serve::{Request, Response};
use crate::shape::Row;

/// Options of a relay for tests.
pub(in crate::relay) fn options(base_url: &str, key: &str) -> Options {
    Options {
        base_path: Some("".into()),
        ..Options::new(crate::config::Endpoint::new(base_url, key, None).expect("an endpoint"))
    }
}

/// A request of a present client.
pub(super) fn request(query: &str) -> Request {
    let mut headers = HeaderMap::new();
    headers.insert("x-trigger-electric-version", HeaderValue::from_static("1.0.0-beta.1"));
    headers.insert("x-trigger-api-version", HeaderValue::from_static("2025-07-16"));
    Request { method: Method::GET, headers, query: Some(query.into()), origin: String::new() }
}

/// An answer, read to its end.
#[derive(Debug)]
pub(super) struct Received {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    pub(super) body: Vec<u8>,
}

impl Received {
    pub(super) async fn of(answer: Response) -> Self {
        let response = answer.into_http(&HeaderMap::new(), Version::HTTP_11);
        let (head, body) = response.into_parts();
        let body = body.collect().await.expect("a body").to_bytes().to_vec();
        Self { status: head.status.as_u16(), headers: head.headers, body }
    }

    pub(super) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().expect("text"))
    }

    pub(super) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("text")
    }

    /// Operation, id and status of each row.
    pub(super) fn rows(&self) -> Vec<(String, String, String)> {
        let messages: Vec<Value> = serde_json::from_slice(&self.body).expect("messages");
        let (last, rows) = messages.split_last().expect("an end");
        assert_eq!(last["headers"]["control"], "up-to-date");
        let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
        let told = rows.iter().map(|row| {
            let value = &row["value"];
            (text(&row["headers"]["operation"]), text(&value["id"]), text(&value["status"]))
        });
        told.collect()
    }

    /// The live request that goes on from this answer.
    pub(super) fn live(&self) -> Request {
        let (handle, offset) = (self.header("electric-handle"), self.header("electric-offset"));
        request(&format!("live=true&handle={handle}&offset={offset}&cursor="))
    }
}

/// A copy that nothing drives, and a subscriber of it.
pub(in crate::relay) struct Fixture {
    pub(in crate::relay) subscriber: Arc<Subscriber>,
    pub(super) stop: CancellationToken,
}

impl Fixture {
    pub(in crate::relay) fn new(key: FeedKey) -> Self {
        Self::keeping(key, Retention::default())
    }

    pub(in crate::relay) fn run() -> Self {
        Self::new(FeedKey::run("run_a").expect("a key"))
    }

    pub(super) fn keeping(key: FeedKey, keep: Retention) -> Self {
        let (subscriber, stop) = Subscriber::detached(key, keep, &options("http://127.0.0.1:1", "tr_dev_1234567890"));
        Self { subscriber: Arc::new(subscriber), stop }
    }

    /// The upstream brings these rows.
    pub(super) fn bring(&self, rows: impl IntoIterator<Item = Arc<Row>>) {
        self.subscriber.copy().take(batch(rows), &endpoint());
        self.subscriber.copy().publish();
    }

    /// The upstream brings this batch.
    pub(in crate::relay) fn bring_batch(&self, batch: crate::hub::Batch) {
        self.subscriber.copy().take(batch, &endpoint());
        self.subscriber.copy().publish();
    }

    /// As [`Fixture::new`], where so many finished runs are kept.
    pub(in crate::relay) fn keeping_runs(key: FeedKey, rows: usize) -> Self {
        Self::keeping(key, Retention { rows, bytes: usize::MAX })
    }

    /// The feed ends: an unknown run.
    pub(in crate::relay) fn fail(&self) {
        self.subscriber.copy().fail(super::failure::Failure::not_found());
    }

    /// How many texts were written for readers that follow by changes.
    pub(in crate::relay) fn texts_written(&self) -> u64 {
        crate::lock::lock(&self.subscriber.copy().texts).written
    }

    /// Another subscriber of the same copy.
    pub(in crate::relay) fn another(&self) -> Subscriber {
        self.subscriber.another()
    }

    /// The upstream deletes a row.
    pub(in crate::relay) fn delete(&self, id: &str) {
        let mut batch = batch([]);
        batch.gone.push(format!("\"public\".\"TaskRun\"/\"{id}\"").as_str().into());
        self.subscriber.copy().take(batch, &endpoint());
        self.subscriber.copy().publish();
    }

    pub(super) fn bring_one(&self, status: &str, updated_ms: u64) {
        self.bring([row("a", status, 1_000, updated_ms)]);
    }

    pub(super) async fn ask(&self, request: &Request) -> Received {
        self.ask_without(request, &[]).await
    }

    pub(super) async fn ask_without(&self, request: &Request, skipped: &[String]) -> Received {
        match answer(&self.subscriber, request, skipped, None).await {
            Reply::Answer(answer) => Received::of(answer).await,
            Reply::Upstream => panic!("asked to read upstream"),
        }
    }

    /// A request that is held, in a task of its own.
    pub(super) async fn hold(&self, request: Request) -> tokio::task::JoinHandle<Received> {
        let subscriber = self.subscriber.clone();
        let task = tokio::spawn(async move {
            match answer(&subscriber, &request, &[], None).await {
                Reply::Answer(answer) => Received::of(answer).await,
                Reply::Upstream => panic!("asked to read upstream"),
            }
        });
        // Time is paused, and this thread the only one: the task has run until it waits.
        tokio::time::sleep(Duration::from_millis(1)).await;
        assert!(!task.is_finished());
        task
    }
}

/// A row of an answer, as [`Received::rows`] gives it.
pub(super) fn told(operation: &str, id: &str, status: &str) -> (String, String, String) {
    (operation.into(), id.into(), status.into())
}

/// The bounds of a feed that docs/relay.md names.
pub(in crate::relay) struct Bounds {
    pub(in crate::relay) first_answer: Duration,
    pub(in crate::relay) rows: usize,
    pub(in crate::relay) row_bytes: usize,
    pub(in crate::relay) bodies: usize,
    pub(in crate::relay) body_bytes: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        let keep = Retention::default();
        Self {
            first_answer: super::copy::FIRST_ROWS_TIMEOUT,
            rows: keep.rows,
            row_bytes: keep.bytes,
            bodies: super::body_cache::MAX_BODIES,
            body_bytes: super::body_cache::MAX_BYTES,
        }
    }
}
