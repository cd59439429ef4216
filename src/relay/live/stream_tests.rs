//! Wants that follow a stream, over a scripted upstream.

use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::Frame;
use serde_json::{Value, json};
use tokio::time::timeout;

use super::event::push_error;
use super::step::Step;
use super::stream::StreamFollowing;
use crate::relay::limits::{Limiter, Permit};
use crate::relay::options::Limits;
use crate::relay::stream::tests::{FAILSAFE, V1, V2, gone, key, live, ping, streams, streams_of, until, upstream};
use crate::relay::stream::{Fallback, Streams};
use crate::serve::Body;

/// A record whose value is its number.
fn record(number: u64) -> String {
    let body = json!({ "data": number, "id": format!("part{number}") }).to_string();
    let record = json!({ "records": [{ "seq_num": number, "timestamp": 7, "body": body }] });
    format!("event: batch\ndata: {record}\n\n")
}

fn no_fallback() -> Fallback {
    Box::new(|_| Box::pin(async { None }))
}

fn permit() -> Permit {
    Limiter::new(Limits::default(), Arc::default()).enter(Some([1; 32]), "/x".into()).expect("room")
}

async fn open(streams: &Streams, at: &[&str], fallback: Fallback) -> Result<StreamFollowing, super::event::Refused> {
    let at: Vec<String> = at.iter().map(|&text| text.to_owned()).collect();
    let stream = streams.open(key()).expect("a stream");
    StreamFollowing::open(stream, &at, fallback, &mut permit()).await
}

/// What the page is told next: the values with their place, or what happened.
async fn next(following: &mut StreamFollowing) -> (String, Value) {
    let step = poll_fn(|cx| match following.step(cx.waker()) {
        Step::Idle => Poll::Pending,
        Step::Later => {
            cx.waker().wake_by_ref();
            Poll::Pending
        }
        step => Poll::Ready(step),
    });
    match timeout(FAILSAFE, step).await.expect("it comes") {
        Step::Chunk(text) => {
            let text = String::from_utf8(text.to_vec()).expect("text");
            assert_eq!(text.matches(['\n', '\r']).count(), 2, "{text}");
            let data = text.strip_prefix("data: ").and_then(|rest| rest.strip_suffix("]\n\n")).expect("half an event");
            let told: Value = serde_json::from_str(data).expect("JSON");
            (told["at"].as_str().expect("a place").to_owned(), told["parts"].clone())
        }
        Step::Ready { .. } => ("ready".to_owned(), Value::Null),
        Step::Failed(refused) if refused.status == 502 => {
            let mut out = Vec::new();
            push_error(&mut out, "\"a\"", &refused);
            let may_pass = String::from_utf8_lossy(&out).contains("\"retry\":true");
            (if may_pass { "failed 502, may pass" } else { "failed 502" }.to_owned(), Value::Null)
        }
        Step::Failed(refused) => (format!("failed {}", refused.status.as_u16()), Value::Null),
        step => (format!("{step:?}").to_lowercase(), Value::Null),
    }
}

/// The values alone, up to what is no value.
async fn values(following: &mut StreamFollowing) -> (Vec<Value>, String) {
    let mut values = Vec::new();
    loop {
        let (at, parts) = next(following).await;
        match parts {
            Value::Array(parts) => values.extend(parts.iter().map(|part| part["chunk"].clone())),
            _ => return (values, at),
        }
    }
}

#[tokio::test]
async fn a_page_is_told_the_values_with_their_ids_and_goes_on_after_any_of_them() {
    let (url, send, _server) = live(V2).await;
    let (streams, _stop) = streams(&url);
    send.send(record(0) + &record(1) + &ping(2)).expect("it reads");
    let mut page = open(&streams, &[], no_fallback()).await.expect("a stream");
    let (mut all, mut last) = (Vec::new(), String::new());
    while all.len() < 2 {
        let (at, parts) = next(&mut page).await;
        all.extend(parts.as_array().cloned().unwrap_or_default());
        last = at;
    }
    let part = |number: u64| json!({ "id": number.to_string(), "chunk": number, "timestamp": 7 });
    assert_eq!((all, last.as_str()), (vec![part(0), part(1)], "1"));
    assert_eq!(next(&mut page).await.0, "ready");
    send.send(record(2)).expect("it reads");
    assert_eq!(next(&mut page).await, ("2".to_owned(), json!([part(2)])));
    let mut again = open(&streams, &["0"], no_fallback()).await.expect("a stream");
    assert_eq!(values(&mut again).await, (vec![json!(1), json!(2)], "ready".into()));
}

