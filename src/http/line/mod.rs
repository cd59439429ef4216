//! The way of long requests to their server: of the polls of a feed, and of streams.
//!
//! A feed always has exactly one request out, and a stream has one for as long as it is read. Over
//! HTTP/1.1 each therefore has a connection of its own; over HTTP/2 they share connections, each
//! with no more streams than its server allows: beyond that a connection queues in silence, and a
//! long-poll would starve the others (docs/transport.md).

mod connect;
mod decode;
mod inflate;
mod one;
mod origin;
mod pulse;
mod shard;
mod stream;
mod way;

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_LENGTH, HeaderMap, HeaderValue, LOCATION, USER_AGENT};
use http::response::Parts;
use tokio::time::timeout;

use self::decode::Encoding;
use self::origin::{Origin, Use};
use self::way::{Asked, Way, ask};
use super::client::{self, AGENT};
use super::echo::Echo;
use super::poll::{LONGEST_BODY, Polled, by_client, too_large};
use super::since::Since;
use super::stream::silent;
use crate::error::Result;
use crate::shared::Shared;

pub(super) use self::stream::{Body, Sent, open};

/// The most room made for a body before it comes, in bytes.
const MOST_RESERVED: usize = 1 << 20;

/// Bodies from here on have room kept for the next one, in bytes: below, ten thousand feeds that wait
/// are worth more than an allocation.
const ROOM_FROM: usize = 16 * 1024;

/// One feed's way to its server.
#[derive(Debug)]
pub struct Line {
    base_url: Arc<str>,
    /// `None` where only the general client knows the way: through a proxy, or with a user name in
    /// the URL.
    origin: Option<Arc<Origin>>,
    /// What stands before every path.
    prefix: String,
    headers: Arc<Headers>,
    /// Which headers these are.
    version: Option<u64>,
    /// Room for long bodies.
    buffer: BytesMut,
    /// The connection between two polls.
    kept: Option<Kept>,
}

/// What the last poll went out on.
#[derive(Debug)]
struct Kept {
    since: Since,
    way: Way,
}

impl Kept {
    /// It, unless it was left too long: whoever reads slowly, or waits before a retry, finds a
    /// connection that was forgotten on the way. A shared one is looked after by itself.
    fn trusted(self) -> Option<Way> {
        let trusted = match &self.way {
            Way::One(_) => self.since.elapsed() < client::IDLE,
            Way::Shared(_) => true,
        };
        trusted.then_some(self.way)
    }
}

/// The headers of every poll. Feeds of one endpoint share them.
#[derive(Debug, Default, PartialEq)]
struct Headers {
    /// As they are given.
    given: HeaderMap,
    /// With what the general client would add.
    prepared: HeaderMap,
}

static HEADERS: Shared<Headers> = Shared::new();

impl Line {
    /// The way to `base_url`, which [`crate::config::Endpoint`] has checked.
    #[must_use]
    pub fn new(base_url: &str) -> Self {
        let url = url::Url::parse(base_url).ok();
        let prefix = url.as_ref().map_or_else(String::new, |url| url.path().trim_end_matches('/').to_owned());
        Self {
            base_url: base_url.into(),
            origin: url.and_then(|url| Origin::of(&url, Use::Polls)),
            prefix,
            headers: Arc::default(),
            version: None,
            buffer: BytesMut::new(),
            kept: None,
        }
    }

    /// Polls are sent with the headers that `make` gives, which is asked again when `version` changes.
    ///
    /// # Errors
    /// Those of `make`.
    pub fn set_headers(&mut self, version: u64, make: impl FnOnce() -> Result<HeaderMap>) -> Result<()> {
        if self.version == Some(version) {
            return Ok(());
        }
        let given = make()?;
        let prepared = prepared(&given);
        self.headers = HEADERS.of(Headers { given, prepared });
        self.version = Some(version);
        Ok(())
    }

