//! One reader of a feed.

use std::future::poll_fn;
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use futures_util::task::AtomicWaker;

use super::Hub;
use super::feed::{Feed, Status};
use super::queue::Queue;
use crate::connection::{ConnectionState, Notice};
use crate::error::Error;
use crate::lock::lock;
use crate::run;
use crate::shape::{Row, Schema};
use crate::waker::poll_or_register;

/// How a reader wants to read.
#[derive(Clone, Copy, Debug, Default)]
pub struct ReaderOptions {
    /// End with the first row of a finished run: for feeds of a single run.
    pub until_finished: bool,
    /// End when a row is gone: for feeds of a single run (defect 21).
    pub until_gone: bool,
    /// Collect retries and state changes.
    pub notices: bool,
    /// Tell also which rows are gone, and when all there is was read once: for who keeps a copy of the feed.
    pub copies: bool,
}

/// A row on its way to a reader.
#[derive(Clone, Debug)]
pub struct Item {
    /// The row's key.
    pub key: Arc<str>,
    /// The row.
    pub row: Arc<Row>,
    /// The types of its columns.
    pub schema: Arc<Schema>,
}

/// A row that could not be read. The others are not touched by it (defect 16).
#[derive(Clone, Debug)]
pub struct Fault {
    /// The row's key, if at least that could be read.
    pub key: Option<Arc<str>>,
    /// What is wrong with it.
    pub why: &'static str,
}

/// How a reader's feed ended.
#[derive(Clone, Debug)]
pub enum End {
    /// As it should: finished, gone, or closed.
    Complete,
    /// With an error.
    Failed(Arc<Error>),
}

/// What a reader gets at once.
#[derive(Debug, Default)]
pub struct Batch {
    /// Rows, oldest first.
    pub rows: Vec<Item>,
    /// Notices, oldest first.
    pub notices: Vec<Notice>,
    /// Rows that could not be read.
    pub faults: Vec<Fault>,
    /// Keys of rows that are gone, where [`ReaderOptions::copies`] asked for them. They left before these rows came:
    /// a key that is among both is there.
    pub gone: Vec<Arc<str>>,
    /// Once, where [`ReaderOptions::copies`] asked for it: with these rows, the feed was up to date for the first time.
    pub settled: bool,
    /// With it the types of its columns, for a feed without rows.
    pub schema: Option<Arc<Schema>>,
    /// Whether these rows are all that was published so far.
    pub drained: bool,
    /// Set when nothing follows after these rows.
    pub end: Option<End>,
}

/// The feed's side of a reader.
#[derive(Debug)]
pub(super) struct Slot {
    options: ReaderOptions,
    queue: Mutex<Queue>,
    /// Who waits for something to read.
    waker: AtomicWaker,
    /// Where it is among the readers of its feed, who alone reads and changes it.
    pub(super) index: AtomicUsize,
}

impl Slot {
    pub(super) fn new(options: ReaderOptions) -> Self {
        Self { options, queue: Mutex::default(), waker: AtomicWaker::default(), index: AtomicUsize::default() }
    }

    /// Wakes who waits for something to read. Never under the feed's lock: the one who is woken may
    /// read at once, on this very thread. Whoever puts something in calls it afterwards, once.
    pub(super) fn wake(&self) {
        self.waker.wake();
    }

    pub(super) fn push(&self, item: Item) {
        let finished = self.options.until_finished && run::is_finished(&item.row);
        let mut queue = lock(&self.queue);
        if queue.end.is_some() {
            return;
        }
        queue.push(item);
        if finished {
            self.end_queue(&mut queue, End::Complete);
        }
    }

    fn end_queue(&self, queue: &mut Queue, end: End) {
        queue.end = Some(end);
        if self.options.notices {
            queue.notice(Notice::State(ConnectionState::Ended));
        }
    }

    pub(super) fn gone(&self, key: &Arc<str>) {
        if self.options.copies {
            lock(&self.queue).gone(key);
        }
        if self.options.until_gone {
            self.end(End::Complete);
        }
    }

    /// The feed is up to date for the first time. True when the reader wants to know of it.
    pub(super) fn settle(&self, schema: Option<&Arc<Schema>>) -> bool {
        if self.options.copies {
            lock(&self.queue).settle(schema.cloned());
        }
        self.options.copies
    }

    pub(super) fn fault(&self, fault: Fault) {
        let mut queue = lock(&self.queue);
        if queue.end.is_none() {
            queue.fault(fault);
        }
    }

    /// True when the reader wants to know of it.
    pub(super) fn notice(&self, notice: Notice) -> bool {
        if !self.options.notices {
            return false;
        }
        let mut queue = lock(&self.queue);
        let wanted = queue.end.is_none();
        if wanted {
            queue.notice(notice);
        }
        wanted
    }

    pub(super) fn end(&self, end: End) {
        let mut queue = lock(&self.queue);
        if queue.end.is_none() {
            self.end_queue(&mut queue, end);
        }
    }

    pub(super) fn is_ended(&self) -> bool {
        lock(&self.queue).end.is_some()
    }

    pub(super) fn has_room(&self) -> bool {
        lock(&self.queue).has_room()
    }

    pub(super) fn is_full(&self) -> bool {
        lock(&self.queue).is_full()
    }
}

/// A reader of a feed. Dropping it leaves the feed; the last one to leave ends it.
#[derive(Debug)]
pub struct Reader {
    hub: &'static Hub,
    subscriber: Subscriber,
}

/// A slot, and the feed it is on: another one once the reader was too slow for the first.
#[derive(Clone, Debug)]
pub(super) struct Subscriber {
    pub(super) slot: Arc<Slot>,
    pub(super) feed: Arc<Mutex<Arc<Feed>>>,
}

impl Reader {
    pub(super) fn new(hub: &'static Hub, subscriber: Subscriber) -> Self {
        Self { hub, subscriber }
    }

    /// The next batch, as soon as there is anything to say. After the end, only the end. Dropping
    /// the future before it is ready loses nothing.
    pub async fn next(&self) -> Batch {
        poll_fn(|cx| self.poll_next(cx)).await
    }

    /// As [`Reader::next`]. The last one to ask is woken, on the thread of whoever has the news.
    pub fn poll_next(&self, cx: &mut Context<'_>) -> Poll<Batch> {
        poll_or_register(&self.subscriber.slot.waker, cx, || self.take())
    }

    fn take(&self) -> Option<Batch> {
        let (batch, room) = {
            let mut queue = lock(&self.subscriber.slot.queue);
            let lagged = !queue.has_room();
            (queue.take(), lagged && queue.has_room())
        };
        if room {
            self.feed().make_room();
        }
        batch
    }

    /// Leaves the feed: a waiting [`Reader::next`] ends at once. Idempotent.
    pub fn close(&self) {
        self.subscriber.slot.end(End::Complete);
        self.subscriber.slot.wake();
        // A feed may hand the reader on just now: then the one it is handed to is left too.
        loop {
            let feed = self.feed();
            if feed.detach(&self.subscriber.slot) {
                self.hub.forget(&feed);
            }
            if Arc::ptr_eq(&feed, &self.feed()) {
                return;
            }
        }
    }

    /// How the feed is doing.
    pub fn status(&self) -> Status {
        self.feed().status()
    }

    /// Older states that made way for newer ones because this reader was slow.
    pub fn coalesced(&self) -> u64 {
        lock(&self.subscriber.slot.queue).coalesced
    }

    fn feed(&self) -> Arc<Feed> {
        lock(&self.subscriber.feed).clone()
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.close();
    }
}
