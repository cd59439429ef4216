//! A reader of a v1 stream: events whose ids are times, pings, and an end by silence
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

/// How often the server looks whether a stream has been silent for too long.
const LOOK: Duration = Duration::from_secs(5);
/// The silence after which it pings.
const PING: Duration = Duration::from_secs(10);
/// How much sooner it pings while its source is away, after a second: to who reads the stream of a finished run, two
/// seconds without a byte are the end.
const SOONER: Duration = Duration::from_secs(9);
/// How long it tries a `Last-Event-ID` that it cannot read before the body breaks.
const BREAK: Duration = Duration::from_secs(3);

/// One reader.
#[derive(Debug)]
pub(crate) struct V1 {
    log: Arc<Log>,
    changes: watch::Receiver<()>,
    at: Start,
    /// What came up to here is dropped: the log may have been filled after this reader came.
    after: Option<(u64, u64)>,
    /// The last cursor that was told, or where it began.
    delivered: Option<(u64, u64)>,
    /// How many records were told that stand there: others that do may follow.
    delivered_at_cursor: u64,
    wait: Duration,
    /// When something last came.
    last: Instant,
    look_at: Instant,
    ping_at: Instant,
    is_broken: bool,
    ended: bool,
    stop: CancellationToken,
}

impl V1 {
    /// A reader that goes on after `last_event_id`, if any, and ends after `wait` of silence.
    pub(crate) fn new(log: Arc<Log>, last_event_id: Option<&str>, wait: Duration, stop: CancellationToken) -> Self {
        let now = Instant::now();
        // An empty one is as good as none.
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

    /// The next part of the body; `None` at its end, an error where it breaks.
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
                // The log outlives its readers.
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

    /// Whether what comes next is kept no more.
    pub(crate) fn is_gone(&self) -> bool {
        matches!(self.at, Start::Gone)
    }

    /// Where whoever goes on from here stands: a cursor, and how many records that stand there were told, none of them
    /// where it began there. `None` at the beginning.
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

/// Every line is an event; those of one write share their id.
fn rendered(record: &Record) -> Bytes {
    let make = || {
        let mut text = String::new();
        let lines = record.body.iter().flat_map(|body| body.lines()).filter(|line| !line.is_empty());
        for line in lines {
            // Writing to a text does not fail.
            let _ = write!(text, "id: {}-{}\ndata: {line}\n\n", record.timestamp, record.number);
        }
        Bytes::from(text)
    };
    record.rendered.get_or_init(make).clone()
}

/// Reads `<ms>-<number>`, or `<ms>` alone.
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
