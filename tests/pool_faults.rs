//! Connections of HTTP/2 that break, go away, fall silent, or come to allow fewer streams.

mod pool_support;

use std::time::Duration;

use futures_util::future::join_all;
use pool_support::frames::{FrameServer, NO_ERROR, REFUSED_STREAM, Raw};
use pool_support::{FAILSAFE, SILENCE, advance_clock, client, text, together};
use tokio::time::timeout;
use trigger_native::config::Endpoint;
use trigger_native::connection::RetryPolicy;
use trigger_native::http::{LongPollClient, PollOutcome};
use trigger_native::hub::{FeedSpec, Hub, Reader, ReaderOptions};

async fn poll(client: &mut LongPollClient) -> PollOutcome {
    timeout(FAILSAFE, client.poll("/", SILENCE)).await.expect("in time").expect("a request")
}

/// Clients that have had a response each, on the one connection that the first of them opened.
async fn connected<const N: usize>(cap: u32) -> ([LongPollClient; N], FrameServer, Raw) {
    let server = FrameServer::start().await;
    let mut clients: [_; N] = std::array::from_fn(|_| client(&server.url));
    let open = async {
        let mut raw = server.accept(cap).await;
        raw.respond("opened").await;
        raw
    };
    let (polled, mut raw) = Box::pin(together(poll(&mut clients[0]), open)).await;
    assert_eq!(text(polled), "opened");
    for client in &mut clients {
        let (polled, ()) = Box::pin(together(poll(client), raw.respond("first"))).await;
        assert_eq!(text(polled), "first");
    }
    (clients, server, raw)
}

/// Accepts a connection and answers two requests on it.
async fn respond_twice(server: &FrameServer) {
    let mut raw = server.accept(100).await;
    raw.respond("new").await;
    raw.respond("new").await;
}

/// Polls by both clients, one after the other, are answered on a new connection.
async fn move_to_a_new_connection(first: &mut LongPollClient, second: &mut LongPollClient, server: &FrameServer) {
    let polls = async { [poll(first).await, poll(second).await] };
    let (polls, ()) = Box::pin(together(polls, respond_twice(server))).await;
    assert_eq!(polls.map(text), ["new", "new"]);
}

fn sorted(polled: Vec<PollOutcome>) -> Vec<String> {
    let mut texts: Vec<String> = polled.into_iter().map(text).collect();
    texts.sort();
    texts
}

#[tokio::test]
async fn requests_that_a_server_did_not_see_before_it_went_away_go_out_again_at_once() {
    let (mut clients, server, mut raw) = Box::pin(connected::<3>(100)).await;
    let polls = join_all(clients.iter_mut().map(poll));
    let serve = async {
        let streams =
            [raw.request().await, raw.request().await, raw.request().await].map(|stream| stream.expect("one"));
        raw.go_away(streams[0], NO_ERROR).await;
        raw.answer(streams[0], &[], "old").await;
        respond_twice(&server).await;
    };
    let (polled, ()) = Box::pin(together(polls, serve)).await;
    assert_eq!(sorted(polled), ["new", "new", "old"]);
}

#[tokio::test]
async fn connections_that_go_away_one_after_another_are_no_failure_until_the_sixth() {
    for (refusals, fails) in [(5, false), (6, true)] {
        let server = FrameServer::start().await;
        let serve = async {
            for _ in 0..refusals {
                let mut raw = server.accept(100).await;
                raw.request().await.expect("a request");
                raw.go_away(0, NO_ERROR).await;
            }
            if !fails {
                server.accept(100).await.respond("at last").await;
            }
        };
        let mut client = client(&server.url);
        let (polled, ()) = Box::pin(together(poll(&mut client), serve)).await;
        assert_eq!(matches!(polled, PollOutcome::Connect(_)), fails, "{polled:?}");
    }
}

#[tokio::test]
async fn a_request_that_is_refused_for_now_goes_out_again_at_once() {
    let ([mut client], _server, mut raw) = Box::pin(connected::<1>(100)).await;
    let serve = async {
        let stream = raw.request().await.expect("a request");
        raw.reset(stream, REFUSED_STREAM).await;
        raw.respond("taken").await;
    };
    let (polled, ()) = Box::pin(together(poll(&mut client), serve)).await;
    assert_eq!(text(polled), "taken");
}

#[tokio::test]
async fn a_connection_that_falls_silent_is_left_by_the_next_request_of_every_feed_on_it() {
    let ([mut first, mut second], server, _raw) = Box::pin(connected::<2>(100)).await;
    let polled = timeout(FAILSAFE, first.poll("/", Duration::from_millis(50))).await.expect("in time");
    assert!(matches!(polled, Ok(PollOutcome::Silent(_))), "{polled:?}");
    move_to_a_new_connection(&mut second, &mut first, &server).await;
}

