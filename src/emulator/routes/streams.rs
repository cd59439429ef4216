//! `GET /realtime/v1/streams/{run}/{key}` and `…/{run}/input/{key}`: a stream of a run as
//! server-sent events (protocol.md 5; recorded: `sse-v1`, `sse-v2`).

use std::time::Duration;

use futures_util::stream::unfold;
use http::StatusCode;

use super::Context;
use super::feed::readable;
use super::reader::admit;
use crate::serve::Answer;
use crate::serve::Request;
use crate::serve::stream::{StreamName, StreamVersion, V1, V2};

/// How long a stream may be silent unless its reader says otherwise.
const SILENCE: Duration = Duration::from_secs(60);
/// The longest a reader may say, in seconds.
const LONGEST_S: i64 = 600;

/// Answers the call with the stream's events from the start, or after `Last-Event-ID`.
pub(super) fn read(context: &Context, request: &Request, id: &str, name: StreamName) -> Answer {
    let caller = match admit(context, request) {
        Ok(caller) => caller,
        Err(answer) => return answer,
    };
    let run = match readable(context, &caller, id) {
        Ok(run) => run,
        Err(answer) => return answer,
    };
    let wait = match silence(request.header("timeout-seconds")) {
        Ok(wait) => wait,
        Err(why) => return Answer::text(StatusCode::BAD_REQUEST, why).open_to_pages(),
    };
    let version = match &name {
        StreamName::Output(_) => run.streams,
        StreamName::Input(_) => StreamVersion::V2,
    };
    let log = run.stream(name);
    let last = request.header("last-event-id");
    let stop = context.stop.clone();
    match version {
        StreamVersion::V1 => Answer::events_v1(unfold(V1::new(log, last, wait, stop), async |mut reader| {
            let part = reader.next().await?;
            Some((part, reader))
        })),
        StreamVersion::V2 => {
            let reader = V2::new(log, last, wait, context.world.clock.clone(), stop);
            Answer::events_v2(unfold(reader, async |mut reader| {
                let part = reader.next().await?;
                Some((Ok(part), reader))
            }))
        }
    }
}

/// Reads `Timeout-Seconds` as the server does: what begins with no number, and 0, is the default
/// (recorded: `sse-v1`).
fn silence(text: Option<&str>) -> Result<Duration, &'static str> {
    let text = text.unwrap_or_default().trim();
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    let length = digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
    let seconds: i64 = digits[..length].parse().unwrap_or(if length > 0 { i64::MAX } else { 0 });
    if text.starts_with('-') && seconds > 0 {
        return Err("Timeout seconds must be greater than 0");
    }
    match u64::try_from(seconds) {
        Ok(0) | Err(_) => Ok(SILENCE),
        Ok(_) if seconds > LONGEST_S => Err("Timeout seconds must be less than 600"),
        Ok(seconds) => Ok(Duration::from_secs(seconds)),
    }
}

#[cfg(test)]
mod tests {
    use super::silence;

    #[test]
    fn a_silence_is_read_as_the_server_reads_it() {
        let seconds = |text| silence(text).map(|wait| wait.as_secs());
        for (text, expected) in [
            (None, Ok(60)),
            (Some(""), Ok(60)),
            (Some("abc"), Ok(60)),
            (Some("0"), Ok(60)),
            (Some("1"), Ok(1)),
            (Some("600"), Ok(600)),
            (Some("12 s"), Ok(12)),
            (Some("-1"), Err("Timeout seconds must be greater than 0")),
            (Some("601"), Err("Timeout seconds must be less than 600")),
            (Some("99999999999999999999"), Err("Timeout seconds must be less than 600")),
        ] {
            assert_eq!(seconds(text), expected, "{text:?}");
        }
    }
}
