//! Viewers of a relay that listens, in front of the emulator: who reads what, what goes through, and what is counted.

mod emulator_support;

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use emulator_support::Emulator;
use http::request::Parts;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full};
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use trigger_native::config::Endpoint;
use trigger_native::relay::{Authorize, Authorized, Grant, Limits, Listen, Listening, Options, Relay};

/// A relay in front of an emulator, on a port of its own.
struct Front {
    relay: Arc<Relay>,
    listening: Listening,
    client: reqwest::Client,
}

impl Front {
    async fn start(emulator: &Emulator, limits: Limits, authorize: Option<Authorize>) -> Self {
        let relay = Relay::new(Options {
            limits,
            authorizes: authorize.is_some(),
            metrics_path: Some("/metrics".into()),
            ..Options::new(
                Endpoint::new(&emulator.running.url(), emulator.running.secret_key(), None).expect("an endpoint"),
            )
        });
        let listen = Listen { host: IpAddr::V4(Ipv4Addr::LOCALHOST), port: 0, authorize, tls: None };
        let listening = Listening::start(relay.clone(), listen).await.expect("it listens");
        Self { relay, listening, client: reqwest::Client::builder().no_proxy().build().expect("a client") }
    }

    fn ask(&self, method: Method, path: &str, token: Option<&str>) -> RequestBuilder {
        let request = self.client.request(method, format!("http://{}{path}", self.listening.address()));
        let request = request.header("x-trigger-electric-version", "1.0.0-beta.1");
        match token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    /// The status and the text of an answer.
    async fn get(&self, path: &str, token: Option<&str>) -> (u16, String) {
        told(self.ask(Method::GET, path, token)).await
    }

    fn stats(&self) -> Value {
        serde_json::from_str(&self.relay.stats()).expect("stats")
    }
}

async fn told(request: RequestBuilder) -> (u16, String) {
    let answer = request.send().await.expect("an answer");
    (answer.status().as_u16(), answer.text().await.expect("a body"))
}

async fn token(emulator: &Emulator, scope: &str) -> String {
    let asked = emulator.send(Method::POST, "/api/v1/auth/public-tokens", Some(json!({ "scopes": [scope] })));
    asked.await.json()["token"].as_str().expect("a token").to_owned()
}

fn feed(run: &str) -> String {
    format!("/realtime/v1/runs/{run}?offset=-1")
}

#[tokio::test]
async fn a_viewer_reads_its_run_and_nobody_elses_and_each_refusal_is_counted() {
    let emulator = Emulator::start(json!({})).await;
    let (mine, other) = (emulator.create(json!({})).await, emulator.create(json!({})).await);
    let token = token(&emulator, &format!("read:runs:{mine}")).await;
    let front = Front::start(&emulator, Limits::default(), None).await;
    let (status, body) = front.get(&feed(&mine), Some(&token)).await;
    assert!(status == 200 && body.contains(&mine), "{status} {body}");
    let (status, body) = front.get(&feed(&other), Some(&token)).await;
    assert!(status == 403 && body.contains(&format!("read:runs:{other}")), "{status} {body}");
    assert!(!body.contains("run_tag"), "{body}");
    assert_eq!(front.get(&feed(&mine), None).await.0, 401);
    assert_eq!(front.get(&feed(&mine), Some("tr_dev_other")).await.0, 401);
    assert_eq!(front.get("/api/v1/envvars", Some(&token)).await.0, 404);
    let key = emulator.running.secret_key().to_owned();
    assert_eq!(front.get(&feed(&other), Some(&key)).await.0, 200, "a server with the relay's own key reads everything");
    let branch = front.ask(Method::GET, &feed(&other), Some(&key)).header("x-trigger-branch", "b");
    assert_eq!(told(branch).await.0, 400, "and nothing of another branch");
    let stats = front.stats();
    assert_eq!(stats["feeds"], 2);
    assert_eq!(
        (&stats["upstream"]["budget"]["own"], &stats["upstream"]["budget"]["connections"]),
        (&json!(2), &json!(8))
    );
    let refusals = ["token", "scope", "unknown"].map(|why| stats["refusals"][why].as_u64().expect("a count"));
    assert!(refusals[0] >= 2 && refusals[1] == 1 && refusals[2] >= 1, "{refusals:?}");
}

#[tokio::test]
async fn a_call_goes_through_with_the_viewers_own_token_and_not_without_one() {
    let emulator = Emulator::start(json!({})).await;
    let (may, may_not) = (token(&emulator, "trigger:tasks:stuck").await, token(&emulator, "trigger:tasks:other").await);
    let front = Front::start(&emulator, Limits::default(), None).await;
    let trigger = |token: Option<&str>| told(front.ask(Method::POST, "/api/v1/tasks/stuck/trigger", token).body("{}"));
    let (status, body) = trigger(Some(&may)).await;
    assert!(status == 200 && body.contains("\"id\""), "{status} {body}");
    assert_eq!(trigger(Some(&may_not)).await.0, 403);
    assert_eq!(trigger(None).await.0, 401);
    let stats = front.stats();
    assert_eq!((&stats["passed"], &stats["passing"]["now"]), (&json!(1), &json!(0)));
    let calls: Value = serde_json::from_str(&emulator.running.stats()).expect("stats");
    assert_eq!(calls["byRoute"]["POST /api/v1/tasks/{id}/trigger"], 1, "the server sees what was let through alone");
}

#[tokio::test]
async fn what_is_too_long_goes_no_further_and_is_counted_by_its_bound() {
    let emulator = Emulator::start(json!({})).await;
    let token = token(&emulator, "trigger:tasks:stuck").await;
    let limits = Limits { body_bytes: 100, query_bytes: 50, header_bytes: 2_000, ..Limits::default() };
    let front = Front::start(&emulator, limits, None).await;
    let trigger = |bytes: usize| {
        let body = json!({ "payload": "x".repeat(bytes) }).to_string();
        told(front.ask(Method::POST, "/api/v1/tasks/stuck/trigger", Some(&token)).body(body))
    };
    assert_eq!(trigger(10).await.0, 200);
    assert_eq!(trigger(200).await.0, 413);
    assert_eq!(front.get(&format!("{}&x={}", feed("run_1"), "y".repeat(60)), Some(&token)).await.0, 414);
    let long = front.ask(Method::GET, &feed("run_1"), Some(&token)).header("cookie", "z".repeat(2_500));
    assert_eq!(told(long).await.0, 431);
    let limited = &front.stats()["limited"];
    assert_eq!((&limited["bodyBytes"], &limited["queryBytes"]), (&json!(1), &json!(1)));
}

#[tokio::test]
async fn the_app_is_asked_for_each_viewer_and_neither_for_preflights_nor_for_the_metrics() {
    let emulator = Emulator::start(json!({})).await;
    let (mine, other) = (emulator.create(json!({})).await, emulator.create(json!({})).await);
    let (asked, scope) = (Arc::new(AtomicUsize::new(0)), format!("read:runs:{mine}"));
    let count = asked.clone();
    let authorize: Authorize = Arc::new(move |head: &Parts| {
        count.fetch_add(1, Ordering::SeqCst);
        let is_known = head.headers.get("cookie").is_some_and(|cookie| cookie == "session=1");
        let granted = if is_known {
            let skip_columns = vec!["payload".to_owned()];
            Authorized::Granted(Grant { scopes: vec![scope.clone()], skip_columns, id: Some("viewer".into()) })
        } else {
            let body = UnsyncBoxBody::new(Full::from("sign in").map_err(|never| match never {}));
            let answer = http::Response::builder().status(401).body(body).expect("an answer");
            Authorized::Answer(Box::new(answer))
        };
        Box::pin(async move { granted })
    });
    let front = Front::start(&emulator, Limits::default(), Some(authorize)).await;
    let viewer = |path: &str| told(front.ask(Method::GET, path, None).header("cookie", "session=1"));
    let (status, body) = viewer(&feed(&mine)).await;
    assert!(status == 200 && body.contains(&mine) && !body.contains("\"payload\":"), "{status} {body}");
    assert_eq!(viewer(&feed(&other)).await.0, 403);
    assert_eq!(front.get(&feed(&mine), None).await, (401, "sign in".to_owned()));
    assert_eq!(asked.load(Ordering::SeqCst), 3);
    assert!(told(front.ask(Method::OPTIONS, &feed(&mine), None)).await.0 < 300);
    let (status, metrics) = front.get("/metrics", None).await;
    assert!(status == 200 && metrics.contains("trigger_native"), "{metrics}");
    assert_eq!(asked.load(Ordering::SeqCst), 3, "nobody else was asked about");
    assert_eq!(front.stats()["refusals"]["token"], 1);
    let foreign = front.ask(Method::GET, &feed(&mine), None).header("cookie", "session=1");
    let refusal = foreign.header("origin", "https://evil.example").send().await.expect("an answer");
    assert_eq!(refusal.status(), 403);
    assert!(!refusal.headers().contains_key("strict-transport-security"), "the app decides about its own origin");
    assert_eq!(asked.load(Ordering::SeqCst), 3, "a page of another origin is refused before the app is asked");
}

#[tokio::test]
async fn no_more_calls_of_authorize_are_under_way_than_the_limit_and_those_beyond_are_counted() {
    let emulator = Emulator::start(json!({})).await;
    let limits = Limits { authorizing: 2, ..Limits::default() };
    let front = Front::start(&emulator, limits, None).await;
    assert_eq!([(); 3].map(|()| front.relay.begin_authorize()), [true, true, false]);
    assert_eq!(front.stats()["authorizing"], json!({ "now": 2, "peak": 2 }));
    front.relay.end_authorize();
    assert!(front.relay.begin_authorize());
    assert_eq!(front.stats()["limited"]["authorizing"], 1);
}

#[tokio::test]
async fn a_request_without_a_host_is_refused_and_a_stopped_relay_takes_no_more() {
    let emulator = Emulator::start(json!({})).await;
    let front = Front::start(&emulator, Limits::default(), None).await;
    let mut socket = TcpStream::connect(front.listening.address()).await.expect("a connection");
    let request = format!("GET {} HTTP/1.1\r\nconnection: close\r\n\r\n", feed("run_1"));
    socket.write_all(request.as_bytes()).await.expect("written");
    let mut answer = String::new();
    socket.read_to_string(&mut answer).await.expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
    assert!(!answer.to_lowercase().contains("strict-transport-security"), "{answer}");
    let address = front.listening.address();
    front.listening.stop().await;
    assert!(TcpStream::connect(address).await.is_err());
}
