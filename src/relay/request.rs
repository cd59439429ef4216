//! The first step: keeps of a viewer's request the parts that the relay needs.

use http::header::{self, HeaderMap, HeaderName};

use crate::serve;

/// The request, without its path. The origin is the host that it names.
pub(super) fn read(method: http::Method, query: Option<&str>, headers: HeaderMap) -> serve::Request {
    let host = headers.get("host").and_then(|host| host.to_str().ok()).unwrap_or("localhost");
    serve::Request { method, origin: format!("http://{host}"), query: query.map(str::to_owned), headers }
}

/// The headers that a held poll or an open stream needs, one value of each. Thousands of viewers are held at once, and
/// a reference to an earlier header is one byte in HTTP/2, but as long as that header here.
pub(super) fn needed(headers: &HeaderMap) -> HeaderMap {
    const NEEDED: [HeaderName; 10] = [
        header::ACCEPT,
        header::ACCEPT_ENCODING,
        header::AUTHORIZATION,
        header::HOST,
        header::ORIGIN,
        HeaderName::from_static("last-event-id"),
        HeaderName::from_static("timeout-seconds"),
        HeaderName::from_static("x-trigger-api-version"),
        HeaderName::from_static("x-trigger-branch"),
        HeaderName::from_static("x-trigger-electric-version"),
    ];
    NEEDED.into_iter().filter_map(|name| headers.get(&name).cloned().map(|value| (name, value))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_held_request_keeps_one_value_of_each_header_that_it_needs() {
        let mut headers = HeaderMap::new();
        for name in ["accept", "x-trigger-api-version", "x-trigger-anything", "cookie", "authorization"] {
            for value in ["a", "b", "c"] {
                headers.append(name, value.parse().expect("a value"));
            }
        }
        let kept: Vec<_> = needed(&headers).iter().map(|(name, value)| (name.to_string(), value.clone())).collect();
        let expected = [("accept", "a"), ("authorization", "a"), ("x-trigger-api-version", "a")];
        assert_eq!(kept.len(), expected.len(), "{kept:?}");
        for (name, value) in expected {
            assert!(kept.iter().any(|(kept, text)| kept == name && text == value), "{name} in {kept:?}");
        }
    }
}
