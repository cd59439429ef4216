//! A started emulator with a client, for the emulator's tests.

#![allow(dead_code, reason = "each test binary uses a part of this")]

use std::future::Future;
use std::time::Duration;

use reqwest::{Client, ClientBuilder, Method};
use serde_json::Value;
use trigger_native::emulator::{Running, start};

/// A failsafe: longer than any test takes, shorter than a held poll.
pub(crate) const FAILSAFE: Duration = Duration::from_secs(15);

/// A started emulator with a client.
pub(crate) struct Emulator {
    /// The emulator.
    pub(crate) running: Running,
    client: Client,
}

/// A response with its whole body.
#[derive(Debug)]
pub(crate) struct Response {
    /// Its status.
    pub(crate) status: u16,
    /// Its body.
    pub(crate) body: String,
    headers: reqwest::header::HeaderMap,
}

impl Emulator {
    /// Starts an emulator with `options`.
    pub(crate) async fn start(options: Value) -> Self {
        Self::start_with(options, Client::builder()).await
    }

    /// Starts an emulator with `options`, and a client of its own.
    pub(crate) async fn start_with(options: Value, client: ClientBuilder) -> Self {
        // Every test after the first of a binary finds it installed.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let client = client.no_proxy().redirect(reqwest::redirect::Policy::none()).build().expect("a client");
        Self { running: start(&options.to_string()).await.expect("an emulator"), client }
    }

    /// Sends a request with the secret key.
    pub(crate) fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<Value>,
    ) -> impl Future<Output = Response> + use<> + 'static {
        let key = self.running.secret_key().to_owned();
        self.send_as(Some(&key), method, path, body.map(|body| body.to_string()))
    }

    /// Sends a request with any key, or none.
    pub(crate) fn send_as(
        &self,
        key: Option<&str>,
        method: Method,
        path: &str,
        body: Option<String>,
    ) -> impl Future<Output = Response> + use<> + 'static {
        let mut request = self
            .client
            .request(method, format!("{}{path}", self.running.url()))
            .header("x-trigger-electric-version", "1.0.0-beta.1")
            .header("x-trigger-api-version", "2025-07-16");
        if let Some(key) = key {
            request = request.bearer_auth(key);
        }
        if let Some(body) = body {
            request = request.body(body);
        }
        async move {
            let response = request.send().await.expect("an answer");
            let (status, headers) = (response.status().as_u16(), response.headers().clone());
            Response { status, headers, body: response.text().await.expect("a body") }
        }
    }

    /// Reads a stream until it ends after so many seconds of silence.
    pub(crate) fn stream(&self, path: &str, silence_s: u64) -> impl Future<Output = Response> + use<> + 'static {
        let request = self.client.get(format!("{}{path}", self.running.url()));
        let request = request.bearer_auth(self.running.secret_key()).header("timeout-seconds", silence_s);
        async move {
            let mut response = request.send().await.expect("an answer");
            let (status, headers) = (response.status().as_u16(), response.headers().clone());
            let mut body = Vec::new();
            while let Ok(Some(part)) = response.chunk().await {
                body.extend_from_slice(&part);
            }
            Response { status, headers, body: String::from_utf8(body).expect("text") }
        }
    }

    /// Appends a text to a stream, under the id of its append.
    pub(crate) async fn append(&self, path: &str, text: &str, id: &str) -> Response {
        let request = self.client.post(format!("{}{path}", self.running.url())).body(text.to_owned());
        let request = request.bearer_auth(self.running.secret_key()).header("x-part-id", id);
        let response = request.send().await.expect("an answer");
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Response { status, headers, body: response.text().await.expect("a body") }
    }

    /// A GET with the secret key.
    pub(crate) fn get(&self, path: &str) -> impl Future<Output = Response> + use<> + 'static {
        self.send(Method::GET, path, None)
    }

    /// Makes a run of these columns. Returns its id.
    pub(crate) async fn create(&self, columns: Value) -> String {
        let answer = self.send(Method::POST, "/emulator/runs", Some(columns)).await;
        assert_eq!(answer.status, 201, "{}", answer.body);
        answer.json()["id"].as_str().expect("an id").to_owned()
    }

    /// Changes columns of a run.
    pub(crate) async fn patch(&self, id: &str, columns: Value) {
        let answer = self.send(Method::PATCH, &format!("/emulator/runs/{id}"), Some(columns)).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
    }

    /// Triggers a task with options.
    pub(crate) async fn trigger(&self, key: &str, task: &str, body: Value) -> Response {
        self.send_as(Some(key), Method::POST, &format!("/api/v1/tasks/{task}/trigger"), Some(body.to_string())).await
    }

    /// Waits until a route has had so many requests.
    pub(crate) async fn counted(&self, route: &str, count: u64) {
        let enough = async {
            loop {
                let stats: Value = serde_json::from_str(&self.running.stats()).expect("stats");
                if stats["byRoute"][route].as_u64() >= Some(count) {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        tokio::time::timeout(FAILSAFE, enough).await.expect("the requests come");
    }
}

impl Response {
    /// A header's text, empty when it is not there.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// The body as JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).expect("JSON")
    }

    /// The path of the live poll that continues from this response.
    pub(crate) fn live(&self, id: &str) -> String {
        let (offset, handle) = (self.header("electric-offset"), self.header("electric-handle"));
        format!("/realtime/v1/runs/{id}?offset={offset}&handle={handle}&live=true&cursor=")
    }
}

/// The operation and the status of every row in a feed's body.
pub(crate) fn updates(body: &str) -> Vec<(String, String)> {
    let messages: Vec<Value> = serde_json::from_str(body).expect("messages");
    messages
        .iter()
        .filter(|message| message.get("value").is_some())
        .map(|message| {
            let text = |value: &Value| value.as_str().expect("a text").to_owned();
            (text(&message["headers"]["operation"]), text(&message["value"]["status"]))
        })
        .collect()
}
