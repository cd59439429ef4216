//! The events of a response, as server-sent events. The data is JSON: a list of the want's id and what is told of it.

use bytes::Bytes;
use http::{HeaderMap, StatusCode, Version};
use serde_json::{Map, Value};

use super::place::key_text;
use crate::json;
use crate::serve::Response;

/// A comment, which keeps the connection.
pub(super) const HEARTBEAT: &str = ": \n\n";

/// The end of a response after which the page asks again.
pub(super) const AGAIN: &str = "event: again\ndata: []\n\n";

/// More bytes than the first half of a row's event has beside the want's id.
pub(super) const NAME_BYTES: usize = 32;

/// The refusal of a want: what its GET would have been answered with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refused {
    pub(super) status: StatusCode,
    pub(super) message: String,
    hint: Option<String>,
    /// Whether asking again can help.
    retry: bool,
    /// When, in milliseconds.
    after_ms: Option<u64>,
}

impl Refused {
    /// A refusal of the live response itself.
    pub(super) fn new(status: StatusCode, message: &str, retry: bool) -> Self {
        Self { status, message: message.to_owned(), hint: None, retry, after_ms: None }
    }

    /// The same, which may be asked again at once.
    pub(super) fn at_once(self) -> Self {
        Self { after_ms: Some(0), ..self }
    }
}

impl From<Response> for Refused {
    fn from(answer: Response) -> Self {
        let body = answer.whole().cloned().unwrap_or_default();
        let head = answer.into_http(&HeaderMap::new(), Version::HTTP_11).into_parts().0;
        let header = |name: &str| head.headers.get(name).and_then(|value| value.to_str().ok());
        let told: Map<String, Value> = serde_json::from_slice(&body).unwrap_or_default();
        let text = |name: &str| told.get(name).and_then(Value::as_str).map(str::to_owned);
        let may_pass = matches!(head.status.as_u16(), 408 | 429 | 500..);
        Self {
            status: head.status,
            message: text("error").unwrap_or_else(|| String::from_utf8_lossy(&body).into_owned()),
            hint: text("hint"),
            // A 404 that the server says to ask again for (a replica may lag) is told after the relay has done so.
            retry: may_pass && header("x-should-retry") != Some("false"),
            after_ms: header("retry-after").and_then(|value| value.parse().ok()).map(|s: u64| s.saturating_mul(1_000)),
        }
    }
}

/// The first half of an event of two lines: [`RowEvent`](super::fields::RowEvent) and
/// [`StreamFollowing`](super::stream::StreamFollowing) write the second.
pub(super) fn push_head(out: &mut Vec<u8>, name: &str, id: &str) {
    out.extend_from_slice(b"event: ");
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\ndata: [");
    out.extend_from_slice(id.as_bytes());
    out.extend_from_slice(b",\n");
}

/// The first rows were all told, or those that there are.
pub(super) fn push_ready(out: &mut Vec<u8>, id: &str, is_partial: bool) {
    let told = if is_partial { ",{\"partial\":true}" } else { "" };
    out.extend_from_slice(format!("event: ready\ndata: [{id}{told}]\n\n").as_bytes());
}

/// An event that tells nothing but its want: `end`.
pub(super) fn push_plain(out: &mut Vec<u8>, name: &str, id: &str) {
    out.extend_from_slice(format!("event: {name}\ndata: [{id}]\n\n").as_bytes());
}

/// A row left the want.
pub(super) fn push_gone(out: &mut Vec<u8>, id: &str, key: u64) {
    out.extend_from_slice(format!("event: gone\ndata: [{id},{{\"key\":\"{}\"}}]\n\n", key_text(key)).as_bytes());
}

/// The want was refused, and is over.
pub(super) fn push_error(out: &mut Vec<u8>, id: &str, refused: &Refused) {
    let mut told = Map::new();
    told.insert("status".into(), refused.status.as_u16().into());
    told.insert("message".into(), refused.message.as_str().into());
    told.extend(refused.hint.as_deref().map(|hint| ("hint".to_owned(), hint.into())));
    told.insert("retry".into(), refused.retry.into());
    told.extend(refused.after_ms.map(|after| ("after".to_owned(), after.into())));
    out.extend_from_slice(format!("event: error\ndata: [{id},{}]\n\n", Value::Object(told)).as_bytes());
}

/// A want's id as JSON. No letter of it ends a line of the event.
pub(super) fn id_text(id: &str) -> Box<str> {
    json::string(id).into()
}

/// The frame of long bytes that stay shared: not copied into `out`.
pub(super) fn is_long(text: &Bytes) -> bool {
    text.len() > 4_096
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(push: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        push(&mut out);
        String::from_utf8(out).expect("text")
    }

    #[test]
    fn an_event_is_one_whatever_the_id_holds() {
        let id = id_text("a\"\n\r\u{2028}b");
        let event = text(|out| push_plain(out, "ready", &id));
        assert!(event.starts_with("event: ready\ndata: [\"a") && event.ends_with("]\n\n"));
        assert_eq!(event.matches(['\n', '\r']).count(), 3);
        assert_eq!(text(|out| push_ready(out, "\"a\"", false)), "event: ready\ndata: [\"a\"]\n\n");
        assert_eq!(text(|out| push_ready(out, "\"a\"", true)), "event: ready\ndata: [\"a\",{\"partial\":true}]\n\n");
        assert_eq!(text(|out| push_gone(out, "\"a\"", 1)), "event: gone\ndata: [\"a\",{\"key\":\"AAAAAAAB\"}]\n\n");
        assert_eq!(text(|out| push_head(out, "row", "\"a\"")), "event: row\ndata: [\"a\",\n");
        assert_eq!(text(|out| push_head(out, "change", "\"a\"")), "event: change\ndata: [\"a\",\n");
    }

    #[test]
    fn a_refusal_says_what_the_get_would_have_and_whether_to_ask_again() {
        let told = |answer: Response| {
            let event = text(|out| push_error(out, "\"a\"", &answer.into()));
            let data = event.strip_prefix("event: error\ndata: [\"a\",").expect("an error").trim_end();
            serde_json::from_str::<Value>(data.strip_suffix(']').expect("an end")).expect("JSON")
        };
        let mut forbidden = Response::forbidden();
        forbidden["hint"] = "read:runs".into();
        let answer = Response::api(StatusCode::FORBIDDEN, forbidden.to_string());
        assert_eq!(
            told(answer),
            serde_json::json!({ "status": 403, "message": "Unauthorized", "hint": "read:runs", "retry": false })
        );
        let late = Response::api_error(StatusCode::SERVICE_UNAVAILABLE, "later").with("retry-after", "1");
        assert_eq!(told(late), serde_json::json!({ "status": 503, "message": "later", "retry": true, "after": 1000 }));
        let known = Response::api_error(StatusCode::BAD_GATEWAY, "no").with("x-should-retry", "false");
        assert_eq!(told(known)["retry"], false);
        assert_eq!(told(Response::not_found())["message"], "Not Found");
        let unknown = Response::api_error(StatusCode::NOT_FOUND, "Not found").with("x-should-retry", "true");
        assert_eq!(told(unknown)["retry"], false);
        for (status, retry) in [(400, false), (404, false), (408, true), (429, true), (500, true), (504, true)] {
            assert_eq!(told(Response::api_error(StatusCode::from_u16(status).expect("one"), "x"))["retry"], retry);
        }
    }
}
