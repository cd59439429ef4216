//! The long-poll client of one feed.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header::{CONTENT_LENGTH, HeaderMap};
use http::response::Parts;
use tokio::time::timeout;

use super::connection::PooledConnection;
use super::headers::{encoding, is_redirection, with_defaults};
use super::origin::Origin;
use super::purpose::Purpose;
use super::request::{Latest, SendOutcome, send};
use crate::error::Result;
use crate::http::clients;
use crate::http::error::silent;
use crate::http::instant::SuspendAwareInstant;
use crate::http::poll::{MAX_BODY_BYTES, PollOutcome, poll_with_client, too_large};
use crate::http::reconnects::ReconnectLimiter;
use crate::http::redaction::Redaction;
use crate::http::settings::IDLE_TIMEOUT;
use crate::intern::Interner;

/// The most room reserved for a body before it arrives, in bytes.
const MAX_RESERVED: usize = 1 << 20;

/// The room of a body this long, in bytes, is kept for the next one. For shorter bodies an allocation
/// costs less than the room that ten thousand waiting feeds would hold.
const MIN_KEPT_BUFFER: usize = 16 * 1024;

/// Polls one feed, over the pool where that reaches the server, else with the general client.
#[derive(Debug)]
pub struct LongPollClient {
    base_url: Arc<str>,
    /// `None` where only the general client reaches the server: through a proxy, or with a user name
    /// in the URL.
    origin: Option<Arc<Origin>>,
    limiter: Arc<ReconnectLimiter>,
    /// The last poll failed or lost its connection: the next one needs a turn.
    needs_turn: bool,
    /// The path of the base URL, which stands before every path.
    prefix: String,
    headers: Arc<Headers>,
    /// The version of `headers`.
    version: Option<u64>,
    /// Room for long bodies.
    buffer: BytesMut,
    /// The connection between two polls.
    idle: Option<IdleConnection>,
}

/// The connection of the last poll.
#[derive(Debug)]
struct IdleConnection {
    since: SuspendAwareInstant,
    connection: PooledConnection,
}

impl IdleConnection {
    /// The connection, unless it was idle for too long: a slow reader, or a wait before a retry, finds
    /// one that a NAT forgot. A shared connection watches its own liveness.
    fn fresh(self) -> Option<PooledConnection> {
        let is_fresh = match &self.connection {
            PooledConnection::Http1(_) => self.since.elapsed() < IDLE_TIMEOUT,
            PooledConnection::Http2(_) => true,
        };
        is_fresh.then_some(self.connection)
    }
}

/// The headers of every poll. Feeds of one endpoint share them.
#[derive(Debug, Default, PartialEq)]
struct Headers {
    /// As the caller gives them.
    given: HeaderMap,
    /// With those that the general client would add.
    prepared: HeaderMap,
}

static HEADERS: Interner<Headers> = Interner::new();

impl LongPollClient {
    /// A client for `base_url`, which [`crate::config::Endpoint`] has checked.
    #[must_use]
    pub fn new(base_url: &str) -> Self {
        let url = url::Url::parse(base_url).ok();
        let prefix = url.as_ref().map_or_else(String::new, |url| url.path().trim_end_matches('/').to_owned());
        let origin = url.and_then(|url| Origin::of(&url, Purpose::Polls));
        Self {
            base_url: base_url.into(),
            limiter: origin.as_ref().map_or_else(|| ReconnectLimiter::of(base_url), |origin| origin.limiter().clone()),
            origin,
            needs_turn: false,
            prefix,
            headers: Arc::default(),
            version: None,
            buffer: BytesMut::new(),
            idle: None,
        }
    }

    /// Sets the headers of every poll. `make` is called only when `version` differs from the last one.
    ///
    /// # Errors
    /// Those of `make`.
    pub fn set_headers(&mut self, version: u64, make: impl FnOnce() -> Result<HeaderMap>) -> Result<()> {
        if self.version == Some(version) {
            return Ok(());
        }
        let given = make()?;
        let prepared = with_defaults(&given);
        self.headers = HEADERS.intern(Headers { given, prepared });
        self.version = Some(version);
        Ok(())
    }

    /// Polls `path`, which is encoded and has its query. `silence` is the longest time without a
    /// byte, before the head and between two chunks of the body.
    ///
    /// # Errors
    /// Only errors that no retry can mend: a request or a client that cannot be built.
    pub async fn poll(&mut self, path: &str, silence: Duration) -> Result<PollOutcome> {
        self.poll_latest(&mut || Ok(path.to_owned()), silence).await
    }

