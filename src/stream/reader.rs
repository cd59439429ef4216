//! The reader of a stream: a bounded queue that slows the wire (defect 9).

use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll};

use tokio::sync::Notify;
use tokio::task::AbortHandle;

use super::chunk::Chunk;
use super::driver;
use super::plan::StreamSpec;
use super::step::Ending;
use crate::bell::Bell;
use crate::error::{Error, Result};
use crate::hub::{Notice, Stage};
use crate::lock::lock;
use crate::shape::Retry;

/// Bytes of unread values above which nothing is read from the wire.
const FULL_BYTES: usize = 256 * 1024;
/// Unread values above which nothing is read from the wire.
const FULL_CHUNKS: usize = 1_024;
/// Values handed out at once, and their bytes.
const LARGEST_BATCH: usize = 256;
const LARGEST_BATCH_BYTES: usize = 96 * 1024;
/// Notices that may be left unread; the oldest go first.
const LONGEST_NOTICES: usize = 64;

/// How a reader wants to read.
#[derive(Clone, Copy, Debug, Default)]
pub struct ReaderOptions {
    /// Collect retries and state changes.
    pub notices: bool,
    /// The run is over already.
    pub run_over: bool,
}

/// What a stream has cost and done so far.
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

/// A stream as seen from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Status {
    /// Its visible state.
    pub stage: Stage,
    /// What it has cost.
    pub stats: Stats,
    /// How it ended, where it did so well.
    pub ending: Option<Ending>,
    /// Bytes of values that nobody has read yet.
    pub unread_bytes: usize,
}

/// How a stream ended.
#[derive(Clone, Debug)]
pub enum End {
    /// As it should.
    Over(Ending),
    /// The reader closed it.
    Closed,
    /// With an error.
    Failed(Arc<Error>),
}

/// What a reader gets at once.
#[derive(Debug, Default)]
pub struct Batch {
    /// Values, oldest first.
    pub chunks: Vec<Chunk>,
    /// Notices, oldest first.
    pub notices: Vec<Notice>,
    /// Set when nothing follows after these values.
    pub end: Option<End>,
}

/// What the driver and the reader share.
#[derive(Debug)]
pub(super) struct Shared {
    state: Mutex<State>,
    notices: bool,
    readable: Bell,
    writable: Notify,
    over: Notify,
}

#[derive(Debug)]
struct State {
    chunks: VecDeque<Chunk>,
    bytes: usize,
    notices: VecDeque<Notice>,
    end: Option<End>,
    stage: Stage,
    stats: Stats,
    run_over: bool,
}

impl State {
    fn is_full(&self) -> bool {
        self.end.is_none() && (self.bytes >= FULL_BYTES || self.chunks.len() >= FULL_CHUNKS)
    }
}

impl Shared {
    fn new(options: ReaderOptions) -> Self {
        let state = State {
            chunks: VecDeque::new(),
            bytes: 0,
            // The first state of every stream: who asked is told of it too.
            notices: options.notices.then_some(Notice::Stage(Stage::Connecting)).into_iter().collect(),
            end: None,
            stage: Stage::Connecting,
            stats: Stats::default(),
            run_over: options.run_over,
        };
        Self {
            state: Mutex::new(state),
            notices: options.notices,
            readable: Bell::default(),
            writable: Notify::new(),
            over: Notify::new(),
        }
    }

    pub(super) fn push(&self, chunks: Vec<Chunk>) {
        let mut state = lock(&self.state);
        if chunks.is_empty() || state.end.is_some() {
            return;
        }
        state.stats.chunks += chunks.len() as u64;
        state.bytes += chunks.iter().map(Chunk::size).sum::<usize>();
        state.chunks.extend(chunks);
        drop(state);
        self.readable.ring();
    }

    /// Ready when there is room for more.
    pub(super) async fn room(&self) {
        while lock(&self.state).is_full() {
            self.writable.notified().await;
        }
    }

    pub(super) fn enter(&self, stage: Stage) {
        let mut state = lock(&self.state);
        if state.stage != stage && state.end.is_none() {
            state.stage = stage;
            self.tell(state, Notice::Stage(stage));
        }
    }

