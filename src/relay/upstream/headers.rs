//! The headers that cross the relay: which of a viewer's go to the server, and which of the server's go back (A12).
//! Pure.

use http::HeaderValue;
use http::header::{
    ALT_SVC, AUTHORIZATION, CONNECTION, CONTENT_LENGTH, COOKIE, EXPECT, FORWARDED, HOST, HeaderMap, HeaderName,
    PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, SET_COOKIE, STRICT_TRANSPORT_SECURITY, TE, TRAILER, TRANSFER_ENCODING,
    UPGRADE,
};

use super::error::SendError;
use crate::secret::Secret;

/// A token as the value of `Authorization`; `None` for a token that no header can carry.
pub(crate) fn bearer(token: &Secret) -> Option<HeaderValue> {
    let mut bearer = HeaderValue::from_str(&format!("Bearer {}", token.expose())).ok()?;
    bearer.set_sensitive(true);
    Some(bearer)
}

/// The headers of a viewer's request that go on to the server.
///
/// # Errors
/// [`SendError::Ambiguous`] for more than one `Authorization`.
pub(super) fn for_server(mut headers: HeaderMap) -> Result<HeaderMap, SendError> {
    if headers.get_all(AUTHORIZATION).iter().count() > 1 {
        return Err(SendError::Ambiguous);
    }
    // `Authorization` is kept even where `Connection` names it: only the viewer's token identifies the viewer.
    let authorization = headers.remove(AUTHORIZATION);
    drop_hop_by_hop(&mut headers);
    for name in [HOST, COOKIE, FORWARDED, CONTENT_LENGTH, EXPECT] {
        headers.remove(name);
    }
    let of_proxies: Vec<HeaderName> = headers.keys().filter(|name| is_of_proxies(name.as_str())).cloned().collect();
    for name in of_proxies {
        headers.remove(name);
    }
    if let Some(mut authorization) = authorization {
        authorization.set_sensitive(true);
        headers.insert(AUTHORIZATION, authorization);
    }
    Ok(headers)
}

/// The headers of the server's answer that go back to the viewer.
pub(super) fn for_viewer(mut headers: HeaderMap) -> HeaderMap {
    drop_hop_by_hop(&mut headers);
    // These headers speak of the server's host, which is not the relay's.
    for name in [SET_COOKIE, STRICT_TRANSPORT_SECURITY, ALT_SVC] {
        headers.remove(name);
    }
    headers
}

/// Whether this is a header by which proxies report a request's sender or its original form. From a viewer, such a
/// header is forged. So is one with an underscore, which some servers take for a dash; nginx drops it, too.
fn is_of_proxies(name: &str) -> bool {
    const PREFIXES: [&str; 6] = ["x-forwarded-", "x-original-", "x-rewrite-", "x-http-method", "x-envoy-", "cf-"];
    const NAMES: [&str; 8] = [
        "x-forwarded",
        "x-real-ip",
        "x-client-ip",
        "x-cluster-client-ip",
        "true-client-ip",
        "x-host",
        "x-method-override",
        "via",
    ];
    name.contains('_') || PREFIXES.iter().any(|prefix| name.starts_with(prefix)) || NAMES.contains(&name)
}

/// Drops the hop-by-hop headers (RFC 9110, 7.6.1), and those that `Connection` names.
fn drop_hop_by_hop(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = headers
        .get_all(CONNECTION)
        .iter()
        .filter_map(|value: &HeaderValue| value.to_str().ok())
        .flat_map(|text| text.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .collect();
    for name in named {
        headers.remove(name);
    }
    for name in [CONNECTION, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, TE, TRAILER, TRANSFER_ENCODING, UPGRADE] {
        headers.remove(name);
    }
    for name in ["keep-alive", "proxy-connection", "http2-settings"] {
        headers.remove(name);
    }
    let of_upgrade: Vec<HeaderName> =
        headers.keys().filter(|name| name.as_str().starts_with("sec-websocket-")).cloned().collect();
    for name in of_upgrade {
        headers.remove(name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(lines: &[(&str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(name.parse::<HeaderName>().expect("a name"), value.parse().expect("a value"));
        }
        headers
    }

    #[test]
    fn what_belongs_to_the_hop_or_the_app_does_not_reach_the_server() {
        let sent = for_server(headers(&[
            ("authorization", "Bearer viewer"),
            ("connection", "x-secret, Authorization, close"),
            ("x-secret", "1"),
            ("cookie", "session=1"),
            ("x-forwarded-for", "10.0.0.1"),
            ("x-original-url", "/api/v1/auth/jwt"),
            ("x-http-method-override", "DELETE"),
            ("via", "1.1 a"),
            ("forwarded", "for=10.0.0.1"),
            ("host", "app.example"),
            ("transfer-encoding", "chunked"),
            ("content-length", "7"),
            ("x-forwarded_host", "elsewhere.example"),
            ("x_http_method_override", "DELETE"),
            ("x-envoy-original-path", "/api/v1/auth/jwt"),
            ("http2-settings", "AAMAAABk"),
            ("sec-websocket-key", "AAAA"),
            ("x-trigger-client", "browser"),
        ]))
        .expect("unambiguous");
        let mut left: Vec<_> =
            sent.iter().map(|(name, value)| (name.as_str(), value.to_str().expect("text"))).collect();
        left.sort_unstable();
        assert_eq!(left, [("authorization", "Bearer viewer"), ("x-trigger-client", "browser")]);
    }

    #[test]
    fn two_tokens_in_one_request_are_refused() {
        let twice = headers(&[("authorization", "Bearer a"), ("authorization", "Bearer b")]);
        assert_eq!(for_server(twice).expect_err("ambiguous"), SendError::Ambiguous);
    }
}
