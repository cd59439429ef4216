//! The emulator's feed of one run, over real sockets: holds, wake-ups and responses.

mod emulator_support;

use std::time::{Duration, Instant};

use emulator_support::{Emulator, FAILSAFE, updates};
use serde_json::json;

#[tokio::test]
async fn a_poll_is_held_until_its_run_changes() {
    let emulator = Emulator::start(json!({})).await;
    let (one, two) = (emulator.create(json!({})).await, emulator.create(json!({})).await);
    let mut polls = Vec::new();
    for id in [&one, &two] {
        let snapshot = emulator.get(&format!("/realtime/v1/runs/{id}?offset=-1")).await;
        polls.push(tokio::spawn(emulator.get(&snapshot.live(id))));
    }
    // Both polls are open when the emulator has counted them.
    emulator.counted("GET /realtime/v1/runs/{id}", 4).await;
    emulator.patch(&one, json!({ "status": "EXECUTING" })).await;
    let woken = tokio::time::timeout(FAILSAFE, polls.remove(0)).await.expect("in time").expect("an answer");
    assert_eq!(woken.status, 200);
    assert_eq!(updates(&woken.body), [("update".to_owned(), "EXECUTING".to_owned())]);
    // The other run's poll is still held: nothing woke it.
    assert!(!polls[0].is_finished());
    emulator.patch(&two, json!({ "status": "CANCELED" })).await;
    let other = tokio::time::timeout(FAILSAFE, polls.remove(0)).await.expect("in time").expect("an answer");
    assert_eq!(updates(&other.body), [("update".to_owned(), "CANCELED".to_owned())]);
}

