//! Answers `POST {base}/relay/v1/live`.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use hyper::body::Body as _;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::answer::Events;
use super::opening::{Asked, Opener};
use super::place::Digests;
use super::shared::Shared;
use super::wants::{self, MAX_BODY_BYTES};
use crate::config::Endpoint;
use crate::relay::admission::Admission;
use crate::relay::authorizer::{Authorizer, Grant};
use crate::relay::browser::Hold;
use crate::relay::limits::{InFlightBytes, Limiter};
use crate::relay::proxy::Proxy;
use crate::relay::router::Router;
use crate::relay::stats::{Bound, Stats};
use crate::relay::stream::Streams;
use crate::serve::clock::Clock;
use crate::serve::{Body, ListenerStop, Request, Response};

/// How long a page may take to send its wants.
const BODY_TIMEOUT: Duration = Duration::from_secs(30);

/// The live half of a relay.
#[derive(Debug)]
pub(crate) struct Live(Arc<Shared>);

/// The parts of a relay that live responses use.
#[derive(Debug)]
pub(crate) struct Parts {
    pub(crate) admission: Arc<Admission>,
    pub(crate) authorizer: Arc<Authorizer>,
    pub(crate) limiter: Arc<Limiter>,
    pub(crate) router: Arc<Router>,
    pub(crate) streams: Arc<Streams>,
    pub(crate) proxy: Arc<Proxy>,
    pub(crate) in_flight: Arc<InFlightBytes>,
    pub(crate) stats: Arc<Stats>,
    pub(crate) clock: Clock,
    pub(crate) stop: CancellationToken,
}

impl Live {
    /// Of the relay of these parts. The key of `endpoint` is that of the digests in places.
    pub(crate) fn new(endpoint: &Endpoint, parts: Parts) -> Self {
        let Parts { admission, authorizer, limiter, router, streams, proxy, in_flight, stats, clock, stop } = parts;
        let (bytes, counts) = (in_flight.clone(), stats.clone());
        let opener = Opener { admission, authorizer, limiter, router, streams, proxy, in_flight: bytes, stats: counts };
        Self(Arc::new(Shared { opener, digests: Digests::new(&endpoint.token()), in_flight, stats, clock, stop }))
    }

    /// Answers a page. A want that is refused is an event of the answer, not the answer. The hold is kept while it
    /// lasts. It ends with the listener that the request came through, if any, or else with the relay.
    ///
    /// # Errors
    /// The 400, 408 or 413 for a body that holds no wants; the 503 of a relay that was stopped.
    pub(crate) async fn answer(
        &self,
        request: &Request,
        body: Body,
        grant: Option<Grant>,
        (hold, listener): (Option<Hold>, Option<ListenerStop>),
    ) -> Result<Response, Response> {
        let body = self.read(body).await?;
        let wants = wants::parse(&body).map_err(|why| Response::api_error(StatusCode::BAD_REQUEST, &why))?;
        drop(body);
        if self.0.stop.is_cancelled() {
            let answer = Response::api_error(StatusCode::SERVICE_UNAVAILABLE, "The relay is stopping");
            return Err(answer.with("retry-after", "1"));
        }
        let asked = Asked { headers: request.headers.clone(), origin: request.origin.clone(), grant };
        Ok(Response::events_live(Events::new(self.0.clone(), wants, asked, hold).ending_with(listener)))
    }

    async fn read(&self, body: Body) -> Result<Bytes, Response> {
        let too_large = || {
            self.0.stats.limit(Bound::BodyBytes);
            let why = format!("The body has more than {MAX_BODY_BYTES} bytes: send fewer wants or places");
            Response::api_error(StatusCode::PAYLOAD_TOO_LARGE, &why)
        };
        if body.size_hint().lower() > MAX_BODY_BYTES as u64 {
            return Err(too_large());
        }
        match timeout(BODY_TIMEOUT, Limited::new(body, MAX_BODY_BYTES).collect()).await {
            Ok(Ok(collected)) => Ok(collected.to_bytes()),
            Ok(Err(error)) if error.is::<LengthLimitError>() => Err(too_large()),
            Ok(Err(_)) => Err(Response::api_error(StatusCode::BAD_REQUEST, "The request body broke off")),
            Err(_) => Err(Response::api_error(StatusCode::REQUEST_TIMEOUT, "The request body did not come")),
        }
    }
}
