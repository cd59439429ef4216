//! A browser that follows its runs over the live stream.

use std::cell::RefCell;
use std::io::{self, ErrorKind};
use std::sync::Arc;

use memchr::memmem;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use super::feed_response::Outcome;
use super::shared::{FEEDS, Shared};

/// The size of the one buffer that all browsers read into, in bytes.
const BUFFER_BYTES: usize = 64 << 10;

thread_local! {
    static BUFFER: RefCell<Vec<u8>> = RefCell::new(vec![0; BUFFER_BYTES]);
}

/// Follows the runs of one browser until the stream ends, which is a failure.
pub(crate) async fn follow(shared: Arc<Shared>, browser: usize) -> Outcome<()> {
    let mut turn = Some(shared.opening.acquire().await?);
    let mut socket = TcpStream::connect(&shared.relay).await?;
    socket.set_nodelay(true)?;
    socket.write_all(request(&shared, browser).as_bytes()).await?;
    let mut events = Events { browser, ready: 0, is_answered: false, tail: Vec::new() };
    loop {
        socket.readable().await?;
        BUFFER.with_borrow_mut(|buffer| {
            loop {
                match socket.try_read(buffer) {
                    Ok(0) => return Err(format!("browser {browser}: the response is over").into()),
                    Ok(read) => {
                        shared.received(read);
                        events.take(&shared, &buffer[..read])?;
                    }
                    Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                    Err(error) => return Outcome::Err(error.into()),
                }
            }
        })?;
        if events.ready == FEEDS && turn.take().is_some() {
            shared.ready(FEEDS);
        }
    }
}

fn request(shared: &Shared, browser: usize) -> String {
    let want = |feed| format!(r#"{{"id":"{feed}","run":"{}"}}"#, shared.runs[shared.run_of(browser, feed)]);
    let wants: Vec<_> = (0..FEEDS).map(want).collect();
    let body = format!(r#"{{"wants":[{}]}}"#, wants.join(","));
    let (host, token, length) = (&shared.relay, &shared.token, body.len());
    format!(
        "POST /relay/v1/live HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer {token}\r\ncontent-type: application/json\r\naccept: text/event-stream\r\ncontent-length: {length}\r\n\r\n{body}"
    )
}

/// The events of a response. A blank line ends each; the frames of chunks around them hold none.
struct Events {
    browser: usize,
    /// How many feeds have their first rows.
    ready: usize,
    is_answered: bool,
    /// The beginning of an event whose end did not come yet.
    tail: Vec<u8>,
}

impl Events {
    fn take(&mut self, shared: &Shared, bytes: &[u8]) -> Outcome<()> {
        let mut tail = std::mem::take(&mut self.tail);
        // The blank line may come in two reads.
        let mut from = tail.len().saturating_sub(1);
        let joined = if tail.is_empty() {
            bytes
        } else {
            tail.extend_from_slice(bytes);
            &tail
        };
        let mut start = 0;
        while let Some(end) = memmem::find(&joined[from..], b"\n\n").map(|at| from + at + 2) {
            self.event(shared, &joined[start..end])?;
            (start, from) = (end, end);
        }
        if start == 0 && !tail.is_empty() {
            self.tail = tail;
        } else {
            self.tail = joined[start..].to_vec();
        }
        Ok(())
    }

    fn event(&mut self, shared: &Shared, event: &[u8]) -> Outcome<()> {
        if !self.is_answered {
            self.is_answered = event.starts_with(b"HTTP/1.1 200 ");
            if !self.is_answered {
                return Err(told(self.browser, event).into());
            }
        }
        // A comment has none.
        let Some(at) = memmem::find(event, b"event: ") else { return Ok(()) };
        let event = &event[at + 7..];
        if event.starts_with(b"ready\n") {
            self.ready += 1;
        } else if let Some(change) = event.strip_prefix(b"change\ndata: [\"") {
            let feed = change.first().map_or(FEEDS, |digit| usize::from(digit.wrapping_sub(b'0')));
            let progress = memmem::find(change, b"progress").ok_or_else(|| told(self.browser, event))?;
            let version = number(&change[progress..]);
            shared.saw(shared.run_of(self.browser, feed), version)?;
            shared.waits();
        } else if !event.starts_with(b"row\n") {
            return Err(told(self.browser, event).into());
        }
        Ok(())
    }
}

/// The first number in a text.
fn number(text: &[u8]) -> u64 {
    let digits = text.iter().skip_while(|byte| !byte.is_ascii_digit()).take_while(|byte| byte.is_ascii_digit());
    digits.fold(0, |number, digit| number * 10 + u64::from(digit - b'0'))
}

fn told(browser: usize, event: &[u8]) -> io::Error {
    let start = String::from_utf8_lossy(&event[..event.len().min(400)]);
    io::Error::other(format!("browser {browser} was told: {start}"))
}
