//! A small HTTP server for tests, on 127.0.0.1, that ends with the test.

#![allow(dead_code, unreachable_pub, reason = "each test file uses its part")]

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpListener;

pub mod serving;

use serving::{Panics, Serving, serving};

/// The server. Dropping it ends its connections, and fails the test if a handler panicked.
pub struct Server {
    address: SocketAddr,
    seen: Arc<Mutex<Vec<String>>>,
    _panics: Panics,
    _task: Serving,
}

impl Server {
    /// Answers every request with what `handler` gives; the number counts requests from 0.
    pub async fn start<H, F>(handler: H) -> Self
    where
        H: Fn(usize, Request<Incoming>) -> F + Send + Sync + 'static,
        F: Future<Output = Response<Full<Bytes>>> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (log, handler) = (seen.clone(), Arc::new(handler));
        let panics = Panics::default();
        let guard = panics.guard();
        let task = serving(async move {
            let mut connections = tokio::task::JoinSet::new();
            while let Ok((socket, _)) = listener.accept().await {
                let (log, handler, guard) = (log.clone(), handler.clone(), guard.clone());
                connections.spawn(async move {
                    let service = service_fn(move |request: Request<Incoming>| {
                        let guard = guard.clone();
                        let number = {
                            let mut log = log.lock().expect("the log");
                            log.push(request.uri().to_string());
                            log.len() - 1
                        };
                        let answer = handler(number, request);
                        async move {
                            let _guard = guard;
                            Ok::<_, Infallible>(answer.await)
                        }
                    });
                    // A client that goes away is what some tests are about.
                    let _ = hyper_util::server::conn::auto::Builder::new(TokioExecutor::new())
                        .serve_connection(TokioIo::new(socket), service)
                        .await;
                });
            }
        });
        Self { address, seen, _panics: panics, _task: task }
    }

    /// The base URL.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The path and query of every request so far.
    pub fn seen(&self) -> Vec<String> {
        self.seen.lock().expect("the log").clone()
    }
}

/// An answer of a run feed: `messages` and an up-to-date, under offset `version`.
pub fn feed_answer(version: usize, messages: &str) -> Response<Full<Bytes>> {
    let separator = if messages.is_empty() { "" } else { "," };
    Response::builder()
        .header("electric-handle", "h1")
        .header("electric-offset", format!("1_{version}"))
        .header("electric-cursor", version.to_string())
        .header(
            "electric-schema",
            r#"{"friendlyId":{"type":"text"},"status":{"type":"text"},"number":{"type":"int4"}}"#,
        )
        .body(Full::from(format!("[{messages}{separator}{{\"headers\":{{\"control\":\"up-to-date\"}}}}]")))
        .expect("an answer")
}

/// A message that sets the whole row of a run.
pub fn row(run: &str, status: &str, number: usize) -> String {
    format!(
        r#"{{"key":"{run}","value":{{"friendlyId":"{run}","taskIdentifier":"t","status":"{status}","number":"{number}"}},"headers":{{"operation":"update"}}}}"#
    )
}