#[tokio::test]
async fn events_that_share_an_id_are_told_once_however_a_page_comes_back() {
    let (url, send, _server) = live(V1).await;
    let (streams, _stop) = streams(&url);
    let event = |id: &str, data: &str| format!("id: {id}\ndata: {data}\n\n");
    send.send(event("7-0", "1") + &event("7-0", "text") + &event("8-0", "{\"a\":\ndata: 3}")).expect("it reads");
    let all = [json!(1), json!("text"), json!({ "a": 3 })];
    until(async || {
        let mut page = open(&streams, &[], no_fallback()).await.expect("a stream");
        values(&mut page).await.0 == all
    })
    .await;
    for (at, from) in [("7-0+1", 1), ("7-0+2", 2), ("7-0", 2), ("8-0+1", 3), ("8-0", 3), ("7", 0)] {
        let mut page = open(&streams, &[at], no_fallback()).await.expect("a stream");
        assert_eq!(values(&mut page).await, (all[from..].to_vec(), "ready".into()), "{at}");
    }
    let mut page = open(&streams, &["7-0+1"], no_fallback()).await.expect("a stream");
    let (at, parts) = next(&mut page).await;
    let ids: Vec<_> = parts.as_array().expect("parts").iter().map(|part| (&part["id"], &part["timestamp"])).collect();
    assert_eq!((at.as_str(), ids), ("8-0+1", vec![(&json!("7-0"), &json!(7)), (&json!("8-0"), &json!(8))]));
}

#[tokio::test]
async fn a_place_that_is_none_is_refused_and_begins_nothing() {
    let (url, _send, _server) = live(V2).await;
    let (streams, _stop) = streams(&url);
    for at in ["", "x", "-", "1+1+1", "\u{0}"] {
        assert_eq!(open(&streams, &[at], no_fallback()).await.err().expect(at).status, 400, "{at}");
    }
}

#[tokio::test]
async fn a_stream_whose_upstream_is_lost_is_asked_for_again() {
    let refusal = "HTTP/1.1 404 Not Found\r\ncontent-length: 2\r\n\r\n{}";
    let (url, _heads) = upstream(vec![(V2.to_owned() + &record(0), true), (refusal.to_owned(), true)]).await;
    let (streams, _stop) = streams(&url);
    let mut page = open(&streams, &[], no_fallback()).await.expect("a stream");
    let mut told = values(&mut page).await;
    if told.1 == "ready" {
        told.1 = next(&mut page).await.0;
    }
    assert_eq!(told, (vec![json!(0)], "failed 503".into()));
}

#[tokio::test]
async fn what_cannot_be_read_fails_and_may_be_whole_the_next_time() {
    let (url, send, _server) = live(V2).await;
    let (streams, _stop) = streams(&url);
    let body = format!("{}event: error\ndata: no\n\n{}", record(0), record(1));
    let fallback: Fallback = Box::new(move |_| {
        let body = Full::new(Bytes::from(body)).map_err(|never| match never {}).boxed_unsync();
        Box::pin(async move { Some::<Body>(body) })
    });
    let parts = crate::relay::stream::Parts::Upstream(fallback(None).await.expect("a body"), None);
    let mut page = StreamFollowing::new(parts, crate::stream::Values::new(true, None));
    assert_eq!(values(&mut page).await, (vec![json!(0)], "failed 502, may pass".into()));
    drop((streams, send));
}

#[tokio::test]
async fn a_page_whose_place_is_kept_no_more_reads_on_from_the_server() {
    let (url, send, _server) = live(V2).await;
    let (all, _stop) = streams_of(&url, Limits::default(), FAILSAFE);
    let streams = all.bounded(2, 1 << 20);
    send.send((0..4).map(record).collect::<String>() + &ping(4)).expect("it reads");
    gone(&streams).await;
    let asked = Arc::new(AtomicUsize::new(0));
    let counted = asked.clone();
    let fallback: Fallback = Box::new(move |last| {
        assert_eq!(last, None, "from the beginning: fewer records were told than are read again");
        counted.fetch_add(1, Ordering::SeqCst);
        let body = (0..4).map(record).collect::<String>() + "data: [DONE]\n\n";
        let body = Full::new(Bytes::from(body)).map_err(|never| match never {}).boxed_unsync();
        Box::pin(async move { Some(body) })
    });
    let mut page = open(&streams, &["0"], fallback).await.expect("a stream");
    // The server was silent for a while: that is no end of the stream, which the relay knows.
    assert_eq!(values(&mut page).await, ((1..4).map(Value::from).collect(), "failed 503".into()));
    assert_eq!(asked.load(Ordering::SeqCst), 1);
    let refused = open(&streams, &["0"], no_fallback()).await.err().expect("a server that does not answer");
    assert_eq!(refused.status, 503);
}

