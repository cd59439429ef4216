//! A reader of a v2 stream: batches of records, pings, and the `[DONE]` at the end (docs/server-protocol.md 5;
//! recorded: `sse-v2`).

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde_json::{Map, Value, json};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use super::log::{Log, Next, Start};
use super::part_cache::PartKey;
use super::record::Record;
use crate::random;
use crate::serve::clock::Clock;

/// A silent stream sends a ping after 5 to 15 seconds.
const MIN_PING_GAP: Duration = Duration::from_secs(5);
const PING_GAP_SPREAD: Duration = Duration::from_secs(10);

/// One reader.
#[derive(Debug)]
pub(crate) struct V2 {
    log: Arc<Log>,
    changes: watch::Receiver<()>,
    at: Start,
    /// Records before this number are skipped: the log may be filled after this reader came.
    from: u64,
    /// The number of the last record that was delivered, or the one that the reader started after.
    delivered: Option<u64>,
    /// How many records and bytes were sent, for the events' ids.
    sent: (u64, u64),
    /// Whether it has reached the tail, and sent the first ping.
    is_live: bool,
    wait: Duration,
    done_at: Instant,
    ping_at: Instant,
    ended: bool,
    clock: Clock,
    stop: CancellationToken,
}

impl V2 {
    /// A reader that starts after the record `last_event_id`, if that is a number, and ends `wait` after the last
    /// record.
    pub(crate) fn new(
        log: Arc<Log>,
        last_event_id: Option<&str>,
        wait: Duration,
        clock: Clock,
        stop: CancellationToken,
    ) -> Self {
        let now = Instant::now();
        let last: Option<u64> = last_event_id.and_then(|id| id.parse().ok());
        Self {
            changes: log.follow(),
            at: log.start_v2(last),
            // A position beyond the tail is clamped to it, once the tail is known.
            from: if log.live().0 { 0 } else { last.map_or(0, |last| last.saturating_add(1)) },
            delivered: last,
            log,
            sent: (0, 0),
            is_live: false,
            wait,
            done_at: now + wait,
            ping_at: now + gap(),
            ended: false,
            clock,
            stop,
        }
    }

    /// The next part of the body; `None` at its end. When the emulator stops, the body ends without `[DONE]`.
    pub(crate) async fn next(&mut self) -> Option<io::Result<Bytes>> {
        if self.ended {
            return None;
        }
        loop {
            self.changes.mark_unchanged();
            let Start::At(at) = self.at else { return Some(self.broken()) };
            let (mut records, next, is_finished) = match self.log.next(at) {
                Next::Records(records, next) => (records, next, false),
                // The tail goes first, as at every end.
                Next::Finished => (Vec::new(), at, true),
                Next::Behind => {
                    self.at = Start::Gone;
                    return Some(self.broken());
                }
                Next::Lost => return Some(self.broken()),
            };
            if !records.is_empty() {
                self.at = Start::At(next);
                records.retain(|record| record.number >= self.from);
                if records.is_empty() {
                    continue;
                }
                self.delivered = records.last().map(|record| record.number).or(self.delivered);
                let now = Instant::now();
                self.done_at = now + self.wait;
                self.ping_at = now + gap();
                return Some(Ok(self.batch(&records, next)));
            }
            let (is_live, since) = self.log.live();
            if !self.is_live && is_live {
                self.is_live = true;
                self.from = 0;
                // A position beyond the tail is clamped to it.
                self.delivered = self.delivered.and_then(|last| Some(last.min(self.log.tail().0.checked_sub(1)?)));
                self.ping_at = Instant::now() + gap();
                return Some(Ok(self.ping()));
            }
            if is_finished {
                return Some(Ok(self.done()));
            }
            tokio::select! {
                biased;
                () = self.stop.cancelled() => {
                    self.ended = true;
                    return None;
                }
                // The sender is in the log, which outlives its readers.
                _ = self.changes.changed() => {}
                () = sleep_until(self.done_at) => {
                    // While the source is away, silence is not the stream's own.
                    let from = if is_live { since } else { Some(Instant::now()) };
                    if let Some(later) = from.map(|from| from + self.wait).filter(|later| *later > self.done_at) {
                        self.done_at = later;
                        continue;
                    }
                    return Some(Ok(self.done()));
                }
                () = sleep_until(self.ping_at) => {
                    self.ping_at += gap();
                    return Some(Ok(if is_live { self.ping() } else { Bytes::from_static(b": ping\n\n") }));
                }
            }
        }
    }

    /// Whether the next record is no longer in memory.
    pub(crate) fn is_gone(&self) -> bool {
        matches!(self.at, Start::Gone)
    }

    /// The `Last-Event-ID` of a reader that continues elsewhere; `None` at the beginning.
    pub(crate) fn cursor(&self) -> Option<String> {
        self.delivered.map(|number| number.to_string())
    }

    /// The marker of the end.
    fn done(&mut self) -> Bytes {
        self.ended = true;
        Bytes::from_static(b"data: [DONE]\n\n")
    }

    fn broken(&mut self) -> io::Result<Bytes> {
        self.ended = true;
        Err(io::Error::other("the stream broke off"))
    }

    fn batch(&mut self, records: &[Arc<Record>], next: u64) -> Bytes {
        for record in records {
            self.sent.0 += 1;
            self.sent.1 += record.metered_bytes() as u64;
        }
        let tail = self.is_live.then(|| self.log.tail());
        let part = PartKey { records: (next - records.len() as u64, next), sent: self.sent, tail };
        let size = records.iter().map(|record| record.retained).sum();
        self.log.parts.get_or_encode(part, size, || batch(records, part))
    }

