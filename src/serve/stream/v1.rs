//! A reader of a v1 stream: events with ids of time and number, pings, and an end after silence
//! (docs/server-protocol.md 5; recorded: `sse-v1`).

use std::fmt::Write as _;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use super::log::{Log, Next, Start};
use super::part_cache::PartKey;
use super::record::Record;

/// How often the server checks for silence.
const LOOK: Duration = Duration::from_secs(5);
/// How long a stream is silent before a ping.
const PING: Duration = Duration::from_secs(10);
/// How much sooner a ping is due while the source is away, so that one comes each second: a client that reads the
/// stream of a finished run takes two seconds without a byte for the end.
const SOONER: Duration = Duration::from_secs(9);
/// How long the body stays open after an invalid `Last-Event-ID`, before it breaks off.
const BREAK: Duration = Duration::from_secs(3);

/// One reader.
#[derive(Debug)]
pub(crate) struct V1 {
    log: Arc<Log>,
    changes: watch::Receiver<()>,
    at: Start,
    /// Records up to here are skipped: the log may be filled after this reader came.
    after: Option<(u64, u64)>,
    /// The id of the last record that was delivered, or the reader's start.
    delivered: Option<(u64, u64)>,
    /// How many records with that id were delivered: more with the same id may follow.
    delivered_at_cursor: u64,
    wait: Duration,
    /// The time of the last record.
    last: Instant,
    look_at: Instant,
    ping_at: Instant,
    is_broken: bool,
    ended: bool,
    stop: CancellationToken,
}

impl V1 {
    /// A reader that starts after `last_event_id`, if any, and ends after `wait` of silence.
    pub(crate) fn new(log: Arc<Log>, last_event_id: Option<&str>, wait: Duration, stop: CancellationToken) -> Self {
        let now = Instant::now();
        // An empty id is no id.
        let after = last_event_id.filter(|id| !id.is_empty()).map(parse_event_id);
        Self {
            changes: log.follow(),
            at: log.start_v1(after.flatten()),
            after: after.flatten(),
            delivered: after.flatten(),
            delivered_at_cursor: 0,
            log,
            wait,
            last: now,
            look_at: now + LOOK,
            ping_at: now + PING,
            is_broken: after == Some(None),
            ended: false,
            stop,
        }
    }

    /// The next part of the body; `None` at its end, an error where it breaks off.
    pub(crate) async fn next(&mut self) -> Option<io::Result<Bytes>> {
        if self.ended {
            return None;
        }
        if self.is_broken {
            self.ended = true;
            let stopped = self.stop.run_until_cancelled(tokio::time::sleep(BREAK)).await.is_none();
            return (!stopped).then(|| Err(io::Error::other("the Last-Event-ID cannot be read")));
        }
        loop {
            self.changes.mark_unchanged();
            let Start::At(at) = self.at else { return Some(self.broken()) };
            let (mut records, next) = match self.log.next(at) {
                Next::Records(records, next) => (records, next),
                Next::Behind => {
                    self.at = Start::Gone;
                    return Some(self.broken());
                }
                Next::Finished => break,
                Next::Lost => return Some(self.broken()),
            };
            if !records.is_empty() {
                self.at = Start::At(next);
                if let Some(after) = self.after {
                    records.retain(|record| (record.timestamp, record.number) > after);
                    if records.is_empty() {
                        continue;
                    }
                    self.after = None;
                }
                for record in &records {
                    let cursor = Some((record.timestamp, record.number));
                    self.delivered_at_cursor = if self.delivered == cursor { self.delivered_at_cursor + 1 } else { 1 };
                    self.delivered = cursor;
                }
                self.last = Instant::now();
                self.look_at = self.last + LOOK;
                self.ping_at = self.last + PING;
                return Some(Ok(self.events(&records, next)));
            }
            let sooner = if self.log.live().0 { Duration::ZERO } else { SOONER };
            let ping_at = self.ping_at - sooner;
            tokio::select! {
                biased;
                () = self.stop.cancelled() => break,
                // The sender is in the log, which outlives its readers.
                _ = self.changes.changed() => {}
                () = sleep_until(self.look_at) => {
                    let (is_live, since) = self.log.live();
                    let now = Instant::now();
                    self.last = if is_live { since.map_or(self.last, |since| self.last.max(since)) } else { now };
                    if is_live && self.last.elapsed() >= self.wait {
                        break;
                    }
                    self.look_at += LOOK;
                }
                () = sleep_until(ping_at) => {
                    self.ping_at = Instant::now() + PING;
                    return Some(Ok(Bytes::from_static(b": ping\n\n")));
                }
            }
        }
        self.ended = true;
        None
    }

    /// Whether the next record is no longer in memory.
    pub(crate) fn is_gone(&self) -> bool {
        matches!(self.at, Start::Gone)
    }

    /// The cursor of a reader that continues elsewhere: the last id, and how many records with that id were delivered
    /// (0: the reader started there). `None` at the beginning.
    pub(crate) fn cursor(&self) -> Option<((u64, u64), u64)> {
        self.delivered.map(|cursor| (cursor, self.delivered_at_cursor))
    }