    /// As [`LongPollClient::poll`], with the path that `latest` gives when a connection is ready for it: a reconnect may
    /// have waited for its turn, and the server remembers changes for 2 s.
    ///
    /// # Errors
    /// Those of `latest`, and as for [`LongPollClient::poll`].
    pub async fn poll_latest(&mut self, latest: &mut Latest<'_>, silence: Duration) -> Result<PollOutcome> {
        let was_connected = self.idle.is_some();
        let idle = self.idle.take().and_then(IdleConnection::fresh).filter(PooledConnection::is_open);
        let is_lost = was_connected && idle.is_none();
        if std::mem::replace(&mut self.needs_turn, true) || is_lost {
            // Boxed, as all that is rare: every waiting feed would hold room for it all the time.
            Box::pin(self.limiter.turn()).await;
        }
        let Some(origin) = self.origin.clone() else { return Box::pin(self.fall_back(latest, silence)).await };
        let prefix = &self.prefix;
        let mut target = || latest().map(|path| format!("{prefix}{path}"));
        let headers = &self.headers.prepared;
        let (head, mut connection) = match send(&origin, idle, &mut target, headers, silence).await? {
            SendOutcome::Head(head, connection) => (head, connection),
            SendOutcome::Connect(error) => return Ok(PollOutcome::Connect(error)),
            SendOutcome::Silent(error) => return Ok(PollOutcome::Silent(error)),
        };
        if is_redirection(&head) {
            return Box::pin(self.fall_back(latest, silence)).await;
        }
        // A response that broke off may have left bytes there.
        self.buffer.clear();
        Ok(match body(&mut connection, length_of(&head), &mut self.buffer, silence).await {
            Ok(body) => {
                self.idle = Some(connection)
                    .filter(PooledConnection::is_open)
                    .map(|connection| IdleConnection { since: SuspendAwareInstant::now(), connection });
                self.needs_turn = self.idle.is_none() || head.status.as_u16() >= 400;
                if body.len() < MIN_KEPT_BUFFER {
                    self.buffer = BytesMut::new();
                }
                decoded(head, body, &self.headers.given)
            }
            Err(outcome) => outcome,
        })
    }

    /// Hands the connection of the last poll on: the next one will not be sent soon.
    pub fn release(&mut self) {
        if let (Some(origin), Some(connection)) = (&self.origin, self.idle.take().and_then(IdleConnection::fresh)) {
            origin.release(connection);
        }
    }

    async fn fall_back(&mut self, latest: &mut Latest<'_>, silence: Duration) -> Result<PollOutcome> {
        let url = format!("{}{}", self.base_url, latest()?);
        let polled = poll_with_client(clients::long(), &url, self.headers.given.clone(), silence).await?;
        self.needs_turn = !matches!(&polled, PollOutcome::Response { status, .. } if *status < 400);
        Ok(polled)
    }
}

impl Drop for LongPollClient {
    fn drop(&mut self) {
        self.release();
    }
}

/// Reads the body of a response. One of several chunks is put together in `buffer`, whose room is
/// used again once the previous body is dropped.
async fn body(
    connection: &mut PooledConnection,
    length: usize,
    buffer: &mut BytesMut,
    silence: Duration,
) -> Result<Bytes, PollOutcome> {
    // Most bodies are one chunk, which then is the body.
    let mut first = Bytes::new();
    loop {
        match timeout(silence, connection.chunk()).await {
            Ok(Some(Ok(chunk))) if first.len() + buffer.len() + chunk.len() > MAX_BODY_BYTES => {
                return Err(too_large());
            }
            Ok(Some(Ok(chunk))) if buffer.is_empty() && first.is_empty() => first = chunk,
            Ok(Some(Ok(chunk))) => {
                if buffer.is_empty() {
                    buffer.reserve(length.max(first.len() + chunk.len()));
                    buffer.extend_from_slice(&std::mem::take(&mut first));
                }
                buffer.extend_from_slice(&chunk);
            }
            Ok(Some(Err(error))) => return Err(PollOutcome::Cut(error)),
            Ok(None) => return Ok(if buffer.is_empty() { first } else { buffer.split().freeze() }),
            Err(_) => {
                connection.abandon();
                return Err(PollOutcome::Silent(silent(silence)));
            }
        }
    }
}

/// The announced length of a body, at most 1 MiB: a server can announce anything.
fn length_of(head: &Parts) -> usize {
    let length = head.headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
    length.unwrap_or(0).min(MAX_RESERVED)
}

/// The whole response: decompressed, and without the key of the request where it is an error.
fn decoded(head: Parts, body: Bytes, request: &HeaderMap) -> PollOutcome {
    let body = match encoding(&head.headers) {
        Some(encoding) => encoding.decode(&body, MAX_BODY_BYTES),
        None => Ok(Some(body)),
    };
    match body {
        Ok(Some(body)) => {
            let status = head.status.as_u16();
            let (headers, body) = Redaction::of(request).redact(status, head.headers, body);
            PollOutcome::Response { status, headers, body }
        }
        Ok(None) => too_large(),
        Err(error) => PollOutcome::Cut(error),
    }
}
