//! The connections to one server: who opens another, who waits, and what is kept for later.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use http::uri::{Authority, Scheme};
use http::{HeaderValue, Uri};
use once_cell::sync::Lazy;
use tokio::sync::Notify;

use super::Way;
use super::connect::{connect, failed, is_proxied};
use super::one::One;
use super::shard::Shard;
use crate::error::Result;

/// How long a connection is kept when nobody needs it.
const IDLE: Duration = Duration::from_secs(30);
/// The most connections of HTTP/1.1 that are kept.
const MOST_IDLE: usize = 16;
/// Feeds that wait for one more connection while it opens: as many as it will surely take.
const WAIT_FOR_ONE: usize = 100;
/// Servers remembered before those without connections are forgotten.
const MOST_ORIGINS: usize = 64;

type Origins = HashMap<(Scheme, Authority), Arc<Origin>>;

static ORIGINS: Lazy<Mutex<Origins>> = Lazy::new(Mutex::default);

/// One server.
#[derive(Debug)]
pub(super) struct Origin {
    scheme: Scheme,
    authority: Authority,
    host: HeaderValue,
    state: Mutex<State>,
    /// Told when a place is free, a connection opened, or could not be.
    news: Notify,
}

#[derive(Debug, Default)]
struct State {
    speaks: Speaks,
    shards: Vec<Arc<Shard>>,
    /// Connections of HTTP/1.1 that a feed has left, and when.
    idle: Vec<(Instant, Box<One>)>,
    /// Connections being opened, and feeds that wait for one.
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

/// What a feed that needs a connection does.
enum Plan {
    Take(Way),
    Open,
    /// Until there is news; then look whether there were more failures than these.
    Wait(u64),
}

impl Origin {
    /// The server of `url`; `None` where the general client has to be asked.
    pub(super) fn of(url: &url::Url) -> Option<Arc<Self>> {
        let uri: Uri = url.as_str().parse().ok()?;
        let (scheme, authority) = (uri.scheme()?.clone(), uri.authority()?.clone());
        if authority.as_str().contains('@') || is_proxied(&uri) {
            return None;
        }
        let host = HeaderValue::from_str(authority.as_str()).ok()?;
        let mut origins = ORIGINS.lock().unwrap_or_else(PoisonError::into_inner);
        if origins.len() >= MOST_ORIGINS {
            origins.retain(|_, origin| Arc::strong_count(origin) > 1 || origin.has_connections());
        }
        // Without TLS nobody is asked: HTTP/1.1.
        let speaks = if scheme == Scheme::HTTP { Speaks::Http1 } else { Speaks::Unknown };
        let origin = origins.entry((scheme.clone(), authority.clone())).or_insert_with(|| {
            let state = Mutex::new(State { speaks, ..State::default() });
            Arc::new(Self { scheme, authority, host, state, news: Notify::new() })
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
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn has_connections(&self) -> bool {
        let mut state = self.state();
        state.forget_old();
        !state.shards.is_empty() || !state.idle.is_empty()
    }

    /// A connection for one feed: one that is open, or a new one.
    ///
    /// # Errors
    /// `ERR_CONNECTION` when none could be opened.
    pub(super) async fn way(self: &Arc<Self>) -> Result<Way> {
        loop {
            let news = self.news.notified();
            let mut news = std::pin::pin!(news);
            // From here on no news is missed.
            news.as_mut().enable();
            let plan = self.state().plan(self);
            match plan {
                Plan::Take(way) => return Ok(way),
                Plan::Open => return self.open().await,
                Plan::Wait(failures) => {
                    let waiting = Waiting::new(self);
                    news.await;
                    drop(waiting);
                    let state = self.state();
                    if state.failures > failures {
                        // Each of a thousand feeds trying in turn would keep them waiting for hours.
                        return Err(failed().with_source(state.failure.clone()));
                    }
                }
            }
        }
    }

    async fn open(self: &Arc<Self>) -> Result<Way> {
        let _opening = Opening(self);
        let opened = self.open_one().await;
        if let Err(error) = &opened {
            let mut state = self.state();
            state.failures += 1;
            state.failure = error.causes().unwrap_or_else(|| error.message().to_owned());
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
        let shard = Shard::open(socket).await?;
        let mut state = self.state();
        state.speaks = Speaks::Http2;
        let place = shard.place(self);
        state.shards.push(shard);
        place.map(Way::Shared).ok_or_else(|| failed().with_source("the server allows no requests"))
    }

    /// Keeps a connection that a feed has left.
    pub(super) fn park(&self, one: Box<One>) {
        let mut state = self.state();
        state.forget_old();
        if one.is_open() && state.idle.len() < MOST_IDLE {
            state.idle.push((Instant::now(), one));
        }
    }

    /// A place became free; on `idle` all are.
    pub(super) fn left(self: Arc<Self>, idle: Option<&Arc<Shard>>) {
        self.news.notify_waiters();
        let Some(shard) = idle else { return };
        let shard = Arc::downgrade(shard);
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn(async move {
                tokio::time::sleep(IDLE).await;
                if let Some(shard) = shard.upgrade().filter(|shard| shard.is_idle()) {
                    // Its last sender: the connection closes.
                    self.state().shards.retain(|kept| !Arc::ptr_eq(kept, &shard));
                }
            })),
            Err(_) => self.state().shards.retain(|kept| !kept.is_idle()),
        }
    }
}

impl State {
    fn plan(&mut self, origin: &Arc<Origin>) -> Plan {
        match self.speaks {
            Speaks::Http1 => {
                self.forget_old();
                self.idle.pop().map_or(Plan::Open, |(_, one)| Plan::Take(Way::One(one))).opening(self)
            }
            Speaks::Unknown if self.opening == 0 => Plan::Open.opening(self),
            Speaks::Unknown => Plan::Wait(self.failures),
            Speaks::Http2 => {
                self.shards.retain(|shard| shard.is_open());
                // The fullest that has room: what is not needed any more runs empty.
                match self.shards.iter().find_map(|shard| shard.place(origin)) {
                    Some(place) => Plan::Take(Way::Shared(place)),
                    None if self.opening * WAIT_FOR_ONE <= self.waiting => Plan::Open.opening(self),
                    None => Plan::Wait(self.failures),
                }
            }
        }
    }

    fn forget_old(&mut self) {
        self.idle.retain(|(since, one)| since.elapsed() < IDLE && one.is_open());
    }
}

impl Plan {
    /// Counts a connection about to be opened, under the same lock.
    fn opening(self, state: &mut State) -> Self {
        match &self {
            Self::Open => state.opening += 1,
            Self::Take(_) | Self::Wait(_) => {}
        }
        self
    }
}

/// A connection being opened; whatever becomes of it, those who wait hear of it.
struct Opening<'a>(&'a Origin);

impl Drop for Opening<'_> {
    fn drop(&mut self) {
        self.0.state().opening -= 1;
        self.0.news.notify_waiters();
    }
}

/// A feed that waits.
struct Waiting<'a>(&'a Origin);

impl<'a> Waiting<'a> {
    fn new(origin: &'a Origin) -> Self {
        origin.state().waiting += 1;
        Self(origin)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.state().waiting -= 1;
    }
}
