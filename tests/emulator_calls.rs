//! The emulator's calls over real sockets, and its limits.

mod emulator_support;

use std::collections::HashSet;

use emulator_support::{Emulator, FAILSAFE};
use reqwest::Method;
use serde_json::{Value, json};
use trigger_native::emulator::start;
use trigger_native::error::ErrorCode;

const SCOPED: &str = "tr_dev_sk_emulatorscopedkey0000001";

async fn public_token(emulator: &Emulator, body: Value) -> String {
    let answer = emulator.send(Method::POST, "/api/v1/auth/public-tokens", Some(body)).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer.json()["token"].as_str().expect("a token").to_owned()
}

#[tokio::test]
async fn of_many_triggers_at_once_with_a_one_time_token_one_runs() {
    let emulator = Emulator::start(json!({})).await;
    let token = public_token(&emulator, json!({ "scopes": ["trigger:tasks:stuck"], "oneTimeUse": true })).await;
    let attempts: Vec<_> = (0..20)
        .map(|_| {
            let path = "/api/v1/tasks/stuck/trigger";
            tokio::spawn(emulator.send_as(Some(&token), Method::POST, path, Some("{}".into())))
        })
        .collect();
    let mut statuses = Vec::new();
    for attempt in attempts {
        statuses.push(attempt.await.expect("an answer").status);
    }
    statuses.sort_unstable();
    assert_eq!(statuses, [vec![200], vec![422; 19]].concat());
}

#[tokio::test]
async fn a_refused_trigger_does_not_use_a_token_up() {
    let emulator = Emulator::start(json!({})).await;
    let token = public_token(&emulator, json!({ "scopes": ["trigger:tasks:stuck"], "oneTimeUse": true })).await;
    let path = "/api/v1/tasks/stuck/trigger";
    assert_eq!(emulator.trigger(&token, "other", json!({})).await.status, 403);
    assert_eq!(emulator.send_as(Some(&token), Method::POST, path, Some("{oops".into())).await.status, 400);
    assert_eq!(emulator.trigger(&token, "stuck", json!({})).await.status, 200);
    assert_eq!(emulator.trigger(&token, "stuck", json!({})).await.status, 422);
}

#[tokio::test]
async fn many_triggers_with_one_idempotency_key_are_one_run() {
    let emulator = Emulator::start(json!({})).await;
    let body = json!({ "options": { "idempotencyKey": "k" } });
    let attempts: Vec<_> = (0..20)
        .map(|_| tokio::spawn(emulator.send(Method::POST, "/api/v1/tasks/stuck/trigger", Some(body.clone()))))
        .collect();
    let (mut ids, mut fresh) = (HashSet::new(), 0);
    for attempt in attempts {
        let answer = attempt.await.expect("an answer").json();
        ids.insert(answer["id"].as_str().expect("an id").to_owned());
        fresh += u32::from(answer["isCached"] == false);
    }
    assert_eq!((ids.len(), fresh), (1, 1));
}

#[tokio::test]
async fn an_additional_key_does_what_its_scopes_say() {
    let emulator =
        Emulator::start(json!({ "additionalKeys": [{ "key": SCOPED, "scopes": ["trigger:tasks:stuck"] }] })).await;
    let run = emulator.trigger(SCOPED, "stuck", json!({})).await;
    assert_eq!(run.status, 200);
    let id = run.json()["id"].as_str().expect("an id").to_owned();
    assert_eq!(emulator.trigger(SCOPED, "echo", json!({})).await.status, 403);
    let feed = format!("/realtime/v1/runs/{id}?offset=-1");
    assert_eq!(emulator.send_as(Some(SCOPED), Method::GET, &feed, None).await.status, 403);
    let cancel = format!("/api/v2/runs/{id}/cancel");
    assert_eq!(emulator.send_as(Some(SCOPED), Method::POST, &cancel, None).await.status, 403);
    // The token in the response reads the run.
    let token = run.header("x-trigger-jwt").to_owned();
    assert_eq!(emulator.send_as(Some(&token), Method::GET, &feed, None).await.status, 200);
}

#[tokio::test]
async fn one_environment_never_sees_anothers_runs() {
    let other = "tr_prod_emulatorother";
    let emulator = Emulator::start(json!({ "environments": [{ "id": "env_other", "secretKey": other }] })).await;
    let id = emulator.create(json!({})).await;
    for (method, path) in [
        (Method::GET, format!("/realtime/v1/runs/{id}?offset=-1")),
        (Method::GET, format!("/api/v3/runs/{id}")),
        (Method::POST, format!("/api/v2/runs/{id}/cancel")),
        (Method::DELETE, format!("/emulator/runs/{id}")),
    ] {
        assert_eq!(emulator.send_as(Some(other), method, &path, None).await.status, 404, "{path}");
    }
    assert_eq!(emulator.get(&format!("/realtime/v1/runs/{id}?offset=-1")).await.status, 200);
}

