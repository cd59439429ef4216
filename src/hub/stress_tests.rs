//! A stress test: readers join, lag, read on and leave, each on a thread of its own, while their feed is split, goes on
//! and ends.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::backpressure::Backpressure;
use super::feed::Feed;
use super::registry::Registry;
use super::{End, FeedSpec, Reader, ReaderOptions};
use crate::config::Endpoint;
use crate::connection::RetryPolicy;
use crate::lock::lock;
use crate::random;
use crate::shape::{Change, Row};

/// Runs of the feed, and changes of them.
const RUNS: usize = 1_499;
const CHANGES: usize = 9_000;
/// A wait of this length means that a wake-up was lost.
const FAILSAFE: Duration = Duration::from_secs(30);

fn below(most: usize) -> usize {
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss)]
    let n = (random::unit() * most as f64) as usize;
    n
}

/// The change `n`: a state of a run, or its end for now.
fn change(n: usize) -> Change {
    // Primes, so that the runs are changed in a scattered order.
    let key: Arc<str> = (n * 7_919 % RUNS).to_string().into();
    if n.is_multiple_of(11) && n + RUNS < CHANGES {
        return Change::Gone { key };
    }
    let pairs = [("id".into(), Some(key.to_string().into())), ("n".into(), Some(n.to_string().into()))];
    Change::Row { key, row: Arc::new(Row::merge(&mut Arc::default(), None, None, pairs)) }
}

fn truth() -> HashMap<String, usize> {
    let mut rows = HashMap::new();
    for n in 0..CHANGES {
        match change(n) {
            Change::Row { key, .. } => drop(rows.insert(key.to_string(), n)),
            Change::Gone { key } => drop(rows.remove(&*key)),
            Change::Evicted { .. } | Change::Malformed { .. } => {}
        }
    }
    rows
}

#[derive(Default)]
struct Counts {
    splits: AtomicUsize,
    lags: AtomicUsize,
    joined: AtomicUsize,
    left: AtomicUsize,
    ended: AtomicUsize,
    drivers: Mutex<Vec<std::thread::JoinHandle<()>>>,
}

/// A feed's driver, without a server.
fn drive(feed: Arc<Feed>, mut at: usize, counts: Arc<Counts>) {
    let wait = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
    let schema = Arc::default();
    while at < CHANGES {
        match feed.backpressure() {
            Backpressure::Ready => {}
            Backpressure::Lagging => {
                counts.lags.fetch_add(1, SeqCst);
                // A real driver is aborted when the last reader leaves; this one has to check.
                let room = wait.block_on(async { tokio::time::timeout(FAILSAFE / 2, feed.room()).await });
                assert!(room.is_ok() || feed.is_closed(), "a reader that made room did not wake the driver");
                if feed.is_closed() {
                    return;
                }
                continue;
            }
            Backpressure::Split(own) => {
                counts.splits.fetch_add(1, SeqCst);
                let next = std::thread::spawn({
                    let counts = counts.clone();
                    move || drive(own, at, counts)
                });
                lock(&counts.drivers).push(next);
                continue;
            }
        }
        // At most one change of each run, as the row store gives them.
        let end = (at + 1 + below(90)).min(CHANGES);
        if !feed.publish((at..end).map(change).collect(), Some(&schema), true) {
            return;
        }
        at = end;
        if below(8) == 0 {
            std::thread::yield_now();
        }
    }
    feed.end(Ok(()));
}

/// Reads to the end, or leaves before.
fn read(reader: &Reader, counts: &Counts, truth: &HashMap<String, usize>) {
    let wait = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
    let (pause, leaves) = (below(4), below(3) == 0);
    let mut rows: HashMap<String, usize> = HashMap::new();
    for turn in 0.. {
        if leaves && turn > 5 && below(40) == 0 {
            counts.left.fetch_add(1, SeqCst);
            return;
        }
        let batch = wait.block_on(async { tokio::time::timeout(FAILSAFE, reader.next()).await });
        let batch = batch.expect("a reader was not woken");
        for key in &batch.gone {
            rows.remove(&**key);
        }
        for item in &batch.rows {
            let n = item.row.get("n").and_then(|n| n.parse().ok()).expect("a number");
            let before = rows.insert(item.key.to_string(), n);
            assert!(before.is_none_or(|before| before < n), "{before:?} after {n}");
        }
        match batch.end {
            Some(End::Complete) => break,
            Some(End::Failed(error)) => panic!("{error:?}"),
            None => {}
        }
        match pause {
            0 => {}
            1 => std::thread::yield_now(),
            2 if below(60) == 0 => std::thread::sleep(Duration::from_millis(60)),
            3 if below(4) == 0 => std::thread::sleep(Duration::from_millis(3)),
            _ => {}
        }
    }
    assert!(rows == *truth, "a reader lost a state: {} of {} runs", rows.len(), truth.len());
    counts.ended.fetch_add(1, SeqCst);
}

fn round(registry: &'static Registry, truth: &HashMap<String, usize>) -> Arc<Counts> {
    let counts = Arc::new(Counts::default());
    let endpoint = Endpoint::new("http://127.0.0.1:1", "tr_dev_1234567890", None).expect("valid");
    let spec = FeedSpec { endpoint, path: "/".into(), query: [].into(), retry: RetryPolicy::default() };
    let options = ReaderOptions { copies: true, notices: true, ..ReaderOptions::default() };
    let (feed, first) = Feed::new(spec, options);
    let over = AtomicBool::new(false);
    let subscribers = Mutex::new(vec![first]);
    std::thread::scope(|scope| {
        let (subscribers, over, feed, counts) = (&subscribers, &over, &feed, &counts);
        for _ in 0..6 {
            scope.spawn(move || {
                while !over.load(SeqCst) {
                    let subscriber = lock(subscribers).pop().or_else(|| feed.attach(options));
                    let Some(subscriber) = subscriber else { return };
                    counts.joined.fetch_add(1, SeqCst);
                    read(&Reader::new(registry, subscriber), counts, truth);
                }
            });
        }
        let driver = std::thread::spawn({
            let (feed, counts) = (feed.clone(), counts.clone());
            move || drive(feed, 0, counts)
        });
        lock(&counts.drivers).push(driver);
    });
    over.store(true, SeqCst);
    loop {
        let Some(driver) = lock(&counts.drivers).pop() else { break };
        driver.join().expect("a driver");
    }
    counts
}

#[test]
fn however_readers_come_lag_and_leave_each_that_stays_has_every_runs_last_state() {
    let registry: &'static Registry = Box::leak(Box::default());
    let truth = truth();
    let seconds = std::env::var("TRIGGER_NATIVE_FUZZ_SECONDS").ok().and_then(|text| text.parse().ok()).unwrap_or(0);
    let end = Instant::now() + Duration::from_secs(seconds);
    let mut sum = [0; 6];
    loop {
        let counts = round(registry, &truth);
        let all = [&counts.splits, &counts.lags, &counts.joined, &counts.left, &counts.ended];
        for (sum, count) in sum.iter_mut().zip(all) {
            *sum += count.load(SeqCst);
        }
        sum[5] += 1;
        if Instant::now() >= end {
            break;
        }
    }
    println!("splits, lags, joined, left, ended, rounds: {sum:?}");
}
