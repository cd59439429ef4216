//! The hub: one live copy of each distinct feed in the process, read by any number of readers
//! (defect 15).
//!
//! A feed is started by its first reader and ended with its last. Its driver asks the server,
//! hands the answers to the pure machine in `shape`, and gives every reader what changed.
//!
//! A feed asks no further while all of its readers lag. A reader that is full while others keep up
//! goes on by itself, from the same place (defect 9). Rows of finished runs are let go
//! (defect 10, invariant I16); a reader that joins a feed which no longer has them all begins a
//! new one, with a snapshot of its own, and the next to join shares that.

mod driver;
mod feed;
mod queue;
mod reader;
mod spec;
#[cfg(test)]
mod stress_tests;

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use once_cell::sync::Lazy;

use crate::lock::lock;
use feed::Feed;
pub use feed::{Stats, Status};
pub use reader::{Batch, End, Fault, Item, Reader, ReaderOptions};
pub use spec::FeedSpec;

static HUB: Lazy<Hub> = Lazy::new(Hub::default);

/// Every feed that is live, by what it asks for.
#[derive(Debug, Default)]
pub struct Hub {
    feeds: Mutex<HashMap<FeedSpec, Arc<Feed>>>,
}

impl Hub {
    /// The hub of the process.
    pub fn global() -> &'static Self {
        &HUB
    }

    /// A reader of the feed `spec`, which is started if nobody reads it yet. A later reader gets
    /// the present state at once. Must be called within a Tokio runtime.
    pub fn open(&'static self, spec: &FeedSpec, options: ReaderOptions) -> Reader {
        // It ended, or has not all of its rows: another one takes its place.
        let mut unfit: Option<Arc<Feed>> = None;
        loop {
            let mut feeds = lock(&self.feeds);
            let present = feeds.get(spec).filter(|feed| !unfit.as_ref().is_some_and(|unfit| Arc::ptr_eq(feed, unfit)));
            let Some(feed) = present.cloned() else {
                let (feed, subscriber) = Feed::new(spec.clone(), options);
                feed.run(tokio::spawn(driver::drive(self, feed.clone())).abort_handle());
                let before = feeds.insert(spec.clone(), feed);
                drop(feeds);
                drop(before);
                return Reader::new(self, subscriber);
            };
            // Joining takes as long as there are rows: other feeds do not wait for it.
            drop(feeds);
            match feed.attach(options) {
                Some(subscriber) => return Reader::new(self, subscriber),
                None => unfit = Some(feed),
            }
        }
    }

    /// How many feeds are live.
    pub fn feeds(&self) -> usize {
        lock(&self.feeds).len()
    }

    /// Forgets `feed`, unless another one has taken its place already.
    fn forget(&self, feed: &Arc<Feed>) {
        let mut feeds = lock(&self.feeds);
        if feeds.get(feed.spec()).is_some_and(|kept| Arc::ptr_eq(kept, feed)) {
            feeds.remove(feed.spec());
        }
    }
}
