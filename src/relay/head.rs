//! The heads of requests and answers as text, one line for each part: the form in which JavaScript hands them over.

use http::header::{CONNECTION, HeaderName, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderValue, Request, StatusCode};

const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");

/// Parses a request's head: method, path and query, then names and values, one line each. `None` for text that is no
/// head of HTTP.
#[must_use]
pub fn read_head(text: &str) -> Option<Request<()>> {
    let mut lines = text.split('\n');
    let method = lines.next()?;
    let target = lines.next()?;
    let mut request = Request::builder().method(method).uri(target).body(()).ok()?;
    let headers = request.headers_mut();
    while let Some(name) = lines.next() {
        let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
        // One character for each byte, as in the headers of a web `Request`.
        let value: Option<Vec<u8>> = lines.next()?.chars().map(|letter| u8::try_from(u32::from(letter)).ok()).collect();
        headers.append(name, HeaderValue::from_bytes(&value?).ok()?);
    }
    Some(request)
}

/// Writes an answer's head: the status, `1` when parts of the body follow (else `0`), then names and values, one line
/// each.
#[must_use]
pub fn head_text(status: StatusCode, headers: &HeaderMap, more: bool) -> String {
    let mut text = String::with_capacity(1024);
    text.push_str(status.as_str());
    text.push_str(if more { "\n1" } else { "\n0" });
    for (name, value) in headers {
        // Hop-by-hop headers: the app's own server sets those of its connection.
        if [CONNECTION, KEEP_ALIVE, TRANSFER_ENCODING].contains(name) {
            continue;
        }
        text.push('\n');
        text.push_str(name.as_str());
        text.push('\n');
        text.extend(value.as_bytes().iter().copied().map(char::from));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_read_and_what_is_none_is_refused() {
        let request = read_head("GET\n/realtime/v1/runs?tags=a\nx-a\n1\nx-a\n\u{e9}").expect("a head");
        assert_eq!((request.method().as_str(), request.uri().to_string()), ("GET", "/realtime/v1/runs?tags=a".into()));
        let values: Vec<_> = request.headers().get_all("x-a").iter().map(|value| value.as_bytes().to_vec()).collect();
        assert_eq!(values, [b"1".to_vec(), vec![0xe9]]);
        for text in
            ["", "GET", "G T\n/", "GET\n/ x", "GET\n/\nx y\n1", "GET\n/\nx", "GET\n/\nx\n\u{100}", "GET\n/\nx\na\rb"]
        {
            assert!(read_head(text).is_none(), "{text:?}");
        }
    }
}
