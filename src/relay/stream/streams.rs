//! The shared streams of a relay, by run and key.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use http::StatusCode;
use tokio_util::sync::CancellationToken;

use super::run_end::{RunEnds, RunWatch};
use super::shared::{SharedStream, UpstreamStatus};
use crate::id::{path_segment, text_segment};
use crate::relay::digest::Digest;
use crate::relay::idle_cache::{IdleCache, Slot, Subscription};
use crate::relay::log;
use crate::relay::options::Options;
use crate::relay::stats::Stats;
use crate::serve::Response;
use crate::serve::stream::{Log, StreamName};
use crate::stream::StreamSpec;

/// How many records of one stream are kept.
pub(super) const MAX_RECORDS: usize = 20_000;
/// How many bytes of one stream are kept.
pub(super) const MAX_BYTES: usize = 4 << 20;
/// The silence that is asked for upstream, in seconds: the longest that the server takes.
const WINDOW_S: u16 = 600;

/// A stream of a run.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct StreamKey {
    /// The run's id.
    pub(crate) run: String,
    /// Which of the run's streams.
    pub(crate) name: StreamName,
}

impl StreamKey {
    fn path(&self) -> crate::Result<String> {
        let run = path_segment("run id", &self.run)?;
        Ok(match &self.name {
            StreamName::Output(key) => format!("/realtime/v1/streams/{run}/{}", text_segment("stream key", key)?),
            StreamName::Input(key) => format!("/realtime/v1/streams/{run}/input/{}", text_segment("stream key", key)?),
        })
    }
}

/// The cost of the shared streams now.
#[cfg(test)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct StreamStats {
    /// Streams, each with at most one upstream connection.
    pub(crate) streams: usize,
    /// Their viewers.
    pub(crate) viewers: usize,
    /// Records kept.
    pub(crate) records: usize,
    /// Bytes kept.
    pub(crate) bytes: usize,
}

/// The shared streams of a relay.
#[derive(Debug)]
pub(crate) struct Streams {
    options: Options,
    stats: Arc<Stats>,
    /// How many records and bytes of each stream are kept.
    bounds: (usize, usize),
    /// Tells when a run is over; without it every stream lasts as long as its viewers ask.
    ends: Option<Arc<dyn RunEnds>>,
    cache: Arc<IdleCache<StreamKey, SharedStream>>,
}

impl Streams {
    /// An empty set of streams. `stop` ends all of them; `stats` counts their cost.
    pub(crate) fn new(options: Options, stop: CancellationToken, stats: Arc<Stats>) -> Self {
        let cache = Arc::new(IdleCache::new(&options, stop, stats.clone()));
        Self { options, stats, bounds: (MAX_RECORDS, MAX_BYTES), ends: None, cache }
    }

    /// The same, with streams that end when `ends` says that their run is over.
    pub(crate) fn ending_with(self, ends: impl RunEnds + 'static) -> Self {
        Self { ends: Some(Arc::new(ends)), ..self }
    }

    /// The same, with other bounds on the records and bytes of each stream.
    #[cfg(test)]
    pub(crate) fn bounded(self, records: usize, bytes: usize) -> Self {
        Self { bounds: (records, bytes), ..self }
    }

    /// Subscribes a viewer without a token.
    #[cfg(test)]
    pub(crate) fn open(&self, key: StreamKey) -> Result<Subscriber, Response> {
        self.subscribe(key, None)
    }

    /// Subscribes to a stream, which is opened for its first viewer. Must be called within a Tokio runtime.
    ///
    /// # Errors
    /// 400 for a run or key that cannot be one; 429 when there are too many streams with viewers, in all or opened by
    /// `owner`.
    pub(crate) fn subscribe(&self, key: StreamKey, owner: Option<Digest>) -> Result<Subscriber, Response> {
        let path = key.path().map_err(|_| Response::api_error(StatusCode::BAD_REQUEST, "Invalid run or stream id"))?;
        let (records, bytes) = self.bounds;
        let watched = key.run.clone();
        let open = |_: &StreamKey| SharedStream::new(Log::of_source(records, bytes), self.stats.clone());
        let (subscription, opened) = self.cache.subscribe(key, owner, open)?;
        if let Some(slot) = opened {
            let spec = StreamSpec::raw(self.options.endpoint.clone(), self.options.client.clone(), &path, WINDOW_S);
            let log = log::upstream(&path);
            let watch = RunWatch::new(self.ends.clone(), watched);
            let run = run(self.cache.clone(), slot, (spec, watch), self.options.warnings.clone());
            tokio::spawn(async move {
                run.await;
                log.end(None);
            });
        }
        Ok(Subscriber(subscription))
    }

    /// How many streams there are now.
    pub(crate) fn len(&self) -> usize {
        self.cache.len()
    }

    /// The cost of the streams now.
    #[cfg(test)]
    pub(crate) fn stats(&self) -> StreamStats {
        let mut stats = StreamStats::default();
        for slot in self.cache.slots() {
            let (records, bytes) = slot.log.size();
            stats.streams += 1;
            stats.viewers += slot.subscribers();
            stats.records += records;
            stats.bytes += bytes;
        }
        stats
    }
}

/// Fills a stream until its upstream ends, it has been idle for long enough, or it is evicted.
async fn run(
    cache: Arc<IdleCache<StreamKey, SharedStream>>,
    slot: Arc<Slot<StreamKey, SharedStream>>,
    (spec, watch): (StreamSpec, RunWatch),
    warnings: crate::relay::warnings::Warnings,
) {
    let over = async {
        tokio::select! {
            () = slot.end.cancelled() => {}
            () = cache.idle(&slot) => {}
        }
    };
    slot.run(spec, watch, over).await;
    if let Some(error) = slot.upstream_error() {
        warnings.warn(error.text());
    }
    cache.remove(&slot);
}

/// A viewer of a shared stream. The stream goes on while there is one.
#[derive(Debug)]
pub(crate) struct Subscriber(Subscription<StreamKey, SharedStream>);

impl Subscriber {
    /// Counts a part of the stream that the viewer was given.
    pub(super) fn count_part(&self) {
        self.0.stats.updates.fetch_add(1, Relaxed);
    }

    pub(super) fn log(&self) -> Arc<Log> {
        self.0.log.clone()
    }

    /// The `Last-Event-ID` of a viewer of v2 that has all up to the record `seen`, and would read those after `last` once
    /// more. Large records push those soon out of memory, which is no reason to ask the server.
    pub(crate) fn resume_after(&self, last: Option<Box<str>>, seen: u64) -> Option<Box<str>> {
        let last = last.and_then(|last| last.parse().ok());
        self.log().resume_v2(last, seen).map(|number| number.to_string().into())
    }

    /// Waits for the upstream's first answer.
    pub(super) async fn status(&self) -> UpstreamStatus {
        let mut status = self.0.status.subscribe();
        match status.wait_for(|status| !matches!(status, UpstreamStatus::Connecting)).await {
            Ok(status) => status.clone(),
            Err(_) => UpstreamStatus::Lost,
        }
    }
}
