//! The inbox of one reader, filled by its feed.

use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use futures_util::task::AtomicWaker;

use super::batch::{Batch, End, Fault, Item};
use super::queue::Queue;
use crate::connection::{ConnectionState, Notice};
use crate::lock::lock;
use crate::run;
use crate::shape::Schema;
use crate::waker::poll_or_register;

/// The options of a reader.
#[derive(Clone, Copy, Debug, Default)]
pub struct ReaderOptions {
    /// End with the first row of a finished run: for feeds of a single run.
    pub until_finished: bool,
    /// End when a row is gone: for feeds of a single run (defect 21).
    pub until_gone: bool,
    /// Collect notices: retries and state changes.
    pub notices: bool,
    /// Say also which rows are gone, and when the feed is up to date for the first time: for a reader that keeps a copy
    /// of the feed.
    pub copies: bool,
}

/// The inbox of one reader.
#[derive(Debug)]
pub(super) struct Inbox {
    options: ReaderOptions,
    queue: Mutex<Queue>,
    waker: AtomicWaker,
    /// The index among the subscribers of the present feed. Only code under that feed's lock reads or changes it.
    pub(super) index: AtomicUsize,
}

impl Inbox {
    pub(super) fn new(options: ReaderOptions) -> Self {
        Self { options, queue: Mutex::default(), waker: AtomicWaker::default(), index: AtomicUsize::default() }
    }

    /// Wakes the task that waits for something to read: called once, after everything was put in. Never under the
    /// feed's lock, for the woken task may read at once, on this very thread.
    pub(super) fn wake(&self) {
        #[cfg(test)]
        crate::interleave::point();
        self.waker.wake();
    }

    /// The next batch, which is taken out, and whether the reader keeps up again with that.
    pub(super) fn poll(&self, cx: &mut Context<'_>) -> Poll<(Batch, bool)> {
        poll_or_register(&self.waker, cx, || {
            let mut queue = lock(&self.queue);
            let lagged = !queue.has_room();
            let batch = queue.take()?;
            Some((batch, lagged && queue.has_room()))
        })
    }

    /// Adds a row. After the end it is dropped.
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

    /// A row is gone.
    pub(super) fn gone(&self, key: &Arc<str>) {
        if self.options.copies {
            lock(&self.queue).gone(key);
        }
        if self.options.until_gone {
            self.end(End::Complete);
        }
    }

    /// The feed is up to date for the first time. True when the reader asked for that.
    pub(super) fn settle(&self, schema: Option<&Arc<Schema>>) -> bool {
        if self.options.copies {
            lock(&self.queue).settle(schema.cloned());
        }
        self.options.copies
    }

    /// Adds a row that could not be read.
    pub(super) fn fault(&self, fault: Fault) {
        let mut queue = lock(&self.queue);
        if queue.end.is_none() {
            queue.fault(fault);
        }
    }

    /// Adds a notice. True when the reader asked for notices, and has not ended.
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

    /// Ends the reader. The first end stands.
    pub(super) fn end(&self, end: End) {
        let mut queue = lock(&self.queue);
        if queue.end.is_none() {
            self.end_queue(&mut queue, end);
        }
    }

    pub(super) fn is_ended(&self) -> bool {
        lock(&self.queue).end.is_some()
    }

    /// Whether the reader keeps up: see [`Queue::has_room`].
    pub(super) fn has_room(&self) -> bool {
        lock(&self.queue).has_room()
    }

    /// Whether nothing more may be added: see [`Queue::is_full`].
    pub(super) fn is_full(&self) -> bool {
        lock(&self.queue).is_full()
    }

    /// Older states that made way for newer ones because the reader was slow.
    pub(super) fn coalesced(&self) -> u64 {
        lock(&self.queue).coalesced
    }
}
