//! The emulator's feeds of tags and batches, over real sockets: wake-ups and responses.

mod emulator_support;

use std::time::Duration;

use emulator_support::{Emulator, FAILSAFE, Response, updates};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::time::timeout;

const TAGS: &str = "GET /realtime/v1/runs";

/// The live poll that continues from a response.
fn live(path: &str, answer: &Response) -> String {
    let join = if path.contains('?') { '&' } else { '?' };
    let (offset, handle) = (answer.header("electric-offset"), answer.header("electric-handle"));
    format!("{path}{join}offset={offset}&handle={handle}&live=true&cursor=")
}

#[tokio::test]
async fn a_tag_feed_is_woken_by_its_runs_alone() {
    let emulator = Emulator::start(json!({})).await;
    let one = emulator.create(json!({ "runTags": ["a"] })).await;
    let path = "/realtime/v1/runs?tags=a";
    let snapshot = emulator.get(&format!("{path}&offset=-1")).await;
    assert_eq!(updates(&snapshot.body), [("insert".to_owned(), "PENDING".to_owned())]);
    let poll = tokio::spawn(emulator.get(&live(path, &snapshot)));
    emulator.counted(TAGS, 2).await;
    let other = emulator.create(json!({ "runTags": ["b"] })).await;
    emulator.patch(&other, json!({ "status": "EXECUTING" })).await;
    // A run with another tag does not wake the poll: the response to a later call comes first.
    emulator.get("/emulator/stats").await;
    assert!(!poll.is_finished());
    emulator.patch(&one, json!({ "status": "EXECUTING" })).await;
    let woken = timeout(FAILSAFE, poll).await.expect("in time").expect("an answer");
    assert_eq!(updates(&woken.body), [("update".to_owned(), "EXECUTING".to_owned())]);
    // A run that takes the tag later comes too, and one that is new is inserted.
    emulator.patch(&other, json!({ "runTags": ["a", "b"] })).await;
    emulator.create(json!({ "runTags": ["a"] })).await;
    let next = timeout(FAILSAFE, emulator.get(&live(path, &woken))).await.expect("at once");
    let operations: Vec<String> = updates(&next.body).into_iter().map(|(operation, _)| operation).collect();
    assert_eq!(operations, ["insert", "update"]);
}

#[tokio::test]
async fn changes_of_one_millisecond_are_never_missed() {
    let emulator = Emulator::start(json!({ "holdMs": 200 })).await;
    let mut ids = Vec::new();
    for _ in 0..20 {
        ids.push(emulator.create(json!({ "runTags": ["many"] })).await);
    }
    let path = "/realtime/v1/runs?tags=many";
    let mut answer = emulator.get(&format!("{path}&offset=-1")).await;
    let changes = async {
        for id in &ids {
            emulator.patch(id, json!({ "status": "CANCELED" })).await;
        }
    };
    let mut ended = 0;
    let follow = async {
        while ended < ids.len() {
            answer = emulator.get(&live(path, &answer)).await;
            ended += updates(&answer.body).iter().filter(|(_, status)| status == "CANCELED").count();
        }
    };
    timeout(FAILSAFE, async { tokio::join!(changes, follow) }).await.expect("all are told");
    assert_eq!(ended, ids.len(), "each once");
}

