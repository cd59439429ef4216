//! The connections to one server: which request opens another, which waits, and which idle ones are
//! kept.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};

use http::uri::{Authority, Scheme};
use http::{HeaderValue, Uri};
use once_cell::sync::Lazy;
use tokio::sync::Notify;

#[cfg(not(test))]
use super::connect::connect;
use super::connection::PooledConnection;
use super::error::connection_error;
use super::http1::Http1Connection;
use super::http2::Http2Connection;
#[cfg(test)]
use super::memory::connect;
use super::purpose::Purpose;
use crate::error::Result;
use crate::http::instant::SuspendAwareInstant;
use crate::http::proxy::is_proxied;
use crate::http::reconnects::ReconnectLimiter;
use crate::http::settings::IDLE_TIMEOUT;
use crate::lock::lock;
use crate::log::{Level, Span, SpanKind, log};

/// The most idle connections of HTTP/1.1 that are kept for one origin.
const MAX_IDLE_HTTP1: usize = 16;
/// From this many origins on, those without connections are forgotten.
const MAX_ORIGINS: usize = 64;

/// The log lines of a connection.
static LOGGED: SpanKind = SpanKind::plain(Level::Debug, "connection opened", "connection closed");

type Origins = HashMap<(Scheme, Authority, Purpose), Arc<Origin>>;

static ORIGINS: Lazy<Mutex<Origins>> = Lazy::new(Mutex::default);

/// One server, and the connections to it for one purpose.
#[derive(Debug)]
pub(super) struct Origin {
    scheme: Scheme,
    authority: Authority,
    host: HeaderValue,
    purpose: Purpose,
    limiter: Arc<ReconnectLimiter>,
    state: Mutex<State>,
    /// Wakes one waiter: a permit is free, or a connection opened or failed to. A waiter that leaves
    /// the queue wakes the next one, so that no wake-up is lost.
    available: Arc<Notify>,
}

#[derive(Debug, Default)]
struct State {
    protocol: Protocol,
    http2: Vec<Arc<Http2Connection>>,
    /// How many permits the last connection of HTTP/2 had.
    capacity: usize,
    /// Idle connections of HTTP/1.1, and since when.
    idle: Vec<(SuspendAwareInstant, Box<Http1Connection>)>,
    /// Whether a task closes those that are idle for too long.
    is_evicting: bool,
    /// Connections being opened, and requests that wait for one.
    connecting: usize,
    waiters: usize,
    /// How many could not be opened, and why the last one could not.
    failures: u64,
    last_failure: String,
}

/// The version of HTTP that the server chose in the last handshake.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Protocol {
    #[default]
    Unknown,
    Http1,
    Http2,
}

/// The decision for a request that needs a connection.
enum Checkout {
    /// Takes this one.
    Ready(PooledConnection),
    /// Opens another.
    Connect,
    /// Waits until [`Origin::available`] is notified.
    Wait,
    /// Fails: a connection was opened for it while it waited, and failed for this reason.
    Fail(String),
}

impl Origin {
    /// The origin of `url`; `None` where only the general client reaches it.
    pub(super) fn of(url: &url::Url, purpose: Purpose) -> Option<Arc<Self>> {
        let uri: Uri = url.as_str().parse().ok()?;
        let (scheme, authority) = (uri.scheme()?.clone(), uri.authority()?.clone());
        if authority.as_str().contains('@') || is_proxied(&uri) {
            return None;
        }
        let host = HeaderValue::from_str(authority.as_str()).ok()?;
        let mut origins = lock(&ORIGINS);
        if origins.len() >= MAX_ORIGINS {
            origins.retain(|_, origin| Arc::strong_count(origin) > 1 || origin.has_connections());
        }
        // Without TLS there is no ALPN: HTTP/1.1.
        let protocol = if scheme == Scheme::HTTP { Protocol::Http1 } else { Protocol::Unknown };
        let origin = origins.entry((scheme.clone(), authority.clone(), purpose)).or_insert_with(|| {
            let state = Mutex::new(State { protocol, ..State::default() });
            let limiter = ReconnectLimiter::of(url.as_str());
            Arc::new(Self { scheme, authority, host, purpose, limiter, state, available: Arc::default() })
        });
        Some(origin.clone())
    }

    pub(super) fn scheme(&self) -> Scheme {
        self.scheme.clone()
    }

    pub(super) fn authority(&self) -> Authority {
        self.authority.clone()
    }

