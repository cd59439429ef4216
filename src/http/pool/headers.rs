//! The headers that the pool adds to a request, and reads in a response.

use http::header::{ACCEPT_ENCODING, CONTENT_ENCODING, HeaderMap, HeaderValue, LOCATION, USER_AGENT};
use http::response::Parts;

use super::decode::Encoding;
use crate::http::settings::AGENT;

/// `given`, with the headers that the general client adds by itself.
pub(super) fn with_defaults(given: &HeaderMap) -> HeaderMap {
    let mut headers = given.clone();
    headers.insert(USER_AGENT, HeaderValue::from_static(AGENT));
    headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("gzip, zstd"));
    headers
}

/// Whether the response redirects. The general client follows it, since it knows which headers may
/// go to which server.
pub(super) fn is_redirection(head: &Parts) -> bool {
    head.status.is_redirection() && head.headers.contains_key(LOCATION)
}

/// How the body of a response is compressed.
pub(super) fn encoding(headers: &HeaderMap) -> Option<Encoding> {
    headers.get(CONTENT_ENCODING).and_then(|value| Encoding::of(value.as_bytes()))
}

#[cfg(test)]
mod tests {
    use http::Response;

    use super::*;

    #[test]
    fn only_what_names_another_place_redirects() {
        for (status, place, redirects) in [
            (302, Some("/b"), true),
            (304, None, false),
            (300, None, false),
            (201, Some("/b"), false),
            (200, None, false),
        ] {
            let mut head = Response::builder().status(status).body(()).expect("a response").into_parts().0;
            head.headers.extend(place.map(|place| (LOCATION, HeaderValue::from_static(place))));
            // Else a trigger would be sent twice, by the pool and by the general client.
            assert_eq!(is_redirection(&head), redirects, "{status}, {place:?}");
        }
    }
}