    /// Polls `path`, which is encoded and has its query. `silence` is the longest time without a
    /// byte, before the headers and between two chunks of the body.
    ///
    /// # Errors
    /// Only what no retry can mend: a request or a client that cannot be built.
    pub async fn poll(&mut self, path: &str, silence: Duration) -> Result<Polled> {
        // Rare ways are boxed: a feed that waits would hold room for them all the time.
        let Some(origin) = self.origin.clone() else { return Box::pin(self.ask_client(path, silence)).await };
        let target = format!("{}{path}", self.prefix);
        let kept = self.kept.take().and_then(Kept::trusted);
        let (head, mut way) = match ask(&origin, kept, &target, &self.headers.prepared, silence).await? {
            Asked::Head(head, way) => (head, way),
            Asked::Connect(error) => return Ok(Polled::Connect(error)),
            Asked::Silent(error) => return Ok(Polled::Silent(error)),
        };
        if leads_elsewhere(&head) {
            return Box::pin(self.ask_client(path, silence)).await;
        }
        // What an answer that broke off left there.
        self.buffer.clear();
        Ok(match body(&mut way, length_of(&head), &mut self.buffer, silence).await {
            Ok(body) => {
                self.kept = Some(way).filter(Way::is_open).map(|way| Kept { since: Since::now(), way });
                if body.len() < ROOM_FROM {
                    self.buffer = BytesMut::new();
                }
                whole(head, body, &self.headers.given)
            }
            Err(polled) => polled,
        })
    }

    async fn ask_client(&self, path: &str, silence: Duration) -> Result<Polled> {
        by_client(client::long(), &format!("{}{path}", self.base_url), self.headers.given.clone(), silence).await
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        if let (Some(origin), Some(way)) = (&self.origin, self.kept.take().and_then(Kept::trusted)) {
            way.leave(origin);
        }
    }
}

/// `given`, and what the general client adds by itself.
fn prepared(given: &HeaderMap) -> HeaderMap {
    let mut headers = given.clone();
    headers.insert(USER_AGENT, HeaderValue::from_static(AGENT));
    headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("gzip, zstd"));
    headers
}

/// Whether the general client has to follow: it knows which headers may go where.
fn leads_elsewhere(head: &Parts) -> bool {
    head.status.is_redirection() && head.headers.contains_key(LOCATION)
}

fn encoding(headers: &HeaderMap) -> Option<Encoding> {
    headers.get(CONTENT_ENCODING).and_then(|value| Encoding::of(value.as_bytes()))
}

/// The rest of an answer. One that comes in several chunks is put together in `buffer`, whose room
/// is used again once the last answer is done with.
async fn body(way: &mut Way, length: usize, buffer: &mut BytesMut, silence: Duration) -> Result<Bytes, Polled> {
    // Most bodies are one chunk, which then is the body.
    let mut first = Bytes::new();
    loop {
        match timeout(silence, way.chunk()).await {
            Ok(Some(Ok(chunk))) if first.len() + buffer.len() + chunk.len() > LONGEST_BODY => return Err(too_large()),
            Ok(Some(Ok(chunk))) if buffer.is_empty() && first.is_empty() => first = chunk,
            Ok(Some(Ok(chunk))) => {
                if buffer.is_empty() {
                    buffer.reserve(length.max(first.len() + chunk.len()));
                    buffer.extend_from_slice(&std::mem::take(&mut first));
                }
                buffer.extend_from_slice(&chunk);
            }
            Ok(Some(Err(error))) => return Err(Polled::Cut(error)),
            Ok(None) => return Ok(if buffer.is_empty() { first } else { buffer.split().freeze() }),
            Err(_) => {
                way.abandon();
                return Err(Polled::Silent(silent(silence)));
            }
        }
    }
}

/// How long a body says it is, as far as that is believed.
fn length_of(head: &Parts) -> usize {
    let length = head.headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
    length.unwrap_or(0).min(MOST_RESERVED)
}

fn whole(head: Parts, body: Bytes, asked: &HeaderMap) -> Polled {
    let decoded = match encoding(&head.headers) {
        Some(encoding) => encoding.decode(&body, LONGEST_BODY),
        None => Ok(Some(body)),
    };
    match decoded {
        Ok(Some(body)) => {
            let status = head.status.as_u16();
            let (headers, body) = Echo::of(asked).hide(status, head.headers, body);
            Polled::Answer { status, headers, body }
        }
        Ok(None) => too_large(),
        Err(error) => Polled::Cut(error),
    }
}