#[tokio::test]
async fn a_connection_that_dies_fails_all_that_wait_on_it_and_a_new_one_is_opened() {
    let ([mut first, mut second], server, _raw) = Box::pin(connected::<2>(100)).await;
    // The server reads nothing more, and closes nothing. The silence of a poll would take a minute.
    let minute = Duration::from_secs(60);
    tokio::time::pause();
    let since = tokio::time::Instant::now();
    let polled = Box::pin(async { tokio::join!(first.poll("/", minute), second.poll("/", minute)) }).await;
    let took = since.elapsed();
    tokio::time::resume();
    assert!(matches!(polled, (Ok(PollOutcome::Connect(_)), Ok(PollOutcome::Connect(_)))), "{polled:?}");
    assert!(took <= Duration::from_secs(21), "{took:?}");
    move_to_a_new_connection(&mut second, &mut first, &server).await;
}

#[tokio::test]
async fn a_quiet_connection_is_asked_whether_it_is_alive_before_anything_goes_out_on_it() {
    let ([mut client], server, mut raw) = Box::pin(connected::<1>(100)).await;
    advance_clock(5).await;
    let (polled, ()) = Box::pin(together(poll(&mut client), raw.respond("alive"))).await;
    assert_eq!(text(polled), "alive");
    advance_clock(5).await;
    let serve = async { server.accept(100).await.respond("another").await };
    let (polled, ()) = Box::pin(together(poll(&mut client), serve)).await;
    assert_eq!(text(polled), "another");
}

#[tokio::test]
async fn a_connection_that_no_feed_uses_is_not_asked_whether_it_is_alive_and_serves_the_next_one() {
    let ([left], server, mut raw) = Box::pin(connected::<1>(100)).await;
    drop(left);
    // The server reads nothing meanwhile: a connection that were asked would be given up after 10 s.
    advance_clock(25).await;
    let mut client = client(&server.url);
    let (polled, ()) = Box::pin(together(poll(&mut client), raw.respond("alive"))).await;
    assert_eq!(text(polled), "alive");
}

#[tokio::test]
async fn feeds_leave_a_connection_whose_server_comes_to_allow_fewer() {
    let (mut clients, server, mut raw) = Box::pin(connected::<3>(3)).await;
    raw.settings(1).await;
    // The first settings were acknowledged with the first request.
    raw.acknowledged(1).await;
    let polls = join_all(clients.iter_mut().map(poll));
    let serve = async {
        let stream = raw.request().await.expect("a request");
        respond_twice(&server).await;
        raw.answer(stream, &[], "old").await;
    };
    let (polled, ()) = Box::pin(together(polls, serve)).await;
    assert_eq!(sorted(polled), ["new", "new", "old"]);
}

#[tokio::test]
async fn a_feed_whose_connection_closes_amid_an_answer_or_before_it_misses_nothing() {
    let server = FrameServer::start().await;
    let spec = FeedSpec {
        endpoint: Endpoint::new(&server.url, "tr_dev_test", None).expect("an endpoint"),
        path: "/realtime/v1/runs/run_1".into(),
        query: [].into(),
        retry: RetryPolicy { min_delay_ms: 1, max_delay_ms: 10, ..RetryPolicy::default() },
    };
    let reader =
        Hub::global().open(&spec, ReaderOptions { until_finished: true, until_gone: true, ..ReaderOptions::default() });
    let serve = async {
        let schema = r#"{"friendlyId":{"type":"text"},"status":{"type":"text"},"number":{"type":"int4"}}"#;
        let body = |number: usize| {
            let status = if number == 2 { "COMPLETED" } else { "EXECUTING" };
            format!(
                r#"[{{"key":"r","value":{{"friendlyId":"run_1","taskIdentifier":"t","status":"{status}","number":"{number}"}},"headers":{{"operation":"update"}}}},{{"headers":{{"control":"up-to-date"}}}}]"#
            )
        };
        let offsets = ["1_0", "1_1", "1_2"];
        let headers = |number: usize| {
            [
                ("electric-handle", "h"),
                ("electric-offset", offsets[number]),
                ("electric-cursor", "1"),
                ("electric-schema", schema),
            ]
        };
        let mut raw = server.accept(100).await;
        let stream = raw.request().await.expect("a request");
        raw.answer(stream, &headers(0), &body(0)).await;
        // The response breaks off: the feed counts a retry.
        let stream = raw.request().await.expect("a request");
        raw.begin(stream, &headers(1), &body(1)[..40]).await;
        drop(raw);
        let mut raw = server.accept(100).await;
        let stream = raw.request().await.expect("a request");
        raw.answer(stream, &headers(1), &body(1)).await;
        // The connection closes before the response: the server may never have seen the request.
        raw.request().await.expect("a request");
        drop(raw);
        let mut raw = server.accept(100).await;
        let stream = raw.request().await.expect("a request");
        raw.answer(stream, &headers(2), &body(2)).await;
        raw
    };
    let (seen, _raw) = Box::pin(together(numbers(&reader), serve)).await;
    assert_eq!(seen, ["0", "1", "2"]);
    assert_eq!(reader.status().stats.retries, 1);
}

/// Every number that the reader delivers, up to its end.
async fn numbers(reader: &Reader) -> Vec<String> {
    let mut seen = Vec::new();
    loop {
        let batch = reader.next().await;
        seen.extend(batch.rows.iter().map(|item| item.row.get("number").expect("a number").to_owned()));
        if batch.end.is_some() {
            return seen;
        }
    }
}
