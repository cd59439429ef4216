//! Feeds over HTTP/1.1: one connection each, which a server may close at any time.

mod pool_support;

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use http::Response;
use pool_support::{
    FAILSAFE, HTTP1, Protocol, SILENCE, Server, ServerOptions, accept, acceptor, advance_clock, client, full, listen,
    text, together, until_ended,
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::sync::Barrier;
use tokio::task::consume_budget;
use tokio::time::{Instant, timeout};
use trigger_native::http::{LongPollClient, PollOutcome};

async fn poll(client: &mut LongPollClient) -> PollOutcome {
    timeout(FAILSAFE, client.poll("/", SILENCE)).await.expect("in time").expect("a request")
}

async fn counting(server_options: ServerOptions) -> Server {
    Server::start(server_options, |connection, _| async move { Response::new(full(format!("{connection}"))) }).await
}

#[tokio::test]
async fn every_feed_has_a_connection_of_its_own_and_keeps_it() {
    let barrier = Arc::new(Barrier::new(50));
    let server = Server::start(HTTP1, move |_, _| {
        let barrier = barrier.clone();
        async move {
            barrier.wait().await;
            Response::new(full("ok"))
        }
    })
    .await;
    let mut clients: Vec<LongPollClient> = (0..50).map(|_| client(&server.url())).collect();
    for _ in 0..3 {
        let polled = join_all(clients.iter_mut().map(poll)).await;
        assert_eq!(polled.into_iter().map(text).count(), 50);
    }
    assert_eq!(server.load().requests, [3; 50]);
}

#[tokio::test]
async fn a_server_that_ends_the_connection_after_each_answer_costs_no_retry() {
    let server = counting(ServerOptions { close: true, ..HTTP1 }).await;
    let mut client = client(&server.url());
    for number in 0..5 {
        assert_eq!(text(poll(&mut client).await), number.to_string());
    }
}

#[tokio::test]
async fn a_server_that_closes_idle_connections_costs_no_retry() {
    let server = counting(HTTP1).await;
    let mut clients: Vec<LongPollClient> = (0..5).map(|_| client(&server.url())).collect();
    for round in 1..4 {
        for polled in join_all(clients.iter_mut().map(poll)).await {
            text(polled);
        }
        server.shut_connections();
        server.until(|load| load.ended.len() == 5 * round && load.ended.iter().all(|ended| *ended)).await;
    }
    for polled in join_all(clients.iter_mut().map(poll)).await {
        text(polled);
    }
    // The released connections of dropped feeds are closed too: the next feed takes none of them.
    drop(clients);
    server.shut_connections();
    server.until(|load| load.ended.iter().all(|ended| *ended)).await;
    assert_eq!(text(poll(&mut client(&server.url())).await), "20");
}

#[tokio::test]
async fn a_request_that_goes_out_as_its_connection_closes_is_sent_on_another_one_at_once() {
    let server = counting(HTTP1).await;
    let mut client = client(&server.url());
    assert_eq!(text(poll(&mut client).await), "0");
    server.shut_connections();
    server.until(|load| load.ended[0]).await;
    // A task that has used up its budget reads nothing from a socket: the request goes out before the close is seen.
    let mut polled = pin!(poll(&mut client));
    let mut is_exhausted = false;
    let polled = poll_fn(|cx| {
        while !std::mem::replace(&mut is_exhausted, true) && pin!(consume_budget()).poll(cx).is_ready() {
            is_exhausted = false;
        }
        polled.as_mut().poll(cx)
    });
    assert_eq!(text(timeout(SILENCE / 2, polled).await.expect("before the silence time")), "1");
}

/// Accepts a connection, answers `answers` requests on it, and closes it on one more.
async fn serve(listener: &TcpListener, answers: usize) {
    let mut stream = accept(listener, &acceptor(Protocol::Http1)).await;
    for left in (0..=answers).rev() {
        let mut request = Vec::new();
        while !request.ends_with(b"\r\n\r\n") {
            request.push(stream.read_u8().await.expect("a request"));
        }
        if left > 0 {
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await.expect("an answer");
        }
    }
}

#[tokio::test]
async fn a_used_connection_that_closes_as_a_request_goes_out_costs_no_retry_and_a_new_one_is_no_server() {
    let (listener, url) = listen().await;
    let mut used = client(&url);
    let polls = async { [poll(&mut used).await, poll(&mut used).await, poll(&mut used).await] };
    // Each second request finds its connection closed, and is sent again on the next one.
    let serving = async {
        serve(&listener, 1).await;
        serve(&listener, 1).await;
        serve(&listener, 0).await;
    };
    let ([first, second, third], ()) = together(polls, serving).await;
    assert_eq!([first, second].map(text), ["ok", "ok"]);
    assert!(matches!(third, PollOutcome::Connect(_)), "{third:?}");
}

#[tokio::test]
async fn a_first_connection_that_closes_without_an_answer_is_a_failure_and_not_tried_again_at_once() {
    let (listener, url) = listen().await;
    let mut fresh = client(&url);
    let (polled, ()) = together(poll(&mut fresh), serve(&listener, 0)).await;
    assert!(matches!(polled, PollOutcome::Connect(_)), "{polled:?}");
}

#[tokio::test]
async fn a_connection_that_a_feed_has_left_serves_the_next_one_and_is_closed_after_four_seconds() {
    let server = counting(HTTP1).await;
    for _ in 0..3 {
        assert_eq!(text(poll(&mut client(&server.url())).await), "0");
        advance_clock(2).await;
    }
    assert_eq!(server.load().ended, [false]);
    let took = until_ended(&server).await;
    assert!((2..=4).contains(&took), "{took} s");
}

/// Accepts a connection and answers one request on it, then leaves it half open: unread, and not closed.
async fn forgetful(listener: &TcpListener, body: &str) -> impl Sized {
    let mut stream = accept(listener, &acceptor(Protocol::Http1)).await;
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        request.push(stream.read_u8().await.expect("a request"));
    }
    let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len());
    stream.write_all(answer.as_bytes()).await.expect("an answer");
    stream
}

#[tokio::test]
async fn a_feed_that_waited_does_not_ask_on_a_connection_that_was_forgotten_meanwhile() {
    let (listener, url) = listen().await;
    let mut kept = client(&url);
    let (first, _open) = together(poll(&mut kept), forgetful(&listener, "first")).await;
    assert_eq!(text(first), "first");
    advance_clock(5).await;
    let (second, _open) = together(poll(&mut kept), forgetful(&listener, "second")).await;
    assert_eq!(text(second), "second");
    // Nor does the next feed, on a connection that another one released.
    drop(kept);
    advance_clock(5).await;
    let (third, _open) = together(async { poll(&mut client(&url)).await }, forgetful(&listener, "third")).await;
    assert_eq!(text(third), "third");
}

#[tokio::test(start_paused = true)]
async fn two_hundred_feeds_of_a_server_that_cannot_be_reached_all_hear_of_it_within_one_connect_time() {
    // The system accepts the connection; the TLS handshake gets no answer.
    let (_listener, url) = listen().await;
    let mut clients: Vec<LongPollClient> = (0..200).map(|_| client(&url)).collect();
    for _ in 0..2 {
        let since = Instant::now();
        let polled = join_all(clients.iter_mut().map(|client| client.poll("/", Duration::from_secs(60)))).await;
        assert!(polled.iter().all(|polled| matches!(polled, Ok(PollOutcome::Connect(_)))));
        assert!(since.elapsed() < Duration::from_secs(11), "{:?}", since.elapsed());
    }
}