    fn ping(&self) -> Bytes {
        let data = json!({ "timestamp": self.clock.now_ms(), "tail": shown_tail(self.log.tail()) });
        Bytes::from(format!("event: ping\ndata: {data}\n\n"))
    }
}

fn batch(records: &[Arc<Record>], PartKey { sent: (count, bytes), tail, .. }: PartKey) -> Vec<u8> {
    let last = records.last().map_or(0, |record| record.number);
    let mut text = format!("event: batch\nid: {last},{count},{bytes}\ndata: {{\"records\":[").into_bytes();
    for (index, record) in records.iter().enumerate() {
        if index > 0 {
            text.push(b',');
        }
        text.extend_from_slice(record.rendered.get_or_init(|| rendered(record).to_string().into()));
    }
    text.push(b']');
    if let Some(tail) = tail {
        text.extend_from_slice(format!(",\"tail\":{}", shown_tail(tail)).as_bytes());
    }
    text.extend_from_slice(b"}\n\n");
    text
}

fn shown_tail((next, timestamp): (u64, u64)) -> Value {
    json!({ "seq_num": next, "timestamp": timestamp })
}

fn gap() -> Duration {
    MIN_PING_GAP + PING_GAP_SPREAD.mul_f64(random::unit())
}

fn rendered(record: &Record) -> Value {
    let mut shown = Map::new();
    shown.insert("seq_num".into(), record.number.into());
    shown.insert("timestamp".into(), record.timestamp.into());
    if !record.headers.is_empty() {
        shown.insert("headers".into(), json!(record.headers));
    }
    if let Some(body) = &record.body {
        shown.insert("body".into(), body.as_str().into());
    }
    Value::Object(shown)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reader(log: &Arc<Log>, id: Option<&str>, wait_s: u64) -> V2 {
        let clock = Clock::from_fn(|| 42);
        V2::new(log.clone(), id, Duration::from_secs(wait_s), clock, CancellationToken::new())
    }

    async fn text(reader: &mut V2) -> Option<String> {
        reader.next().await.map(|part| String::from_utf8(part.expect("a part").to_vec()).expect("text"))
    }

    fn log() -> Arc<Log> {
        let log = Arc::new(Log::default());
        log.append_value(7, &json!("{\"n\":0}"), "part0");
        log.append_value(8, &json!({ "n": 1 }), "part1");
        log
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_there_comes_as_one_batch_then_a_ping_then_the_end() {
        let (mut reader, begin) = (reader(&log(), None, 4), Instant::now());
        let first = text(&mut reader).await.expect("a batch");
        let expected = concat!(
            "event: batch\nid: 1,2,78\ndata: {\"records\":[",
            r#"{"seq_num":0,"timestamp":7,"body":"{\"data\":\"{\\\"n\\\":0}\",\"id\":\"part0\"}"},"#,
            r#"{"seq_num":1,"timestamp":8,"body":"{\"data\":{\"n\":1},\"id\":\"part1\"}"}]}"#,
            "\n\n"
        );
        assert_eq!(first, expected);
        let ping = "event: ping\ndata: {\"timestamp\":42,\"tail\":{\"seq_num\":2,\"timestamp\":8}}\n\n";
        assert_eq!(text(&mut reader).await.as_deref(), Some(ping));
        assert_eq!(text(&mut reader).await.as_deref(), Some("data: [DONE]\n\n"));
        assert_eq!((text(&mut reader).await, begin.elapsed().as_secs()), (None, 4));
    }

    #[tokio::test(start_paused = true)]
    async fn a_reader_resumes_after_a_number_and_starts_over_for_anything_else() {
        let log = log();
        assert!(text(&mut reader(&log, Some("0"), 1)).await.is_some_and(|text| text.contains("id: 1,1,")));
        for id in ["garbage", "1,2,83", ""] {
            assert!(text(&mut reader(&log, Some(id), 1)).await.is_some_and(|text| text.contains("id: 1,2,")), "{id}");
        }
        assert!(text(&mut reader(&log, Some("1000"), 1)).await.is_some_and(|text| text.starts_with("event: ping")));
    }

    #[tokio::test(start_paused = true)]
    async fn a_live_record_comes_with_the_tail_and_moves_the_end() {
        let log = Arc::new(Log::default());
        let (mut reader, begin) = (reader(&log, None, 4), Instant::now());
        assert!(text(&mut reader).await.is_some_and(|text| text.contains(r#""tail":{"seq_num":0,"timestamp":0}"#)));
        let writer = log.clone();
        tokio::spawn(async move {
            tokio::time::sleep(Duration::from_secs(3)).await;
            writer.append(9, None, vec![("trigger-control".into(), "turn-complete".into())]);
        });
        let expected = concat!(
            "event: batch\nid: 0,1,38\ndata: {\"records\":[",
            r#"{"seq_num":0,"timestamp":9,"headers":[["trigger-control","turn-complete"]]}],"#,
            r#""tail":{"seq_num":1,"timestamp":9}}"#,
            "\n\n"
        );
        assert_eq!(text(&mut reader).await.as_deref(), Some(expected));
        assert_eq!(text(&mut reader).await.as_deref(), Some("data: [DONE]\n\n"));
        assert_eq!(begin.elapsed().as_secs(), 7);
    }
}
