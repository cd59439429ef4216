//! The last step: turns an outcome into a response and counts it. The viewer keeps its permit until the body ends.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{HeaderMap, Version};
use http_body_util::BodyExt as _;
use hyper::body::{Body as _, Frame, SizeHint};

use super::limits::{InFlightBody, InFlightBytes, Permit, too_many_requests};
use super::stats::{Bound, Refusal, Stats};
use crate::serve::{Body, Response};

/// The answer to a request, and the permit that its viewer keeps.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// The relay's own answer. A viewer keeps its permit while it does not read the answer.
    Answer(Response, Option<Permit>),
    /// The server's answer, which counts until it ends.
    Proxied(http::Response<Body>, Option<Permit>),
}

impl From<Response> for Outcome {
    fn from(answer: Response) -> Self {
        Self::Answer(answer, None)
    }
}

/// Turns outcomes into responses.
#[derive(Debug)]
pub(super) struct Responder {
    in_flight: Arc<InFlightBytes>,
    stats: Arc<Stats>,
}

impl Responder {
    /// `max` is how many bytes may be in flight.
    pub(super) fn new(max: u64, stats: Arc<Stats>) -> Self {
        Self { in_flight: InFlightBytes::new(max), stats }
    }

    /// The budget of bytes in flight.
    pub(super) fn in_flight(&self) -> Arc<InFlightBytes> {
        self.in_flight.clone()
    }

    /// The bytes in flight now.
    pub(super) fn bytes_in_flight(&self) -> u64 {
        self.in_flight.bytes()
    }

    /// The response to a request with these headers and of this version of HTTP.
    pub(super) fn respond(&self, outcome: Outcome, request: &HeaderMap, version: Version) -> http::Response<Body> {
        let (response, held) = match outcome {
            Outcome::Answer(answer, permit) => self.hold(answer, permit, request, version),
            Outcome::Proxied(response, permit) => (response, Held { permit, body: None }),
        };
        self.count(response, held)
    }

    fn hold(
        &self,
        answer: Response,
        permit: Option<Permit>,
        request: &HeaderMap,
        version: Version,
    ) -> (http::Response<Body>, Held) {
        let owner = permit.as_ref().and_then(Permit::token);
        match answer.whole().map(|body| self.in_flight.enter(body, owner)) {
            None => (answer.into_http(request, version), Held { permit, body: None }),
            Some(Ok(body)) => (answer.into_http(request, version), Held { permit, body }),
            Some(Err(_)) => {
                self.stats.limit(Bound::BytesUnderWay);
                (too_many_requests().into_http(request, version), Held::default())
            }
        }
    }

    fn count(&self, response: http::Response<Body>, held: Held) -> http::Response<Body> {
        if let Some(refusal) = Refusal::of(response.status()) {
            self.stats.refuse(refusal);
        }
        let whole = response.body().size_hint().exact();
        if let Some(bytes) = whole {
            self.stats.bytes.fetch_add(bytes, Relaxed);
            if held.permit.is_none() && held.body.is_none() {
                return response;
            }
        }
        let stats = whole.is_none().then(|| self.stats.clone());
        response.map(|body| CountedBody { body, stats, _held: held }.boxed_unsync())
    }
}

/// The permit and the bytes in flight that a response holds until its body is dropped.
#[derive(Debug, Default)]
struct Held {
    permit: Option<Permit>,
    body: Option<InFlightBody>,
}

/// A body whose bytes are counted as they go out, where its length is not known before.
struct CountedBody {
    body: Body,
    stats: Option<Arc<Stats>>,
    _held: Held,
}

impl hyper::body::Body for CountedBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        if let (Poll::Ready(Some(Ok(frame))), Some(stats)) = (&polled, &self.stats) {
            stats.bytes.fetch_add(frame.data_ref().map_or(0, Bytes::len) as u64, Relaxed);
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::relay::limits::Limiter;
    use crate::relay::options::Limits;

    #[tokio::test]
    async fn an_answer_goes_out_with_its_length_also_while_its_viewer_counts() {
        let stats = Arc::new(Stats::default());
        let limiter = Limiter::new(Limits::default(), stats.clone());
        let responder = Responder::new(1 << 20, stats.clone());
        for permit in [None, Some(limiter.enter(None, "/x".into()).expect("room"))] {
            let answer = Response::bytes("text/plain", Bytes::from_static(b"abc"));
            let answer = responder.respond(Outcome::Answer(answer, permit), &HeaderMap::new(), Version::HTTP_11);
            assert_eq!(answer.body().size_hint().exact(), Some(3));
            assert_eq!(answer.into_body().collect().await.expect("whole").to_bytes(), "abc");
        }
        assert_eq!(stats.bytes.load(Relaxed), 6, "each counted once");
    }
}
