//! The emulator with a manual clock: everything at its time, without sleeps.

mod emulator_support;

use emulator_support::Emulator;
use reqwest::Method;
use serde_json::{Value, json};
use trigger_native::emulator::start;

async fn manual(tasks: Value) -> Emulator {
    Emulator::start(json!({ "clock": "manual", "tasks": tasks })).await
}

async fn trigger(emulator: &Emulator, task: &str, options: Value) -> String {
    let key = emulator.running.secret_key().to_owned();
    let answer = emulator.trigger(&key, task, json!({ "payload": "{}", "options": options })).await;
    answer.json()["id"].as_str().expect("an id").to_owned()
}

async fn run(emulator: &Emulator, id: &str) -> Value {
    emulator.get(&format!("/api/v3/runs/{id}")).await.json()
}

async fn advance(emulator: &Emulator, ms: u64) -> String {
    emulator.running.handle().advance(ms).await.expect("a clock that is moved by hand")
}

#[tokio::test]
async fn nothing_happens_until_the_clock_is_moved_and_everything_due_when_it_was() {
    let emulator = manual(json!({ "t": { "queued": 500, "steps": [
        { "metadata": { "at": "begin" } }, { "wait": 3_600_000 }, { "output": 1 }
    ] } }))
    .await;
    let id = trigger(&emulator, "t", json!({})).await;
    assert_eq!(run(&emulator, &id).await["createdAt"], "2026-01-01T00:00:00.000Z");
    assert_eq!(advance(&emulator, 499).await, "2026-01-01T00:00:00.499Z");
    assert_eq!(run(&emulator, &id).await["status"], "QUEUED");
    advance(&emulator, 1).await;
    assert_eq!(run(&emulator, &id).await["status"], "DEQUEUED");
    // An hour and 100 ms of start: the run begins, waits and ends, each at its time.
    advance(&emulator, 3_600_100).await;
    let ended = run(&emulator, &id).await;
    assert_eq!(ended["status"], "COMPLETED");
    assert_eq!(ended["startedAt"], "2026-01-01T00:00:00.500Z");
    assert_eq!(ended["finishedAt"], "2026-01-01T01:00:00.600Z");
    assert_eq!((&ended["durationMs"], &ended["output"]), (&json!(3_600_000), &json!(1)));
}

#[tokio::test]
async fn delays_and_ttls_go_by_the_clock() {
    let emulator = manual(json!({})).await;
    let late = trigger(&emulator, "echo", json!({ "delay": "1h" })).await;
    let never = trigger(&emulator, "stuck", json!({ "ttl": "30m" })).await;
    advance(&emulator, 1_799_999).await;
    assert_eq!(run(&emulator, &never).await["status"], "QUEUED");
    advance(&emulator, 1).await;
    let expired = run(&emulator, &never).await;
    assert_eq!((&expired["status"], &expired["expiredAt"]), (&json!("EXPIRED"), &json!("2026-01-01T00:30:00.000Z")));
    assert_eq!(run(&emulator, &late).await["status"], "DELAYED");
    advance(&emulator, 1_800_000).await;
    assert_eq!(run(&emulator, &late).await["status"], "QUEUED");
    // 150 ms in the queue, 100 to start, 50 of script.
    advance(&emulator, 300).await;
    assert_eq!(run(&emulator, &late).await["finishedAt"], "2026-01-01T01:00:00.300Z");
}

#[tokio::test]
async fn wait_tokens_and_input_time_out_by_the_clock() {
    let emulator = manual(json!({
        "ask": { "queued": 0, "steps": [{ "waitToken": { "timeout": "1d" } }, { "output": "$result" }] },
        "hear": { "queued": 0, "steps": [{ "input": { "stream": "s", "timeout": 60_000 } }, { "output": "$result" }] },
    }))
    .await;
    let (ask, hear) = (trigger(&emulator, "ask", json!({})).await, trigger(&emulator, "hear", json!({})).await);
    advance(&emulator, 60_100).await;
    let heard = run(&emulator, &hear).await;
    assert_eq!((&heard["status"], &heard["output"]), (&json!("COMPLETED"), &Value::Null));
    assert_eq!(heard["finishedAt"], "2026-01-01T00:01:00.100Z");
    assert_eq!(run(&emulator, &ask).await["status"], "EXECUTING");
    advance(&emulator, 86_400_000 - 60_000).await;
    let asked = run(&emulator, &ask).await;
    assert_eq!(asked["output"]["ok"], false);
    assert_eq!(asked["output"]["error"], "Waitpoint timed out at 2026-01-02T00:00:00.100Z");
}

