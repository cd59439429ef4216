//! One event stream for all that a page follows, of a relay that listens in front of the emulator.

mod emulator_support;

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use emulator_support::{Emulator, FAILSAFE};
use http::request::Parts;
use reqwest::Method;
use serde_json::{Value, json};
use tokio::time::timeout;
use trigger_native::config::Endpoint;
use trigger_native::relay::{Authorize, Authorized, Grant, Limits, Listen, Listening, Options, Relay};

struct Front {
    relay: Arc<Relay>,
    listening: Listening,
    client: reqwest::Client,
}

/// An event: its name, the want's id, and what it tells.
type Event = (String, String, Value);

/// A live response, read event by event.
struct Page {
    answer: reqwest::Response,
    text: String,
}

/// A client. Tests without an emulator have no TLS yet, which it asks for.
fn client() -> reqwest::Client {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    reqwest::Client::builder().no_proxy().build().expect("a client")
}

impl Front {
    async fn start(emulator: &Emulator, change: impl FnOnce(&mut Options), authorize: Option<Authorize>) -> Self {
        let endpoint = Endpoint::new(&emulator.running.url(), emulator.running.secret_key(), None);
        let mut options = Options { authorizes: authorize.is_some(), ..Options::new(endpoint.expect("an endpoint")) };
        change(&mut options);
        let relay = Relay::new(options);
        let listen = Listen { host: IpAddr::V4(Ipv4Addr::LOCALHOST), port: 0, tls: None, authorize };
        let listening = Listening::start(relay.clone(), listen).await.expect("it listens");
        Self { relay, listening, client: client() }
    }

    async fn post(&self, path: &str, token: Option<&str>, body: String) -> reqwest::Response {
        let request = self.client.post(format!("http://{}{path}", self.listening.address())).body(body);
        let request = match token {
            Some(token) => request.bearer_auth(token),
            None => request,
        };
        request.send().await.expect("an answer")
    }

    async fn page(&self, token: Option<&str>, wants: Value) -> Page {
        let answer = self.post("/relay/v1/live", token, json!({ "wants": wants }).to_string()).await;
        assert_eq!(answer.status(), 200);
        let header = |name: &str| answer.headers()[name].to_str().expect("text").to_owned();
        assert_eq!(header("content-type"), "text/event-stream; charset=utf-8");
        assert_eq!((header("cache-control"), header("x-accel-buffering")), ("no-store".into(), "no".into()));
        Page { answer, text: String::new() }
    }

    fn stats(&self) -> Value {
        serde_json::from_str(&self.relay.stats()).expect("stats")
    }
}

impl Page {
    /// The next event that is no heartbeat; `None` at the end of the body.
    async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some((event, rest)) = self.text.split_once("\n\n") {
                let (event, rest) = (event.to_owned(), rest.to_owned());
                self.text = rest;
                let Some(name) = event.strip_prefix("event: ").and_then(|rest| rest.lines().next()) else { continue };
                let data: Vec<_> = event.lines().filter_map(|line| line.strip_prefix("data: ")).collect();
                let told: Value = serde_json::from_str(&data.join("\n")).expect("JSON");
                return Some((name.to_owned(), told[0].as_str().unwrap_or_default().to_owned(), told[1].clone()));
            }
            let part = timeout(FAILSAFE, self.answer.chunk()).await.expect("an event").ok()??;
            self.text.push_str(std::str::from_utf8(&part).expect("text"));
        }
    }

    /// The next events, sorted by want.
    async fn take(&mut self, count: usize) -> Vec<Event> {
        let mut events = Vec::new();
        while events.len() < count {
            events.push(self.next().await.expect("an event"));
        }
        events.sort_by(|left, right| left.1.cmp(&right.1));
        events
    }
}

fn names(events: &[Event]) -> Vec<(&str, &str)> {
    events.iter().map(|(name, want, _)| (name.as_str(), want.as_str())).collect()
}

async fn token(emulator: &Emulator, scopes: &[String]) -> String {
    let asked = emulator.send(Method::POST, "/api/v1/auth/public-tokens", Some(json!({ "scopes": scopes })));
    asked.await.json()["token"].as_str().expect("a token").to_owned()
}