#[tokio::test]
async fn a_poll_without_news_is_answered_after_the_hold_with_its_own_offset() {
    let emulator = Emulator::start(json!({ "holdMs": 400 })).await;
    let id = emulator.create(json!({})).await;
    let snapshot = emulator.get(&format!("/realtime/v1/runs/{id}?offset=-1")).await;
    let begin = Instant::now();
    let answer = emulator.get(&snapshot.live(&id)).await;
    assert!(begin.elapsed() >= Duration::from_millis(340), "held for {:?}", begin.elapsed());
    assert_eq!(answer.body, r#"[{"headers":{"control":"up-to-date"}}]"#);
    assert_eq!(answer.header("electric-offset"), snapshot.header("electric-offset"));
    assert!(answer.header("electric-cursor").parse::<u64>().is_ok());
    assert_eq!((answer.header("electric-schema"), answer.header("cache-control")), ("", "no-store"));
}

#[tokio::test]
async fn a_change_between_two_polls_is_answered_at_once() {
    let emulator = Emulator::start(json!({})).await;
    let id = emulator.create(json!({})).await;
    let snapshot = emulator.get(&format!("/realtime/v1/runs/{id}?offset=-1")).await;
    // Two changes at once: the response has the latest version alone.
    emulator.patch(&id, json!({ "metadata": { "p": 1 } })).await;
    emulator.patch(&id, json!({ "metadata": { "p": 2 }, "status": "EXECUTING" })).await;
    let answer = tokio::time::timeout(FAILSAFE, emulator.get(&snapshot.live(&id))).await.expect("at once");
    assert_eq!(updates(&answer.body), [("update".to_owned(), "EXECUTING".to_owned())]);
    assert!(answer.body.contains(r#""metadata":"{\"p\":2}""#));
    assert!(answer.header("electric-offset") > snapshot.header("electric-offset"));
}

#[tokio::test]
async fn a_change_of_streams_alone_is_seen_with_the_next_change() {
    let emulator = Emulator::start(json!({ "holdMs": 200 })).await;
    let id = emulator.create(json!({})).await;
    let snapshot = emulator.get(&format!("/realtime/v1/runs/{id}?offset=-1")).await;
    emulator.patch(&id, json!({ "realtimeStreams": ["tokens"] })).await;
    let quiet = emulator.get(&snapshot.live(&id)).await;
    assert_eq!(quiet.body, r#"[{"headers":{"control":"up-to-date"}}]"#);
    emulator.patch(&id, json!({ "status": "EXECUTING" })).await;
    assert!(emulator.get(&snapshot.live(&id)).await.body.contains(r#""realtimeStreams":"{\"tokens\"}""#));
}

#[tokio::test]
async fn a_run_that_vanished_is_a_404_at_the_next_poll() {
    let emulator = Emulator::start(json!({})).await;
    let id = emulator.create(json!({})).await;
    let snapshot = emulator.get(&format!("/realtime/v1/runs/{id}?offset=-1")).await;
    emulator.send(reqwest::Method::DELETE, &format!("/emulator/runs/{id}"), None).await;
    let answer = emulator.get(&snapshot.live(&id)).await;
    assert_eq!((answer.status, answer.body.as_str()), (404, r#"{"error":"Not found"}"#));
    assert_eq!(answer.header("x-should-retry"), "false");
}

#[tokio::test]
async fn a_hundred_polls_share_one_http2_connection() {
    let emulator = Emulator::start_with(json!({}), reqwest::Client::builder().http2_prior_knowledge()).await;
    let id = emulator.create(json!({})).await;
    let snapshot = emulator.get(&format!("/realtime/v1/runs/{id}?offset=-1")).await;
    let polls: Vec<_> = (0..100).map(|_| tokio::spawn(emulator.get(&snapshot.live(&id)))).collect();
    emulator.counted("GET /realtime/v1/runs/{id}", 101).await;
    emulator.patch(&id, json!({ "status": "COMPLETED_SUCCESSFULLY" })).await;
    for poll in polls {
        let answer = tokio::time::timeout(FAILSAFE, poll).await.expect("in time").expect("an answer");
        assert_eq!(updates(&answer.body), [("update".to_owned(), "COMPLETED_SUCCESSFULLY".to_owned())]);
    }
}

#[tokio::test]
async fn stopping_answers_the_polls_that_are_held_and_frees_the_port() {
    let emulator = Emulator::start(json!({})).await;
    let id = emulator.create(json!({})).await;
    let snapshot = emulator.get(&format!("/realtime/v1/runs/{id}?offset=-1")).await;
    let poll = tokio::spawn(emulator.get(&snapshot.live(&id)));
    emulator.counted("GET /realtime/v1/runs/{id}", 2).await;
    let address = emulator.running.url().replace("http://", "");
    tokio::time::timeout(FAILSAFE, emulator.running.stop()).await.expect("stops");
    let answer = tokio::time::timeout(FAILSAFE, poll).await.expect("in time").expect("an answer");
    assert_eq!((answer.status, answer.body.as_str()), (200, r#"[{"headers":{"control":"up-to-date"}}]"#));
    assert!(tokio::net::TcpStream::connect(&address).await.is_err());
}

#[tokio::test]
async fn dropping_it_ends_every_connection() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let emulator = Emulator::start(json!({})).await;
    let id = emulator.create(json!({})).await;
    let address = emulator.running.url().replace("http://", "");
    let mut stream = tokio::net::TcpStream::connect(&address).await.expect("a connection");
    let request = format!(
        "GET /realtime/v1/runs/{id}?offset=9999999999999_1&handle=x&live=true HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\n\r\n",
        emulator.running.secret_key()
    );
    stream.write_all(request.as_bytes()).await.expect("sent");
    emulator.counted("GET /realtime/v1/runs/{id}", 1).await;
    drop(emulator);
    let mut rest = Vec::new();
    // The end or a reset, but soon: the poll itself would be held for twenty seconds.
    let ended = tokio::time::timeout(FAILSAFE, stream.read_to_end(&mut rest)).await;
    assert!(ended.is_ok());
    assert!(tokio::net::TcpStream::connect(&address).await.is_err());
}

#[tokio::test]
async fn a_change_that_the_server_no_longer_remembers_is_told_without_live_or_when_the_poll_runs_out() {
    let emulator = Emulator::start(json!({ "memoryMs": 0, "holdMs": 400 })).await;
    let run = json!({ "runTags": ["a"] });
    let id = emulator.create(run).await;
    let snapshot = emulator.get(&format!("/realtime/v1/runs/{id}?offset=-1")).await;
    let tagged = emulator.get("/realtime/v1/runs?tags=a&offset=-1").await;
    emulator.patch(&id, json!({ "status": "EXECUTING" })).await;
    let changed = [("update".to_owned(), "EXECUTING".to_owned())];
    let begin = Instant::now();
    let late = emulator.get(&snapshot.live(&id)).await;
    assert_eq!(updates(&late.body), changed);
    assert!(begin.elapsed() >= Duration::from_millis(340), "told after {:?}", begin.elapsed());
    // Without `live`, and in a feed of tags, nothing is held.
    let look = emulator.get(&snapshot.live(&id).replace("live=true", "live=false")).await;
    assert!(look.body.contains("EXECUTING"), "{}", look.body);
    let (offset, handle) = (tagged.header("electric-offset"), tagged.header("electric-handle"));
    let live = format!("/realtime/v1/runs?tags=a&offset={offset}&handle={handle}&live=true");
    assert_eq!(updates(&emulator.get(&live).await.body), changed);
}
