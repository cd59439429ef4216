//! This package's own client reading through shared copies, over real sockets.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::upstream_tests::Emulator;
use super::{FeedKey, Feeds, Reply, answer};
use crate::config::Endpoint;
use crate::connection::RetryPolicy;
use crate::error::ErrorCode;
use crate::hub::{FeedSpec, Hub, Reader, ReaderOptions};
use crate::serve::listener::{bind, serve};
use crate::serve::{Request, Response};
use crate::serving::Panics;

const FAILSAFE: Duration = Duration::from_secs(20);

/// A server that answers feeds, and nothing else, from shared copies.
struct Front {
    address: SocketAddr,
    stop: CancellationToken,
    _panics: Panics,
}

impl Front {
    async fn start(emulator: &Emulator, port: u16) -> Self {
        let stop = CancellationToken::new();
        let feeds = Feeds::new(&emulator.options(), stop.clone(), Arc::default());
        let (listener, address) =
            bind(IpAddr::V4(Ipv4Addr::LOCALHOST), port, ErrorCode::RelayPort).await.expect("a port");
        let panics = Panics::default();
        let guard = panics.guard();
        tokio::spawn(serve(listener, stop.clone(), move |request| {
            let (feeds, guard) = (feeds.clone(), guard.clone());
            async move {
                let _guard = guard;
                let (head, _) = request.into_parts();
                let request = Request {
                    method: head.method,
                    headers: head.headers,
                    query: head.uri.query().map(str::to_owned),
                    origin: String::new(),
                };
                let key = match head.uri.path().strip_prefix("/realtime/v1/runs/") {
                    Some(id) => FeedKey::run(id).expect("a key"),
                    None => {
                        FeedKey::tags(request.parameter("tags").as_deref(), request.parameter("createdAt").as_deref())
                    }
                };
                let answer = match feeds.open(key) {
                    Ok(subscriber) => match answer(&subscriber, &request, &[], None).await {
                        Reply::Answer(answer) => answer,
                        Reply::Upstream => Response::not_found(),
                    },
                    Err(answer) => answer,
                };
                Ok(answer.into_http(&request.headers, head.version))
            }
        }));
        Self { address, stop, _panics: panics }
    }

    fn read(&self, path: &str, query: &[(&'static str, &str)]) -> Reader {
        let spec = FeedSpec {
            endpoint: Endpoint::new(&format!("http://{}", self.address), "tr_dev_viewer", None).expect("an endpoint"),
            path: path.into(),
            query: query.iter().map(|&(name, value)| (name, value.to_owned())).collect(),
            retry: RetryPolicy { min_delay_ms: 10, ..RetryPolicy::default() },
        };
        Hub::global().open(&spec, ReaderOptions { copies: true, ..ReaderOptions::default() })
    }

    /// Ends it; its port is free afterwards.
    async fn end(self) {
        self.stop.cancel();
        timeout(FAILSAFE, async {
            while tokio::net::TcpStream::connect(self.address).await.is_ok() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        })
        .await
        .expect("it ends");
    }
}

/// Reads until a row has this status; the statuses on the way.
async fn until(reader: &Reader, status: &str) -> Vec<String> {
    let mut seen = Vec::new();
    timeout(FAILSAFE, async {
        while seen.last().is_none_or(|last| last != status) {
            let batch = reader.next().await;
            assert!(batch.end.is_none() && batch.gone.is_empty(), "{:?}", batch.end);
            seen.extend(batch.rows.iter().map(|item| item.row.get("status").expect("a status").to_owned()));
        }
    })
    .await
    .expect("in time");
    seen
}

#[tokio::test]
async fn a_client_goes_on_over_a_relay_that_is_started_again() {
    let emulator = Emulator::start().await;
    let id = emulator.create(json!({})).await;
    let front = Front::start(&emulator, 0).await;
    let port = front.address.port();
    let reader = front.read(&format!("/realtime/v1/runs/{id}"), &[]);
    assert_eq!(until(&reader, "PENDING").await, ["PENDING"]);
    emulator.patch(&id, json!({ "status": "DEQUEUED" })).await;
    assert_eq!(until(&reader, "DEQUEUED").await, ["DEQUEUED"]);
    front.end().await;
    emulator.patch(&id, json!({ "status": "EXECUTING" })).await;
    let _front = Front::start(&emulator, port).await;
    assert_eq!(until(&reader, "EXECUTING").await, ["EXECUTING"]);
    emulator.patch(&id, json!({ "status": "COMPLETED_SUCCESSFULLY" })).await;
    assert_eq!(until(&reader, "COMPLETED_SUCCESSFULLY").await, ["COMPLETED_SUCCESSFULLY"]);
}

#[tokio::test]
async fn a_client_of_a_tag_feed_sees_every_run_and_every_change() {
    let emulator = Emulator::start().await;
    let front = Front::start(&emulator, 0).await;
    let reader = front.read("/realtime/v1/runs", &[("createdAt", "1h"), ("tags", "a,b")]);
    let first = timeout(FAILSAFE, reader.next()).await.expect("in time");
    assert!(first.settled && first.rows.is_empty());
    let one = emulator.create(json!({ "runTags": ["b", "a"] })).await;
    assert_eq!(until(&reader, "PENDING").await, ["PENDING"]);
    emulator.create(json!({ "runTags": ["a"] })).await;
    emulator.patch(&one, json!({ "status": "EXECUTING" })).await;
    assert_eq!(until(&reader, "EXECUTING").await, ["EXECUTING"], "the other run has not both tags");
    let late = front.read("/realtime/v1/runs", &[("createdAt", "1h"), ("tags", "b,a"), ("skipColumns", "payload")]);
    assert_eq!(until(&late, "EXECUTING").await, ["EXECUTING"]);
}
