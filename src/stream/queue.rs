//! The bounded queue between a stream's driver and its reader: a full queue slows the wire (defect 9).

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll};

use futures_util::task::AtomicWaker;
use tokio::sync::Notify;

use super::chunk::Chunk;
use super::step::Ending;
use crate::connection::{Connection, ConnectionState, Notice};
use crate::error::{Error, Result};
use crate::lock::lock;
use crate::shape::Retry;
use crate::waker::poll_or_register;

/// Bytes of unread values above which nothing is read from the wire.
const FULL_BYTES: usize = 256 * 1024;
/// Unread values above which nothing is read from the wire.
const FULL_CHUNKS: usize = 1_024;
/// Values handed out at once, and their bytes.
const MAX_BATCH: usize = 256;
const MAX_BATCH_BYTES: usize = 96 * 1024;
/// Notices that may be left unread; the oldest go first.
const MAX_NOTICES: usize = 64;

/// The options of a reader.
#[derive(Clone, Copy, Debug, Default)]
pub struct ReaderOptions {
    /// Collect notices: retries and state changes.
    pub notices: bool,
    /// The run is over already.
    pub run_over: bool,
}

/// Counts of a stream so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Requests sent.
    pub requests: u64,
    /// Waits before a request was made again.
    pub retries: u64,
    /// Values read.
    pub chunks: u64,
    /// Bytes of bodies, decompressed.
    pub bytes: u64,
}

/// A snapshot of a stream for its reader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Status {
    /// The visible state.
    pub state: ConnectionState,
    /// The counts.
    pub stats: Stats,
    /// The ending, where the stream ended without an error.
    pub ending: Option<Ending>,
    /// Bytes of values that were not read yet.
    pub unread_bytes: usize,
}

/// How a stream ended.
#[derive(Clone, Debug)]
pub enum End {
    /// Without an error.
    Over(Ending),
    /// The reader closed it.
    Closed,
    /// With an error.
    Failed(Arc<Error>),
}

/// The result of one read.
#[derive(Debug, Default)]
pub struct Batch {
    /// Values, oldest first.
    pub chunks: Vec<Chunk>,
    /// Notices, oldest first.
    pub notices: Vec<Notice>,
    /// Set when nothing follows after these values.
    pub end: Option<End>,
}

/// The queue of one stream: the driver pushes, the reader takes.
#[derive(Debug)]
pub(super) struct Queue {
    state: Mutex<State>,
    notices: bool,
    /// Woken by the driver when there is something to read.
    readable: AtomicWaker,
    /// Notified by the reader when the queue is no longer full.
    writable: Notify,
    /// Notified by the reader when the run is over.
    over: Notify,
}

#[derive(Debug)]
struct State {
    chunks: VecDeque<Chunk>,
    bytes: usize,
    notices: VecDeque<Notice>,
    end: Option<End>,
    connection: ConnectionState,
    stats: Stats,
    run_over: bool,
}

impl State {
    fn is_full(&self) -> bool {
        self.end.is_none() && (self.bytes >= FULL_BYTES || self.chunks.len() >= FULL_CHUNKS)
    }
}

impl Queue {
    pub(super) fn new(options: ReaderOptions) -> Self {
        let state = State {
            chunks: VecDeque::new(),
            bytes: 0,
            // The first state of every stream is a notice too.
            notices: options.notices.then_some(Notice::State(ConnectionState::Connecting)).into_iter().collect(),
            end: None,
            connection: ConnectionState::Connecting,
            stats: Stats::default(),
            run_over: options.run_over,
        };
        Self {
            state: Mutex::new(state),
            notices: options.notices,
            readable: AtomicWaker::default(),
            writable: Notify::new(),
            over: Notify::new(),
        }
    }

    /// Adds values, and wakes the reader. After the end they are dropped.
    pub(super) fn push(&self, chunks: Vec<Chunk>) {
        let mut state = lock(&self.state);
        if chunks.is_empty() || state.end.is_some() {
            return;
        }
        state.stats.chunks += chunks.len() as u64;
        state.bytes += chunks.iter().map(Chunk::size).sum::<usize>();
        state.chunks.extend(chunks);
        drop(state);
        self.readable.wake();
    }

