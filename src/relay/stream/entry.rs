//! A stream that is shared: its log, and the task that fills it.

use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::FutureExt as _;
use http::StatusCode;
use tokio::sync::watch;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use super::parts;
use crate::connection::{ConnectionState, Notice};
use crate::lock::lock;
use crate::relay::limits::{Digest, Share};
use crate::relay::notices::Trouble;
use crate::relay::stats::Stats;
use crate::serve::stream::{Log, StreamVersion};
use crate::stream::{End, Raw, Reader, ReaderOptions, StreamSpec};

/// What is known of the upstream.
#[derive(Clone, Debug)]
pub(super) enum Known {
    /// It has not answered yet.
    Nothing,
    /// It answered with a stream.
    Version(StreamVersion),
    /// It refused: a status and a body.
    Refused(StatusCode, String),
    /// It was lost.
    Lost,
}

/// A stream that is shared.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) log: Arc<Log>,
    pub(super) known: watch::Sender<Known>,
    pub(super) viewers: watch::Sender<usize>,
    pub(super) stats: Arc<Stats>,
    /// Ends it: it made way, or the relay stops.
    pub(super) end: CancellationToken,
    /// Since when nobody reads it, where nobody does.
    idle_since: Mutex<Instant>,
    /// Of who began it, until it ends or makes way.
    share: Mutex<Option<Share>>,
}

impl Entry {
    pub(super) fn new(log: Log, stats: Arc<Stats>, end: CancellationToken, share: Option<Share>) -> Self {
        Self {
            log: Arc::new(log),
            known: watch::Sender::new(Known::Nothing),
            viewers: watch::Sender::new(0),
            stats,
            end,
            idle_since: Mutex::new(Instant::now()),
            share: Mutex::new(share),
        }
    }

    /// Since when nobody reads it; `None` while somebody does.
    pub(super) fn idle_since(&self) -> Option<Instant> {
        (*self.viewers.borrow() == 0).then(|| *lock(&self.idle_since))
    }

    /// Whether `owner` began it.
    pub(super) fn is_of(&self, owner: &Digest) -> bool {
        let share = lock(&self.share);
        share.as_ref().is_some_and(|share| share.is_of(owner))
    }

    /// Ends it; it counts for nobody any more.
    pub(super) fn make_way(&self) {
        lock(&self.share).take();
        self.end.cancel();
    }

    /// What keeps the relay from it, for whoever runs it to mend.
    pub(super) fn trouble(&self) -> Option<Trouble> {
        match &*self.known.borrow() {
            Known::Refused(status, _) => Trouble::of(status.as_u16()),
            Known::Nothing | Known::Version(_) | Known::Lost => None,
        }
    }

    /// A viewer leaves.
    pub(super) fn leave(&self) {
        *lock(&self.idle_since) = Instant::now();
        self.viewers.send_modify(|count| *count -= 1);
    }

    /// Fills the log until the upstream ends, `stop`, or `leave` says that nobody came for `keep`. A panic is an end
    /// like any other: nobody waits for a stream that nothing fills.
    pub(super) async fn run(
        &self,
        spec: StreamSpec,
        keep: Duration,
        stop: CancellationToken,
        leave: impl Fn() -> bool + Send + Sync,
    ) {
        // Whoever reads on opens another.
        let _ = AssertUnwindSafe(self.fill(spec, keep, stop, leave)).catch_unwind().await;
        self.known.send_if_modified(|known| {
            let waits = matches!(known, Known::Nothing | Known::Version(_));
            if waits {
                *known = Known::Lost;
            }
            waits
        });
        self.log.lose();
    }

    async fn fill(
        &self,
        spec: StreamSpec,
        keep: Duration,
        stop: CancellationToken,
        leave: impl Fn() -> bool + Send + Sync,
    ) {
        let reader = Reader::open(spec, ReaderOptions { notices: true, run_over: false });
        let viewers = self.viewers.subscribe();
        let mut last = (0, 0);
        let mut counted = 0;
        // Begun anew with every batch, it would never be over while a run writes.
        let mut alone = pin!(idle(viewers.clone(), keep));
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                batch = reader.next() => {
                    let sent = reader.status().stats.requests;
                    self.stats.requests.fetch_add(sent.saturating_sub(counted), Ordering::Relaxed);
                    counted = sent;
                    self.take(&batch.chunks, &mut last);
                    self.heard(&batch.notices);
                    if let Some(end) = batch.end {
                        self.end(&end);
                        break;
                    }
                }
                () = &mut alone => {
                    if leave() {
                        break;
                    }
                    alone.set(idle(viewers.clone(), keep));
                }
            }
        }
    }

    /// Whether the source is connected, after `notices`: they may tell of one that was lost and found again since the
    /// last batch, and whose answer was taken already.
    pub(super) fn heard(&self, notices: &[Notice]) {
        let states = || {
            notices.iter().filter_map(|notice| match notice {
                Notice::State(state) => Some(*state),
                Notice::Retry { .. } => None,
            })
        };
        if states().any(|state| matches!(state, ConnectionState::Retrying | ConnectionState::Ended)) {
            self.log.set_live(false);
        }
        // v2 says itself where its tail is, which may be later than before.
        let is_v1 = matches!(*self.known.borrow(), Known::Version(StreamVersion::V1));
        if is_v1 && states().next_back() == Some(ConnectionState::Live) {
            self.log.set_live(true);
        }
    }

    fn take(&self, chunks: &[crate::stream::Chunk], last: &mut (u64, u64)) {
        let (mut records, mut tail) = (Vec::new(), None);
        for raw in chunks.iter().filter_map(Raw::of) {
            match raw {
                Raw::Opened(is_v2) => {
                    let version = if is_v2 { StreamVersion::V2 } else { StreamVersion::V1 };
                    // v1 has no word for the tail: an answer is all there is.
                    if !is_v2 {
                        self.log.set_live(true);
                    }
                    self.known.send_if_modified(|known| {
                        let is_first = matches!(known, Known::Nothing);
                        if is_first {
                            *known = Known::Version(version);
                        }
                        is_first
                    });
                }
                Raw::Event(text) => {
                    let record = parts::event(text, *last);
                    *last = (record.timestamp, record.number);
                    records.push(record);
                }
                Raw::Record(json) => records.extend(parts::record(json)),
                Raw::Tail(json) => tail = parts::tail(json).or(tail),
            }
        }
        if !records.is_empty() || tail.is_some() {
            self.log.extend(records, tail);
        }
    }

    fn end(&self, end: &End) {
        let End::Failed(error) = end else { return };
        let Some(status) = error.status().and_then(|status| StatusCode::from_u16(status).ok()) else { return };
        let body = error.answer().map(|answer| answer.body.clone()).unwrap_or_default();
        if status.is_client_error() {
            self.known.send_if_modified(|known| {
                let is_first = matches!(known, Known::Nothing);
                if is_first {
                    *known = Known::Refused(status, body);
                }
                is_first
            });
        }
    }
}

/// Ready when there was no viewer for `keep`.
async fn idle(mut viewers: watch::Receiver<usize>, keep: Duration) {
    loop {
        if viewers.wait_for(|count| *count == 0).await.is_err() {
            return;
        }
        let came = timeout(keep, viewers.wait_for(|count| *count > 0)).await.map(|seen| seen.is_ok());
        if came != Ok(true) {
            return;
        }
    }
}
