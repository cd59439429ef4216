//! The emulator's faults, stored packets and wait tokens, over real sockets.

mod emulator_support;

use std::time::{Duration, Instant};

use emulator_support::Emulator;
use reqwest::{Client, Method};
use serde_json::{Value, json};
use trigger_native::error::ErrorCode;

async fn faults(emulator: &Emulator, faults: Value) {
    let answer = emulator.send(Method::PUT, "/emulator/faults", Some(json!({ "faults": faults }))).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
}

#[tokio::test]
async fn a_fault_hits_its_route_as_often_as_it_says() {
    let status =
        json!([{ "kind": "status", "status": 503, "retryAfter": 2, "route": "GET /api/v3/runs/{id}", "count": 1 }]);
    let emulator = Emulator::start(json!({ "faults": status })).await;
    let id = emulator.create(json!({})).await;
    let path = format!("/api/v3/runs/{id}");
    assert_eq!(emulator.get(&format!("/realtime/v1/runs/{id}?offset=-1")).await.status, 200);
    let hit = emulator.get(&path).await;
    assert_eq!((hit.status, hit.header("retry-after")), (503, "2"));
    assert_eq!(emulator.get(&path).await.status, 200);
    faults(&emulator, json!([{ "kind": "delay", "delayMs": 300 }])).await;
    let begin = Instant::now();
    assert_eq!(emulator.get(&path).await.status, 200);
    assert!(begin.elapsed() >= Duration::from_millis(300));
    faults(&emulator, json!([])).await;
}

#[tokio::test]
async fn a_dropped_and_a_cut_answer_are_seen_as_such() {
    let emulator = Emulator::start(json!({})).await;
    let id = emulator.create(json!({})).await;
    let url = format!("{}/api/v3/runs/{id}", emulator.running.url());
    let get = || {
        let request = Client::builder().no_proxy().build().expect("a client").get(&url);
        request.bearer_auth(emulator.running.secret_key()).send()
    };
    faults(&emulator, json!([{ "kind": "drop", "count": 1 }, { "kind": "cut", "bytes": 10 }])).await;
    assert!(get().await.is_err(), "no answer");
    let cut = get().await.expect("headers");
    assert_eq!(cut.status(), 200);
    assert!(cut.bytes().await.is_err(), "a body that breaks");
    // A stream breaks off too, after its first events.
    let records = json!({ "records": [{ "data": "x".repeat(100), "id": "a" }] });
    emulator.send(Method::POST, &format!("/emulator/runs/{id}/streams/ai"), Some(records)).await;
    faults(&emulator, json!([{ "kind": "cut", "bytes": 50 }])).await;
    let read = emulator.stream(&format!("/realtime/v1/streams/{id}/ai"), 600).await;
    assert_eq!((read.status, read.body.len()), (200, 50));
}

