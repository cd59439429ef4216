//! A stream's machine: what is retried, how long, and what ends the stream.

#![allow(clippy::panic, reason = "a test fails by panicking")]

mod stream_support;

use http::HeaderMap;
use stream_support::{Bench, DONE, FOLLOW, batch, headers, ping, timeout};
use trigger_native::error::ErrorCode;
use trigger_native::shape::Reason;
use trigger_native::stream::{Ending, Event, Plan, Step};

#[test]
fn a_body_that_breaks_off_after_an_outage_is_asked_for_again_within_seconds() {
    let mut bench = Bench::new(timeout(5));
    for _ in 0..12 {
        bench.on(Event::Refused { status: 503, headers: &HeaderMap::new(), body: b"" });
        bench.wake();
    }
    assert!(bench.at > 60_000);
    let mut waits = Vec::new();
    for _ in 0..10 {
        bench.open(true);
        let before = bench.at;
        bench.on(Event::Closed);
        bench.wake();
        waits.push(bench.at - before);
    }
    assert!(waits[0] < 2_000 && waits[1] < 2_000, "{waits:?}");
    assert!(waits[9] > 10_000, "and is not asked for again and again: {waits:?}");
}

#[test]
fn what_cannot_pass_ends_at_once_and_what_can_is_asked_again_as_the_server_says() {
    for status in [400, 401, 403, 404, 409, 410, 413, 422] {
        let mut bench = Bench::new(Plan::default());
        // A 404 of a stream is final, unlike that of other calls.
        bench.on(Event::Refused { status, headers: &HeaderMap::new(), body: b"{\"error\":\"no\"}" });
        assert_eq!(bench.end().as_ref().expect_err("refused").status(), Some(status));
    }
    for (status, pairs, reason, least) in [
        (429, vec![("x-ratelimit-reset", "1012000")], Reason::RateLimited, 12_000),
        (503, vec![("retry-after", "5")], Reason::Server, 5_000),
        (503, vec![("retry-after", "500")], Reason::Server, 30_000),
        (500, vec![], Reason::Server, 100),
    ] {
        let mut bench = Bench::new(Plan::default());
        bench.on(Event::Refused { status, headers: &headers(&pairs), body: b"" });
        let Step::Wait { ms, retry: Some(retry) } = bench.step else { panic!("{status}: {:?}", bench.step) };
        assert_eq!((retry.reason, retry.status, retry.attempt), (reason, Some(status), 1));
        assert!(ms >= least && ms <= 30_000, "{status}: {ms} ms");
    }
}

#[test]
fn a_server_that_never_recovers_ends_the_stream_after_the_time_to_retry() {
    let mut bench = Bench::new(Plan::default());
    let mut requests = 0;
    while !matches!(bench.step, Step::End(_)) {
        requests += 1;
        bench.on(Event::Refused { status: 503, headers: &HeaderMap::new(), body: b"" });
        if matches!(bench.step, Step::Wait { .. }) {
            bench.wake();
        }
    }
    assert_eq!(bench.end().as_ref().expect_err("over").status(), Some(503));
    assert!((299_000..=301_000).contains(&bench.at), "after {} ms", bench.at);
    assert!(requests < 60, "{requests} requests");
}

#[test]
fn what_is_no_stream_ends_within_20_seconds_and_30_requests() {
    type Break = fn(&mut Bench);
    let breaks: [(ErrorCode, Break); 4] = [
        (ErrorCode::Protocol, |bench| {
            bench.on(Event::Opened { status: 200, headers: &headers(&[("content-type", "text/html")]) });
        }),
        (ErrorCode::Protocol, |bench| {
            bench.on(Event::Opened { status: 304, headers: &HeaderMap::new() });
        }),
        (ErrorCode::Protocol, |bench| {
            bench.open(true);
            bench.text("event: batch\ndata: {\"records\":[{\n\n");
        }),
        (ErrorCode::Stream, |bench| {
            bench.open(true);
            bench.text("event: error\ndata: no such basin\n\n");
        }),
    ];
    for (code, broken) in breaks {
        let mut bench = Bench::new(Plan::default());
        let mut requests = 0;
        while !matches!(bench.step, Step::End(_)) {
            requests += 1;
            broken(&mut bench);
            if matches!(bench.step, Step::Wait { .. }) {
                bench.wake();
            }
        }
        assert_eq!(bench.end().as_ref().expect_err("no stream").code(), code);
        assert!(bench.at <= 20_000 && requests <= 30, "{requests} requests in {} ms", bench.at);
    }
}

#[test]
fn pages_of_a_gateway_around_an_outage_or_after_long_waits_do_not_end_the_stream() {
    let page = |bench: &mut Bench| {
        bench.on(Event::Opened { status: 200, headers: &headers(&[("content-type", "text/html")]) });
        bench.wake();
    };
    let mut bench = Bench::new(timeout(5));
    page(&mut bench);
    for _ in 0..12 {
        bench.on(Event::Refused { status: 503, headers: &HeaderMap::new(), body: b"" });
        bench.wake();
    }
    assert!(bench.at > 20_000);
    page(&mut bench);
    for _ in 0..5 {
        bench.at += 20_000;
        page(&mut bench);
    }
    bench.open(true);
    bench.text(&(batch(0, "1") + DONE));
    assert_eq!(*bench.end().as_ref().expect("no error"), Ending::Idle);
    assert_eq!(bench.values, ["1"]);
}

#[test]
fn a_connection_that_held_is_no_failure_whatever_ends_it() {
    let mut bench = Bench::new(FOLLOW);
    for _ in 0..100 {
        bench.open(true);
        bench.text(&ping(0));
        bench.at += 20_000;
        bench.text(&ping(0));
        bench.cut();
        bench.wake();
    }
    assert!(bench.at > 2_000_000, "a proxy that cuts every 20 s never ends the stream");
}