#[tokio::test]
async fn a_body_of_the_servers_that_is_cut_is_no_end() {
    let text = "id: 7-0\ndata: 1\n\n";
    let body = Full::new(Bytes::from(text)).map_err(|never| match never {}).boxed_unsync();
    let parts = crate::relay::stream::Parts::Upstream(body, None);
    let mut page = StreamFollowing::new(parts, crate::stream::Values::new(false, None));
    assert_eq!(values(&mut page).await, (vec![json!(1)], "failed 503".into()));
}

#[tokio::test]
async fn a_page_that_has_the_newest_values_goes_on_with_what_the_relay_has_though_those_before_are_kept_no_more() {
    let (url, send, _server) = live(V2).await;
    let (all, _stop) = streams_of(&url, Limits::default(), FAILSAFE);
    let streams = all.bounded(2, 1 << 20);
    send.send((0..100).map(record).collect::<String>() + &ping(100)).expect("it reads");
    gone(&streams).await;
    // Of a hundred records two are kept. A reader that comes back would read 64 of those before its place once more.
    for (at, from) in [("99", 100), ("98", 99), ("97", 98)] {
        let mut page = open(&streams, &[at], no_fallback()).await.expect(at);
        assert_eq!(values(&mut page).await, ((from..100).map(Value::from).collect(), "ready".into()), "{at}");
    }
    let refused = open(&streams, &["96"], no_fallback()).await.err().expect("the record after it is kept no more");
    assert_eq!(refused.status, 503);
}

#[tokio::test]
async fn a_page_that_has_all_values_already_leaves_others_their_turn() {
    let (url, send, _server) = live(V1).await;
    let (streams, _stop) = streams(&url);
    let event = |at: u32| format!("id: 7-{at}\ndata: {at}\n\n");
    let events: Vec<_> = (0..5_000).map(event).collect();
    send.send(events.concat()).expect("it reads");
    let _other = open(&streams, &[], no_fallback()).await.expect("a stream");
    until(async || streams.stats().records == 5_000).await;
    // No value has ever been this far from the first one: each of them counts as one that the page has.
    let mut page = open(&streams, &["~18446744073709551615"], no_fallback()).await.expect("a place");
    let mut looks = 0;
    while let Step::Later = page.step(std::task::Waker::noop()) {
        looks += 1;
    }
    assert!(looks >= 5, "{looks}");
}

#[tokio::test(start_paused = true)]
async fn a_body_of_the_servers_that_ends_at_once_is_not_asked_for_at_once_again() {
    for (silence_ms, is_at_once) in [(0, false), (5_000, true)] {
        let body = futures_util::stream::once(async move {
            tokio::time::sleep(std::time::Duration::from_millis(silence_ms)).await;
            Ok(Frame::data(Bytes::from_static(b"data: [DONE]\n\n")))
        });
        let parts = crate::relay::stream::Parts::Upstream(StreamBody::new(body).boxed_unsync(), None);
        let mut page = StreamFollowing::new(parts, crate::stream::Values::new(true, None));
        let failed = poll_fn(|cx| match page.step(cx.waker()) {
            Step::Failed(refused) => Poll::Ready(refused),
            _ => Poll::Pending,
        });
        let mut told = Vec::new();
        push_error(&mut told, "\"a\"", &failed.await);
        let told = String::from_utf8(told).expect("text");
        assert_eq!(told.contains("\"after\":0"), is_at_once, "{told}");
    }
}

#[tokio::test]
async fn an_event_that_is_too_long_is_the_end_of_its_want() {
    let text = format!("id: 7-0\ndata: {}\n\n", "x".repeat(crate::sse::MAX_EVENT_BYTES));
    let body = Full::new(Bytes::from(text)).map_err(|never| match never {}).boxed_unsync();
    let parts = crate::relay::stream::Parts::Upstream(body, None);
    let mut page = StreamFollowing::new(parts, crate::stream::Values::new(false, None));
    assert_eq!(values(&mut page).await, (vec![], "failed 502".into()));
}