    pub(super) fn stage(&self) -> Stage {
        lock(&self.state).stage
    }

    pub(super) fn retrying(&self, retry: Retry, wait_ms: u64) {
        let mut state = lock(&self.state);
        state.stats.retries += 1;
        self.tell(state, Notice::Retry { retry, wait_ms });
    }

    fn tell(&self, mut state: MutexGuard<'_, State>, notice: Notice) {
        self.note(&mut state, notice);
        drop(state);
        if self.notices {
            self.readable.ring();
        }
    }

    fn note(&self, state: &mut State, notice: Notice) {
        if self.notices {
            if state.notices.len() >= LONGEST_NOTICES {
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

    pub(super) fn is_run_over(&self) -> bool {
        lock(&self.state).run_over
    }

    /// What `work` gives; `None` as soon as the run is over, unless that is `told` already.
    pub(super) async fn unless_run_over<T>(&self, told: bool, work: impl Future<Output = T>) -> Option<T> {
        if told {
            return Some(work.await);
        }
        tokio::select! {
            biased;
            done = work => Some(done),
            () = self.over.notified() => None,
        }
    }

    pub(super) fn end(&self, result: Result<Ending>) {
        self.finish(match result {
            Ok(ending) => End::Over(ending),
            Err(error) => End::Failed(Arc::new(error)),
        });
    }

    fn finish(&self, end: End) {
        let mut state = lock(&self.state);
        if state.end.is_none() {
            if state.stage != Stage::Ended {
                state.stage = Stage::Ended;
                self.note(&mut state, Notice::Stage(Stage::Ended));
            }
            state.end = Some(end);
        }
        drop(state);
        self.readable.ring();
        self.writable.notify_one();
    }

    fn take(&self) -> Option<Batch> {
        let mut guard = lock(&self.state);
        let state = &mut *guard;
        if state.chunks.is_empty() && state.notices.is_empty() && state.end.is_none() {
            return None;
        }
        let (mut chunks, mut bytes) = (Vec::new(), 0);
        while chunks.len() < LARGEST_BATCH && bytes < LARGEST_BATCH_BYTES {
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
}

/// The reader of a stream. Dropping it ends the stream.
#[derive(Debug)]
pub struct Reader {
    shared: Arc<Shared>,
    driver: AbortHandle,
}

impl Reader {
    /// Opens the stream. Must be called within a Tokio runtime.
    pub fn open(spec: StreamSpec, options: ReaderOptions) -> Self {
        let shared = Arc::new(Shared::new(options));
        let driver = tokio::spawn(driver::drive(spec, shared.clone())).abort_handle();
        Self { shared, driver }
    }

    /// The next batch, as soon as there is anything to say. After the end, only the end. Dropping the future before it
    /// is ready loses nothing.
    pub async fn next(&self) -> Batch {
        poll_fn(|cx| self.poll_next(cx)).await
    }

    /// As [`Reader::next`]. The last one to ask is woken, on the thread of whoever has the news.
    pub fn poll_next(&self, cx: &mut Context<'_>) -> Poll<Batch> {
        self.shared.readable.poll(cx, || self.shared.take())
    }

    /// The run is over: the stream ends as soon as what was written has been read.
    pub fn run_over(&self) {
        lock(&self.shared.state).run_over = true;
        self.shared.over.notify_one();
    }

    /// Ends the stream: a waiting [`Reader::next`] ends at once, unread values are dropped.
    /// Idempotent.
    pub fn close(&self) {
        self.driver.abort();
        let mut state = lock(&self.shared.state);
        state.chunks.clear();
        state.bytes = 0;
        drop(state);
        self.shared.finish(End::Closed);
    }

    /// How the stream is doing.
    pub fn status(&self) -> Status {
        let state = lock(&self.shared.state);
        let ending = match state.end {
            Some(End::Over(ending)) => Some(ending),
            Some(End::Closed | End::Failed(_)) | None => None,
        };
        Status { stage: state.stage, stats: state.stats, ending, unread_bytes: state.bytes }
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.close();
    }
}
