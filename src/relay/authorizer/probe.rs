//! A probe: one request that asks the server, with the viewer's own token, whether it shows that viewer a feed (A5).

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode};
use http_body_util::{BodyExt as _, Limited};

use crate::config::Endpoint;
use crate::http::feed_headers;
use crate::relay::upstream::{Outbound, Timeouts, bearer, fetch};
use crate::secret::Secret;
use crate::serve::Response;

/// How much of a refusal's body is read, in bytes.
const MAX_REFUSAL_BYTES: usize = 4 * 1024;
/// How long the server may take, so that a server that hangs gives the permits of probes back (A7).
pub(in crate::relay) const PROBE_TIMEOUTS: Timeouts =
    Timeouts { head: Duration::from_secs(15), idle: Duration::from_secs(15) };
/// `Retry-After` where the server gave none, in seconds.
pub(super) const RETRY_S: u64 = 1;

/// The decision of a probe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Decision {
    /// The server shows the viewer the feed.
    Allow,
    /// The server's 401, 403 or 404, and its body.
    Deny(StatusCode, Bytes),
}

impl Decision {
    /// `Ok` where the viewer may read, else the refusal that it gets.
    pub(super) fn into_result(self) -> Result<(), Response> {
        match self {
            Self::Allow => Ok(()),
            Self::Deny(StatusCode::NOT_FOUND, body) => {
                Err(Response::api(StatusCode::NOT_FOUND, body).with("x-should-retry", "false"))
            }
            Self::Deny(status, body) => Err(Response::api(status, body)),
        }
    }
}

/// A probe without a decision. Nothing is cached, and the next viewer probes again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Indeterminate {
    /// The server was not reached: 502.
    Unreachable,
    /// The server is busy (429, 5xx), or too many probes are in flight: 503, to be tried again after so many seconds.
    Busy(u64),
}

impl Indeterminate {
    /// The viewer's answer.
    pub(super) fn answer(self) -> Response {
        let (status, text, seconds) = match self {
            Self::Unreachable => (StatusCode::BAD_GATEWAY, "The server could not be reached", RETRY_S),
            Self::Busy(seconds) => (StatusCode::SERVICE_UNAVAILABLE, "The server is busy", seconds),
        };
        Response::api_error(status, text).with("retry-after", &seconds.to_string())
    }
}

/// The outcome of a probe.
pub(super) type Outcome = Result<Decision, Indeterminate>;

/// Sends a probe: the feed's first snapshot, asked for as the viewer's own client would.
pub(super) fn send_probe(
    endpoint: &Endpoint,
    token: &Secret,
    path: &str,
) -> impl Future<Output = Outcome> + Send + 'static + use<> {
    let join = if path.contains('?') { '&' } else { '?' };
    let url = format!("{}{path}{join}offset=-1", endpoint.base_url());
    let headers = viewer_headers(endpoint, token);
    async move {
        let headers = headers?;
        let request = Outbound { method: Method::GET, url, headers, timeouts: PROBE_TIMEOUTS };
        let response = fetch(request).await.map_err(|_| Indeterminate::Unreachable)?;
        let status = response.status();
        match status.as_u16() {
            // The rows are not read; the connection's other requests go on.
            200..=299 => Ok(Decision::Allow),
            401 | 403 | 404 => {
                let body = Limited::new(response.into_body(), MAX_REFUSAL_BYTES).collect().await;
                body.map(|body| Decision::Deny(status, body.to_bytes())).map_err(|_| Indeterminate::Unreachable)
            }
            _ => {
                let seconds = response.headers().get("retry-after").and_then(|text| text.to_str().ok()?.parse().ok());
                Err(Indeterminate::Busy(seconds.unwrap_or(RETRY_S)))
            }
        }
    }
}

/// A feed's headers with the viewer's token in place of the relay's key, which no probe carries.
fn viewer_headers(endpoint: &Endpoint, token: &Secret) -> Result<HeaderMap, Indeterminate> {
    let mut headers = feed_headers(endpoint).map_err(|_| Indeterminate::Unreachable)?;
    let bearer = bearer(token).ok_or(Indeterminate::Unreachable)?;
    headers.insert(http::header::AUTHORIZATION, bearer);
    Ok(headers)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::relay::upstream::tests::Server;

    #[tokio::test]
    async fn a_question_carries_the_viewers_token_and_never_the_relays_key() {
        for (status, expected) in [
            (200, Ok(Decision::Allow)),
            (403, Ok(Decision::Deny(StatusCode::FORBIDDEN, Bytes::new()))),
            (429, Err(Indeterminate::Busy(9))),
            (503, Err(Indeterminate::Busy(9))),
        ] {
            let mut server = Server::start(status).await;
            let endpoint = Endpoint::new(&server.url, "tr_dev_relaykey", None).expect("valid");
            let token = Secret::new("viewer.token.x");
            let decision = send_probe(&endpoint, &token, "/realtime/v1/runs?tags=a").await;
            assert_eq!(decision, expected, "{status}");
            let seen = server.next().await;
            assert_eq!(seen.path, "/realtime/v1/runs?tags=a&offset=-1");
            assert_eq!(seen.headers["authorization"], "Bearer viewer.token.x");
            assert!(seen.headers.values().all(|value| !value.to_str().unwrap_or_default().contains("relaykey")));
        }
    }
}
