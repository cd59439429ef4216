//! The streams that are shared, by run and key.

use std::collections::HashMap;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, Weak};

use http::StatusCode;
use tokio_util::sync::CancellationToken;

use super::entry::{Entry, Known};
use crate::id::{path_segment, text_segment};
use crate::lock::lock;
use crate::relay::Options;
use crate::relay::limits::{Digest, Quota, full};
use crate::relay::stats::Bound;
use crate::serve::Response;
use crate::serve::stream::{Log, StreamName};
use crate::stream::StreamSpec;

/// The most records and bytes that are kept of one stream.
pub(super) const MOST_RECORDS: usize = 20_000;
pub(super) const MOST_BYTES: usize = 4 << 20;
/// The silence asked for upstream, in seconds: the longest there is.
const WINDOW_S: u16 = 600;

/// A stream of a run.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct StreamKey {
    /// The run's id.
    pub(crate) run: String,
    /// Which of its streams.
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

/// What the shared streams cost now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Stats {
    /// Streams, each with at most one upstream connection.
    pub(crate) streams: usize,
    /// Viewers of them.
    pub(crate) viewers: usize,
    /// Records kept.
    pub(crate) records: usize,
    /// Their bytes.
    pub(crate) bytes: usize,
}

type Entries = Mutex<HashMap<StreamKey, Arc<Entry>>>;

/// The shared streams of a relay.
#[derive(Debug)]
pub(crate) struct Streams {
    options: Options,
    stop: CancellationToken,
    stats: Arc<crate::relay::stats::Stats>,
    bounds: (usize, usize),
    quota: Arc<Quota>,
    entries: Arc<Entries>,
}

impl Streams {
    /// None yet. `stop` ends them all; `stats` counts what they ask for and tell.
    pub(crate) fn new(options: Options, stop: CancellationToken, stats: Arc<crate::relay::stats::Stats>) -> Self {
        let quota = Quota::new(options.limits.feeds_per_token);
        Self { options, stop, stats, bounds: (MOST_RECORDS, MOST_BYTES), quota, entries: Arc::default() }
    }

    /// The same, keeping at most so many records and bytes of each.
    #[cfg(test)]
    pub(crate) fn bounded(self, records: usize, bytes: usize) -> Self {
        Self { bounds: (records, bytes), ..self }
    }

    /// A seat of somebody who has no token.
    #[cfg(test)]
    pub(crate) fn open(&self, key: StreamKey) -> Result<Seat, Response> {
        self.open_for(key, None)
    }

    /// A viewer's seat at a stream; the first opens it. Must be called within a Tokio runtime.
    ///
    /// # Errors
    /// The answer to give: 400 for a run or key that cannot be one, 429 for one stream too many, in all or that `owner`
    /// began, where all of those are read.
    pub(crate) fn open_for(&self, key: StreamKey, owner: Option<Digest>) -> Result<Seat, Response> {
        let path = key.path().map_err(|_| Response::api_error(StatusCode::BAD_REQUEST, "Invalid run or stream id"))?;
        let mut entries = lock(&self.entries);
        if let Some(entry) = entries.get(&key) {
            return Ok(Seat::new(entry.clone()));
        }
        if entries.len() >= self.options.limits.feeds && !make_room(&mut entries, None) {
            self.stats.limit(Bound::Feeds);
            return Err(full());
        }
        let share = owner.map(|owner| {
            let room = || make_room(&mut entries, Some(&owner)).then(|| self.quota.take(owner)).flatten();
            self.quota.take(owner).or_else(room).ok_or_else(|| self.stats.limit(Bound::FeedsPerToken))
        });
        let share = share.transpose().map_err(|()| full())?;
        let log = Log::of_source(self.bounds.0, self.bounds.1);
        let entry = Arc::new(Entry::new(log, self.stats.clone(), self.stop.child_token(), share));
        let seat = Seat::new(entry.clone());
        entries.insert(key.clone(), entry.clone());
        drop(entries);
        let spec = StreamSpec::raw(self.options.endpoint.clone(), self.options.client.clone(), &path, WINDOW_S);
        let (stop, keep) = (entry.end.clone(), self.options.keep);
        let entries = Arc::downgrade(&self.entries);
        let notices = self.options.notices.clone();
        tokio::spawn(async move {
            let leave = || remove(&entries, &key, &entry, true);
            entry.run(spec, keep, stop, leave).await;
            if let Some(trouble) = entry.trouble() {
                notices.tell(trouble.text());
            }
            remove(&entries, &key, &entry, false);
        });
        Ok(seat)
    }

    /// What they cost now.
    pub(crate) fn stats(&self) -> Stats {
        let mut stats = Stats::default();
        for entry in lock(&self.entries).values() {
            let (records, bytes) = entry.log.size();
            stats.streams += 1;
            stats.viewers += *entry.viewers.borrow();
            stats.records += records;
            stats.bytes += bytes;
        }
        stats
    }
}

/// Ends the stream that nobody read for longest, of those that `owner` began if there is one. False when all of them are
/// read.
fn make_room(entries: &mut HashMap<StreamKey, Arc<Entry>>, owner: Option<&Digest>) -> bool {
    let idle = entries.iter().filter(|(_, entry)| owner.is_none_or(|owner| entry.is_of(owner)));
    let idle = idle.filter_map(|(key, entry)| Some((entry.idle_since()?, key)));
    let Some(key) = idle.min_by_key(|(since, _)| *since).map(|(_, key)| key.clone()) else { return false };
    if let Some(entry) = entries.remove(&key) {
        entry.make_way();
    }
    true
}

/// Forgets a stream, unless `if_empty` and somebody came meanwhile. Whether it is forgotten.
fn remove(entries: &Weak<Entries>, key: &StreamKey, entry: &Arc<Entry>, if_empty: bool) -> bool {
    let Some(entries) = entries.upgrade() else { return true };
    let mut entries = lock(&entries);
    if if_empty && *entry.viewers.borrow() > 0 {
        return false;
    }
    if entries.get(key).is_some_and(|found| Arc::ptr_eq(found, entry)) {
        entries.remove(key);
    }
    true
}

/// A viewer's seat: the stream is kept while there is one.
#[derive(Debug)]
pub(crate) struct Seat(Arc<Entry>);

impl Seat {
    fn new(entry: Arc<Entry>) -> Self {
        entry.viewers.send_modify(|count| *count += 1);
        Self(entry)
    }

    /// A part of it was told to the viewer.
    pub(super) fn told(&self) {
        self.0.stats.updates.fetch_add(1, Relaxed);
    }

    pub(super) fn log(&self) -> Arc<Log> {
        self.0.log.clone()
    }

    /// What the upstream said first.
    pub(super) async fn known(&self) -> Known {
        let mut known = self.0.known.subscribe();
        match known.wait_for(|known| !matches!(known, Known::Nothing)).await {
            Ok(known) => known.clone(),
            Err(_) => Known::Lost,
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.0.leave();
    }
}