#[tokio::test]
async fn a_page_follows_all_it_may_on_one_response_and_is_told_the_rest_is_refused() {
    let emulator = Emulator::start(json!({})).await;
    let mine = emulator.create(json!({ "status": "EXECUTING", "runTags": ["t"], "payload": "1" })).await;
    let other = emulator.create(json!({})).await;
    let scopes = [format!("read:runs:{mine}"), "read:tags:t".to_owned()];
    let (token, others) = (token(&emulator, &scopes).await, token(&emulator, &[format!("read:runs:{other}")]).await);
    let front = Front::start(&emulator, |_| {}, None).await;
    let wants = json!([
        { "id": "a", "run": mine, "skipColumns": ["payload"] },
        { "id": "b", "tags": ["t"] },
        { "id": "c", "run": other },
        { "id": "d", "run": other, "token": others },
        { "id": "e", "run": other, "token": "x\ny" },
        { "id": "f", "stream": { "run": mine, "key": "k" } },
        { "id": "g", "run": "../../api/v1/runs" },
        { "id": "h", "batch": "batch_1" },
        { "id": "i", "stream": { "run": other, "key": "k" } },
    ]);
    let mut page = front.page(Some(&token), wants).await;
    let first = page.take(12).await;
    let expected = [
        ("row", "a"),
        ("ready", "a"),
        ("row", "b"),
        ("ready", "b"),
        ("error", "c"),
        ("row", "d"),
        ("ready", "d"),
        ("error", "e"),
        ("ready", "f"),
        ("error", "g"),
        ("error", "h"),
        ("error", "i"),
    ];
    assert_eq!(names(&first), expected);
    assert_eq!((&first[0].2["run"]["id"], first[0].2["run"].get("payload")), (&json!(mine), None));
    assert!(first[2].2["run"].get("payload").is_some());
    let refused: Vec<_> = first.iter().filter(|event| event.0 == "error").map(|event| &event.2).collect();
    let statuses: Vec<_> = refused.iter().map(|told| told["status"].as_u64().expect("a status")).collect();
    assert_eq!(statuses, [403, 401, 404, 403, 403]);
    assert!(refused[0]["hint"].as_str().is_some_and(|hint| hint.contains(&other)), "{refused:?}");
    assert!(refused.iter().all(|told| told["retry"] == json!(false)));
    assert_eq!(front.stats()["viewers"]["now"], 4);
    emulator.patch(&mine, json!({ "metadata": { "step": 1 } })).await;
    let changed = page.take(2).await;
    assert_eq!(names(&changed), [("change", "a"), ("change", "b")]);
    assert_eq!(changed[0].2["set"]["metadata"]["data"], json!({ "step": 1 }).to_string());
    assert!(changed.iter().all(|(_, _, told)| told["set"].get("payload").is_none()), "{changed:?}");
    drop(page);
    timeout(FAILSAFE, async {
        while front.stats()["viewers"]["now"] != 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await
    .expect("a page that leaves frees all at once");
}

#[tokio::test]
async fn a_page_goes_on_at_another_relay_where_it_was_and_ends_with_its_run() {
    let emulator = Emulator::start(json!({})).await;
    let run = emulator.create(json!({ "status": "EXECUTING", "payload": "p".repeat(300_000) })).await;
    let token = token(&emulator, &[format!("read:runs:{run}")]).await;
    let (one, two) = (Front::start(&emulator, |_| {}, None).await, Front::start(&emulator, |_| {}, None).await);
    let mut page = one.page(Some(&token), json!([{ "id": "a", "run": run }])).await;
    let first = page.take(2).await;
    assert_eq!(names(&first), [("row", "a"), ("ready", "a")]);
    assert_eq!(first[0].2["run"]["payload"]["data"].as_str().map(str::len), Some(300_000));
    let at = first[0].2["at"].clone();
    assert!(at.as_str().is_some_and(|at| at.len() < 100), "{at}");
    let mut again = two.page(Some(&token), json!([{ "id": "b", "run": run, "at": at }])).await;
    assert_eq!(names(&again.take(1).await), [("ready", "b")], "nothing again");
    emulator.patch(&run, json!({ "status": "COMPLETED" })).await;
    for page in [&mut page, &mut again] {
        let (name, _, told) = page.next().await.expect("a change");
        assert_eq!(
            (name.as_str(), &told["set"]["status"], told["set"].get("payload")),
            ("change", &json!("COMPLETED"), None)
        );
        assert_eq!(page.next().await.expect("an end").0, "end");
        assert_eq!(page.next().await, None, "with its last want the response is over");
    }
    drop(page);
    let mut late = two.page(Some(&token), json!([{ "id": "b", "run": run, "at": at }])).await;
    let told = late.take(3).await;
    assert_eq!(names(&told), [("change", "b"), ("ready", "b"), ("end", "b")]);
    assert!(told[0].2["set"].get("payload").is_none(), "a long column that did not change is not told again");
}

#[tokio::test]
async fn a_body_that_names_no_wants_is_refused_and_so_are_other_methods() {
    let emulator = Emulator::start(json!({})).await;
    let front = Front::start(&emulator, |_| {}, None).await;
    for (body, status) in [
        (String::new(), 400),
        ("{}".to_owned(), 400),
        (json!({ "wants": [] }).to_string(), 400),
        (json!({ "wants": [{ "id": "a" }] }).to_string(), 400),
        ("x".repeat(300_000), 413),
    ] {
        let answer = front.post("/relay/v1/live", None, body).await;
        assert_eq!(answer.status(), status);
        assert!(answer.text().await.expect("a body").contains("\"error\":"));
    }
    for (method, status) in [(Method::GET, 405), (Method::HEAD, 405), (Method::PUT, 405), (Method::OPTIONS, 200)] {
        let url = format!("http://{}/api/trigger/relay/v1/live", front.listening.address());
        let answer = front.client.request(method.clone(), url).send().await.expect("an answer");
        assert_eq!(answer.status(), status, "{method}");
    }
    let stats = front.stats();
    assert_eq!((&stats["limited"]["bodyBytes"], &stats["viewers"]["peak"]), (&json!(1), &json!(0)));
}

#[tokio::test]
async fn allow_and_the_limits_hold_for_each_want() {
    let emulator = Emulator::start(json!({})).await;
    let run = emulator.create(json!({})).await;
    let token = token(&emulator, &["read:runs".to_owned()]).await;
    let allow = |options: &mut Options| {
        options.allow = Some(["runs".to_owned()].into());
        options.limits = Limits { per_token: 2, ..Limits::default() };
    };
    let front = Front::start(&emulator, allow, None).await;
    let wants = json!([{ "id": "a", "run": run }, { "id": "b", "run": run }, { "id": "c", "run": run }, { "id": "d", "tags": ["t"] }]);
    let told = front.page(Some(&token), wants).await.take(6).await;
    assert_eq!(
        names(&told),
        [("row", "a"), ("ready", "a"), ("row", "b"), ("ready", "b"), ("error", "c"), ("error", "d")]
    );
    assert_eq!(
        (&told[4].2["status"], &told[4].2["retry"], &told[4].2["after"]),
        (&json!(429), &json!(true), &json!(1000))
    );
    assert_eq!((&told[5].2["status"], &told[5].2["retry"]), (&json!(404), &json!(false)));
    let none = Front::start(&emulator, |options| options.allow = Some(["trigger".to_owned()].into()), None).await;
    assert_eq!(
        none.post("/relay/v1/live", Some(&token), json!({ "wants": [{ "id": "a", "run": run }] }).to_string())
            .await
            .status(),
        404
    );
}

#[tokio::test]
async fn the_grant_of_the_app_is_applied_to_each_want() {
    let emulator = Emulator::start(json!({})).await;
    let (mine, other) = (emulator.create(json!({ "payload": "1" })).await, emulator.create(json!({})).await);
    let scope = format!("read:runs:{mine}");
    let authorize: Authorize = Arc::new(move |head: &Parts| {
        assert_eq!((head.method.as_str(), head.uri.path()), ("POST", "/relay/v1/live"));
        let grant =
            Grant { scopes: vec![scope.clone()], skip_columns: vec!["payload".into()], id: Some("user".into()) };
        Box::pin(async move { Authorized::Granted(grant) })
    });
    let front = Front::start(&emulator, |_| {}, Some(authorize)).await;
    let key = emulator.running.secret_key();
    let wants = json!([{ "id": "a", "run": mine }, { "id": "b", "run": other, "token": key }]);
    let told = front.page(Some(key), wants).await.take(3).await;
    assert_eq!(names(&told), [("row", "a"), ("ready", "a"), ("error", "b")], "a token adds nothing");
    assert!(told[0].2["run"].get("payload").is_none());
    assert_eq!(told[2].2["status"], 403);
}

#[tokio::test]
async fn a_relay_that_stops_tells_its_pages_to_ask_again() {
    let emulator = Emulator::start(json!({})).await;
    let run = emulator.create(json!({})).await;
    let front = Front::start(&emulator, |_| {}, None).await;
    let mut page = front.page(Some(emulator.running.secret_key()), json!([{ "id": "a", "run": run }])).await;
    page.take(2).await;
    front.relay.stop();
    assert_eq!(page.next().await.expect("an event").0, "again");
    assert_eq!(page.next().await, None);
    assert_eq!(front.stats()["viewers"]["now"], 0);
}

#[tokio::test]
async fn the_relay_that_the_emulator_mounts_has_it_too() {
    let emulator = Emulator::start(json!({})).await;
    let run = emulator.create(json!({ "status": "COMPLETED" })).await;
    let key = emulator.running.secret_key().to_owned();
    let body = json!({ "wants": [{ "id": "a", "run": run }] }).to_string();
    let answer = emulator.send_as(Some(&key), Method::POST, "/relay/relay/v1/live", Some(body)).await;
    assert_eq!(answer.status, 200);
    let names: Vec<_> = answer.body.lines().filter_map(|line| line.strip_prefix("event: ")).collect();
    assert_eq!(names, ["row", "ready", "end"]);
}

/// A server that takes requests and answers none.
async fn silent_server() -> (tokio::net::TcpListener, Options) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    let options = Options::new(Endpoint::new(&url, "tr_dev_fakefakefakefakefake", None).expect("an endpoint"));
    (listener, options)
}

async fn front_of(options: Options) -> Front {
    let relay = Relay::new(options);
    let listen = Listen { host: IpAddr::V4(Ipv4Addr::LOCALHOST), port: 0, tls: None, authorize: None };
    let listening = Listening::start(relay.clone(), listen).await.expect("it listens");
    Front { relay, listening, client: client() }
}

#[tokio::test]
async fn a_want_whose_server_cannot_be_reached_is_refused_as_its_get_is() {
    let (listener, options) = silent_server().await;
    drop(listener);
    let front = front_of(options).await;
    let mut page = front.page(Some("tr_dev_fakefakefakefakefake"), json!([{ "id": "a", "run": "run_1" }])).await;
    let (name, _, told) = page.next().await.expect("an event");
    assert_eq!((name.as_str(), &told["status"], &told["retry"]), ("error", &json!(502), &json!(true)), "{told}");
    assert_eq!(page.next().await, None);
}

#[tokio::test]
async fn a_relay_that_stops_while_a_feed_is_waited_for_tells_its_page_to_ask_again() {
    let (_listener, options) = silent_server().await;
    let front = front_of(options).await;
    let mut page = front.page(Some("tr_dev_fakefakefakefakefake"), json!([{ "id": "a", "run": "run_1" }])).await;
    timeout(FAILSAFE, async {
        while front.stats()["viewers"]["now"] != 1 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await
    .expect("it waits");
    front.relay.stop();
    assert_eq!(page.next().await.expect("an event").0, "again");
    assert_eq!(page.next().await, None);
}

#[tokio::test]
async fn a_want_is_no_longer_than_the_query_and_the_headers_of_its_get_may_be() {
    let emulator = Emulator::start(json!({})).await;
    let front = Front::start(&emulator, |_| {}, None).await;
    let (tags, token) = (["t".repeat(9_000)], "t".repeat(17_000));
    let wants = json!([{ "id": "a", "tags": tags }, { "id": "b", "run": "run_1", "token": token }]);
    let told = front.page(Some(emulator.running.secret_key()), wants).await.take(2).await;
    let statuses: Vec<_> = told.iter().map(|event| event.2["status"].as_u64()).collect();
    assert_eq!(statuses, [Some(414), Some(431)], "{told:?}");
    let stats = front.stats();
    assert_eq!((&stats["limited"]["queryBytes"], &stats["limited"]["headerBytes"]), (&json!(1), &json!(1)));
}

#[tokio::test]
async fn the_places_of_a_page_count_as_bytes_under_way_and_a_want_beyond_the_limit_is_refused() {
    let emulator = Emulator::start(json!({})).await;
    let front = Front::start(&emulator, |options| options.limits.bytes_under_way = 50_000, None).await;
    // Of rows that no relay has, from a time that never comes: they are waited for.
    let places: Vec<_> = (0..100).map(|row| format!("AAAAAAA{}________", char::from(b'A' + row % 26))).collect();
    let wants: Vec<_> = ["a", "b"].map(|id| json!({ "id": id, "tags": ["t"], "at": places })).to_vec();
    let key = emulator.running.secret_key();
    let mut page = front.page(Some(key), json!(wants)).await;
    let told = page.take(2).await;
    assert_eq!(names(&told), [("ready", "a"), ("error", "b")]);
    assert_eq!((&told[1].2["status"], &told[1].2["retry"]), (&json!(429), &json!(true)));
    assert_eq!(front.stats()["limited"]["bytesUnderWay"], 1);
    assert!(front.stats()["bytesUnderWay"].as_u64().expect("a number") > 10_000);
    drop(page);
    timeout(FAILSAFE, async {
        while front.stats()["bytesUnderWay"] != 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await
    .expect("they are given back");
}