#[tokio::test]
async fn a_feed_is_told_to_start_over() {
    let emulator = Emulator::start(json!({})).await;
    let id = emulator.create(json!({})).await;
    faults(&emulator, json!([{ "kind": "mustRefetch", "after": 1, "count": 1 }])).await;
    let snapshot = emulator.get(&format!("/realtime/v1/runs/{id}?offset=-1")).await;
    let gone = emulator.get(&snapshot.live(&id)).await;
    assert_eq!((gone.status, gone.body.as_str()), (409, r#"[{"headers":{"control":"must-refetch"}}]"#));
    assert_ne!(gone.header("electric-handle"), snapshot.header("electric-handle"));
}

#[tokio::test]
async fn what_cannot_be_a_fault_is_refused_and_changes_nothing() {
    let emulator = Emulator::start(json!({})).await;
    for wrong in [json!([{ "kind": "explode" }]), json!([{ "kind": "drop", "route": "GET /nothing" }]), json!({})] {
        let answer = emulator.send(Method::PUT, "/emulator/faults", Some(json!({ "faults": wrong }))).await;
        assert_eq!(answer.status, 400, "{}", answer.body);
    }
    let body = json!({ "faults": [] }).to_string();
    let answer = emulator.send_as(Some("tr_dev_wrong"), Method::PUT, "/emulator/faults", Some(body)).await;
    assert_eq!(answer.status, 401);
    let options = json!({ "faults": [{ "kind": "delay" }] }).to_string();
    let error = trigger_native::emulator::start(&options).await.expect_err("a fault that cannot be");
    assert_eq!(error.code(), ErrorCode::InvalidOptions);
    assert!(error.message().contains("delayMs"), "{}", error.message());
}

#[tokio::test]
async fn a_packet_is_stored_and_fetched_by_signed_urls_alone() {
    let emulator = Emulator::start(json!({})).await;
    let client = Client::builder().no_proxy().build().expect("a client");
    let upload = emulator.send(Method::PUT, "/api/v2/packets/run_x%2Fpayload.json", None).await.json();
    assert_eq!(upload["storagePath"], "run_x/payload.json");
    let put = upload["presignedUrl"].as_str().expect("a URL").to_owned();
    let sent = client.put(&put).header("content-type", "application/super+json").body("{\"json\":1}").send();
    assert_eq!(sent.await.expect("an answer").status(), 200);
    // A URL for uploads does not download.
    assert_eq!(client.get(&put).send().await.expect("an answer").status(), 403);
    let id = emulator.create(json!({ "payload": "run_x/payload.json", "payloadType": "application/store" })).await;
    let by_run = emulator.get(&format!("/api/v1/runs/{id}/packets/payload")).await.json();
    let by_name = emulator.get("/api/v1/packets/run_x/payload.json").await.json();
    let shown = emulator.get(&format!("/api/v3/runs/{id}")).await.json();
    for url in [&by_run["presignedUrl"], &by_name["presignedUrl"], &shown["payloadPresignedUrl"]] {
        let url = url.as_str().expect("a URL");
        let got = client.get(url).send().await.expect("an answer");
        assert_eq!(got.headers()["content-type"], "application/super+json");
        assert_eq!(got.text().await.expect("a body"), "{\"json\":1}");
        let forged = url.replace("payload.json", "other.json");
        assert_eq!(client.get(forged).send().await.expect("an answer").status(), 403);
    }
    assert_eq!(emulator.get(&format!("/api/v1/runs/{id}/packets/output")).await.status, 404);
    assert_eq!(emulator.get("/api/v1/packets/..%2Fx").await.status, 400);
}

#[tokio::test]
async fn a_token_that_leaves_out_the_payload_gets_no_url_of_it() {
    let emulator = Emulator::start(json!({})).await;
    let id = emulator.create(json!({ "payload": "run_x/payload.json", "payloadType": "application/store" })).await;
    let body = json!({ "scopes": [format!("read:runs:{id}")], "realtime": { "skipColumns": ["payload"] } });
    let token = emulator.send(Method::POST, "/api/v1/auth/public-tokens", Some(body)).await.json();
    let path = format!("/api/v1/runs/{id}/packets/payload");
    let answer = emulator.send_as(token["token"].as_str(), Method::GET, &path, None).await;
    assert_eq!(answer.status, 403);
}

#[tokio::test]
async fn one_environment_never_sees_anothers_tokens_batches_or_lists() {
    let other = "tr_prod_emulatorother";
    let emulator = Emulator::start(json!({ "environments": [{ "id": "env_other", "secretKey": other }] })).await;
    let token = emulator.send(Method::POST, "/api/v1/waitpoints/tokens", Some(json!({}))).await.json();
    let batch = emulator.send(Method::POST, "/api/v3/batches", Some(json!({ "runCount": 1 }))).await.json();
    emulator.create(json!({ "runTags": ["a"] })).await;
    let (token, batch) = (token["id"].as_str().expect("an id"), batch["id"].as_str().expect("an id"));
    for (method, path, status) in [
        (Method::POST, format!("/api/v1/waitpoints/tokens/{token}/complete"), 404),
        (Method::GET, format!("/api/v2/batches/{batch}"), 404),
        (Method::GET, format!("/realtime/v1/batches/{batch}?offset=-1"), 404),
        (Method::POST, format!("/api/v3/batches/{batch}/items"), 422),
    ] {
        let answer = emulator.send_as(Some(other), method, &path, Some("{}".into())).await;
        assert_eq!(answer.status, status, "{path}");
    }
    for path in ["/api/v1/runs", "/api/v1/waitpoints/tokens"] {
        let answer = emulator.send_as(Some(other), Method::GET, path, None).await;
        assert_eq!(answer.json()["data"], json!([]), "{path}");
    }
    let feed = emulator.send_as(Some(other), Method::GET, "/realtime/v1/runs?tags=a&offset=-1", None).await;
    assert_eq!(feed.body, r#"[{"headers":{"control":"up-to-date"}}]"#);
}
