//! The emulator's streams over real sockets: written, read live, and read again.

mod emulator_support;

use emulator_support::{Emulator, FAILSAFE};
use reqwest::Method;
use serde_json::json;
use tokio::time::timeout;

#[tokio::test]
async fn what_a_run_writes_is_read_by_version() {
    let emulator = Emulator::start(json!({})).await;
    let key = emulator.running.secret_key().to_owned();
    for (version, expected) in [
        ("v1", vec!["data: {\"a\":1}\n", "data: {\"a\":2}\n", "data: \"hello\"\n"]),
        (
            "v2",
            vec![
                r#"\"data\":{\"a\":1},\"id\":"#,
                r#"\"data\":{\"a\":2},\"id\":"#,
                r#"\"data\":\"hello\",\"id\":\"part-1\""#,
                "data: [DONE]",
            ],
        ),
    ] {
        let id = emulator.create(json!({ "streamsVersion": version })).await;
        let path = format!("/realtime/v1/streams/{id}/self/out");
        let put = emulator.send(Method::PUT, &path, None).await;
        assert_eq!((put.status, put.json()["version"].as_str()), (202, Some(version)));
        assert_eq!(put.header("x-s2-stream-name").is_empty(), version == "v1");
        let lines = Some("{\"a\":1}\n{\"a\":2}\n".to_owned());
        assert_eq!(emulator.send_as(Some(&key), Method::POST, &path, lines).await.status, 200);
        let append = emulator.append(&format!("{path}/append"), "hello", "part-1").await;
        assert_eq!((append.status, append.body.as_str()), (200, r#"{"ok":true}"#));
        let read = timeout(FAILSAFE, emulator.stream(&format!("/realtime/v1/streams/{id}/out"), 1)).await;
        let read = read.expect("it ends");
        let mut rest = read.body.as_str();
        for part in expected {
            rest = rest.split_once(part).unwrap_or_else(|| panic!("{part} in {}", read.body)).1;
        }
        // The run lists the key, for later readers.
        assert!(emulator.get(&format!("/realtime/v1/runs/{id}?offset=-1")).await.body.contains(r#""{\"out\"}""#));
    }
}

#[tokio::test]
async fn nobody_writes_to_a_run_that_is_over_or_with_a_public_token() {
    let emulator = Emulator::start(json!({})).await;
    let id = emulator.create(json!({ "status": "COMPLETED_SUCCESSFULLY" })).await;
    let path = format!("/realtime/v1/streams/{id}/self/out");
    for (method, path, text) in [
        (Method::PUT, path.clone(), "Cannot initialize a realtime stream on a completed run"),
        (Method::POST, format!("{path}/append"), "Cannot append to a realtime stream on a completed run"),
    ] {
        let answer = emulator.send(method, &path, Some(json!("x"))).await;
        assert_eq!((answer.status, answer.body.as_str()), (400, text));
    }
    let scopes = json!({ "scopes": ["admin"] });
    let token = emulator.send(Method::POST, "/api/v1/auth/public-tokens", Some(scopes)).await.json();
    let token = token["token"].as_str().expect("a token");
    assert_eq!(emulator.send_as(Some(token), Method::PUT, &path, None).await.status, 401);
    let large = Some("x".repeat(600_000));
    let open = emulator.create(json!({})).await;
    let append = format!("/realtime/v1/streams/{open}/self/out/append");
    let key = emulator.running.secret_key().to_owned();
    assert_eq!(emulator.send_as(Some(&key), Method::POST, &append, large).await.status, 413);
    assert_eq!(emulator.get(&format!("/realtime/v1/streams/{open}/parent/out")).await.status, 404);
}

#[tokio::test]
async fn input_reaches_the_run_it_is_for_alone() {
    let emulator = Emulator::start(json!({})).await;
    let (id, other) = (emulator.create(json!({})).await, emulator.create(json!({})).await);
    let scopes = json!({ "scopes": [format!("write:inputStreams:{id}"), format!("read:runs:{id}")] });
    let token = emulator.send(Method::POST, "/api/v1/auth/public-tokens", Some(scopes)).await.json();
    let token = token["token"].as_str().expect("a token").to_owned();
    let send = |run: &str, body: &str| {
        let path = format!("/realtime/v1/streams/{run}/input/approval");
        emulator.send_as(Some(&token), Method::POST, &path, Some(body.to_owned()))
    };
    assert_eq!(send(&id, r#"{"data":{"ok":true}}"#).await.body, r#"{"ok":true}"#);
    assert_eq!(send(&other, r#"{"data":1}"#).await.status, 403);
    // Data may be missing, a JSON body may not.
    assert_eq!(send(&id, "{}").await.status, 200);
    assert_eq!(send(&id, "[]").await.status, 400);
    assert_eq!(send(&id, &json!({ "data": "x".repeat(1_100_000) }).to_string()).await.status, 413);
    let read = timeout(FAILSAFE, emulator.stream(&format!("/realtime/v1/streams/{id}/input/approval"), 1)).await;
    assert!(read.expect("it ends").body.contains(r#"\"data\":\"{\\\"ok\\\":true}\""#));
    emulator.patch(&id, json!({ "status": "CANCELED" })).await;
    let late = send(&id, r#"{"data":1}"#).await;
    assert_eq!(late.body, r#"{"ok":false,"error":"Cannot send to input stream on a completed run"}"#);
    assert_eq!(late.status, 400);
}

#[tokio::test]
async fn stopping_ends_a_stream_without_its_marker() {
    let emulator = Emulator::start(json!({})).await;
    let id = emulator.create(json!({})).await;
    let read = tokio::spawn(emulator.stream(&format!("/realtime/v1/streams/{id}/out"), 600));
    emulator.counted("GET /realtime/v1/streams/{id}/{key}", 1).await;
    timeout(FAILSAFE, emulator.running.stop()).await.expect("it stops");
    let body = timeout(FAILSAFE, read).await.expect("it ends").expect("an answer").body;
    assert!(!body.contains("[DONE]"), "{body}");
}
