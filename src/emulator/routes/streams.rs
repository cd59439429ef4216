//! `GET /realtime/v1/streams/{id}/{key}` and `…/{id}/input/{key}`: a stream of a run as server-sent events
//! (docs/server-protocol.md 5; recorded: `sse-v1`, `sse-v2`).

use futures_util::stream::unfold;
use http::StatusCode;

use super::Context;
use super::feed::readable;
use super::reader::admit;
use crate::serve::Request;
use crate::serve::Response;
use crate::serve::stream::{StreamName, StreamVersion, V1, V2, parse_timeout};

/// Answers the call with the stream's events from the start, or after `Last-Event-ID`.
pub(super) fn read(context: &Context, request: &Request, id: &str, name: StreamName) -> Response {
    let caller = match admit(context, request) {
        Ok(caller) => caller,
        Err(answer) => return answer,
    };
    let run = match readable(context, &caller, id) {
        Ok(run) => run,
        Err(answer) => return answer,
    };
    let wait = match parse_timeout(request.header("timeout-seconds")) {
        Ok(wait) => wait,
        Err(why) => return Response::text(StatusCode::BAD_REQUEST, why).open_to_pages(),
    };
    let version = match &name {
        StreamName::Output(_) => run.streams,
        StreamName::Input(_) => StreamVersion::V2,
    };
    let log = run.stream(name);
    let last = request.header("last-event-id");
    let stop = context.stop.clone();
    match version {
        StreamVersion::V1 => Response::events_v1(unfold(V1::new(log, last, wait, stop), async |mut reader| {
            let part = reader.next().await?;
            Some((part, reader))
        })),
        StreamVersion::V2 => {
            let reader = V2::new(log, last, wait, context.engine.clock.clone(), stop);
            Response::events_v2(unfold(reader, async |mut reader| {
                let part = reader.next().await?;
                Some((part, reader))
            }))
        }
    }
}
