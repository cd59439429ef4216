//! A feed without a server: readers that join, lag, and leave.

use std::cell::Cell;
use std::sync::Arc;

use futures_util::FutureExt as _;

use super::backpressure::Backpressure;
use super::feed::{Feed, FeedSubscriber};
use super::inbox::{Inbox, ReaderOptions};
use super::spec::FeedSpec;
use super::{Hub, Reader};
use crate::config::Endpoint;
use crate::connection::RetryPolicy;
use crate::lock::lock;
use crate::shape::{Change, Row};

fn spec(path: &str) -> FeedSpec {
    let endpoint = Endpoint::new("http://127.0.0.1:1", "tr_dev_1234567890", None).expect("valid");
    FeedSpec { endpoint, path: path.into(), query: [].into(), retry: RetryPolicy::default() }
}

fn rows(keys: std::ops::Range<u32>) -> Vec<Change> {
    let row = |key: u32| Row::merge(&mut Arc::default(), None, None, [("id".into(), Some(key.to_string().into()))]);
    keys.map(|key| Change::Row { key: key.to_string().into(), row: Arc::new(row(key)) }).collect()
}

#[test]
fn a_reader_that_catches_up_while_it_is_looked_at_is_left_on_a_feed_with_a_driver() {
    let (feed, slow) = Feed::new(spec("/"), ReaderOptions::default());
    let quick = feed.attach(ReaderOptions::default()).expect("open");
    // The slow reader is full when the feed looks at it, and reads right after.
    let looks = Cell::new(0);
    let is_full = |inbox: &Inbox| {
        let is_slow = std::ptr::eq(inbox, &raw const *slow.inbox);
        is_slow && looks.replace(looks.get() + 1) == 0
    };
    let Backpressure::Split(own) = feed.backpressure_by(is_full) else { panic!("it was full") };
    assert_eq!((looks.get(), lock(&own.state).subscribers.len(), lock(&feed.state).subscribers.len()), (1, 1, 1));
    assert!(Arc::ptr_eq(&slow.feed(), &own) && Arc::ptr_eq(&quick.feed(), &feed));
    assert!(matches!(feed.backpressure_by(|_| false), Backpressure::Ready));
    assert!(matches!(feed.backpressure_by(|_| true), Backpressure::Ready), "no reader would be left on this feed");
    assert_eq!(lock(&feed.state).subscribers.len(), 1);
}

#[test]
fn rows_that_leave_together_leave_a_feed_of_eighty_thousand_at_once() {
    let (feed, subscriber) = Feed::new(spec("/"), ReaderOptions { copies: true, ..ReaderOptions::default() });
    let schema = Arc::default();
    assert!(feed.publish(rows(0..80_000), Some(&schema), true));
    let began = std::time::Instant::now();
    let gone = (1..80_000).map(|key| Change::Gone { key: key.to_string().into() }).collect();
    assert!(feed.publish(gone, Some(&schema), true));
    // A quadratic cost took minutes; a slow machine needs less than a second.
    assert!(began.elapsed() < std::time::Duration::from_secs(10), "{:?}", began.elapsed());
    assert_eq!(lock(&feed.state).rows.keys().map(|key| &**key).collect::<Vec<_>>(), ["0"]);
    drop(subscriber);
}

#[test]
fn fifty_thousand_readers_of_one_feed_leave_it_without_a_look_at_each_for_each() {
    let (feed, first) = Feed::new(spec("/"), ReaderOptions::default());
    let mut subscribers: Vec<FeedSubscriber> =
        (1..50_000).filter_map(|_| feed.attach(ReaderOptions::default())).collect();
    subscribers.insert(25_000, first);
    assert!(matches!(feed.backpressure_by(|_| false), Backpressure::Ready));
    let began = std::time::Instant::now();
    let last = subscribers.pop().expect("fifty thousand");
    for subscriber in &subscribers {
        assert!(!feed.detach(&subscriber.inbox));
        assert!(!feed.detach(&subscriber.inbox), "it left already");
    }
    // A quadratic cost took half a minute.
    assert!(began.elapsed() < std::time::Duration::from_secs(5), "{:?}", began.elapsed());
    assert!(feed.detach(&last.inbox));
}

#[test]
fn a_feed_that_nobody_can_join_keeps_no_rows_for_who_would() {
    let (feed, subscriber) = Feed::new(spec("/"), ReaderOptions::default());
    let schema = Arc::default();
    let mut first = rows(0..3);
    first.push(Change::Evicted { key: "0".into() });
    assert!(feed.publish(first, Some(&schema), true) && feed.publish(rows(3..5), Some(&schema), true));
    assert_eq!(lock(&feed.state).rows.len(), 0);
    let batch = Reader::new(&Hub::global().registry, subscriber).next().now_or_never().expect("rows");
    assert_eq!(batch.rows.len(), 5);
}

#[tokio::test]
async fn whoever_joins_a_long_feed_keeps_nobody_from_opening_another() {
    let hub: &'static Hub = Box::leak(Box::default());
    let first = hub.open(&spec("/long"), ReaderOptions::default());
    let long = hub.registry.get(&spec("/long")).expect("it is open");
    // The rows stay locked until `busy` is dropped.
    let busy = lock(&long.state);
    let joins = std::thread::spawn({
        let runtime = tokio::runtime::Handle::current();
        move || {
            let _runtime = runtime.enter();
            hub.open(&spec("/long"), ReaderOptions::default())
        }
    });
    // Five references when the second reader waits for the rows: registry, test, first reader, driver, second reader.
    while Arc::strong_count(&long) < 5 {
        std::thread::yield_now();
    }
    let other = hub.open(&spec("/other"), ReaderOptions::default());
    assert_eq!(hub.feeds(), 2);
    drop(busy);
    let second = joins.join().expect("it joined");
    drop((first, second, other));
    assert_eq!(hub.feeds(), 0);
}
