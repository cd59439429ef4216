//! The connections to one server: who opens another, who waits, and what is kept for later.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use http::uri::{Authority, Scheme};
use http::{HeaderValue, Uri};
use once_cell::sync::Lazy;
use tokio::sync::Notify;

use super::connect::{connect, failed};
use super::one::One;
use super::shard::Shard;
use super::way::Way;
use crate::error::Result;
use crate::http::client;
use crate::http::proxy::is_proxied;
use crate::http::since::Since;
use crate::lock::lock;

/// How long a shared connection is kept when nobody needs it. Whoever takes a place on one that was
/// quiet asks whether it is alive first.
pub(super) const IDLE: Duration = Duration::from_secs(30);
/// The most connections of HTTP/1.1 that are kept.
const MOST_IDLE: usize = 16;
/// Servers remembered before those without connections are forgotten.
const MOST_ORIGINS: usize = 64;

/// What connections are for. Polls and streams have their own: what nobody reads of a stream waits
/// in its connection's window, and may not keep the polls waiting (defect 9).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Use {
    Polls,
    Streams,
}

type Origins = HashMap<(Scheme, Authority, Use), Arc<Origin>>;

static ORIGINS: Lazy<Mutex<Origins>> = Lazy::new(Mutex::default);

/// One server.
#[derive(Debug)]
pub(super) struct Origin {
    scheme: Scheme,
    authority: Authority,
    host: HeaderValue,
    purpose: Use,
    state: Mutex<State>,
    /// Wakes one that waits: a place is free, or a connection opened or could not be. Whoever leaves
    /// the queue wakes the next, so that nobody is woken for nothing.
    news: Notify,
}

#[derive(Debug, Default)]
struct State {
    speaks: Speaks,
    shards: Vec<Arc<Shard>>,
    /// What the last one had room for.
    room: usize,
    /// Connections of HTTP/1.1 that were left, and when.
    idle: Vec<(Since, Box<One>)>,
    /// Whether a task looks after those.
    tended: bool,
    /// Connections being opened, and who waits for one.
    opening: usize,
    waiting: usize,
    /// How many could not be opened, and why the last one could not.
    failures: u64,
    failure: String,
}

/// What the server chose when it was last asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Speaks {
    #[default]
    Unknown,
    Http1,
    Http2,
}

/// What one that needs a connection does.
enum Plan {
    Take(Way),
    Open,
    /// Until there is news.
    Wait,
    /// One was opened for it while it waited, and failed for this reason.
    Fail(String),
}

