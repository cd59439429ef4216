//! What one request at a time goes out on, and when it goes out again at once.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{HOST, HeaderMap};
use http::response::Parts;
use http::{Request, Uri};
use tokio::time::{Instant, timeout};

use super::one::One;
use super::origin::Origin;
use super::shard::Place;
use crate::error::{Error, ErrorCode, Result};
use crate::http::stream::silent;

/// A connection in use before that breaks so soon after a request may never have brought it to the
/// server: servers close idle connections, and the news of it can be under way.
const STALE: Duration = Duration::from_secs(1);

/// How often a request goes out again that no server acted on. Several connections can be going
/// away at once; one that refuses for ever is a failure.
const MOST_REPEATS: u32 = 5;

/// A connection, or a place on one.
#[derive(Debug)]
pub(super) enum Way {
    One(Box<One>),
    Shared(Place),
}

/// Why there are no headers of an answer.
#[derive(Debug)]
pub(super) struct Failed {
    pub(super) error: Error,
    /// The server did not act on the request: it can go out again at once.
    pub(super) unsent: bool,
}

/// How a request went, up to the headers of its answer.
#[derive(Debug)]
pub(super) enum Asked {
    /// They came; the body follows on the way.
    Head(Parts, Way),
    /// No connection, or it broke before them.
    Connect(Error),
    /// Not a byte for the whole silence time.
    Silent(Error),
}

/// Sends a GET for `target` (path and query, encoded) on `kept`, while it is open, or another way.
///
/// # Errors
/// Only what no retry can mend: a request that cannot be built.
pub(super) async fn ask(
    origin: &Arc<Origin>,
    mut kept: Option<Way>,
    target: &str,
    headers: &HeaderMap,
    silence: Duration,
) -> Result<Asked> {
    let mut repeats = 0;
    loop {
        let mut way = match kept.take().filter(Way::is_open) {
            Some(way) => way,
            None => match timeout(silence, origin.way()).await {
                Ok(Ok(way)) => way,
                Ok(Err(error)) => return Ok(Asked::Connect(error)),
                Err(_) => return Ok(Asked::Connect(silent(silence))),
            },
        };
        // Boxed: a future keeps what it is given by value, also when it has handed it on.
        let request = Box::new(request(origin, &way, target, headers)?);
        let (used, sent) = (way.was_used(), Instant::now());
        match timeout(silence, way.head(request)).await {
            Ok(Ok(head)) => return Ok(Asked::Head(head, way)),
            Ok(Err(failed)) => {
                let stale = used && repeats == 0 && sent.elapsed() < STALE;
                if !stale && (!failed.unsent || repeats >= MOST_REPEATS) {
                    return Ok(Asked::Connect(failed.error));
                }
                repeats += 1;
            }
            Err(_) => {
                way.abandon();
                return Ok(Asked::Silent(silent(silence)));
            }
        }
    }
}

fn request(origin: &Origin, way: &Way, target: &str, headers: &HeaderMap) -> Result<Request<()>> {
    let invalid = |error: http::Error| {
        Error::new(ErrorCode::InvalidRequest, "the request could not be built: check the base URL").with_source(error)
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
    let mut request = builder.body(()).map_err(invalid)?;
    request.headers_mut().clone_from(headers);
    match way {
        Way::One(_) => drop(request.headers_mut().insert(HOST, origin.host())),
        // `:authority` says it.
        Way::Shared(_) => {}
    }
    Ok(request)
}

impl Way {
    fn was_used(&self) -> bool {
        match self {
            Self::One(one) => one.was_used(),
            Self::Shared(_) => true,
        }
    }

    /// Whether another request can go out.
    pub(super) fn is_open(&self) -> bool {
        match self {
            Self::One(one) => one.is_open(),
            Self::Shared(place) => place.is_open(),
        }
    }

    async fn head(&mut self, request: Box<Request<()>>) -> Result<Parts, Failed> {
        match self {
            Self::One(one) => one.head(request).await,
            Self::Shared(place) => place.head(request).await,
        }
    }

    /// The next bytes of the answer, `None` at its end. What is not asked for stays on the wire.
    /// May be dropped before it is ready: nothing is lost.
    pub(super) async fn chunk(&mut self) -> Option<Result<Bytes>> {
        match self {
            Self::One(one) => one.chunk().await,
            Self::Shared(place) => place.chunk().await,
        }
    }

    /// It said nothing: whatever else is on the same connection may be as dead (defect 11).
    pub(super) fn abandon(&self) {
        match self {
            Self::One(_) => {}
            Self::Shared(place) => place.abandon(),
        }
    }

    /// Leaves it for whoever needs one next.
    pub(super) fn leave(self, origin: &Arc<Origin>) {
        match self {
            Self::One(one) => origin.park(one),
            Self::Shared(place) => drop(place),
        }
    }
}
