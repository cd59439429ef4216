//! A viewer's answer, from the log of a shared stream.

use std::time::Duration;

use futures_util::stream::unfold;
use http::StatusCode;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::entry::Known;
use super::share::Seat;
use crate::serve::clock::Clock;
use crate::serve::stream::{StreamVersion, V1, V2, silence};
use crate::serve::{Answer, Request};

/// How long a viewer waits for the upstream's first answer.
const PATIENCE: Duration = Duration::from_secs(15);

/// How a viewer is answered.
#[derive(Debug)]
pub(crate) enum Reply {
    /// From here.
    Here(Answer),
    /// By the server itself, asked with the viewer's own token: what it wants is kept here no more.
    Elsewhere,
}

/// Answers a viewer of the stream that `seat` is at.
pub(crate) async fn answer(seat: Seat, request: &Request) -> Reply {
    let wait = match silence(request.header("timeout-seconds")) {
        Ok(wait) => wait,
        Err(why) => return Reply::Here(Answer::text(StatusCode::BAD_REQUEST, why).open_to_pages()),
    };
    let version = match timeout(PATIENCE, seat.known()).await {
        Ok(Known::Version(version)) => version,
        Ok(Known::Refused(status, body)) => return Reply::Here(refused(status, body)),
        Ok(Known::Nothing | Known::Lost) | Err(_) => {
            let answer = Answer::api_error(StatusCode::SERVICE_UNAVAILABLE, "The stream cannot be reached");
            return Reply::Here(answer.with("retry-after", "1"));
        }
    };
    let last = request.header("last-event-id");
    // The log says when the stream is lost, the end of the relay included: a body that ended well would tell a viewer
    // that nothing more comes.
    let stop = CancellationToken::new();
    match version {
        StreamVersion::V1 => {
            let reader = V1::new(seat.log(), last, wait, stop);
            if reader.is_gone() {
                return Reply::Elsewhere;
            }
            Reply::Here(Answer::events_v1(unfold((reader, seat), async |(mut reader, seat)| {
                let part = reader.next().await?;
                seat.told();
                Some((part, (reader, seat)))
            })))
        }
        StreamVersion::V2 => {
            let reader = V2::new(seat.log(), last, wait, Clock::system(), stop);
            if reader.is_gone() {
                return Reply::Elsewhere;
            }
            Reply::Here(Answer::events_v2(unfold((reader, seat), async |(mut reader, seat)| {
                let part = reader.next().await?;
                seat.told();
                Some((part, (reader, seat)))
            })))
        }
    }
}

/// The server's refusal, given on; one of the relay's own key is the relay's trouble, not the viewer's.
fn refused(status: StatusCode, body: String) -> Answer {
    match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
            Answer::api_error(StatusCode::BAD_GATEWAY, "The server refused the relay's own key for this stream")
        }
        _ => Answer::api(status, body).with("x-should-retry", "false"),
    }
}