    /// The `Host` header.
    pub(super) fn host(&self) -> HeaderValue {
        self.host.clone()
    }

    /// Gives turns to requests that follow a failure or a lost connection.
    pub(super) fn limiter(&self) -> &Arc<ReconnectLimiter> {
        &self.limiter
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    fn has_connections(&self) -> bool {
        let state = self.state();
        !state.http2.is_empty() || !state.idle.is_empty()
    }

    /// Takes a connection out of the pool, or opens one.
    ///
    /// # Errors
    /// `ERR_CONNECTION` when none could be opened.
    pub(super) async fn checkout(self: &Arc<Self>) -> Result<PooledConnection> {
        let mut waiter: Option<Waiter<'_>> = None;
        let mut failures = None;
        loop {
            let mut available = std::pin::pin!(self.available.notified());
            // From here on no notification is missed.
            available.as_mut().enable();
            let checkout = {
                let mut state = self.state();
                if let Some(waiter) = waiter.take() {
                    waiter.end(&mut state);
                }
                let checkout = state.checkout(failures);
                failures.get_or_insert(state.failures);
                if matches!(checkout, Checkout::Wait) {
                    waiter = Some(Waiter::begin(self, &mut state));
                } else if state.wakes_next(&checkout) {
                    self.available.notify_one();
                }
                checkout
            };
            match checkout {
                Checkout::Ready(connection) => return Ok(connection),
                // Boxed: every waiting poll would hold the room of a handshake.
                Checkout::Connect => return Box::pin(self.connect()).await,
                Checkout::Wait => available.await,
                // A thousand feeds that tried one after another would wait for hours.
                Checkout::Fail(why) => return Err(connection_error().with_source(why)),
            }
        }
    }

    async fn connect(self: &Arc<Self>) -> Result<PooledConnection> {
        let mut connecting = Connecting { origin: self, failure: None };
        let outcome = self.handshake().await;
        if let Err(error) = &outcome {
            log!(Warn, "connection failed", "server" => self.url(), "code" => error.code().as_str(), "cause" => error.causes());
            connecting.failure = Some(error.causes().unwrap_or_else(|| error.message().to_owned()));
        }
        outcome
    }

    async fn handshake(self: &Arc<Self>) -> Result<PooledConnection> {
        let uri = Uri::builder().scheme(self.scheme()).authority(self.authority()).path_and_query("/").build();
        let (socket, is_http2) = connect(uri.map_err(|error| connection_error().with_source(error))?).await?;
        if !is_http2 {
            self.state().protocol = Protocol::Http1;
            let connection = Http1Connection::open(socket).await?.logged(self.opened("HTTP/1.1"));
            return Ok(PooledConnection::Http1(Box::new(connection)));
        }
        let origin = Arc::downgrade(self);
        let evict = move |connection: &_, given| {
            if let Some(origin) = origin.upgrade() {
                origin.evict(connection, given);
            }
        };
        let connection =
            Http2Connection::open(socket, self.purpose, self.available.clone(), evict, || self.opened("HTTP/2"))
                .await?;
        let mut state = self.state();
        state.protocol = Protocol::Http2;
        state.capacity = connection.capacity();
        let permit = connection.try_acquire();
        state.http2.push(connection);
        permit
            .map(PooledConnection::Http2)
            .ok_or_else(|| connection_error().with_source("the connection was closed again at once"))
    }

    fn url(&self) -> String {
        format!("{}://{}", self.scheme, self.authority)
    }

    fn opened(&self, protocol: &'static str) -> Span {
        Span::start(&LOGGED, || {
            vec![("server", self.url().into()), ("protocol", protocol.into()), ("use", self.purpose.as_str().into())]
        })
    }

    /// Drops a shared connection, and so closes it, unless it is in use or gave a permit since it had
    /// given `given`.
    fn evict(&self, connection: &Arc<Http2Connection>, given: usize) {
        // Permits are only given under this lock.
        let mut state = self.state();
        if connection.is_idle() && connection.given() == given {
            state.http2.retain(|kept| !Arc::ptr_eq(kept, connection));
        }
    }

    /// Puts a connection back into the pool, for the next request that needs one.
    pub(super) fn release(self: &Arc<Self>, connection: PooledConnection) {
        match connection {
            PooledConnection::Http1(connection) => self.keep_idle(connection),
            PooledConnection::Http2(permit) => drop(permit),
        }
    }

    fn keep_idle(self: &Arc<Self>, connection: Box<Http1Connection>) {
        // Outside the runtime no task could close it in time.
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        let mut state = self.state();
        if !connection.is_open() || state.idle.len() >= MAX_IDLE_HTTP1 {
            return;
        }
        state.idle.push((SuspendAwareInstant::now(), connection));
        if !std::mem::replace(&mut state.is_evicting, true) {
            runtime.spawn(evict_idle(self.clone()));
        }
    }
}

/// Closes connections of HTTP/1.1 that were idle for 4 s. Ends when none is left.
async fn evict_idle(origin: Arc<Origin>) {
    loop {
        let oldest = {
            let mut state = origin.state();
            state.idle.retain(|(since, connection)| since.elapsed() < IDLE_TIMEOUT && connection.is_open());
            let Some((oldest, _)) = state.idle.first() else {
                state.is_evicting = false;
                return;
            };
            oldest.elapsed()
        };
        tokio::time::sleep(IDLE_TIMEOUT.saturating_sub(oldest)).await;
    }
}

impl State {
    /// Decides for one request. `failures` is the count of failures when the request began to wait,
    /// `None` when it did not wait.
    fn checkout(&mut self, failures: Option<u64>) -> Checkout {
        let (connection, is_enough) = match self.protocol {
            Protocol::Unknown => (None, self.connecting > 0),
            Protocol::Http1 => {
                // The one released last, unless its server closed it, or it is too old: a process that
                // was suspended evicted none.
                let young = |(since, connection): (SuspendAwareInstant, Box<Http1Connection>)| {
                    (since.elapsed() < IDLE_TIMEOUT).then_some(connection)
                };
                let alive = std::iter::from_fn(|| self.idle.pop())
                    .filter_map(young)
                    .find_map(|mut connection| connection.is_alive().then_some(connection));
                (alive.map(PooledConnection::Http1), false)
            }
            Protocol::Http2 => {
                self.http2.retain(|connection| connection.is_open());
                // The first one with a permit left: connections that are no longer needed run empty.
                let permit = self.http2.iter().find_map(Http2Connection::try_acquire);
                (permit.map(PooledConnection::Http2), self.expected() > self.waiters)
            }
        };
        match connection {
            Some(connection) => Checkout::Ready(connection),
            None if is_enough => Checkout::Wait,
            None if failures.is_some_and(|failures| self.failures > failures) => {
                Checkout::Fail(self.last_failure.clone())
            }
            None => {
                self.connecting += 1;
                Checkout::Connect
            }
        }
    }

