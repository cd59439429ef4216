//! Connections of HTTP/2 that break, go away, fall silent or change their mind.

mod pool_support;

use std::time::Duration;

use futures_util::future::join_all;
use pool_support::frames::{NO_ERROR, REFUSED_STREAM, Raw};
use pool_support::{FAILSAFE, Protocol, SILENCE, acceptor, advance_clock, client, listen, text, together};
use tokio::time::timeout;
use trigger_native::config::Endpoint;
use trigger_native::connection::RetryPolicy;
use trigger_native::http::{LongPollClient, PollOutcome};
use trigger_native::hub::{FeedSpec, Hub, Reader, ReaderOptions};

async fn poll(client: &mut LongPollClient) -> PollOutcome {
    timeout(FAILSAFE, client.poll("/", SILENCE)).await.expect("in time").expect("a request")
}

/// Lines that have had an answer on the one connection there is.
async fn warm(clients: &mut [LongPollClient], raw: &mut Raw) {
    for client in clients {
        let answer = async {
            let stream = raw.request().await.expect("a request");
            raw.answer(stream, &[], "first").await;
        };
        let (polled, ()) = Box::pin(together(poll(client), answer)).await;
        assert_eq!(text(polled), "first");
    }
}

/// The clients' first connection, once the first of them has opened it.
async fn connected<const N: usize>(
    cap: u32,
) -> ([LongPollClient; N], tokio::net::TcpListener, tokio_rustls::TlsAcceptor, Raw) {
    let acceptor = acceptor(Protocol::Http2);
    let (listener, url) = listen().await;
    let mut clients = std::array::from_fn(|_| client(&url));
    let open = async {
        let mut raw = Raw::accept(&listener, &acceptor, cap).await;
        let stream = raw.request().await.expect("a request");
        raw.answer(stream, &[], "opened").await;
        raw
    };
    let (polled, mut raw) = Box::pin(together(poll(&mut clients[0]), open)).await;
    assert_eq!(text(polled), "opened");
    warm(&mut clients, &mut raw).await;
    (clients, listener, acceptor, raw)
}

#[tokio::test]
async fn requests_that_a_server_did_not_see_before_it_went_away_go_out_again_at_once() {
    let (mut clients, listener, acceptor, mut raw) = Box::pin(connected::<3>(100)).await;
    let polls = join_all(clients.iter_mut().map(poll));
    let serve = async {
        let streams =
            [raw.request().await, raw.request().await, raw.request().await].map(|stream| stream.expect("one"));
        raw.go_away(streams[0], NO_ERROR).await;
        raw.answer(streams[0], &[], "old").await;
        let mut next = Raw::accept(&listener, &acceptor, 100).await;
        for _ in 0..2 {
            let stream = next.request().await.expect("a request");
            next.answer(stream, &[], "new").await;
        }
    };
    let (polled, ()) = Box::pin(together(polls, serve)).await;
    let mut answers: Vec<String> = polled.into_iter().map(text).collect();
    answers.sort();
    assert_eq!(answers, ["new", "new", "old"]);
}

#[tokio::test]
async fn connections_that_go_away_one_after_another_are_no_failure_until_the_sixth() {
    for (refusals, fails) in [(5, false), (6, true)] {
        let acceptor = acceptor(Protocol::Http2);
        let (listener, url) = listen().await;
        let serve = async {
            for _ in 0..refusals {
                let mut raw = Raw::accept(&listener, &acceptor, 100).await;
                raw.request().await.expect("a request");
                raw.go_away(0, NO_ERROR).await;
            }
            if !fails {
                let mut raw = Raw::accept(&listener, &acceptor, 100).await;
                let stream = raw.request().await.expect("a request");
                raw.answer(stream, &[], "at last").await;
            }
        };
        let mut client = client(&url);
        let (polled, ()) = Box::pin(together(poll(&mut client), serve)).await;
        assert_eq!(matches!(polled, PollOutcome::Connect(_)), fails, "{polled:?}");
    }
}

#[tokio::test]
async fn a_request_that_is_refused_for_now_goes_out_again_at_once() {
    let ([mut client], _listener, _acceptor, mut raw) = Box::pin(connected::<1>(100)).await;
    let serve = async {
        let stream = raw.request().await.expect("a request");
        raw.reset(stream, REFUSED_STREAM).await;
        let stream = raw.request().await.expect("a request");
        raw.answer(stream, &[], "taken").await;
    };
    let (polled, ()) = Box::pin(together(poll(&mut client), serve)).await;
    assert_eq!(text(polled), "taken");
}

