//! Calls and streams as a server sees them: how often a call is sent, and which answers are refusals.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use http::{HeaderMap, Method};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpListener;

use super::half_open::head;
use super::{Call, ClientOptions, Deadlines, Opening, Response, RetryOptions, StreamOutcome, open_stream};
use crate::config::Endpoint;
use crate::error::Result;
use crate::serving::{Serving, serving};

/// A server that answers each request, from 0 on, on a connection of its own.
struct Server {
    url: String,
    requests: Arc<AtomicUsize>,
    _task: Serving,
}

impl Server {
    async fn start(answer: impl Fn(usize) -> String + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let requests = Arc::new(AtomicUsize::new(0));
        let count = requests.clone();
        let task = serving(async move {
            loop {
                let (mut socket, _) = listener.accept().await.expect("a connection");
                if head(&mut socket).await.is_some() {
                    let answer = answer(count.fetch_add(1, Ordering::Relaxed));
                    // A client that has gone reads nothing more.
                    let _ = socket.write_all(answer.as_bytes()).await;
                }
            }
        });
        Self { url, requests, _task: task }
    }

    fn requests(&self) -> usize {
        self.requests.load(Ordering::Relaxed)
    }

    async fn call(&self, max_attempts: u32) -> Result<Response> {
        let retry = RetryOptions {
            max_attempts: Some(max_attempts),
            min_timeout_in_ms: Some(1),
            max_timeout_in_ms: Some(2),
            ..RetryOptions::default()
        };
        let endpoint = Endpoint::new(&self.url, "tr_dev_test", None).expect("an endpoint");
        let call = Call { method: Method::GET, path: "/a", body: None, deadlines: Deadlines::CALL };
        call.send(&endpoint, &ClientOptions { retry, ..ClientOptions::default() }).await
    }
}

fn answer(status: u16, headers: &str) -> String {
    format!("HTTP/1.1 {status} X\r\nconnection: close\r\ncontent-length: 2\r\n{headers}\r\n{{}}")
}

#[tokio::test]
async fn a_call_that_keeps_failing_is_sent_as_often_as_asked_and_no_more() {
    for attempts in [1, 3] {
        let server = Server::start(|number| answer(if number < 10 { 503 } else { 200 }, "")).await;
        let error = server.call(attempts).await.expect_err("it fails");
        assert_eq!((error.status(), server.requests()), (Some(503), attempts as usize));
    }
}

#[tokio::test]
async fn a_server_that_asks_for_an_hour_is_asked_again_after_the_longest_wait() {
    let server = Server::start(|number| answer(if number == 0 { 503 } else { 200 }, "retry-after: 3600\r\n")).await;
    let answered = tokio::time::timeout(Duration::from_secs(30), server.call(2)).await.expect("not an hour later");
    assert_eq!((answered.expect("an answer").status, server.requests()), (200, 2));
}

#[tokio::test]
async fn a_stream_opens_below_400_and_is_refused_from_there_on() {
    for (status, refused) in [(200, false), (400, true), (404, true), (500, true)] {
        let server = Server::start(move |_| answer(status, "")).await;
        let opened =
            open_stream(&format!("{}/s", server.url), Opening::First, HeaderMap::new(), Duration::from_secs(30)).await;
        match opened.expect("an outcome") {
            StreamOutcome::Open(body) => assert_eq!((body.status, refused), (status, false)),
            StreamOutcome::Refused { status: told, body, .. } => {
                assert_eq!((told, refused, &*body), (status, true, b"{}".as_slice()));
            }
            StreamOutcome::Connect(error) | StreamOutcome::Silent(error) => panic!("{status}: {error:?}"),
        }
    }
}
