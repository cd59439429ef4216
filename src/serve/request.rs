//! A request without its body, and readers of its parts.

use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use hyper::body::Body as _;
use tokio::time::{Duration, timeout};

use super::request_body::RequestBody;
use super::response::Response;
use super::stream::StreamVersion;

/// The most bytes of a request's body.
const MAX_BODY_BYTES: u64 = 10 * 1024 * 1024;
/// How long a client may take to send a body.
const BODY_TIMEOUT: Duration = Duration::from_secs(30);

/// A request without its body.
#[derive(Debug)]
pub(crate) struct Request {
    /// The method.
    pub(crate) method: Method,
    /// The headers.
    pub(crate) headers: HeaderMap,
    /// The query, still encoded.
    pub(crate) query: Option<String>,
    /// The origin that it was sent to, `http://` and the host: for URLs in responses.
    pub(crate) origin: String,
}

impl Request {
    /// A header's text.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// A parameter of the query. Of several with that name the last counts, as on the server (docs/server-protocol.md
    /// 7).
    pub(crate) fn parameter(&self, name: &str) -> Option<String> {
        let query = self.query.as_deref()?;
        url::form_urlencoded::parse(query.as_bytes())
            .filter(|(key, _)| key == name)
            .last()
            .map(|(_, value)| value.into_owned())
    }

    /// Admits `GET` and `HEAD`.
    ///
    /// # Errors
    /// The response to a preflight, or to another method.
    pub(crate) fn only_reads(&self) -> Result<(), Response> {
        match self.method {
            Method::GET | Method::HEAD => Ok(()),
            Method::OPTIONS => Err(Response::preflight()),
            _ => Err(Response::wrong_method(StatusCode::METHOD_NOT_ALLOWED)),
        }
    }

    /// The token of `Authorization: Bearer …`.
    pub(crate) fn bearer(&self) -> Option<&str> {
        let (scheme, token) = self.header("authorization")?.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
    }

    /// Whether the response may be compressed with gzip.
    pub(crate) fn accepts_gzip(&self) -> bool {
        let accepted = self.header("accept-encoding").unwrap_or_default();
        accepted.split(',').any(|coding| {
            let (name, weight) = coding.split_once(';').unwrap_or((coding, ""));
            let refused = weight.split_once('=').is_some_and(|(_, q)| q.trim().parse().is_ok_and(|q: f32| q <= 0.0));
            name.trim().eq_ignore_ascii_case("gzip") && !refused
        })
    }

    /// The stream version of a run that this request triggers.
    pub(crate) fn streams(&self) -> StreamVersion {
        StreamVersion::named(self.header("x-trigger-realtime-streams-version"))
    }

    /// Whether the caller is so old that it knows EXECUTING, but not DEQUEUED (docs/server-protocol.md 1).
    pub(crate) fn wants_old_statuses(&self) -> bool {
        !self.headers.contains_key("x-trigger-api-version")
    }
}

/// Reads a body whole.
///
/// # Errors
/// The response: 413 beyond 10 MiB, 408 after 30 s, 400 for a body that breaks off.
pub(crate) async fn read_body(incoming: RequestBody) -> Result<Bytes, Response> {
    read_body_up_to(incoming, MAX_BODY_BYTES).await
}

/// Reads a body of at most `max` bytes whole.
///
/// # Errors
/// As [`read_body`].
pub(crate) async fn read_body_up_to(incoming: RequestBody, max: u64) -> Result<Bytes, Response> {
    let too_large = || Response::api_error(StatusCode::PAYLOAD_TOO_LARGE, "Request body too large");
    // A client that announced its size is refused before its body is read.
    if incoming.size_hint().lower() > max {
        return Err(too_large());
    }
    let limit = usize::try_from(max).unwrap_or(usize::MAX);
    match timeout(BODY_TIMEOUT, Limited::new(incoming, limit).collect()).await {
        Ok(Ok(collected)) => Ok(collected.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(too_large()),
        Ok(Err(_)) => Err(Response::api_error(StatusCode::BAD_REQUEST, "The request body broke off")),
        Err(_) => Err(Response::api_error(StatusCode::REQUEST_TIMEOUT, "The request body did not come")),
    }
}

/// Decodes one path segment; `None` where its escapes are not UTF-8.
pub(crate) fn decode_segment(segment: &str) -> Option<String> {
    let bytes = segment.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        if bytes[at] == b'%' {
            let digits = segment.get(at + 1..at + 3)?;
            if !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
                return None;
            }
            decoded.push(u8::from_str_radix(digits, 16).ok()?);
            at += 3;
        } else {
            decoded.push(bytes[at]);
            at += 1;
        }
    }
    String::from_utf8(decoded).ok()
}

#[cfg(test)]
mod tests {
    use super::decode_segment;

    #[test]
    fn a_segment_is_decoded_and_bad_escapes_are_no_id() {
        assert_eq!(decode_segment("a%20b%2Fc%C3%A9"), Some("a b/cé".into()));
        for segment in ["%", "%2", "%zz", "%+1", "%ff"] {
            assert_eq!(decode_segment(segment), None, "{segment}");
        }
    }
}