#[tokio::test]
async fn a_poll_without_news_is_answered_without_rows() {
    let emulator = Emulator::start(json!({ "holdMs": 20 })).await;
    emulator.create(json!({ "runTags": ["a"] })).await;
    let path = "/realtime/v1/runs?tags=a";
    let snapshot = emulator.get(&format!("{path}&offset=-1")).await;
    let quiet = emulator.get(&live(path, &snapshot)).await;
    assert_eq!((quiet.status, quiet.body.as_str()), (200, r#"[{"headers":{"control":"up-to-date"}}]"#));
}

#[tokio::test]
async fn tags_are_all_asked_for_and_the_window_is_kept() {
    let emulator = Emulator::start(json!({})).await;
    emulator.create(json!({ "runTags": ["a"] })).await;
    let both = emulator.create(json!({ "runTags": ["a", "b"] })).await;
    emulator.create(json!({ "runTags": ["a", "b"], "createdAt": "2020-01-01T00:00:00.000Z" })).await;
    let answer = emulator.get("/realtime/v1/runs?tags=a,b&createdAt=1h&skipColumns=payload&offset=-1").await;
    let messages: Vec<Value> = serde_json::from_str(&answer.body).expect("messages");
    assert_eq!((messages.len(), &messages[0]["value"]["friendlyId"]), (2, &json!(both)));
    assert!(
        messages[0]["value"].get("payload").is_none() && !answer.header("electric-schema").contains("\"payload\":")
    );
    let everything = emulator.get("/realtime/v1/runs?createdAt=100000d&offset=-1").await;
    assert_eq!(updates(&everything.body).len(), 3);
}

#[tokio::test]
async fn a_batch_feed_shows_its_runs_and_to_those_who_may_see_them() {
    let emulator = Emulator::start(json!({ "tasks": { "never": { "queued": null } } })).await;
    let created = emulator.send(Method::POST, "/api/v3/batches", Some(json!({ "runCount": 2 }))).await;
    assert_eq!(created.status, 202);
    let id = created.json()["id"].as_str().expect("an id").to_owned();
    let token = created.header("x-trigger-jwt").to_owned();
    let path = format!("/realtime/v1/batches/{id}");
    let empty = emulator.send_as(Some(&token), Method::GET, &format!("{path}?offset=-1"), None).await;
    assert_eq!(empty.body, r#"[{"headers":{"control":"up-to-date"}}]"#);
    assert!(empty.header("electric-offset").starts_with("0_"));
    let poll = tokio::spawn(emulator.send_as(Some(&token), Method::GET, &live(&path, &empty), None));
    emulator.counted("GET /realtime/v1/batches/{id}", 2).await;
    let items = "{\"index\":0,\"task\":\"never\"}\n{\"index\":1,\"task\":\"never\"}\n{\"index\":1,\"task\":\"never\"}";
    let key = emulator.running.secret_key().to_owned();
    let sent =
        emulator.send_as(Some(&key), Method::POST, &format!("/api/v3/batches/{id}/items"), Some(items.into())).await;
    let told = json!({ "id": id, "itemsAccepted": 2, "itemsDeduplicated": 1, "sealed": true, "runCount": 2 });
    assert_eq!(sent.json(), told);
    let woken = timeout(FAILSAFE, poll).await.expect("in time").expect("an answer");
    assert!(!updates(&woken.body).is_empty());
    // The batch's token reads each of its runs, and no other.
    let batch = emulator.get(&format!("/api/v2/batches/{id}")).await.json();
    let run = batch["runs"][0].as_str().expect("a run").to_owned();
    let feed = |run: &str| format!("/realtime/v1/runs/{run}?offset=-1");
    assert_eq!(emulator.send_as(Some(&token), Method::GET, &feed(&run), None).await.status, 200);
    let other = emulator.create(json!({})).await;
    assert_eq!(emulator.send_as(Some(&token), Method::GET, &feed(&other), None).await.status, 403);
    for run in batch["runs"].as_array().expect("runs") {
        emulator.patch(run.as_str().expect("an id"), json!({ "status": "COMPLETED_SUCCESSFULLY" })).await;
    }
    assert_eq!(emulator.get(&format!("/api/v2/batches/{id}")).await.json()["status"], "COMPLETED");
}

#[tokio::test]
async fn too_many_live_requests_are_refused_and_snapshots_are_not_counted() {
    let emulator = Emulator::start(json!({ "maxConnections": 1 })).await;
    let id = emulator.create(json!({})).await;
    let snapshot = emulator.get(&format!("/realtime/v1/runs/{id}?offset=-1")).await;
    let poll = tokio::spawn(emulator.get(&snapshot.live(&id)));
    emulator.counted("GET /realtime/v1/runs/{id}", 2).await;
    // The count rises before the request is admitted, so the test asks how many are held.
    let held = async {
        while emulator.get("/emulator/limits").await.json()["live"] != 1 {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    timeout(FAILSAFE, held).await.expect("held");
    let refused = emulator.get(&snapshot.live(&id)).await;
    assert_eq!((refused.status, refused.body.as_str()), (429, r#"{"error":"Too many concurrent requests"}"#));
    assert_eq!(refused.header("retry-after"), "");
    assert_eq!(emulator.get("/realtime/v1/runs?tags=a&offset=1_1&handle=h&live=true").await.status, 429);
    assert_eq!(emulator.get(&format!("/realtime/v1/runs/{id}?offset=-1")).await.status, 200);
    emulator.patch(&id, json!({ "status": "CANCELED" })).await;
    assert_eq!(timeout(FAILSAFE, poll).await.expect("in time").expect("an answer").status, 200);
    let more = json!({ "maxConnections": 0 });
    assert_eq!(emulator.send(Method::PUT, "/emulator/limits", Some(more)).await.status, 200);
    assert_eq!(emulator.get(&snapshot.live(&id)).await.status, 429);
    let none = json!({ "maxConnections": null });
    assert_eq!(emulator.send(Method::PUT, "/emulator/limits", Some(none)).await.status, 200);
    assert_eq!(emulator.get(&snapshot.live(&id)).await.status, 200);
    for wrong in [json!({}), json!({ "maxConnections": "1" }), json!({ "maxConnections": -1 })] {
        assert_eq!(emulator.send(Method::PUT, "/emulator/limits", Some(wrong)).await.status, 400);
    }
}

#[tokio::test]
async fn a_snapshot_of_the_environment_has_its_newest_thousand_runs_and_changes_of_older_ones_are_told() {
    let emulator = Emulator::start(json!({ "holdMs": 10_000 })).await;
    let mut ids = Vec::new();
    for _ in 0..1_001 {
        ids.push(emulator.create(json!({ "status": "EXECUTING" })).await);
    }
    let snapshot = emulator.get("/realtime/v1/runs?offset=-1").await;
    let shown = |answer: &Response| -> Vec<String> {
        let messages = answer.json();
        let ids = messages.as_array().expect("messages").iter().filter_map(|one| one["value"]["friendlyId"].as_str());
        ids.map(str::to_owned).collect()
    };
    let first = shown(&snapshot);
    assert_eq!((first.len(), first.contains(&ids[0]), first.contains(&ids[1])), (1_000, false, true));
    let poll = tokio::spawn(emulator.get(&live("/realtime/v1/runs", &snapshot)));
    emulator.counted(TAGS, 2).await;
    emulator.patch(&ids[0], json!({ "status": "COMPLETED_SUCCESSFULLY" })).await;
    let told = timeout(FAILSAFE, poll).await.expect("in time").expect("an answer");
    assert_eq!(shown(&told), [ids[0].as_str()]);
}