impl Origin {
    /// The server of `url`; `None` where the general client has to be asked.
    pub(super) fn of(url: &url::Url, purpose: Use) -> Option<Arc<Self>> {
        let uri: Uri = url.as_str().parse().ok()?;
        let (scheme, authority) = (uri.scheme()?.clone(), uri.authority()?.clone());
        if authority.as_str().contains('@') || is_proxied(&uri) {
            return None;
        }
        let host = HeaderValue::from_str(authority.as_str()).ok()?;
        let mut origins = lock(&ORIGINS);
        if origins.len() >= MOST_ORIGINS {
            origins.retain(|_, origin| Arc::strong_count(origin) > 1 || origin.has_connections());
        }
        // Without TLS nobody is asked: HTTP/1.1.
        let speaks = if scheme == Scheme::HTTP { Speaks::Http1 } else { Speaks::Unknown };
        let origin = origins.entry((scheme.clone(), authority.clone(), purpose)).or_insert_with(|| {
            let state = Mutex::new(State { speaks, ..State::default() });
            Arc::new(Self { scheme, authority, host, purpose, state, news: Notify::new() })
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

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    fn has_connections(&self) -> bool {
        let state = self.state();
        !state.shards.is_empty() || !state.idle.is_empty()
    }

    /// A connection, or a place on one: of those that are open, or a new one.
    ///
    /// # Errors
    /// `ERR_CONNECTION` when none could be opened.
    pub(super) async fn way(self: &Arc<Self>) -> Result<Way> {
        let mut waiting: Option<Waiting<'_>> = None;
        let mut failures = None;
        loop {
            let mut news = std::pin::pin!(self.news.notified());
            // From here on no news is missed.
            news.as_mut().enable();
            let plan = {
                let mut state = self.state();
                if let Some(waiting) = waiting.take() {
                    waiting.end(&mut state);
                }
                let plan = state.plan(self, failures);
                failures.get_or_insert(state.failures);
                if matches!(plan, Plan::Wait) {
                    waiting = Some(Waiting::begin(self, &mut state));
                } else if state.wakes_next(&plan) {
                    self.news.notify_one();
                }
                plan
            };
            match plan {
                Plan::Take(way) => return Ok(way),
                // Boxed: else every poll had the room of a handshake for as long as it waits.
                Plan::Open => return Box::pin(self.open()).await,
                Plan::Wait => news.await,
                // Each of a thousand feeds trying in turn would keep them waiting for hours.
                Plan::Fail(why) => return Err(failed().with_source(why)),
            }
        }
    }

    async fn open(self: &Arc<Self>) -> Result<Way> {
        let mut opening = Opening { origin: self, failure: None };
        let opened = self.open_one().await;
        if let Err(error) = &opened {
            opening.failure = Some(error.causes().unwrap_or_else(|| error.message().to_owned()));
        }
        opened
    }

    async fn open_one(self: &Arc<Self>) -> Result<Way> {
        let uri = Uri::builder().scheme(self.scheme()).authority(self.authority()).path_and_query("/").build();
        let (socket, http2) = connect(uri.map_err(|error| failed().with_source(error))?).await?;
        if !http2 {
            self.state().speaks = Speaks::Http1;
            return Ok(Way::One(Box::new(One::open(socket).await?)));
        }
        let shard = Shard::open(socket, self.purpose, self).await?;
        let mut state = self.state();
        state.speaks = Speaks::Http2;
        state.room = shard.room();
        let place = shard.place(self);
        state.shards.push(shard);
        place.map(Way::Shared).ok_or_else(|| failed().with_source("the connection was closed again at once"))
    }

    /// A place became free.
    pub(super) fn left(&self) {
        self.news.notify_one();
    }

    /// Lets go of a shared connection that nobody used since its use number `uses`: it closes.
    pub(super) fn forget(&self, shard: &Arc<Shard>, uses: usize) {
        // Places are only given under this lock.
        let mut state = self.state();
        if shard.is_idle() && shard.uses() == uses {
            state.shards.retain(|kept| !Arc::ptr_eq(kept, shard));
        }
    }

    /// Keeps a connection of HTTP/1.1 that was left.
    pub(super) fn park(self: &Arc<Self>, one: Box<One>) {
        // Outside the runtime nobody can look after it.
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        let mut state = self.state();
        if !one.is_open() || state.idle.len() >= MOST_IDLE {
            return;
        }
        state.idle.push((Since::now(), one));
        if !std::mem::replace(&mut state.tended, true) {
            runtime.spawn(tend(self.clone()));
        }
    }
}

/// Closes connections of HTTP/1.1 that nobody needed for long, for as long as there are any.
async fn tend(origin: Arc<Origin>) {
    loop {
        let oldest = {
            let mut state = origin.state();
            state.idle.retain(|(since, one)| since.elapsed() < client::IDLE && one.is_open());
            let Some((oldest, _)) = state.idle.first() else {
                state.tended = false;
                return;
            };
            oldest.elapsed()
        };
        tokio::time::sleep(client::IDLE.saturating_sub(oldest)).await;
    }
}

impl State {
    /// `failures`: how many there were when it began to wait; `None` if it did not.
    fn plan(&mut self, origin: &Arc<Origin>, failures: Option<u64>) -> Plan {
        let (way, enough) = match self.speaks {
            Speaks::Unknown => (None, self.opening > 0),
            Speaks::Http1 => {
                // The one left last, unless its server closed it, or it is too old to be trusted: a
                // process that was frozen looked after none.
                let young = |(since, one): (Since, Box<One>)| (since.elapsed() < client::IDLE).then_some(one);
                let alive = std::iter::from_fn(|| self.idle.pop())
                    .filter_map(young)
                    .find_map(|mut one| one.is_alive().then_some(one));
                (alive.map(Way::One), false)
            }
            Speaks::Http2 => {
                self.shards.retain(|shard| shard.is_open());
                // The first that has room: what is not needed any more runs empty.
                let place = self.shards.iter().find_map(|shard| shard.place(origin));
                (place.map(Way::Shared), self.coming() > self.waiting)
            }
        };
        match way {
            Some(way) => Plan::Take(way),
            None if enough => Plan::Wait,
            None if failures.is_some_and(|failures| self.failures > failures) => Plan::Fail(self.failure.clone()),
            None => {
                self.opening += 1;
                Plan::Open
            }
        }
    }

    /// Places on the connections being opened, without those of the ones who open them.
    fn coming(&self) -> usize {
        self.opening * self.room.saturating_sub(1)
    }

    /// Whether one that waits may find what it waits for after `plan`, or has to open a connection.
    fn wakes_next(&self, plan: &Plan) -> bool {
        self.waiting > 0
            && match plan {
                Plan::Take(_) | Plan::Fail(_) => true,
                Plan::Open => self.speaks == Speaks::Http1 || self.coming() < self.waiting,
                Plan::Wait => false,
            }
    }
}

/// A connection being opened; whatever becomes of it, those who wait hear of it.
struct Opening<'a> {
    origin: &'a Origin,
    failure: Option<String>,
}

impl Drop for Opening<'_> {
    fn drop(&mut self) {
        let mut state = self.origin.state();
        state.opening -= 1;
        let Some(failure) = self.failure.take() else {
            drop(state);
            return self.origin.news.notify_one();
        };
        state.failures += 1;
        state.failure = failure;
        drop(state);
        self.origin.news.notify_waiters();
    }
}

/// One that waits.
struct Waiting<'a>(Option<&'a Origin>);

impl<'a> Waiting<'a> {
    fn begin(origin: &'a Origin, state: &mut State) -> Self {
        state.waiting += 1;
        Self(Some(origin))
    }

    fn end(mut self, state: &mut State) {
        state.waiting -= 1;
        self.0 = None;
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if let Some(origin) = self.0 {
            origin.state().waiting -= 1;
        }
    }
}