    /// Ready when there is room for more.
    pub(super) async fn room(&self) {
        while lock(&self.state).is_full() {
            self.writable.notified().await;
        }
    }

    /// A request is made again after `wait_ms`.
    pub(super) fn retrying(&self, retry: Retry, wait_ms: u64) {
        let mut state = lock(&self.state);
        state.stats.retries += 1;
        self.notify(state, Notice::Retry { retry, wait_ms });
    }

    fn notify(&self, mut state: MutexGuard<'_, State>, notice: Notice) {
        self.push_notice(&mut state, notice);
        drop(state);
        if self.notices {
            self.readable.wake();
        }
    }

    fn push_notice(&self, state: &mut State, notice: Notice) {
        if self.notices {
            if state.notices.len() >= MAX_NOTICES {
                state.notices.pop_front();
            }
            state.notices.push_back(notice);
        }
    }

    pub(super) fn count_request(&self) {
        lock(&self.state).stats.requests += 1;
    }

    pub(super) fn count_bytes(&self, bytes: usize) {
        lock(&self.state).stats.bytes += bytes as u64;
    }

    /// The run is over: nothing more will be written.
    pub(super) fn set_run_over(&self) {
        lock(&self.state).run_over = true;
        self.over.notify_one();
    }

    pub(super) fn is_run_over(&self) -> bool {
        lock(&self.state).run_over
    }

    /// The output of `work`; `None` as soon as the run is over, unless that is `known` already.
    pub(super) async fn unless_run_over<T>(&self, known: bool, work: impl Future<Output = T>) -> Option<T> {
        if known {
            return Some(work.await);
        }
        tokio::select! {
            biased;
            done = work => Some(done),
            () = self.over.notified() => None,
        }
    }

    /// Ends the stream with the driver's result.
    pub(super) fn end(&self, result: Result<Ending>) {
        self.finish(match result {
            Ok(ending) => End::Over(ending),
            Err(error) => End::Failed(Arc::new(error)),
        });
    }

    /// Ends the stream for the reader: unread values are dropped.
    pub(super) fn close(&self) {
        let mut state = lock(&self.state);
        state.chunks.clear();
        state.bytes = 0;
        drop(state);
        self.finish(End::Closed);
    }

    /// The first end stands.
    fn finish(&self, end: End) {
        let mut state = lock(&self.state);
        if state.end.is_none() {
            if state.connection != ConnectionState::Ended {
                state.connection = ConnectionState::Ended;
                self.push_notice(&mut state, Notice::State(ConnectionState::Ended));
            }
            state.end = Some(end);
        }
        drop(state);
        self.readable.wake();
        self.writable.notify_one();
    }

    /// The next batch; Pending while there is nothing to say.
    pub(super) fn poll(&self, cx: &mut Context<'_>) -> Poll<Batch> {
        poll_or_register(&self.readable, cx, || self.take())
    }

    fn take(&self) -> Option<Batch> {
        let mut guard = lock(&self.state);
        let state = &mut *guard;
        if state.chunks.is_empty() && state.notices.is_empty() && state.end.is_none() {
            return None;
        }
        let (mut chunks, mut bytes) = (Vec::new(), 0);
        while chunks.len() < MAX_BATCH && bytes < MAX_BATCH_BYTES {
            let Some(chunk) = state.chunks.pop_front() else { break };
            bytes += chunk.size();
            chunks.push(chunk);
        }
        state.bytes -= bytes;
        let notices = state.notices.drain(..).collect();
        let end = if state.chunks.is_empty() { state.end.clone() } else { None };
        if !state.is_full() {
            self.writable.notify_one();
        }
        Some(Batch { chunks, notices, end })
    }

    pub(super) fn status(&self) -> Status {
        let state = lock(&self.state);
        let ending = match state.end {
            Some(End::Over(ending)) => Some(ending),
            Some(End::Closed | End::Failed(_)) | None => None,
        };
        Status { state: state.connection, stats: state.stats, ending, unread_bytes: state.bytes }
    }
}

impl Connection for Queue {
    fn state(&self) -> ConnectionState {
        lock(&self.state).connection
    }

