//! A reader of a feed.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll};

use super::batch::{Batch, End};
use super::feed::FeedSubscriber;
use super::registry::Registry;
use super::status::Status;

/// A reader of a feed. Dropping it leaves the feed; the last reader to leave ends the feed.
#[derive(Debug)]
pub struct Reader {
    registry: &'static Registry,
    subscriber: FeedSubscriber,
}

impl Reader {
    pub(super) fn new(registry: &'static Registry, subscriber: FeedSubscriber) -> Self {
        Self { registry, subscriber }
    }

    /// The next batch, as soon as there are rows, notices, faults or the end. After the end, only the end. Dropping the
    /// future before it is ready loses nothing.
    pub async fn next(&self) -> Batch {
        poll_fn(|cx| self.poll_next(cx)).await
    }

    /// As [`Reader::next`]. The feed wakes the task that polled last, on the feed's thread.
    pub fn poll_next(&self, cx: &mut Context<'_>) -> Poll<Batch> {
        self.subscriber.inbox.poll(cx).map(|(batch, room)| {
            if room {
                self.subscriber.feed().make_room();
            }
            batch
        })
    }

    /// Leaves the feed: a pending [`Reader::next`] ends at once. Idempotent.
    pub fn close(&self) {
        let inbox = &self.subscriber.inbox;
        inbox.end(End::Complete);
        inbox.wake();
        // A feed may split the reader off just now: then the feed it is handed to is left too.
        loop {
            let feed = self.subscriber.feed();
            if feed.detach(inbox) {
                self.registry.remove(&feed);
            }
            if Arc::ptr_eq(&feed, &self.subscriber.feed()) {
                return;
            }
        }
    }

    /// A snapshot of the feed's state and counts.
    pub fn status(&self) -> Status {
        self.subscriber.feed().status()
    }

    /// Older states that made way for newer ones because this reader was slow.
    pub fn coalesced(&self) -> u64 {
        self.subscriber.inbox.coalesced()
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.close();
    }
}
