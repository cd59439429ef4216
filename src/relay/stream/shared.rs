//! A shared stream: its log, and the task that fills it from the upstream.

use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use futures_util::FutureExt as _;
use http::StatusCode;
use tokio::sync::watch;

use super::records;
use super::run_end::RunWatch;
use super::upstream::Upstream;
use crate::connection::Notice;
use crate::relay::stats::Stats;
use crate::relay::warnings::UpstreamError;
use crate::serve::stream::{Log, StreamVersion};
use crate::stream::{Chunk, End, Raw, Reader, ReaderOptions, StreamSpec};

/// The upstream's first answer.
#[derive(Clone, Debug)]
pub(super) enum UpstreamStatus {
    /// Nothing yet.
    Connecting,
    /// A stream.
    Open(StreamVersion),
    /// A refusal: its status and body.
    Refused(StatusCode, String),
    /// The upstream was lost.
    Lost,
}

/// A shared stream.
#[derive(Debug)]
pub(super) struct SharedStream {
    pub(super) log: Arc<Log>,
    pub(super) status: watch::Sender<UpstreamStatus>,
    pub(super) stats: Arc<Stats>,
}

impl SharedStream {
    pub(super) fn new(log: Log, stats: Arc<Stats>) -> Self {
        Self { log: Arc::new(log), status: watch::Sender::new(UpstreamStatus::Connecting), stats }
    }

    /// The error that the operator has to fix before the relay can read the stream.
    pub(super) fn upstream_error(&self) -> Option<UpstreamError> {
        match &*self.status.borrow() {
            UpstreamStatus::Refused(status, _) => UpstreamError::of(status.as_u16()),
            UpstreamStatus::Connecting | UpstreamStatus::Open(_) | UpstreamStatus::Lost => None,
        }
    }

    /// Fills the log until the upstream is lost or `over` is ready. A panic ends it as well, so that no viewer waits for a
    /// stream that no task fills.
    pub(super) async fn run(&self, spec: StreamSpec, watch: RunWatch, over: impl Future<Output = ()>) {
        // The next viewer opens another stream.
        let _ = AssertUnwindSafe(self.fill(spec, watch, over)).catch_unwind().await;
        self.status.send_if_modified(|status| {
            let was_alive = matches!(status, UpstreamStatus::Connecting | UpstreamStatus::Open(_));
            if was_alive {
                *status = UpstreamStatus::Lost;
            }
            was_alive
        });
        self.log.lose();
    }

    async fn fill(&self, spec: StreamSpec, mut watch: RunWatch, over: impl Future<Output = ()>) {
        // A request that is sent after the end of the run brings all that it wrote (S9).
        let run_over = watch.first_look().await;
        let reader = Reader::open(spec, ReaderOptions { notices: true, run_over });
        let mut upstream = Upstream::default();
        let mut counted = 0;
        // One future for all batches: polled anew with each, it would never be ready while a run writes.
        let mut over = pin!(over);
        loop {
            tokio::select! {
                () = &mut over => break,
                () = watch.over() => reader.run_over(),
                () = upstream.silent() => {
                    upstream.doubt();
                    self.tell(&upstream);
                }
                batch = reader.next() => {
                    let sent = reader.status().stats.requests;
                    self.stats.requests.fetch_add(sent.saturating_sub(counted), Ordering::Relaxed);
                    counted = sent;
                    if self.follow(&batch.notices, &batch.chunks, &mut upstream) {
                        watch.written();
                    }
                    match batch.end {
                        // The run is over, and all that it wrote was read. Viewers that come later get it from memory.
                        Some(End::Over(_)) => {
                            self.log.finish();
                            break over.await;
                        }
                        Some(end) => break self.end(&end),
                        None => {}
                    }
                }
            }
        }
    }

    /// Takes what a batch brought, and tells the log whether the upstream is connected. The notices may report an upstream
    /// that was lost and found again since the batch before, and whose answer is among the chunks. Returns whether there
    /// was a record among them.
    pub(super) fn follow(&self, notices: &[Notice], chunks: &[Chunk], upstream: &mut Upstream) -> bool {
        if upstream.observe(notices) {
            self.log.set_live(false);
        }
        let has_records = self.take(chunks, upstream);
        self.tell(upstream);
        has_records
    }

    /// A v2 stream reports its tail itself, and is live once that is read; a connection that may be dead reports an old
    /// one. A v1 stream reports none: viewers are told to wait until its upstream is up to date.
    fn tell(&self, upstream: &Upstream) {
        let is_v1 = matches!(*self.status.borrow(), UpstreamStatus::Open(StreamVersion::V1));
        if is_v1 || !upstream.is_up_to_date() {
            self.log.set_live(upstream.is_up_to_date());
        }
    }

    fn take(&self, chunks: &[Chunk], upstream: &mut Upstream) -> bool {
        let (mut taken, mut tail) = (Vec::new(), None);
        for raw in chunks.iter().filter_map(Raw::of) {
            match raw {
                Raw::Opened(is_v2) => {
                    let version = if is_v2 { StreamVersion::V2 } else { StreamVersion::V1 };
                    upstream.opened(is_v2);
                    self.set_first(UpstreamStatus::Open(version));
                }
                Raw::Heard(is_whole) => upstream.heard(is_whole),
                Raw::Event(text) => {
                    upstream.heard(true);
                    let record = records::event(text, upstream.last);
                    upstream.last = (record.timestamp, record.number);
                    taken.push(record);
                }
                Raw::Record(json) => {
                    upstream.heard(true);
                    taken.extend(records::record(json));
                }
                Raw::Tail(json) => {
                    upstream.heard(true);
                    tail = records::tail(json).or(tail);
                }
            }
        }
        let has_records = !taken.is_empty();
        if has_records || tail.is_some() {
            self.log.extend(taken, tail);
        }
        has_records
    }

    fn end(&self, end: &End) {
        let End::Failed(error) = end else { return };
        let Some(status) = error.status().and_then(|status| StatusCode::from_u16(status).ok()) else { return };
        let body = error.answer().map(|answer| answer.body.clone()).unwrap_or_default();
        if status.is_client_error() {
            self.set_first(UpstreamStatus::Refused(status, body));
        }
    }

    /// Sets the status, unless the upstream answered before.
    fn set_first(&self, first: UpstreamStatus) {
        self.status.send_if_modified(|status| {
            let is_first = matches!(status, UpstreamStatus::Connecting);
            if is_first {
                *status = first;
            }
            is_first
        });
    }
}
