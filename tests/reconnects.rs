//! The pace at which feeds and streams that lost their server come back to it: at most 50 at once, and 1,000 a second.

mod pool_support;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::future::join_all;
use http::{HeaderMap, Response};
use pool_support::{FAILSAFE, HTTP1, SILENCE, Server, client, full, http2, text};
use tokio::time::{Instant, timeout};
use trigger_native::http::{LongPollClient, Opening, StreamOutcome, open_stream};

/// The turns that are given at once.
const BURST: usize = 50;

/// When things happened.
#[derive(Clone, Default)]
struct Times(Arc<Mutex<Vec<Instant>>>);

impl Times {
    fn note(&self, at: Instant) {
        self.0.lock().expect("whole").push(at);
    }

    /// Checks that none came before its turn: later is fine on a busy machine, earlier is not.
    fn check(&self, since: Instant, count: usize) {
        let mut times = self.0.lock().expect("whole").clone();
        assert_eq!(times.len(), count);
        times.sort();
        for (index, at) in times.iter().enumerate() {
            let least = Duration::from_millis((index + 1).saturating_sub(BURST).try_into().expect("few"));
            let passed = at.duration_since(since);
            assert!(passed >= least, "number {index} after {passed:?}");
        }
    }
}

#[tokio::test]
async fn feeds_that_lost_their_server_come_back_one_by_one_and_say_what_they_ask_only_then() {
    const FEEDS: usize = 300;
    for options in [HTTP1, http2(100)] {
        let asked = Times::default();
        let server = Server::start(options, |_, _| async { Response::new(full("ok")) }).await;
        let mut clients: Vec<LongPollClient> = (0..FEEDS).map(|_| client(&server.url())).collect();
        for polled in join_all(clients.iter_mut().map(|client| client.poll("/", SILENCE))).await {
            assert_eq!(text(polled.expect("a request")), "ok");
        }
        server.shut_connections();
        server.until(|load| load.ended.iter().all(|ended| *ended)).await;
        let since = Instant::now();
        let polls = clients.iter_mut().map(|client| {
            let asked = asked.clone();
            async move {
                let mut at = None;
                let mut latest = || {
                    at = Some(Instant::now());
                    Ok("/".to_owned())
                };
                let polled = timeout(FAILSAFE, client.poll_latest(&mut latest, SILENCE)).await;
                assert_eq!(text(polled.expect("in time").expect("a request")), "ok");
                asked.note(at.expect("asked"));
            }
        });
        join_all(polls).await;
        asked.check(since, FEEDS);
    }
}

#[tokio::test]
async fn streams_that_go_on_wait_for_their_turn_and_new_ones_do_not() {
    const STREAMS: usize = 200;
    let server = Server::start(HTTP1, |_, _| async { Response::new(full("data: 1\n\n")) }).await;
    let opened = |opening| {
        let url = format!("{}/stream", server.url());
        async move {
            let body = timeout(FAILSAFE, open_stream(&url, opening, HeaderMap::new(), SILENCE)).await;
            assert!(matches!(body.expect("in time").expect("a request"), StreamOutcome::Open(_)));
        }
    };
    join_all((0..STREAMS).map(|_| opened(Opening::First))).await;
    let (since, again) = (Instant::now(), Times::default());
    join_all((0..STREAMS).map(|_| async {
        opened(Opening::Again).await;
        again.note(Instant::now());
    }))
    .await;
    again.check(since, STREAMS);
}
