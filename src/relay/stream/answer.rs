//! A viewer's answer, from the log of a shared stream.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::stream::unfold;
use http::StatusCode;
use http_body_util::BodyExt as _;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::entry::Known;
use super::share::Seat;
use crate::relay::notices::Trouble;
use crate::serve::clock::Clock;
use crate::serve::stream::{StreamVersion, V1, V2, parse_timeout};
use crate::serve::{Body, Request, Response};
use crate::stream::Replay;

/// How long a viewer waits for the upstream's first answer.
pub(super) const PATIENCE: Duration = Duration::from_secs(15);

/// Asks the server itself for what follows a place, with the viewer's own token, once memory does not have it. `None`
/// where the server does not answer with a stream.
pub(crate) type GoOn = Box<dyn FnOnce(Option<String>) -> BoxFuture<'static, Option<Body>> + Send>;

/// How a viewer is answered.
#[derive(Debug)]
pub(crate) enum Reply {
    /// From here.
    Here(Response),
    /// By the server itself, asked with the viewer's own token: what it wants is kept here no more.
    Elsewhere,
}

/// Answers a viewer of the stream that `seat` is at. Should it fall behind what is kept, its body goes on with `go_on`.
pub(crate) async fn answer(seat: Seat, request: &Request, go_on: GoOn) -> Reply {
    let wait = match parse_timeout(request.header("timeout-seconds")) {
        Ok(wait) => wait,
        Err(why) => return Reply::Here(Response::text(StatusCode::BAD_REQUEST, why).open_to_pages()),
    };
    let version = match timeout(PATIENCE, seat.known()).await {
        Ok(Known::Version(version)) => version,
        Ok(Known::Refused(status, body)) => return Reply::Here(refused(status, body)),
        Ok(Known::Nothing | Known::Lost) | Err(_) => {
            let answer = Response::api_error(StatusCode::SERVICE_UNAVAILABLE, "The stream cannot be reached");
            return Reply::Here(answer.with("retry-after", "1"));
        }
    };
    let last = request.header("last-event-id");
    // The log says when the stream is lost, the end of the relay included: a body that ended well would tell a viewer
    // that nothing more comes.
    let stop = CancellationToken::new();
    let reader = match version {
        StreamVersion::V1 => Reader::V1(V1::new(seat.log(), last, wait, stop)),
        StreamVersion::V2 => Reader::V2(V2::new(seat.log(), last, wait, Clock::system(), stop)),
    };
    if reader.is_gone() {
        return Reply::Elsewhere;
    }
    let parts = unfold(Source::Here(Viewing { reader, seat, go_on }), Source::next);
    Reply::Here(match version {
        StreamVersion::V1 => Response::events_v1(parts),
        StreamVersion::V2 => Response::events_v2(parts),
    })
}

/// The server's refusal, given on; one of the relay's own key is the relay's trouble, not the viewer's.
fn refused(status: StatusCode, body: String) -> Response {
    match Trouble::of(status.as_u16()) {
        Some(trouble) => Response::api_error(StatusCode::BAD_GATEWAY, trouble.text()),
        None => Response::api(status, body).with("x-should-retry", "false"),
    }
}

/// Where a viewer's parts come from.
enum Source {
    /// From memory.
    Here(Viewing),
    /// From the server, for this viewer alone; what it was told already is dropped.
    There(Body, Option<Replay>),
    /// The body broke.
    Over,
}

struct Viewing {
    reader: Reader,
    seat: Seat,
    go_on: GoOn,
}

impl Source {
    async fn next(self) -> Option<(io::Result<Bytes>, Self)> {
        match self {
            Self::Here(mut viewing) => {
                let part = viewing.reader.next().await?;
                if part.is_ok() {
                    viewing.seat.told();
                    return Some((part, Self::Here(viewing)));
                }
                if !viewing.reader.is_gone() {
                    return Some((part, Self::Over));
                }
                let Viewing { reader, seat, go_on } = viewing;
                // It reads what others share no more.
                drop(seat);
                let (cursor, replay) = reader.cursor();
                match go_on(cursor).await {
                    Some(body) => Self::rest(body, replay).await,
                    None => Some((part, Self::Over)),
                }
            }
            Self::There(body, replay) => Self::rest(body, replay).await,
            Self::Over => None,
        }
    }

    async fn rest(mut body: Body, mut replay: Option<Replay>) -> Option<(io::Result<Bytes>, Self)> {
        loop {
            match body.frame().await? {
                Ok(frame) => {
                    // Trailers end with the hop.
                    let Ok(data) = frame.into_data() else { continue };
                    let data = match replay.as_mut().map_or(Ok(data.clone()), |replay| replay.pass(&data)) {
                        Ok(data) if data.is_empty() => continue,
                        Ok(data) => data,
                        Err(error) => return Some((Err(io::Error::other(error)), Self::Over)),
                    };
                    return Some((Ok(data), Self::There(body, replay)));
                }
                Err(error) => return Some((Err(error), Self::Over)),
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

    /// What to ask the server for, as `Last-Event-ID`, and what drops of the answer what was told.
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