    /// Permits expected of the connections being opened, but for the one that each opener takes.
    fn expected(&self) -> usize {
        self.connecting * self.capacity.saturating_sub(1)
    }

    /// Whether a waiter should look again after `checkout`: it may find a connection, or has to open one.
    fn wakes_next(&self, checkout: &Checkout) -> bool {
        self.waiters > 0
            && match checkout {
                Checkout::Ready(_) | Checkout::Fail(_) => true,
                Checkout::Connect => self.protocol == Protocol::Http1 || self.expected() < self.waiters,
                Checkout::Wait => false,
            }
    }
}

/// A connection being opened. Its end, whatever the outcome, wakes the waiters.
struct Connecting<'a> {
    origin: &'a Origin,
    failure: Option<String>,
}

impl Drop for Connecting<'_> {
    fn drop(&mut self) {
        let mut state = self.origin.state();
        state.connecting -= 1;
        let Some(failure) = self.failure.take() else {
            drop(state);
            return self.origin.available.notify_one();
        };
        state.failures += 1;
        state.last_failure = failure;
        drop(state);
        self.origin.available.notify_waiters();
    }
}

/// One request that waits, counted in [`State::waiters`].
struct Waiter<'a>(Option<&'a Origin>);

impl<'a> Waiter<'a> {
    fn begin(origin: &'a Origin, state: &mut State) -> Self {
        state.waiters += 1;
        Self(Some(origin))
    }

    fn end(mut self, state: &mut State) {
        state.waiters -= 1;
        self.0 = None;
    }
}

impl Drop for Waiter<'_> {
    fn drop(&mut self) {
        if let Some(origin) = self.0 {
            origin.state().waiters -= 1;
        }
    }
}

#[cfg(test)]
#[path = "origin_tests.rs"]
mod tests;
