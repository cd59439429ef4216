//! Every order in which a feed's driver and its readers can meet, when readers join, lag, are split off, read on and
//! leave. A reader or a driver that is not woken would be found to wait for ever.

use std::collections::HashMap;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::task::Poll;

use once_cell::sync::Lazy;

use super::backpressure::Backpressure;
use super::feed::{Feed, FeedSubscriber};
use super::registry::Registry;
use super::{End, FeedSpec, Reader, ReaderOptions};
use crate::config::Endpoint;
use crate::connection::RetryPolicy;
use crate::interleave::{block_on, explore, spawn};
use crate::shape::{Change, Row};

static REGISTRY: Lazy<Registry> = Lazy::new(Registry::default);

/// Changes of two runs in turn. The first of each is so long that a reader with it unread is full.
static ROWS: Lazy<Vec<(Arc<str>, Arc<Row>)>> = Lazy::new(|| {
    let change = |n: usize| {
        let long = if n < 2 { 16 << 20 } else { 1 };
        let pairs = [("n", n.to_string()), ("payload", "x".repeat(long))];
        let pairs = pairs.map(|(name, text)| (name.into(), Some(text.into())));
        ((n % 2).to_string().into(), Arc::new(Row::merge(&mut Arc::default(), None, None, pairs)))
    };
    (0..4).map(change).collect()
});

/// How a reader reads.
#[derive(Clone, Copy)]
enum Way {
    ToTheEnd,
    /// Leaves after its first batch.
    Leaves,
}

fn spec() -> FeedSpec {
    let endpoint = Endpoint::new("http://127.0.0.1:1", "tr_dev_1234567890", None).expect("valid");
    FeedSpec { endpoint, path: "/".into(), query: [].into(), retry: RetryPolicy::default() }
}

/// Waits until a reader makes room; false once none is left, where a real driver is aborted.
async fn room(feed: &Feed) -> bool {
    let mut room = pin!(feed.room());
    poll_fn(|cx| match room.as_mut().poll(cx) {
        _ if feed.is_closed() => Poll::Ready(false),
        Poll::Ready(()) => Poll::Ready(true),
        Poll::Pending => Poll::Pending,
    })
    .await
}

/// A feed's driver, without a server.
fn drive(feed: &Arc<Feed>, from: usize, splits: &Arc<AtomicUsize>) {
    let schema = Arc::default();
    for (at, (key, row)) in ROWS.iter().enumerate().skip(from) {
        loop {
            match feed.backpressure() {
                Backpressure::Ready => break,
                Backpressure::Lagging => {
                    if !block_on(room(feed)) {
                        return;
                    }
                }
                Backpressure::Split(own) => {
                    splits.fetch_add(1, SeqCst);
                    let splits = splits.clone();
                    spawn("driver of a split feed", move || drive(&own, at, &splits));
                }
            }
        }
        let change = Change::Row { key: key.clone(), row: row.clone() };
        if !feed.publish(vec![change], Some(&schema), true) {
            return;
        }
    }
    feed.end(Ok(()));
}

fn read(subscriber: FeedSubscriber, way: Way) {
    let last = subscriber.clone();
    let reader = Reader::new(&REGISTRY, subscriber);
    let mut seen: HashMap<String, usize> = HashMap::new();
    loop {
        let batch = block_on(reader.next());
        for item in &batch.rows {
            let n: usize = item.row.get("n").and_then(|n| n.parse().ok()).expect("a number");
            let before = seen.insert(item.key.to_string(), n);
            assert!(before.is_none_or(|before| before < n), "{n} after {before:?}");
        }
        if let Way::Leaves = way {
            drop(reader);
            let feed = last.feed();
            if feed.is_closed() {
                // In the place of the abort of a real driver.
                feed.make_room();
            }
            return;
        }
        match batch.end {
            Some(End::Complete) => break,
            Some(End::Failed(error)) => panic!("{error:?}"),
            None => {}
        }
    }
    assert_eq!(seen, HashMap::from([("0".to_owned(), 2), ("1".to_owned(), 3)]), "the last state of every run");
}

/// The first reader of a feed, and those that join while it goes on.
fn orders(first: Way, joining: &'static [Way], max_switches: usize) -> (usize, usize) {
    // Before the first order: a row that is made takes locks.
    Lazy::force(&ROWS);
    let splits = Arc::new(AtomicUsize::new(0));
    let counted = splits.clone();
    let orders = explore(max_switches, move || {
        let options = ReaderOptions { copies: true, notices: true, ..ReaderOptions::default() };
        let (feed, subscriber) = Feed::new(spec(), options);
        spawn("first reader", move || read(subscriber, first));
        for way in joining {
            let feed = feed.clone();
            spawn("reader that joins", move || {
                // A feed that is over already has another one in its place.
                if let Some(subscriber) = feed.attach(options) {
                    read(subscriber, *way);
                }
            });
        }
        drive(&feed, 0, &counted);
    });
    (orders, splits.load(SeqCst))
}

#[test]
fn a_reader_gets_every_runs_last_state_however_it_and_the_driver_go_on() {
    let (orders, _) = orders(Way::ToTheEnd, &[], 3);
    println!("{orders} orders");
}

#[test]
fn readers_that_are_split_off_miss_nothing_however_they_and_the_drivers_go_on() {
    let (orders, splits) = orders(Way::ToTheEnd, &[Way::ToTheEnd], 0);
    println!("{orders} orders, {splits} splits");
    assert!(splits > 0, "readers were split off in some of the orders");
}

#[test]
fn a_reader_that_leaves_takes_nothing_from_the_others_however_they_go_on() {
    let (first, splits) = orders(Way::ToTheEnd, &[Way::Leaves], 1);
    let (second, more) = orders(Way::Leaves, &[Way::ToTheEnd], 1);
    println!("{first} and {second} orders, {} splits", splits + more);
}

#[test]
fn the_last_reader_that_leaves_ends_the_driver_however_they_go_on() {
    let (orders, _) = orders(Way::Leaves, &[Way::Leaves], 1);
    println!("{orders} orders");
}