#[tokio::test]
async fn a_connection_that_falls_silent_is_left_by_the_next_request_of_every_feed_on_it() {
    let ([mut first, mut second], listener, acceptor, _raw) = Box::pin(connected::<2>(100)).await;
    let polled = timeout(FAILSAFE, first.poll("/", Duration::from_millis(50))).await.expect("in time");
    assert!(matches!(polled, Ok(PollOutcome::Silent(_))), "{polled:?}");
    let serve = async {
        let mut next = Raw::accept(&listener, &acceptor, 100).await;
        for _ in 0..2 {
            let stream = next.request().await.expect("a request");
            next.answer(stream, &[], "new").await;
        }
    };
    let (polls, ()) = Box::pin(together(async { [poll(&mut second).await, poll(&mut first).await] }, serve)).await;
    assert_eq!(polls.map(text), ["new", "new"]);
}

#[tokio::test]
async fn a_connection_that_dies_fails_all_that_wait_on_it_and_a_new_one_is_opened() {
    let ([mut first, mut second], listener, acceptor, _raw) = Box::pin(connected::<2>(100)).await;
    // It is not read any more, and nobody closed it. The silence of a poll would take a minute.
    let minute = Duration::from_secs(60);
    tokio::time::pause();
    let since = tokio::time::Instant::now();
    let polled = Box::pin(async { tokio::join!(first.poll("/", minute), second.poll("/", minute)) }).await;
    let took = since.elapsed();
    tokio::time::resume();
    assert!(matches!(polled, (Ok(PollOutcome::Connect(_)), Ok(PollOutcome::Connect(_)))), "{polled:?}");
    assert!(took <= Duration::from_secs(21), "{took:?}");
    let serve = async {
        let mut next = Raw::accept(&listener, &acceptor, 100).await;
        for _ in 0..2 {
            let stream = next.request().await.expect("a request");
            next.answer(stream, &[], "new").await;
        }
    };
    let (polls, ()) = Box::pin(together(async { [poll(&mut second).await, poll(&mut first).await] }, serve)).await;
    assert_eq!(polls.map(text), ["new", "new"]);
}

#[tokio::test]
async fn a_quiet_connection_is_asked_whether_it_is_alive_before_anything_goes_out_on_it() {
    let ([mut client], listener, acceptor, mut raw) = Box::pin(connected::<1>(100)).await;
    advance_clock(5).await;
    let serve = async {
        let stream = raw.request().await.expect("a request");
        raw.answer(stream, &[], "alive").await;
    };
    let (polled, ()) = Box::pin(together(poll(&mut client), serve)).await;
    assert_eq!(text(polled), "alive");
    advance_clock(5).await;
    let serve = async {
        let mut next = Raw::accept(&listener, &acceptor, 100).await;
        let stream = next.request().await.expect("a request");
        next.answer(stream, &[], "another").await;
    };
    let (polled, ()) = Box::pin(together(poll(&mut client), serve)).await;
    assert_eq!(text(polled), "another");
}

#[tokio::test]
async fn feeds_leave_a_connection_whose_server_comes_to_allow_fewer() {
    let (mut clients, listener, acceptor, mut raw) = Box::pin(connected::<3>(3)).await;
    raw.settings(1).await;
    // That of the beginning came with the first request.
    raw.acknowledged(1).await;
    let polls = join_all(clients.iter_mut().map(poll));
    let serve = async {
        let stream = raw.request().await.expect("a request");
        let mut next = Raw::accept(&listener, &acceptor, 100).await;
        for _ in 0..2 {
            let stream = next.request().await.expect("a request");
            next.answer(stream, &[], "new").await;
        }
        raw.answer(stream, &[], "old").await;
    };
    let (polled, ()) = Box::pin(together(polls, serve)).await;
    let mut answers: Vec<String> = polled.into_iter().map(text).collect();
    answers.sort();
    assert_eq!(answers, ["new", "new", "old"]);
}

#[tokio::test]
async fn a_feed_whose_connection_closes_amid_an_answer_or_before_it_misses_nothing() {
    let acceptor = acceptor(Protocol::Http2);
    let (listener, url) = listen().await;
    let spec = FeedSpec {
        endpoint: Endpoint::new(&url, "tr_dev_test", None).expect("an endpoint"),
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
        let mut raw = Raw::accept(&listener, &acceptor, 100).await;
        let stream = raw.request().await.expect("a request");
        raw.answer(stream, &headers(0), &body(0)).await;
        // It breaks off: told as a retry.
        let stream = raw.request().await.expect("a request");
        raw.begin(stream, &headers(1), &body(1)[..40]).await;
        drop(raw);
        let mut raw = Raw::accept(&listener, &acceptor, 100).await;
        let stream = raw.request().await.expect("a request");
        raw.answer(stream, &headers(1), &body(1)).await;
        // It may never have seen this one.
        raw.request().await.expect("a request");
        drop(raw);
        let mut raw = Raw::accept(&listener, &acceptor, 100).await;
        let stream = raw.request().await.expect("a request");
        raw.answer(stream, &headers(2), &body(2)).await;
        raw
    };
    let (seen, _raw) = Box::pin(together(numbers(&reader), serve)).await;
    assert_eq!(seen, ["0", "1", "2"]);
    assert_eq!(reader.status().stats.retries, 1);
}

/// Every number the reader sees, to its end.
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
