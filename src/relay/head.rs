//! The head codec: the head of a request or a response as one text, as it crosses between JavaScript and Rust.
//! `js/relay/head.js` is its other half.
//!
//! Each item is a line. A request's head begins with the method and the target; a response's with the status, and `1`
//! where more of the body follows, else `0`. Header names and values follow in turn. A value has one character a byte,
//! as in the headers of a web `Request`.

use http::header::{CONNECTION, HeaderName, TRANSFER_ENCODING};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Request, StatusCode};

const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");

/// Writes a request's head. The authority of an absolute target goes first, as `host`.
#[must_use]
pub fn encode_request_head(head: &Parts) -> String {
    let target = head.uri.path_and_query().map_or("/", http::uri::PathAndQuery::as_str);
    let mut text = format!("{}\n{target}", head.method);
    if let Some(authority) = head.uri.authority() {
        text.push_str("\nhost\n");
        text.push_str(authority.as_str());
    }
    for (name, value) in &head.headers {
        push(&mut text, name, value);
    }
    text
}

/// Reads a request's head. `None` for a text that is no request of HTTP.
#[must_use]
pub fn decode_request_head(text: &str) -> Option<Request<()>> {
    let mut lines = text.split('\n');
    let (method, target) = (lines.next()?, lines.next()?);
    let mut request = Request::builder().method(method).uri(target).body(()).ok()?;
    while let Some(name) = lines.next() {
        let (name, value) = header(name, lines.next()?)?;
        request.headers_mut().append(name, value);
    }
    Some(request)
}

/// Writes a response's head. `more`: more of the body follows.
#[must_use]
pub fn encode_response_head(status: StatusCode, headers: &HeaderMap, more: bool) -> String {
    let mut text = String::with_capacity(1024);
    text.push_str(status.as_str());
    text.push_str(if more { "\n1" } else { "\n0" });
    for (name, value) in headers {
        // Headers of a connection: the app's own server adds its own.
        if ![CONNECTION, KEEP_ALIVE, TRANSFER_ENCODING].contains(name) {
            push(&mut text, name, value);
        }
    }
    text
}

/// Reads a response's head. A status that HTTP does not have becomes 500, a header that it cannot carry is left out.
#[must_use]
pub fn decode_response_head(text: &str) -> (StatusCode, HeaderMap) {
    let mut lines = text.split('\n');
    let status = lines.next().and_then(|status| status.parse().ok()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut lines = lines.skip(1);
    let mut headers = HeaderMap::new();
    while let (Some(name), Some(value)) = (lines.next(), lines.next()) {
        if let Some((name, value)) = header(name, value) {
            headers.append(name, value);
        }
    }
    (status, headers)
}

fn push(text: &mut String, name: &HeaderName, value: &HeaderValue) {
    text.push('\n');
    text.push_str(name.as_str());
    text.push('\n');
    text.extend(value.as_bytes().iter().copied().map(char::from));
}

fn header(name: &str, value: &str) -> Option<(HeaderName, HeaderValue)> {
    let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
    let value: Option<Vec<u8>> = value.chars().map(|letter| u8::try_from(u32::from(letter)).ok()).collect();
    Some((name, HeaderValue::from_bytes(&value?).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_read_and_what_is_none_is_refused() {
        let request = decode_request_head("GET\n/realtime/v1/runs?tags=a\nx-a\n1\nx-a\n\u{e9}").expect("a head");
        assert_eq!((request.method().as_str(), request.uri().to_string()), ("GET", "/realtime/v1/runs?tags=a".into()));
        let values: Vec<_> = request.headers().get_all("x-a").iter().map(|value| value.as_bytes().to_vec()).collect();
        assert_eq!(values, [b"1".to_vec(), vec![0xe9]]);
        for text in
            ["", "GET", "G T\n/", "GET\n/ x", "GET\n/\nx y\n1", "GET\n/\nx", "GET\n/\nx\n\u{100}", "GET\n/\nx\na\rb"]
        {
            assert!(decode_request_head(text).is_none(), "{text:?}");
        }
    }

    #[test]
    fn a_head_that_was_written_is_read_the_same() {
        let text = "GET\n/realtime/v1/runs?tags=a\nx-a\n1\nx-a\n\u{e9}";
        let request = decode_request_head(text).expect("a head");
        assert_eq!(encode_request_head(&request.into_parts().0), text);
        let text = "403\n0\ncontent-type\ttext/plain\nx-a\n\u{e9}".replace('\t', "\n");
        let (status, headers) = decode_response_head(&text);
        assert_eq!((encode_response_head(status, &headers, false), headers.len()), (text, 2));
        let (status, headers) = decode_response_head("no status\n0\nx y\n1\nx-a\n\u{100}\nx-b\n2");
        assert_eq!((status, headers.len()), (StatusCode::INTERNAL_SERVER_ERROR, 1));
    }
}