#[tokio::test]
async fn what_is_sent_to_a_run_is_done_by_the_next_move_even_of_nothing() {
    let emulator =
        manual(json!({ "hear": { "queued": 0, "steps": [{ "input": { "stream": "s" } }, { "output": "$result" }] } }))
            .await;
    let id = trigger(&emulator, "hear", json!({})).await;
    advance(&emulator, 5_000).await;
    let path = format!("/realtime/v1/streams/{id}/input/s");
    let sent = emulator.send(Method::POST, &path, Some(json!({ "data": { "yes": true } }))).await;
    assert_eq!(sent.status, 200, "{}", sent.body);
    advance(&emulator, 0).await;
    let ended = run(&emulator, &id).await;
    assert_eq!(ended["status"], "COMPLETED", "{ended}");
    assert_eq!(ended["finishedAt"], "2026-01-01T00:00:05.000Z");
}

#[tokio::test]
async fn two_times_the_same_is_the_same_to_the_millisecond() {
    let mut told = Vec::new();
    for _ in 0..2 {
        let emulator = manual(json!({})).await;
        for task in ["progress", "hello", "streamer", "failing"] {
            trigger(&emulator, task, json!({})).await;
        }
        let mut seen = Vec::new();
        for _ in 0..40 {
            advance(&emulator, 100).await;
            let list = emulator.get("/api/v1/runs").await.json();
            let runs = list["data"].as_array().expect("runs").iter();
            let mut all: Vec<_> = runs
                .map(|run| json!([run["taskIdentifier"], run["status"], run["updatedAt"], run["metadata"]]).to_string())
                .collect();
            // Made in the same millisecond, they come in any order.
            all.sort();
            seen.push(all);
        }
        told.push(seen);
    }
    assert_eq!(told[0], told[1]);
    let ended = told[0].last().expect("a list").join("\n");
    assert_eq!((ended.matches("COMPLETED").count(), ended.matches("FAILED").count()), (3, 1), "{ended}");
}

#[tokio::test]
async fn the_clock_can_be_moved_by_a_call_with_the_key() {
    let options = json!({ "clock": "manual", "now": "2030-05-06T07:08:09.010Z" });
    let emulator = Emulator::start(options).await;
    let put = |body: Value| emulator.send(Method::PUT, "/emulator/clock", Some(body));
    assert_eq!(
        put(json!({ "advanceMs": 990 })).await.json(),
        json!({ "now": "2030-05-06T07:08:10.000Z", "manual": true })
    );
    assert_eq!(emulator.get("/emulator/clock").await.json()["now"], "2030-05-06T07:08:10.000Z");
    for wrong in [json!({}), json!({ "advanceMs": -1 }), json!({ "advanceMs": 1.5 }), json!({ "advanceMs": 1, "x": 1 })]
    {
        assert_eq!(put(wrong.clone()).await.status, 400, "{wrong}");
    }
    assert_eq!(put(json!({ "advanceMs": u64::MAX })).await.status, 409);
    let stranger = emulator.send_as(None, Method::PUT, "/emulator/clock", Some(r#"{"advanceMs":1}"#.into())).await;
    assert_eq!(stranger.status, 401);
    let real = Emulator::start(json!({})).await;
    let answer = real.send(Method::PUT, "/emulator/clock", Some(json!({ "advanceMs": 1 }))).await;
    assert_eq!(answer.status, 409);
    assert!(answer.body.contains("goes by itself"), "{}", answer.body);
}

#[tokio::test]
async fn an_emulator_stops_while_its_clock_stands() {
    let running = start(r#"{"clock":"manual"}"#).await.expect("an emulator");
    let handle = running.handle();
    running.stop().await;
    assert!(handle.advance(1_000).await.is_ok());
}
