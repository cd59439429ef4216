//! The way of a feed's polls to its server.
//!
//! A feed always has exactly one request out. Over HTTP/1.1 each feed therefore has a connection of
//! its own; over HTTP/2 feeds share connections, each with no more streams than its server allows:
//! beyond that a connection queues in silence, and a long-poll would starve the others (design.md).

mod connect;
mod decode;
mod one;
mod origin;
mod shard;

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use http::header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_LENGTH, HOST, HeaderMap, HeaderValue, USER_AGENT};
use http::{Request, Uri};
use tokio::time::timeout;

use self::decode::Encoding;
use self::one::One;
use self::origin::Origin;
use self::shard::Place;
use super::client::{self, AGENT};
use super::echo::Echo;
use super::poll::{LONGEST_BODY, Polled, by_client, too_large};
use super::stream::silent;
use crate::error::{Error, Result};
use crate::shared::Shared;

/// A connection in use before that breaks so soon after a request may never have brought it to the
/// server: servers close idle connections, and the news of it can be under way.
const STALE: Duration = Duration::from_secs(1);

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
    kept: Option<Way>,
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

/// What one request at a time can go out on.
#[derive(Debug)]
enum Way {
    One(Box<One>),
    Shared(Place),
}

/// Why there are no headers of an answer.
#[derive(Debug)]
struct Failed {
    error: Error,
    /// The server did not act on the request: it can go out again at once.
    unsent: bool,
}

impl Line {
    /// The way to `base_url`, which [`crate::config::Endpoint`] has checked.
    #[must_use]
    pub fn new(base_url: &str) -> Self {
        let url = url::Url::parse(base_url).ok();
        let prefix = url.as_ref().map_or_else(String::new, |url| url.path().trim_end_matches('/').to_owned());
        Self {
            base_url: base_url.into(),
            origin: url.and_then(|url| Origin::of(&url)),
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
        let mut prepared = given.clone();
        prepared.insert(USER_AGENT, HeaderValue::from_static(AGENT));
        prepared.insert(ACCEPT_ENCODING, HeaderValue::from_static("gzip, zstd"));
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
        let mut repeated = false;
        loop {
            let mut way = match self.way(&origin, silence).await {
                Ok(way) => way,
                Err(error) => return Ok(Polled::Connect(error)),
            };
            let request = self.request(&origin, &way, path)?;
            let (used, sent) = (way.was_used(), Instant::now());
            let head = match timeout(silence, way.head(request)).await {
                Ok(Ok(head)) => head,
                Ok(Err(failed)) => {
                    if !repeated && (failed.unsent || (used && sent.elapsed() < STALE)) {
                        repeated = true;
                        continue;
                    }
                    return Ok(Polled::Connect(failed.error));
                }
                Err(_) => {
                    way.abandon();
                    return Ok(Polled::Silent(silent(silence)));
                }
            };
            if head.status.is_redirection() && head.headers.contains_key(http::header::LOCATION) {
                return Box::pin(self.ask_client(path, silence)).await;
            }
            // What an answer that broke off left there.
            self.buffer.clear();
            return Ok(match body(&mut way, length_of(&head), &mut self.buffer, silence).await {
                Ok(body) => {
                    self.kept = Some(way).filter(Way::is_open);
                    if body.len() < ROOM_FROM {
                        self.buffer = BytesMut::new();
                    }
                    whole(head, body, &self.headers.given)
                }
                Err(polled) => polled,
            });
        }
    }

    /// The connection kept, while it is open, or another.
    async fn way(&mut self, origin: &Arc<Origin>, patience: Duration) -> Result<Way> {
        if let Some(way) = self.kept.take().filter(Way::is_open) {
            return Ok(way);
        }
        timeout(patience, Box::pin(origin.way())).await.unwrap_or_else(|_| Err(silent(patience)))
    }

    /// Boxed: a future keeps what it is given by value, also when it has handed it on.
    fn request(&self, origin: &Origin, way: &Way, path: &str) -> Result<Box<Request<()>>> {
        let target = format!("{}{path}", self.prefix);
        let invalid = |error: http::Error| {
            Error::config("ERR_INVALID_REQUEST", "the request could not be built: check the base URL")
                .with_source(error)
        };
        let builder = match way {
            Way::One(_) => Request::get(target),
            Way::Shared(_) => Request::get(
                Uri::builder()
                    .scheme(origin.scheme())
                    .authority(origin.authority())
                    .path_and_query(target)
                    .build()
                    .map_err(invalid)?,
            ),
        };
        let mut request = Box::new(builder.body(()).map_err(invalid)?);
        request.headers_mut().clone_from(&self.headers.prepared);
        match way {
            Way::One(_) => drop(request.headers_mut().insert(HOST, origin.host())),
            Way::Shared(_) => {}
        }
        Ok(request)
    }

    async fn ask_client(&self, path: &str, silence: Duration) -> Result<Polled> {
        by_client(client::feeds()?, &format!("{}{path}", self.base_url), self.headers.given.clone(), silence).await
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        if let (Some(origin), Some(Way::One(one))) = (&self.origin, self.kept.take()) {
            origin.park(one);
        }
    }
}

impl Way {
    fn was_used(&self) -> bool {
        match self {
            Self::One(one) => one.was_used(),
            Self::Shared(_) => true,
        }
    }

    fn is_open(&self) -> bool {
        match self {
            Self::One(one) => one.is_open(),
            Self::Shared(place) => place.is_open(),
        }
    }

    async fn head(&mut self, request: Box<Request<()>>) -> Result<http::response::Parts, Failed> {
        match self {
            Self::One(one) => one.head(request).await,
            Self::Shared(place) => place.head(request).await,
        }
    }

    async fn chunk(&mut self) -> Option<Result<Bytes>> {
        match self {
            Self::One(one) => one.chunk().await,
            Self::Shared(place) => place.chunk().await,
        }
    }

    /// It said nothing: whatever else is on the same connection may be as dead (defect 11).
    fn abandon(&mut self) {
        match self {
            Self::One(_) => {}
            Self::Shared(place) => place.abandon(),
        }
    }
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
fn length_of(head: &http::response::Parts) -> usize {
    let length = head.headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
    length.unwrap_or(0).min(MOST_RESERVED)
}

fn whole(head: http::response::Parts, body: Bytes, asked: &HeaderMap) -> Polled {
    let encoding = head.headers.get(CONTENT_ENCODING).and_then(|value| Encoding::of(value.as_bytes()));
    match encoding.map_or_else(|| Ok(Some(body.clone())), |encoding| encoding.decode(&body, LONGEST_BODY)) {
        Ok(Some(body)) => {
            let status = head.status.as_u16();
            let (headers, body) = Echo::of(asked).hide(status, head.headers, body);
            Polled::Answer { status, headers, body }
        }
        Ok(None) => too_large(),
        Err(error) => Polled::Cut(error),
    }
}
