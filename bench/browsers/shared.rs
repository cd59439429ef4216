//! What all browsers share: whom they ask, and how far they are.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{Notify, Semaphore};

use super::feed_response::Outcome;

/// The number of feeds that a browser follows.
pub(crate) const FEEDS: usize = 5;
/// The number of browsers that open at the same time.
const MAX_OPENING: usize = 128;

/// The state.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) relay: String,
    pub(crate) token: String,
    /// The ids of the runs.
    pub(crate) runs: Vec<String>,
    pub(crate) opening: Semaphore,
    /// How many feeds follow each run.
    followers: Vec<usize>,
    feeds: usize,
    counts: Mutex<Counts>,
    changed: Notify,
}

#[derive(Debug)]
struct Counts {
    /// The feeds that have their first rows.
    ready: usize,
    /// The run that changes, to which version, and since when.
    changing: (usize, u64, Instant),
    /// The feeds that have the change and wait for the next.
    told: usize,
    began: Instant,
    /// The microseconds from each change to each feed.
    micros: Vec<u32>,
    /// The bytes that were received and sent, and the number of reads that brought some.
    received: u64,
    sent: u64,
    reads: u64,
}

impl Shared {
    pub(crate) fn new(relay: String, token: String, browsers: usize, runs: Vec<String>) -> Self {
        let mut followers = vec![0; runs.len()];
        let now = Instant::now();
        for browser in 0..browsers {
            for feed in 0..FEEDS {
                followers[place(browser, feed, runs.len())] += 1;
            }
        }
        let counts = Counts {
            ready: 0,
            changing: (0, 0, now),
            told: 0,
            began: now,
            micros: Vec::new(),
            received: 0,
            sent: 0,
            reads: 0,
        };
        Self {
            relay,
            token,
            runs,
            opening: Semaphore::new(MAX_OPENING),
            followers,
            feeds: browsers * FEEDS,
            counts: Mutex::new(counts),
            changed: Notify::new(),
        }
    }

    /// The run that a feed of a browser follows.
    pub(crate) fn run_of(&self, browser: usize, feed: usize) -> usize {
        place(browser, feed, self.runs.len())
    }

    /// Some feeds have their first rows.
    pub(crate) fn ready(&self, feeds: usize) {
        let mut counts = self.counts();
        counts.ready += feeds;
        if counts.ready == self.feeds {
            self.changed.notify_one();
        }
    }

    pub(crate) async fn until_ready(&self) {
        while self.counts().ready < self.feeds {
            self.changed.notified().await;
        }
    }

    /// Begins to measure.
    pub(crate) fn begin(&self) {
        let mut counts = self.counts();
        (counts.began, counts.received, counts.sent, counts.reads) = (Instant::now(), 0, 0, 0);
        counts.micros.clear();
    }

    /// A run changes now.
    pub(crate) fn expect(&self, run: usize, version: u64) {
        let mut counts = self.counts();
        (counts.changing, counts.told) = ((run, version, Instant::now()), 0);
    }

    /// A feed was told a change.
    ///
    /// # Errors
    /// It is not the one that was made.
    pub(crate) fn saw(&self, run: usize, version: u64) -> Outcome<()> {
        let mut counts = self.counts();
        let (changing, to, since) = counts.changing;
        if (run, version) != (changing, to) {
            return Err(format!("change {version} of run {run} came, where {to} of {changing} was made").into());
        }
        let micros = u32::try_from(since.elapsed().as_micros()).unwrap_or(u32::MAX);
        counts.micros.push(micros);
        Ok(())
    }

    /// The feed waits for the next change.
    pub(crate) fn waits(&self) {
        let mut counts = self.counts();
        counts.told += 1;
        if counts.told == self.followers[counts.changing.0] {
            self.changed.notify_one();
        }
    }

    pub(crate) async fn until_told(&self) {
        loop {
            {
                let counts = self.counts();
                if counts.told == self.followers[counts.changing.0] {
                    return;
                }
            }
            self.changed.notified().await;
        }
    }

    pub(crate) fn received(&self, bytes: usize) {
        let mut counts = self.counts();
        (counts.received, counts.reads) = (counts.received + bytes as u64, counts.reads + 1);
    }

    pub(crate) fn sent(&self, bytes: usize) {
        self.counts().sent += bytes as u64;
    }

    /// The figures so far, as JSON.
    pub(crate) fn figures(&self) -> String {
        let mut counts = self.counts();
        counts.micros.sort_unstable();
        let share = |percent: usize| {
            let micros = counts.micros.get(counts.micros.len() * percent / 100).copied().unwrap_or(0);
            Duration::from_micros(micros.into()).as_secs_f64() * 1_000.0
        };
        serde_json::json!({
            "updates": counts.micros.len(),
            "seconds": counts.began.elapsed().as_secs_f64(),
            "received": counts.received,
            "sent": counts.sent,
            "reads": counts.reads,
            "p50": share(50),
            "p95": share(95),
            "p99": share(99),
        })
        .to_string()
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The feeds of a browser are of different runs where there are enough.
fn place(browser: usize, feed: usize, runs: usize) -> usize {
    (browser + feed * runs.div_ceil(FEEDS)) % runs
}
