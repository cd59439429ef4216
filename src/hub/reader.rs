//! One reader of a feed: a bounded queue that never loses a run's latest state (defect 9).

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use tokio::sync::Notify;

use super::feed::{Feed, Status};
use super::{Hub, lock};
use crate::error::Error;
use crate::run;
use crate::shape::{Phase, Retry, Row, Schema};

/// Updates a reader may lag behind before older states of a run make way for newer ones. A feed
/// whose readers all lag by half of it asks the server for nothing until one of them reads.
const LONGEST_LAG: usize = 256;
/// Notices a reader may leave unread; the oldest go first.
const LONGEST_NOTICES: usize = 64;
/// Rows handed out at once.
const LARGEST_BATCH: usize = 64;

/// How a reader wants to read.
#[derive(Clone, Copy, Debug, Default)]
pub struct ReaderOptions {
    /// End with the first row of a finished run: for feeds of a single run.
    pub until_finished: bool,
    /// End when a row is gone: for feeds of a single run (defect 21).
    pub until_gone: bool,
    /// Collect retries and state changes.
    pub notices: bool,
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

/// Something about the connection rather than the runs (defect 6).
#[derive(Clone, Copy, Debug)]
pub enum Notice {
    /// The feed's state changed.
    Phase(Phase),
    /// A request is made again after a wait.
    Retry {
        /// Why, and how often so far.
        retry: Retry,
        /// The wait, in milliseconds.
        wait_ms: u64,
    },
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
    /// Set when nothing follows after these rows.
    pub end: Option<End>,
}

/// The feed's side of a reader.
#[derive(Debug)]
pub(super) struct Slot {
    options: ReaderOptions,
    queue: Mutex<Queue>,
    wake: Notify,
    /// Told when rows were taken: the feed may have waited for it.
    room: Arc<Notify>,
}

#[derive(Debug, Default)]
struct Queue {
    rows: VecDeque<Item>,
    notices: VecDeque<Notice>,
    end: Option<End>,
    coalesced: u64,
}

impl Slot {
    pub(super) fn new(options: ReaderOptions, room: Arc<Notify>) -> Self {
        Self { options, queue: Mutex::default(), wake: Notify::new(), room }
    }

    /// Whether this reader keeps up.
    pub(super) fn has_room(&self) -> bool {
        let queue = lock(&self.queue);
        queue.rows.len() < LONGEST_LAG / 2 || queue.end.is_some()
    }

    pub(super) fn push(&self, item: Item) {
        let finished = self.options.until_finished && run::is_finished(&item.row);
        let mut queue = lock(&self.queue);
        if queue.end.is_some() {
            return;
        }
        if queue.rows.len() >= LONGEST_LAG {
            let same = queue.rows.iter().position(|kept| kept.key == item.key);
            if let Some(at) = same {
                queue.rows.remove(at);
                queue.coalesced += 1;
            }
        }
        queue.rows.push_back(item);
        if finished {
            queue.end = Some(End::Complete);
        }
        self.wake.notify_one();
    }

    pub(super) fn gone(&self) {
        if self.options.until_gone {
            self.end(End::Complete);
        }
    }

    pub(super) fn notice(&self, notice: Notice) {
        if !self.options.notices {
            return;
        }
        let mut queue = lock(&self.queue);
        if queue.end.is_none() {
            if queue.notices.len() >= LONGEST_NOTICES {
                queue.notices.pop_front();
            }
            queue.notices.push_back(notice);
            self.wake.notify_one();
        }
    }

    pub(super) fn end(&self, end: End) {
        let mut queue = lock(&self.queue);
        if queue.end.is_none() {
            queue.end = Some(end);
            if self.options.notices {
                queue.notices.push_back(Notice::Phase(Phase::Ended));
            }
        }
        self.wake.notify_one();
    }

    pub(super) fn is_ended(&self) -> bool {
        lock(&self.queue).end.is_some()
    }

    fn take(&self) -> Option<Batch> {
        let mut queue = lock(&self.queue);
        if queue.rows.is_empty() && queue.notices.is_empty() && queue.end.is_none() {
            return None;
        }
        let count = queue.rows.len().min(LARGEST_BATCH);
        let rows = queue.rows.drain(..count).collect();
        let notices = queue.notices.drain(..).collect();
        let end = if queue.rows.is_empty() { queue.end.clone() } else { None };
        drop(queue);
        self.room.notify_one();
        Some(Batch { rows, notices, end })
    }
}

/// A reader of a feed. Dropping it leaves the feed; the last one to leave ends it.
#[derive(Debug)]
pub struct Reader {
    hub: &'static Hub,
    feed: Arc<Feed>,
    slot: Arc<Slot>,
}

impl Reader {
    pub(super) fn new(hub: &'static Hub, feed: Arc<Feed>, slot: Arc<Slot>) -> Self {
        Self { hub, feed, slot }
    }

    /// The next batch, as soon as there is anything to say. After the end, only the end.
    pub async fn next(&self) -> Batch {
        loop {
            if let Some(batch) = self.slot.take() {
                return batch;
            }
            self.slot.wake.notified().await;
        }
    }

    /// Leaves the feed: a waiting [`Reader::next`] ends at once. Idempotent.
    pub fn close(&self) {
        self.slot.end(End::Complete);
        if self.feed.detach(&self.slot) {
            self.hub.forget(&self.feed);
        }
    }

    /// How the feed is doing.
    pub fn status(&self) -> Status {
        self.feed.status()
    }

    /// Older states that made way for newer ones because this reader was slow.
    pub fn coalesced(&self) -> u64 {
        lock(&self.slot.queue).coalesced
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.close();
    }
}
