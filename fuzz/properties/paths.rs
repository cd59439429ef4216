//! Ids and names in URLs, and base URLs: one segment is written, one segment is read, at the same server.

use url::Url;

use super::input::Input;
use crate::config::Endpoint;
use crate::id::{path_segment, task_segment, text_segment};
use crate::packet::encode_path;
use crate::serve::decode_segment;
use crate::shape::Query;
use crate::stream::{Plan, StreamSpec};

/// What a user passes for an id is one segment of the path, and nothing else.
pub fn paths(data: &[u8]) {
    let mut input = Input::new(data);
    let (base, first, second) = (input.text(), input.text(), input.text());
    let rest = String::from_utf8_lossy(input.rest()).into_owned();
    for text in [&first, &second, &rest] {
        let segments = [path_segment("run id", text), text_segment("key", text), task_segment("task id", text)];
        for segment in segments.into_iter().flatten() {
            is_one_segment(text, &segment);
        }
        assert_eq!(decode_segment(&encode_path(text)).as_deref(), Some(&**text), "a stored path");
    }
    if let Ok(path) = StreamSpec::path((&first, &second), &Plan::default()) {
        assert_eq!(segments(&format!("http://server{path}")), ["realtime", "v1", "streams", &*first, &*second]);
    }
    let pairs = [("a", &*first), ("tags", &*second), ("z", &*rest)];
    let query = Query { offset: first.clone(), handle: Some(second.clone()), live: true, ..Query::snapshot() };
    let written = query.with(&pairs);
    let read: Vec<_> = url::form_urlencoded::parse(written.as_bytes()).into_owned().collect();
    for (name, value) in pairs.iter().map(|(name, value)| (*name, *value)).chain(query.pairs()) {
        assert!(read.contains(&(name.to_owned(), value.to_owned())), "{name}={value:?} in {written}");
    }
    assert_eq!(read.len(), pairs.len() + query.pairs().len());
    endpoint(&base, &first);
}

/// A base URL that is taken stays the server that it names, whatever path follows it.
fn endpoint(base: &str, key: &str) {
    let Ok(endpoint) = Endpoint::new(base, key, Some("main")) else { return };
    let parsed = Url::parse(base).expect("a base URL is a URL");
    let whole = Url::parse(&format!("{}/realtime/v1/runs/run_1?offset=-1", endpoint.base_url()));
    let whole = whole.expect("a base URL with a path is a URL");
    assert_eq!(whole.origin(), parsed.origin(), "another server");
    assert!(whole.path().ends_with("/realtime/v1/runs/run_1"), "another path: {whole}");
    assert_eq!((whole.query(), whole.fragment()), (Some("offset=-1"), None), "{whole}");
    let shown = format!("{endpoint:?}");
    assert!(key.len() < 16 || !shown.contains(key) || base.contains(key), "the key is shown");
    let is_elsewhere = |password: &str| {
        [parsed.path(), parsed.host_str().unwrap_or_default()].iter().any(|part| part.contains(password))
    };
    let is_secret = |password: &&str| password.len() > 8 && !is_elsewhere(password);
    if let Some(password) = parsed.password().filter(is_secret) {
        assert!(!shown.contains(password), "a password is shown: {shown}");
    }
}

fn is_one_segment(text: &str, segment: &str) {
    assert_eq!(decode_segment(segment).as_deref(), Some(text));
    assert_eq!(segments(&format!("http://server/api/{segment}/end")), ["api", text, "end"]);
    assert!(segment.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.~%".contains(&byte)));
}

/// The decoded segments of a URL, as the url crate reads it.
fn segments(url: &str) -> Vec<String> {
    let url = Url::parse(url).expect("a URL");
    assert_eq!((url.host_str(), url.query(), url.fragment()), (Some("server"), None, None), "{url}");
    let segments = url.path_segments().expect("a path");
    segments.map(|segment| decode_segment(segment).expect("a segment")).collect()
}
