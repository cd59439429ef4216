//! A viewer's answer, read from the log of a shared stream.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::stream::unfold;
use http::StatusCode;
use http_body_util::BodyExt as _;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::shared::UpstreamStatus;
use super::streams::Subscriber;
use crate::relay::warnings::UpstreamError;
use crate::serve::clock::Clock;
use crate::serve::stream::{StreamVersion, V1, V2, parse_timeout};
use crate::serve::{Body, Request, Response};
use crate::stream::Replay;

/// How long a viewer waits for the upstream's first answer.
pub(super) const FIRST_ANSWER_TIMEOUT: Duration = Duration::from_secs(15);

/// Reads a stream on from the server, after a `Last-Event-ID`, once the log no longer has what follows it. `None` where
/// the server does not answer with a stream.
pub(crate) type Fallback = Box<dyn FnOnce(Option<String>) -> BoxFuture<'static, Option<Body>> + Send>;

/// How a viewer is answered.
#[derive(Debug)]
pub(crate) enum Reply {
    /// From the log.
    Answer(Response),
    /// By the server, asked with the viewer's own token: the log no longer has the records after the viewer's place.
    Upstream,
}

/// Answers a viewer of a stream. Where the viewer falls behind the oldest record kept, its body goes on with
/// `fallback`.
pub(crate) async fn answer(subscriber: Subscriber, request: &Request, fallback: Fallback) -> Reply {
    let wait = match parse_timeout(request.header("timeout-seconds")) {
        Ok(wait) => wait,
        Err(why) => return Reply::Answer(Response::text(StatusCode::BAD_REQUEST, why).open_to_pages()),
    };
    let version = match first_answer(&subscriber).await {
        Ok(version) => version,
        Err(refusal) => return Reply::Answer(refusal),
    };
    let Ok(parts) = Parts::of_log(subscriber, version, request.header("last-event-id"), wait, fallback) else {
        return Reply::Upstream;
    };
    let parts = unfold(parts, |parts| async {
        let (part, rest) = parts.next().await;
        Some((part?, rest))
    });
    Reply::Answer(match version {
        // The server's own v1 response lacks the header; a proxy in front of the relay would hold it back.
        StreamVersion::V1 => Response::events_v1(parts).with("x-accel-buffering", "no"),
        StreamVersion::V2 => Response::events_v2(parts),
    })
}

/// Waits for the upstream's first answer.
///
/// # Errors
/// The server's refusal; the 503 where it does not answer.
pub(crate) async fn first_answer(subscriber: &Subscriber) -> Result<StreamVersion, Response> {
    match timeout(FIRST_ANSWER_TIMEOUT, subscriber.status()).await {
        Ok(UpstreamStatus::Open(version)) => Ok(version),
        Ok(UpstreamStatus::Refused(status, body)) => Err(refused(status, body)),
        Ok(UpstreamStatus::Connecting | UpstreamStatus::Lost) | Err(_) => {
            let answer = Response::api_error(StatusCode::SERVICE_UNAVAILABLE, "The stream cannot be reached");
            Err(answer.with("retry-after", "1"))
        }
    }
}

/// The server's refusal, passed on. A refusal of the relay's own key is a 502: the operator has to fix it, not the
/// viewer.
fn refused(status: StatusCode, body: String) -> Response {
    match UpstreamError::of(status.as_u16()) {
        Some(error) => Response::api_error(StatusCode::BAD_GATEWAY, error.text()),
        None => Response::api(status, body).with("x-should-retry", "false"),
    }
}

/// The parts of a viewer's body, from where they come.
pub(crate) enum Parts {
    /// The shared log.
    Log(LogReader),
    /// The server, for this viewer alone; the replay drops what the viewer has been sent already.
    Upstream(Body, Option<Replay>),
    /// Nowhere: the body ended or broke off.
    Ended {
        /// Whether the log said so, which knows when a run is over (R10): nothing follows. The server's body of v1 may
        /// have been cut.
        is_over: bool,
    },
}

