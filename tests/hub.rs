//! Sharing of feeds: one upstream for each distinct feed, and readers that are slow, join late, or leave.

mod support;

use std::sync::Arc;
use std::time::Duration;

use support::{Server, feed_answer, row};
use tokio::sync::{Notify, Semaphore};
use tokio::time::timeout;
use trigger_native::config::Endpoint;
use trigger_native::connection::RetryPolicy;
use trigger_native::error::Kind;
use trigger_native::hub::{Batch, End, FeedSpec, Hub, Reader, ReaderOptions};

const FAILSAFE: Duration = Duration::from_secs(20);

fn spec(server: &Server) -> FeedSpec {
    FeedSpec {
        endpoint: Endpoint::new(&server.url(), "tr_dev_test", None).expect("an endpoint"),
        path: "/realtime/v1/runs/run_1".into(),
        query: [].into(),
        retry: RetryPolicy::default(),
    }
}

const RUN: ReaderOptions = ReaderOptions { until_finished: true, until_gone: true, notices: false, copies: false };

async fn next(reader: &Reader) -> Batch {
    timeout(FAILSAFE, reader.next()).await.expect("a batch in time")
}

fn numbers(batch: &Batch) -> Vec<&str> {
    batch.rows.iter().map(|item| item.row.get("number").expect("a number")).collect()
}

/// Serves one run: each permit of the semaphore is one more update; after `last` the run is over.
async fn updating(last: usize) -> (Server, Arc<Semaphore>) {
    let go = Arc::new(Semaphore::new(0));
    let permits = go.clone();
    let server = Server::start(move |_, request| {
        let go = permits.clone();
        async move {
            let query = request.uri().query().unwrap_or("").to_owned();
            let version = query.split('&').find_map(|pair| pair.strip_prefix("offset=1_")?.parse::<usize>().ok());
            let next = match version {
                None => 0,
                Some(version) => {
                    go.acquire().await.expect("open").forget();
                    version + 1
                }
            };
            let status = if next >= last { "COMPLETED_SUCCESSFULLY" } else { "EXECUTING" };
            feed_answer(next, &row("run_1", status, next))
        }
    })
    .await;
    (server, go)
}

#[tokio::test]
async fn readers_of_one_feed_share_one_upstream_and_a_late_one_gets_the_present_state() {
    let (server, go) = updating(2).await;
    let spec = spec(&server);
    let early = Hub::global().open(&spec, RUN);
    assert_eq!(numbers(&next(&early).await), ["0"]);
    let late = Hub::global().open(&spec, RUN);
    assert_eq!(numbers(&next(&late).await), ["0"]);
    go.add_permits(1);
    assert_eq!(numbers(&next(&early).await), ["1"]);
    assert_eq!(numbers(&next(&late).await), ["1"]);
    go.add_permits(1);
    for reader in [&early, &late] {
        let last = next(reader).await;
        assert_eq!(numbers(&last), ["2"]);
        assert!(matches!(last.end, Some(End::Complete)));
    }
    assert_eq!(server.seen().len(), 3, "one snapshot and two polls for both readers: {:?}", server.seen());
}

#[tokio::test]
async fn the_last_reader_to_leave_ends_the_upstream_request() {
    let dropped = Arc::new(Notify::new());
    let hold = dropped.clone();
    let server = Server::start(move |number, _| {
        let hold = hold.clone();
        async move {
            if number > 0 {
                let _told_when_the_connection_goes = TellOnDrop(hold);
                std::future::pending::<()>().await;
            }
            feed_answer(0, &row("run_1", "EXECUTING", 0))
        }
    })
    .await;
    let spec = spec(&server);
    let (one, other) = (Hub::global().open(&spec, RUN), Hub::global().open(&spec, RUN));
    next(&one).await;
    next(&other).await;
    while server.seen().len() < 2 {
        tokio::task::yield_now().await;
    }
    one.close();
    drop(other);
    timeout(FAILSAFE, dropped.notified()).await.expect("the long-poll was given up");
    assert!(matches!(next(&one).await.end, Some(End::Complete)), "a closed reader never waits");
}

struct TellOnDrop(Arc<Notify>);

impl Drop for TellOnDrop {
    fn drop(&mut self) {
        self.0.notify_one();
    }
}

async fn drain(reader: &Reader) -> Vec<usize> {
    let mut got = Vec::new();
    loop {
        let batch = next(reader).await;
        got.extend(numbers(&batch).into_iter().map(|number| number.parse::<usize>().expect("a number")));
        if batch.end.is_some() {
            return got;
        }
    }
}

