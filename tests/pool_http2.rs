//! Feeds over HTTP/2: connections shared below the server's cap, and their end.

mod pool_support;

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use http::{Request, Response};
use hyper::body::Incoming;
use pool_support::{FAILSAFE, Server, advance_clock, client, full, http2, text, together, until_ended};
use tokio::sync::{Barrier, Semaphore, watch};
use tokio::time::timeout;
use trigger_native::http::{LongPollClient, PollOutcome};

async fn poll(client: &mut LongPollClient, path: &str) -> PollOutcome {
    timeout(FAILSAFE, client.poll(path, pool_support::SILENCE)).await.expect("in time").expect("a request")
}

/// A server that answers its first `all` requests once all have arrived.
async fn meeting(cap: u32, all: usize) -> Server {
    let barrier = Arc::new(Barrier::new(all));
    Server::start(http2(cap), move |connection, _| {
        let barrier = barrier.clone();
        async move {
            barrier.wait().await;
            Response::new(full(format!("{connection}")))
        }
    })
    .await
}

/// A server that answers at once, but `/wait` only once the test adds a permit.
async fn holding(cap: u32) -> (Server, Arc<Semaphore>) {
    let go = Arc::new(Semaphore::new(0));
    let permits = go.clone();
    let server = Server::start(http2(cap), move |connection, request: Request<Incoming>| {
        let go = permits.clone();
        async move {
            if request.uri().path() == "/wait" {
                go.acquire().await.expect("open").forget();
            }
            Response::new(full(format!("{connection}")))
        }
    })
    .await;
    (server, go)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn five_times_as_many_feeds_as_a_connection_may_have_are_all_live_at_once() {
    for cap in [1, 7, 20, 100] {
        let feeds = 5 * cap;
        let server = meeting(u32::try_from(cap).expect("small"), feeds).await;
        let mut clients: Vec<LongPollClient> = (0..feeds).map(|_| client(&server.url())).collect();
        // Twice: the second round uses the open connections again.
        for _ in 0..2 {
            let polled = join_all(clients.iter_mut().map(|client| poll(client, "/live"))).await;
            assert_eq!(polled.into_iter().map(text).count(), feeds);
        }
        let load = server.load();
        assert_eq!(load.peak, [cap; 5], "over 5 connections, never more than {cap} on one");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_over_http_2_whose_headers_are_endless_is_a_failed_connection() {
    let server = Server::start(http2(10), |_, request: Request<Incoming>| async move {
        let mut response = Response::new(full("a"));
        let many = request.uri().path().trim_start_matches('/').parse().expect("a number");
        for _ in 0..many {
            response.headers_mut().append("x-long", "v".repeat(1_000).parse().expect("a value"));
        }
        response
    })
    .await;
    let mut client = client(&server.url());
    assert_eq!(text(poll(&mut client, "/200").await), "a");
    assert!(matches!(poll(&mut client, "/400").await, PollOutcome::Connect(_)));
    assert_eq!(text(poll(&mut client, "/200").await), "a");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_allows_any_number_has_at_most_250_feeds_on_a_connection() {
    let server = meeting(1_000, 600).await;
    let mut clients: Vec<LongPollClient> = (0..600).map(|_| client(&server.url())).collect();
    let polled = join_all(clients.iter_mut().map(|client| poll(client, "/live"))).await;
    assert_eq!(polled.into_iter().map(text).count(), 600);
    let load = server.load();
    assert_eq!((load.peak.len(), load.peak.iter().max()), (3, Some(&250)));
}

#[tokio::test]
async fn feeds_that_end_make_room_for_others() {
    let (server, _go) = holding(2).await;
    for _ in 0..10 {
        let mut clients = [client(&server.url()), client(&server.url())];
        for client in &mut clients {
            text(poll(client, "/").await);
        }
    }
    assert_eq!(server.load().requests, [20]);
}

#[tokio::test]
async fn feeds_that_are_closed_while_they_wait_for_a_connection_keep_no_other_from_one() {
    let (server, go) = holding(2).await;
    for _ in 0..20 {
        let mut clients: Vec<LongPollClient> = (0..9).map(|_| client(&server.url())).collect();
        // The drop can come at any point: while a connection opens, while a feed waits for it, while a request is out.
        let _ =
            timeout(Duration::from_micros(300), join_all(clients.iter_mut().map(|client| poll(client, "/wait")))).await;
    }
    let mut clients: Vec<LongPollClient> = (0..9).map(|_| client(&server.url())).collect();
    let polls = join_all(clients.iter_mut().map(|client| poll(client, "/wait")));
    let release = async {
        server.until(|load| load.all_open() == 9).await;
        go.add_permits(9);
    };
    let (polled, ()) = together(polls, release).await;
    assert_eq!(polled.into_iter().map(text).count(), 9);
}

#[tokio::test]
async fn a_server_that_goes_away_politely_costs_no_retry_and_no_answer() {
    let (server, go) = holding(100).await;
    let mut clients: Vec<LongPollClient> = (0..10).map(|_| client(&server.url())).collect();
    for client in &mut clients {
        text(poll(client, "/").await);
    }
    for round in 1..4 {
        let polls = join_all(clients.iter_mut().map(|client| poll(client, "/wait")));
        let release = async {
            server.until(|load| load.all_open() == 10).await;
            server.shut_connections();
            go.add_permits(10);
        };
        let (polled, ()) = together(polls, release).await;
        for polled in polled {
            assert_eq!(text(polled), (round - 1).to_string(), "answered on the connection that goes");
        }
        let polled = join_all(clients.iter_mut().map(|client| poll(client, "/"))).await;
        for polled in polled {
            assert_eq!(text(polled), round.to_string(), "asked again on another one");
        }
    }
    assert_eq!(server.load().open.len(), 4);
}

#[tokio::test]
async fn requests_carry_the_same_headers_over_either_version_and_no_host_over_http_2() {
    let mut seen = Vec::new();
    for server_options in [http2(100), pool_support::HTTP1] {
        let (heard, mut headers) = watch::channel(None);
        let server = Server::start(server_options, move |_, request: Request<Incoming>| {
            heard.send_replace(Some((request.uri().clone(), request.headers().clone())));
            async { Response::new(full("ok")) }
        })
        .await;
        text(poll(&mut client(&format!("{}/under/a%20prefix/", server.url())), "/a?b=c%2Fd").await);
        let (uri, mut headers) = headers.borrow_and_update().clone().expect("a request");
        assert_eq!(uri.path_and_query().expect("a path").as_str(), "/under/a%20prefix/a?b=c%2Fd");
        let authority = server.url().replace("https://", "");
        match server_options.protocol {
            pool_support::Protocol::Http2 => assert_eq!(uri.authority().expect("an authority").as_str(), authority),
            pool_support::Protocol::Http1 => assert_eq!(headers.remove("host").expect("a host"), authority.as_str()),
        }
        seen.push(headers);
    }
    assert_eq!(seen[0], seen[1]);
    assert_eq!(seen[0]["accept-encoding"], "gzip, zstd");
    assert!(!seen[0].contains_key("host"));
}

#[tokio::test]
async fn a_shared_connection_that_nobody_needs_is_closed_after_half_a_minute() {
    let (server, _go) = holding(100).await;
    let mut first = client(&server.url());
    let mut second = client(&server.url());
    text(poll(&mut first, "/").await);
    text(poll(&mut second, "/").await);
    drop(first);
    advance_clock(60).await;
    text(poll(&mut second, "/").await);
    drop(second);
    // Each use in time begins the half minute anew.
    for _ in 0..3 {
        advance_clock(20).await;
        text(poll(&mut client(&server.url()), "/").await);
    }
    assert_eq!(server.load().ended, [false]);
    let took = until_ended(&server).await;
    assert!((30..=60).contains(&took), "{took} s");
}

#[tokio::test]
async fn a_poll_that_waits_takes_little_memory() {
    let mut client = client("https://127.0.0.1:1");
    let size = size_of_val(&client.poll("/", FAILSAFE));
    assert!(size < 2_048, "{size} bytes");
}