/// A reader of the shared log.
pub(crate) struct LogReader {
    reader: Reader,
    subscriber: Subscriber,
    fallback: Fallback,
}

/// The end of a body after which more may follow.
const BROKEN: Parts = Parts::Ended { is_over: false };

impl Parts {
    /// The parts after `last`, from the log.
    ///
    /// # Errors
    /// The fallback, where the log no longer has what follows.
    pub(crate) fn of_log(
        subscriber: Subscriber,
        version: StreamVersion,
        last: Option<&str>,
        wait: Duration,
        fallback: Fallback,
    ) -> Result<Self, Fallback> {
        // Never cancelled: the log reports a lost stream, the end of the relay included, and breaks the body off. A body
        // that ended well would tell the viewer that the stream is over.
        let stop = CancellationToken::new();
        let reader = match version {
            StreamVersion::V1 => Reader::V1(V1::new(subscriber.log(), last, wait, stop)),
            StreamVersion::V2 => Reader::V2(V2::new(subscriber.log(), last, wait, Clock::system(), stop)),
        };
        if reader.is_gone() {
            return Err(fallback);
        }
        Ok(Self::Log(LogReader { reader, subscriber, fallback }))
    }

    /// The next part, and the others; none at the end.
    pub(crate) async fn next(self) -> (Option<io::Result<Bytes>>, Self) {
        match self {
            Self::Log(mut log) => {
                let Some(part) = log.reader.next().await else { return (None, Self::Ended { is_over: true }) };
                if part.is_ok() {
                    log.subscriber.count_part();
                    return (Some(part), Self::Log(log));
                }
                if !log.reader.is_gone() {
                    return (Some(part), BROKEN);
                }
                let LogReader { reader, subscriber, fallback } = log;
                // The viewer no longer reads the shared stream.
                drop(subscriber);
                let (cursor, replay) = reader.cursor();
                match fallback(cursor).await {
                    Some(body) => Self::rest(body, replay).await,
                    None => (Some(part), BROKEN),
                }
            }
            Self::Upstream(body, replay) => Self::rest(body, replay).await,
            Self::Ended { .. } => (None, self),
        }
    }

    async fn rest(mut body: Body, mut replay: Option<Replay>) -> (Option<io::Result<Bytes>>, Self) {
        loop {
            let frame = match body.frame().await {
                None => return (None, BROKEN),
                Some(Ok(frame)) => frame,
                Some(Err(error)) => return (Some(Err(error)), BROKEN),
            };
            // Trailers are hop-by-hop.
            let Ok(data) = frame.into_data() else { continue };
            match replay.as_mut().map_or(Ok(data.clone()), |replay| replay.pass(&data)) {
                Ok(data) if data.is_empty() => {}
                Ok(data) => return (Some(Ok(data)), Self::Upstream(body, replay)),
                Err(error) => return (Some(Err(io::Error::other(error))), BROKEN),
            }
        }
    }
}

/// A reader of either version.
enum Reader {
    V1(V1),
    V2(V2),
}

impl Reader {
    async fn next(&mut self) -> Option<io::Result<Bytes>> {
        match self {
            Self::V1(reader) => reader.next().await,
            Self::V2(reader) => reader.next().await,
        }
    }

    fn is_gone(&self) -> bool {
        match self {
            Self::V1(reader) => reader.is_gone(),
            Self::V2(reader) => reader.is_gone(),
        }
    }

    /// The `Last-Event-ID` to ask the server with, and the replay that drops what the viewer has been sent already.
    fn cursor(&self) -> (Option<String>, Option<Replay>) {
        match self {
            Self::V1(reader) => match reader.cursor() {
                Some((id, taken)) if taken > 0 => {
                    let replay = Replay::after(id, taken);
                    (replay.resume(), Some(replay))
                }
                Some(((ms, number), _)) => (Some(format!("{ms}-{number}")), None),
                None => (None, None),
            },
            Self::V2(reader) => (reader.cursor(), None),
        }
    }
}
