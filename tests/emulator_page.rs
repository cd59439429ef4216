//! The calls of the emulator's own page without a key, their refusals of other pages, and the tasks.

mod emulator_support;

use emulator_support::{Emulator, Response};
use reqwest::Method;
use serde_json::{Value, json};

async fn keyless(emulator: &Emulator, method: Method, path: &str) -> Response {
    emulator.send_as(None, method, path, Some(String::new())).await
}

async fn tasks(emulator: &Emulator) -> Vec<String> {
    let list = emulator.get("/emulator/tasks").await.json();
    list["tasks"].as_array().expect("tasks").iter().filter_map(|task| Some(task["id"].as_str()?.to_owned())).collect()
}

#[tokio::test]
async fn the_pages_token_reads_triggers_sends_and_completes() {
    let emulator = Emulator::start(json!({ "clock": "manual" })).await;
    let session = keyless(&emulator, Method::POST, "/emulator/session").await.json();
    let token = session["publicAccessToken"].as_str().expect("a token");
    let triggered = emulator.trigger(token, "chat", json!({ "payload": "{}" })).await;
    assert_eq!(triggered.status, 200, "{}", triggered.body);
    let id = triggered.json()["id"].as_str().expect("an id").to_owned();
    emulator.running.handle().advance(250).await.expect("a clock");
    for (method, path, body) in [
        (Method::GET, "/api/v1/runs".to_owned(), None),
        (Method::GET, format!("/api/v3/runs/{id}"), None),
        (Method::GET, format!("/realtime/v1/runs/{id}?offset=-1"), None),
        (Method::GET, "/realtime/v1/runs?offset=-1".to_owned(), None),
        (Method::POST, format!("/realtime/v1/streams/{id}/input/approval"), Some(r#"{"data":1}"#.to_owned())),
    ] {
        let answer = emulator.send_as(Some(token), method, &path, body).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.body);
    }
    // A token for one run.
    let body = json!({ "runId": id }).to_string();
    let narrow = emulator.send_as(None, Method::POST, "/emulator/session", Some(body)).await.json();
    let narrow = narrow["publicAccessToken"].as_str().expect("a token").to_owned();
    for (path, status) in [(format!("/api/v3/runs/{id}"), 200), ("/api/v1/runs".to_owned(), 403)] {
        assert_eq!(emulator.send_as(Some(&narrow), Method::GET, &path, None).await.status, status, "{path}");
    }
    let made = emulator.send(Method::POST, "/api/v1/waitpoints/tokens", Some(json!({}))).await.json();
    let path = format!("/api/v1/waitpoints/tokens/{}/complete", made["id"].as_str().expect("an id"));
    let completed = emulator.send_as(Some(token), Method::POST, &path, Some("{}".into())).await;
    assert_eq!(completed.status, 200, "{}", completed.body);
}

#[tokio::test]
async fn the_relay_serves_what_is_right_below_its_path_alone() {
    let emulator = Emulator::start(json!({ "clock": "manual" })).await;
    let key = emulator.running.secret_key().to_owned();
    let id = emulator.trigger(&key, "chat", json!({ "payload": "{}" })).await.json()["id"].clone();
    let feed = format!("/realtime/v1/runs/{}?offset=-1", id.as_str().expect("an id"));
    for (below, status) in [("/relay", 200), ("/relay/more", 404), ("/relay/relay", 404)] {
        assert_eq!(emulator.get(&format!("{below}{feed}")).await.status, status, "{below}");
    }
}

#[tokio::test]
async fn the_page_cancels_and_replays_and_the_key_does_too() {
    let emulator = Emulator::start(json!({ "clock": "manual" })).await;
    let key = emulator.running.secret_key().to_owned();
    let id = emulator.trigger(&key, "stuck", json!({ "payload": "{}" })).await.json()["id"].clone();
    let id = id.as_str().expect("an id");
    let again = keyless(&emulator, Method::POST, &format!("/emulator/runs/{id}/replay")).await;
    assert_eq!(again.status, 200, "{}", again.body);
    assert_ne!(again.json()["id"], id);
    assert_eq!(keyless(&emulator, Method::POST, &format!("/emulator/runs/{id}/cancel")).await.status, 200);
    assert_eq!(emulator.get(&format!("/api/v3/runs/{id}")).await.json()["status"], "CANCELED");
    let path = format!("/emulator/runs/{}/cancel", again.json()["id"].as_str().expect("an id"));
    assert_eq!(emulator.send(Method::POST, &path, None).await.status, 200);
    assert_eq!(keyless(&emulator, Method::POST, "/emulator/runs/run_none/cancel").await.status, 404);
    assert_eq!(keyless(&emulator, Method::GET, &path).await.status, 405);
}

#[tokio::test]
async fn a_page_of_another_environment_is_no_way_in() {
    let options = json!({ "environments": [{ "id": "other", "secretKey": "tr_prod_another" }] });
    let emulator = Emulator::start(options).await;
    let id = emulator.trigger("tr_prod_another", "stuck", json!({ "payload": "{}" })).await.json()["id"].clone();
    let path = format!("/emulator/runs/{}/cancel", id.as_str().expect("an id"));
    assert_eq!(keyless(&emulator, Method::POST, &path).await.status, 404);
    // A wrong key is refused, although the page without a key is admitted.
    let wrong = emulator.send_as(Some("tr_dev_wrong"), Method::PUT, "/emulator/tasks", Some("{}".into())).await;
    assert_eq!(wrong.status, 401);
}

#[tokio::test]
async fn tasks_are_replaced_for_the_runs_to_come() {
    let emulator = Emulator::start(json!({
        "clock": "manual",
        "tasks": { "mine": { "queued": 0, "steps": [{ "wait": 1000 }, { "output": "old" }] }, "gone": {} },
    }))
    .await;
    assert!(tasks(&emulator).await.contains(&"gone".to_owned()));
    let key = emulator.running.secret_key().to_owned();
    let old = emulator.trigger(&key, "mine", json!({ "payload": "{}" })).await.json()["id"].clone();
    emulator.running.handle().advance(500).await.expect("a clock");
    let scripts: Value = json!({ "mine": { "queued": 0, "steps": [{ "output": "new" }] }, "fresh": {} });
    let put = |body: Value| emulator.send(Method::PUT, "/emulator/tasks", Some(body));
    assert_eq!(put(json!({ "tasks": scripts })).await.status, 200);
    let now = tasks(&emulator).await;
    assert!(
        now.contains(&"fresh".to_owned()) && now.contains(&"hello".to_owned()) && !now.contains(&"gone".to_owned())
    );
    let new = emulator.trigger(&key, "mine", json!({ "payload": "{}" })).await.json()["id"].clone();
    emulator.running.handle().advance(5_000).await.expect("a clock");
    for (id, output) in [(old, "old"), (new, "new")] {
        let run = emulator.get(&format!("/api/v3/runs/{}", id.as_str().expect("an id"))).await.json();
        assert_eq!(run["output"], output);
    }
    // An invalid script is refused, and the tasks stay.
    for wrong in [json!({ "tasks": { "bad": { "steps": [{ "sleep": 1 }] } } }), json!({ "tasks": [] }), json!({})] {
        let answer = put(wrong.clone()).await;
        assert_eq!(answer.status, 400, "{wrong}");
    }
    assert_eq!(tasks(&emulator).await, now);
    let chat = emulator.get("/emulator/tasks").await.json();
    let chat = chat["tasks"].as_array().and_then(|tasks| tasks.iter().find(|task| task["id"] == "chat")).cloned();
    assert_eq!(chat, Some(json!({ "id": "chat", "builtIn": true, "inputs": ["approval"], "streams": [] })));
}