#[tokio::test]
async fn the_control_calls_need_the_secret_key_and_say_what_is_wrong() {
    let emulator = Emulator::start(json!({})).await;
    let token = public_token(&emulator, json!({ "scopes": ["admin"] })).await;
    for key in [None, Some("tr_dev_wrong"), Some(token.as_str())] {
        let answer = emulator.send_as(key, Method::POST, "/emulator/runs", Some("{}".into())).await;
        assert_eq!(answer.status, 401);
    }
    for (columns, part) in [
        (json!({ "statuss": "X" }), "statuss"),
        (json!({ "isTest": "yes" }), "isTest"),
        (json!({ "friendlyId": null }), "friendlyId"),
        (json!([]), "JSON object"),
    ] {
        let answer = emulator.send(Method::POST, "/emulator/runs", Some(columns)).await;
        assert_eq!(answer.status, 400);
        assert!(answer.body.contains(part), "{}", answer.body);
    }
    let id = emulator.create(json!({ "friendlyId": "run_mine" })).await;
    assert_eq!(id, "run_mine");
    assert_eq!(
        emulator.send(Method::POST, "/emulator/runs", Some(json!({ "friendlyId": "run_mine" }))).await.status,
        409
    );
    let path = "/emulator/runs/run_mine";
    assert_eq!(emulator.send(Method::PATCH, path, Some(json!({ "id": "x" }))).await.status, 400);
    // A refused change changes nothing, not even the columns before the wrong one.
    assert_eq!(emulator.send(Method::PATCH, path, Some(json!({ "status": "EXECUTING", "x": 1 }))).await.status, 400);
    assert_eq!(emulator.get("/api/v3/runs/run_mine").await.json()["status"], "QUEUED");
}