    fn events(&self, records: &[Arc<Record>], next: u64) -> Bytes {
        if let [record] = records {
            return rendered(record);
        }
        let all: Vec<Bytes> = records.iter().map(|record| rendered(record)).collect();
        let part = PartKey { records: (next - records.len() as u64, next), sent: (0, 0), tail: None };
        self.log.parts.get_or_encode(part, all.iter().map(Bytes::len).sum(), || all.concat())
    }

    fn broken(&mut self) -> io::Result<Bytes> {
        self.ended = true;
        Err(io::Error::other("the stream broke off"))
    }
}

/// Renders a record: each line is an event, all with the same id.
fn rendered(record: &Record) -> Bytes {
    let make = || {
        let mut text = String::new();
        let lines = record.body.iter().flat_map(|body| body.lines()).filter(|line| !line.is_empty());
        for line in lines {
            // Writing to a `String` cannot fail.
            let _ = write!(text, "id: {}-{}\ndata: {line}\n\n", record.timestamp, record.number);
        }
        Bytes::from(text)
    };
    record.rendered.get_or_init(make).clone()
}

/// Parses an event id, `<ms>-<number>` or `<ms>`.
pub(crate) fn parse_event_id(id: &str) -> Option<(u64, u64)> {
    let (ms, number) = id.split_once('-').unwrap_or((id, "0"));
    Some((ms.parse().ok()?, number.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reader(log: &Arc<Log>, id: Option<&str>, wait_s: u64) -> V1 {
        V1::new(log.clone(), id, Duration::from_secs(wait_s), CancellationToken::new())
    }

    async fn text(reader: &mut V1) -> Option<String> {
        reader.next().await.map(|part| String::from_utf8(part.expect("a part").to_vec()).expect("text"))
    }

    #[tokio::test(start_paused = true)]
    async fn lines_of_one_write_share_their_id_and_a_reader_resumes_after_it() {
        let log = Arc::new(Log::default());
        log.append_lines(7, "{\"n\":0}\n{\"n\":1}\n".into());
        log.append_lines(8, "not json".into());
        let whole = "id: 7-0\ndata: {\"n\":0}\n\nid: 7-0\ndata: {\"n\":1}\n\nid: 8-0\ndata: not json\n\n";
        assert_eq!(text(&mut reader(&log, None, 1)).await.as_deref(), Some(whole));
        assert_eq!(text(&mut reader(&log, Some("7-0"), 1)).await.as_deref(), Some("id: 8-0\ndata: not json\n\n"));
    }

    #[tokio::test(start_paused = true)]
    async fn an_empty_id_is_as_good_as_none() {
        let log = Arc::new(Log::default());
        log.append_lines(7, "x".into());
        assert_eq!(text(&mut reader(&log, Some(""), 1)).await.as_deref(), Some("id: 7-0\ndata: x\n\n"));
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_stream_pings_and_ends_when_looked_at() {
        let log = Arc::new(Log::default());
        let (mut reader, begin) = (reader(&log, None, 16), Instant::now());
        assert_eq!(text(&mut reader).await.as_deref(), Some(": ping\n\n"));
        assert_eq!(begin.elapsed().as_secs(), 10);
        assert_eq!(text(&mut reader).await, None);
        assert_eq!(begin.elapsed().as_secs(), 20);
    }

    #[tokio::test(start_paused = true)]
    async fn silence_is_counted_from_the_last_event() {
        let log = Arc::new(Log::default());
        let (mut reader, begin) = (reader(&log, None, 3), Instant::now());
        let writer = log.clone();
        tokio::spawn(async move {
            tokio::time::sleep(Duration::from_millis(1_200)).await;
            writer.append_lines(1, "x".into());
        });
        assert!(text(&mut reader).await.is_some());
        assert_eq!(text(&mut reader).await, None);
        assert_eq!(begin.elapsed().as_millis(), 6_200);
    }

    #[tokio::test(start_paused = true)]
    async fn a_reader_whose_source_is_away_is_never_left_without_a_byte_for_two_seconds() {
        let log = Arc::new(Log::of_source(9, 999));
        let (mut reader, begin) = (reader(&log, None, 1), Instant::now());
        for seconds in 1..9 {
            assert_eq!(text(&mut reader).await.as_deref(), Some(": ping\n\n"));
            assert_eq!(begin.elapsed().as_secs(), seconds);
        }
        log.set_live(true);
        assert_eq!(text(&mut reader).await, None);
    }

    #[tokio::test(start_paused = true)]
    async fn an_id_that_is_none_breaks_the_body_after_a_while() {
        let log = Arc::new(Log::default());
        log.append_lines(7, "x".into());
        let (mut reader, begin) = (reader(&log, Some("garbage"), 1), Instant::now());
        assert!(reader.next().await.is_some_and(|part| part.is_err()));
        assert_eq!(begin.elapsed().as_secs(), 3);
        assert!(reader.next().await.is_none());
    }
}