#[tokio::test]
async fn a_reader_that_stops_reading_stops_the_wire_and_misses_nothing_when_it_goes_on() {
    let (server, go) = updating(1_000).await;
    let reader = Hub::global().open(&spec(&server), RUN);
    assert_eq!(numbers(&next(&reader).await), ["0"]);
    go.add_permits(1_000);
    // No reader reads: the feed fills the queue and waits.
    let mut before = 0;
    timeout(FAILSAFE, async {
        loop {
            tokio::time::sleep(Duration::from_millis(100)).await;
            let seen = server.seen().len();
            if seen == before && seen > 1 {
                break;
            }
            before = seen;
        }
    })
    .await
    .expect("the wire stands still");
    assert!(before < 256, "{before} requests for a reader that does not read");
    assert_eq!(drain(&reader).await, (1..=1_000).collect::<Vec<_>>());
    assert_eq!(reader.coalesced(), 0);
}

#[tokio::test]
async fn a_slow_reader_beside_a_quick_one_keeps_a_bounded_queue_and_gets_the_final_state() {
    let (server, go) = updating(1_000).await;
    let spec = spec(&server);
    let (slow, quick) = (Hub::global().open(&spec, RUN), Hub::global().open(&spec, RUN));
    assert_eq!(numbers(&next(&slow).await), ["0"]);
    go.add_permits(1_000);
    assert_eq!(drain(&quick).await, (0..=1_000).collect::<Vec<_>>());
    let got = drain(&slow).await;
    assert!(got.len() <= 256, "{} states were kept", got.len());
    assert_eq!(got.last(), Some(&1_000));
    assert!(got.is_sorted(), "states come in order");
    assert_eq!(usize::try_from(slow.coalesced()).expect("small"), 1_000 - got.len());
}

#[tokio::test]
async fn a_refusal_reaches_every_reader_as_the_same_typed_error() {
    let server = Server::start(|_, _| async {
        http::Response::builder().status(401).body("{\"error\":\"Invalid\"}".into()).expect("an answer")
    })
    .await;
    let spec = spec(&server);
    let readers = [Hub::global().open(&spec, RUN), Hub::global().open(&spec, RUN)];
    for reader in &readers {
        let Some(End::Failed(error)) = next(reader).await.end else { panic!("no error came") };
        assert_eq!((error.kind(), error.status()), (Kind::Api, Some(401)));
    }
    assert_eq!(server.seen().len(), 1);
}

#[tokio::test]
async fn a_feed_that_ended_is_opened_anew_for_the_next_reader() {
    let (server, _go) = updating(0).await;
    let spec = spec(&server);
    for _ in 0..2 {
        let reader = Hub::global().open(&spec, RUN);
        assert_eq!(numbers(&next(&reader).await), ["0"]);
    }
    assert_eq!(server.seen().len(), 2);
}

#[tokio::test]
async fn who_keeps_a_copy_is_told_when_it_is_complete_and_what_is_gone() {
    let go = Arc::new(Semaphore::new(0));
    let permits = go.clone();
    let server = Server::start(move |number, _| {
        let go = permits.clone();
        async move {
            let delete = r#"{"key":"run_1","value":{"id":"run_1"},"headers":{"operation":"delete"}}"#;
            match number {
                0 => feed_answer(0, ""),
                1 => feed_answer(1, &row("run_1", "EXECUTING", 1)),
                2 => {
                    go.acquire().await.expect("open").forget();
                    feed_answer(2, delete)
                }
                _ => std::future::pending().await,
            }
        }
    })
    .await;
    let copies = ReaderOptions { copies: true, ..ReaderOptions::default() };
    let first = Hub::global().open(&spec(&server), copies);
    let begin = next(&first).await;
    assert!(begin.settled && begin.rows.is_empty() && begin.schema.is_some(), "there is nothing, and it is known");
    let shown = next(&first).await;
    assert_eq!((numbers(&shown), shown.settled), (vec!["1"], false));
    // A reader that joins gets the rows, and `settled` with the last of them.
    let second = Hub::global().open(&spec(&server), copies);
    let joined = next(&second).await;
    assert_eq!((numbers(&joined), joined.settled), (vec!["1"], true));
    // A reader without `copies` gets rows only.
    let third = Hub::global().open(&spec(&server), ReaderOptions::default());
    assert!(!next(&third).await.settled);
    go.add_permits(1);
    for reader in [&first, &second] {
        let gone: Vec<String> = next(reader).await.gone.iter().map(ToString::to_string).collect();
        assert_eq!(gone, ["run_1"]);
    }
}
