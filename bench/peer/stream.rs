//! Realtime streams: the number of chunks that the key says, as fast as they are read or at intervals, then silence.

use std::convert::Infallible;
use std::fmt::Write as _;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use hyper::Response;
use hyper::body::{Body, Frame};
use tokio::time::{Interval, interval};

/// The number of records in one event of a v2 stream that is not live.
const BATCH: u64 = 10;

/// The chunks of one stream. The body stays open after the last one, as that of a live stream does.
#[derive(Debug)]
pub(crate) struct Chunks {
    v2: bool,
    next: u64,
    total: u64,
    /// The text of each chunk.
    text: String,
    /// The time of the next chunk of a live stream.
    live: Option<Interval>,
}

impl Chunks {
    /// The response for the key `<v1 or v2>-<chunks>-<bytes>-<microseconds>`; `None` for any other key. The time is
    /// that between two chunks; with 0, chunks come as fast as they are read.
    pub(crate) fn response(key: &str) -> Option<Response<Self>> {
        let mut parts = key.split('-');
        let v2 = match parts.next()? {
            "v1" => false,
            "v2" => true,
            _ => return None,
        };
        let total = parts.next()?.parse().ok()?;
        let bytes: usize = parts.next()?.parse().ok()?;
        let period = Duration::from_micros(parts.next()?.parse().ok()?);
        let live = (!period.is_zero()).then(|| interval(period));
        let text = "lorem ipsum dolor sit amet ".chars().cycle().take(bytes.saturating_sub(24)).collect();
        let response = Response::builder()
            .header("content-type", "text/event-stream; charset=utf-8")
            .header("cache-control", "no-store");
        let response = if v2 { response.header("x-stream-version", "v2") } else { response };
        response.body(Self { v2, next: 0, total, text, live }).ok()
    }

    fn event(&mut self) -> String {
        let text = &self.text;
        let mut out = String::with_capacity(12 * 1_024);
        // Writing into a String cannot fail.
        if self.v2 {
            let records = if self.live.is_some() { 1 } else { BATCH };
            let last = (self.next + records).min(self.total);
            out.push_str("event: batch\ndata: {\"records\":[");
            for number in self.next..last {
                let comma = if number > self.next { "," } else { "" };
                let _ = write!(
                    out,
                    r#"{comma}{{"seq_num":{number},"timestamp":1767225600000,"body":"{{\"data\":{{\"n\":{number},\"text\":\"{text}\"}},\"id\":\"part{number}\"}}"}}"#
                );
            }
            let _ = write!(out, "],\"tail\":{{\"seq_num\":{},\"timestamp\":1767225600000}}}}\n\n", self.total);
            self.next = last;
        } else {
            let number = self.next;
            let _ = write!(out, "id: 1767225600000-{number}\ndata: {{\"n\":{number},\"text\":\"{text}\"}}\n\n");
            self.next += 1;
        }
        out
    }
}

impl Body for Chunks {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.next >= self.total {
            return Poll::Pending;
        }
        if let Some(live) = &mut self.live {
            ready!(live.poll_tick(context));
        }
        Poll::Ready(Some(Ok(Frame::data(self.event().into()))))
    }
}