#[tokio::test]
async fn a_scripted_task_does_what_it_says() {
    let tasks = json!({ "mine": { "queued": 0, "steps": [
        { "metadata": { "a": 1 } },
        { "repeat": { "to": 3, "steps": [{ "tag": "t$n" }] } },
        { "fail": { "message": "no $n" } },
    ] } });
    let emulator = Emulator::start(json!({ "tasks": tasks, "speed": 100 })).await;
    let key = emulator.running.secret_key().to_owned();
    let id = emulator.trigger(&key, "mine", json!({})).await.json()["id"].as_str().expect("an id").to_owned();
    let path = format!("/realtime/v1/runs/{id}");
    let follow = async {
        let mut answer = emulator.get(&format!("{path}?offset=-1")).await;
        while !answer.body.contains("COMPLETED_WITH_ERRORS") {
            answer = emulator.get(&answer.live(&id)).await;
        }
        answer
    };
    let last = tokio::time::timeout(FAILSAFE, follow).await.expect("it ends").json();
    let row = &last[0]["value"];
    assert_eq!(row["runTags"], r#"{"t1","t2","t3"}"#);
    assert_eq!(
        row["error"],
        r#"{"name":"Error","type":"BUILT_IN_ERROR","message":"no $n","stackTrace":"Error: no $n"}"#
    );
    let retrieved = emulator.get(&format!("/api/v3/runs/{id}")).await.json();
    assert_eq!(retrieved["error"], json!({ "name": "Error", "message": "no $n", "stackTrace": "Error: no $n" }));
}

#[tokio::test]
async fn a_wait_token_is_completed_at_the_url_that_it_was_made_with() {
    let emulator = Emulator::start(json!({})).await;
    let made = emulator.send(Method::POST, "/api/v1/waitpoints/tokens", Some(json!({}))).await.json();
    let (id, url) = (made["id"].as_str().expect("an id"), made["url"].as_str().expect("a URL"));
    let path = url.strip_prefix(&emulator.running.url()).expect("the emulator's own URL");
    let wrong = emulator.send_as(None, Method::POST, &format!("{path}0"), Some("{}".into())).await;
    assert!(wrong.status >= 400, "{}", wrong.status);
    let status = async || emulator.get(&format!("/api/v1/waitpoints/tokens/{id}")).await.json()["status"].clone();
    assert_eq!(status().await, "WAITING");
    assert_eq!(emulator.send_as(None, Method::POST, path, Some(r#"{"a":1}"#.into())).await.status, 200);
    assert_eq!(status().await, "COMPLETED");
}

#[tokio::test]
async fn a_page_has_a_hundred_runs_at_most_and_one_at_least() {
    let emulator = Emulator::start(json!({})).await;
    for n in 0..3 {
        emulator.create(json!({ "friendlyId": format!("run_{n}") })).await;
    }
    for (size, status) in [("1", 200), ("100", 200), ("101", 400), ("0", 400), ("-1", 400)] {
        let page = emulator.get(&format!("/api/v1/runs?page[size]={size}")).await;
        assert_eq!(page.status, status, "{size}: {}", page.body);
    }
    let page = emulator.get("/api/v1/runs?page[size]=2").await.json();
    assert_eq!(page["data"].as_array().map(Vec::len), Some(2));
    let after = page["pagination"]["next"].as_str().expect("there are more").to_owned();
    let rest = emulator.get(&format!("/api/v1/runs?page[size]=2&page[after]={after}")).await.json();
    assert_eq!(rest["data"].as_array().map(Vec::len), Some(1));
}

#[tokio::test]
async fn a_wait_token_takes_ten_tags_and_no_more() {
    let emulator = Emulator::start(json!({})).await;
    let create = |count: usize| {
        let tags: Vec<String> = (0..count).map(|n| format!("t{n}")).collect();
        emulator.send(Method::POST, "/api/v1/waitpoints/tokens", Some(json!({ "tags": tags })))
    };
    assert_eq!(create(10).await.status, 200);
    assert_eq!(create(11).await.status, 422);
    assert_eq!(create(12).await.status, 422);
}

#[tokio::test]
async fn a_body_beyond_ten_megabytes_is_refused() {
    let emulator = Emulator::start(json!({})).await;
    let key = emulator.running.secret_key().to_owned();
    let send = |bytes: usize| {
        let body = json!({ "payload": "x".repeat(bytes) }).to_string();
        emulator.send_as(Some(&key), Method::POST, "/api/v1/tasks/stuck/trigger", Some(body))
    };
    assert_eq!(send(9 << 20).await.status, 200);
    assert_eq!(send(10 << 20).await.status, 413);
}

#[tokio::test]
async fn paths_and_methods_that_nobody_answers_are_told_so() {
    let emulator = Emulator::start(json!({})).await;
    for path in ["/", "/api/v1/nothing", "/realtime/v1/runs/a/b", "/emulator", "/realtime/v1/runs/%ff"] {
        let answer = emulator.get(path).await;
        assert_eq!((answer.status, answer.body.as_str()), (404, "Not Found"), "{path}");
    }
    let moved = emulator.get("/api/v3/runs/run_1/?x=1").await;
    assert_eq!((moved.status, moved.header("location")), (301, "/api/v3/runs/run_1?x=1"));
    for (path, status) in [
        ("/realtime/v1/runs/run_1", 405),
        ("/api/v1/tasks/x/trigger", 405),
        ("/api/v2/runs/run_1/cancel", 405),
        ("/api/v1/auth/jwt/claims", 400),
        ("/emulator/runs", 405),
    ] {
        assert_eq!(emulator.send(Method::PUT, path, None).await.status, status, "{path}");
    }
}

#[tokio::test]
async fn requests_are_counted_by_route() {
    let emulator = Emulator::start(json!({})).await;
    let key = emulator.running.secret_key().to_owned();
    emulator.trigger(&key, "stuck", json!({})).await;
    emulator.trigger(&key, "stuck", json!({})).await;
    emulator.send(Method::POST, "/api/v1/auth/jwt/claims", None).await;
    let stats = emulator.get("/emulator/stats").await.json();
    let expected = json!({
        "total": 3,
        "byRoute": { "POST /api/v1/auth/jwt/claims": 1, "POST /api/v1/tasks/{id}/trigger": 2 },
    });
    assert_eq!(stats, expected);
}

#[tokio::test]
async fn a_port_that_is_taken_is_named() {
    let emulator = Emulator::start(json!({})).await;
    let port: u16 = emulator.running.url().rsplit_once(':').and_then(|(_, port)| port.parse().ok()).expect("a port");
    let error = start(&json!({ "port": port }).to_string()).await.expect_err("taken");
    assert_eq!(error.code(), ErrorCode::EmulatorPort);
    assert!(error.message().contains(&port.to_string()));
}

#[tokio::test]
async fn no_key_is_ever_shown() {
    let emulator = Emulator::start(json!({ "secretKey": "tr_dev_hiddenhidden" })).await;
    assert!(!format!("{:?}", emulator.running).contains("hidden"));
}