    fn enter(&self, connection: ConnectionState) {
        let mut state = lock(&self.state);
        if state.connection != connection && state.end.is_none() {
            state.connection = connection;
            self.notify(state, Notice::State(connection));
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    /// Values of so many bytes each, as the queue counts them.
    fn values(count: usize, bytes: usize) -> Vec<Chunk> {
        let size = bytes - Chunk { json: None, position: None, written_ms: None }.size();
        vec![Chunk { json: Some("x".repeat(size).into()), position: None, written_ms: None }; count]
    }

    fn has_room(queue: &Queue) -> bool {
        queue.room().now_or_never().is_some()
    }

    #[test]
    fn a_slow_reader_stops_the_wire_at_a_number_of_values_or_of_bytes_and_starts_it_when_it_reads() {
        for (most, bytes) in [(FULL_CHUNKS, 100), (4, FULL_BYTES / 4)] {
            let queue = Queue::new(ReaderOptions::default());
            queue.push(values(most - 1, bytes));
            assert!(has_room(&queue));
            queue.push(values(1, bytes));
            assert!(!has_room(&queue));
            assert_eq!(queue.status().unread_bytes, most * bytes);
            queue.take().expect("values");
            assert!(has_room(&queue));
        }
    }

    #[test]
    fn one_read_returns_256_values_or_96_kilobytes_and_the_end_after_the_last() {
        let queue = Queue::new(ReaderOptions::default());
        queue.push(values(MAX_BATCH + 1, 100));
        queue.end(Ok(Ending::Idle));
        let first = queue.take().expect("values");
        assert_eq!((first.chunks.len(), first.end.is_none()), (MAX_BATCH, true));
        let second = queue.take().expect("the last");
        assert_eq!((second.chunks.len(), second.end.is_some()), (1, true));
        assert_eq!(queue.status().unread_bytes, 0);
        let queue = Queue::new(ReaderOptions::default());
        queue.push(values(3, MAX_BATCH_BYTES / 2));
        assert_eq!(queue.take().map(|batch| batch.chunks.len()), Some(2));
        assert_eq!(queue.status().unread_bytes, MAX_BATCH_BYTES / 2);
    }

    #[test]
    fn a_closed_stream_drops_what_was_unread_and_what_comes_later() {
        let queue = Queue::new(ReaderOptions::default());
        queue.push(values(3, 100));
        queue.close();
        queue.push(values(1, 100));
        queue.end(Ok(Ending::Idle));
        let batch = queue.take().expect("the end");
        assert!(batch.chunks.is_empty() && matches!(batch.end, Some(End::Closed)));
        let status = queue.status();
        assert_eq!((status.unread_bytes, status.stats.chunks, status.ending), (0, 3, None));
        assert!(has_room(&queue), "the driver goes on to its end");
    }

    #[test]
    fn a_reader_hears_each_state_once_if_it_asked_and_of_more_than_64_the_newest() {
        let queue = Queue::new(ReaderOptions { notices: true, run_over: false });
        let told = || queue.take().map_or(0, |batch| batch.notices.len());
        assert_eq!(told(), 1, "that it connects");
        queue.enter(ConnectionState::Live);
        queue.enter(ConnectionState::Live);
        assert_eq!((told(), told()), (1, 0));
        for _ in 0..MAX_NOTICES {
            queue.enter(ConnectionState::Retrying);
            queue.enter(ConnectionState::Live);
        }
        let notices = queue.take().expect("notices").notices;
        assert_eq!(notices.len(), MAX_NOTICES);
        assert!(matches!(notices.last(), Some(Notice::State(ConnectionState::Live))));
        queue.close();
        queue.enter(ConnectionState::Live);
        assert_eq!((told(), queue.state()), (1, ConnectionState::Ended));
        let deaf = Queue::new(ReaderOptions::default());
        deaf.enter(ConnectionState::Live);
        assert!(deaf.take().is_none());
    }

    #[test]
    fn counts_are_what_was_counted() {
        let queue = Queue::new(ReaderOptions::default());
        for _ in 0..2 {
            queue.count_request();
            queue.count_bytes(10);
        }
        queue.push(values(3, 100));
        let stats = Stats { requests: 2, retries: 0, chunks: 3, bytes: 20 };
        assert_eq!(queue.status().stats, stats);
    }
}
