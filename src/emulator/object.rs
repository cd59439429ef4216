//! The object store of large payloads and outputs, behind signed URLs (docs/server-protocol.md 4, packets; recorded:
//! `calls-trigger`, `run-packet-types`).

use std::collections::{HashMap, VecDeque};
use std::sync::Mutex;

use bytes::Bytes;

use super::{ident, jwt};
use crate::error::Result;
use crate::lock::lock;
use crate::random;
use crate::timestamp::format_timestamp;

/// The most bytes in memory. Beyond them the oldest objects are dropped.
const MAX_BYTES: usize = 512 << 20;
/// How long a signed URL is valid, in seconds (recorded).
const EXPIRES_S: u64 = 300;

/// The objects, by the path of their URL.
#[derive(Debug)]
pub(super) struct Objects {
    inner: Mutex<Inner>,
    key: [u8; 32],
}

#[derive(Debug, Default)]
struct Inner {
    objects: HashMap<String, Object>,
    order: VecDeque<String>,
    bytes: usize,
}

/// One object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Object {
    /// Its `content-type`, as uploaded.
    pub(super) content_type: String,
    /// Its bytes.
    pub(super) data: Bytes,
}

impl Default for Objects {
    fn default() -> Self {
        Self { inner: Mutex::default(), key: random::bytes() }
    }
}

impl Objects {
    /// A URL on `origin` that permits `method` on the object for five minutes.
    ///
    /// # Errors
    /// `ERR_INTERNAL`.
    pub(super) fn sign(&self, origin: &str, method: &str, path: &str, now_ms: u64) -> Result<String> {
        let date = compact(now_ms);
        let day = date.split('T').next().unwrap_or_default();
        let signature = self.signature(method, path, &date)?;
        Ok(format!(
            "{origin}{path}?X-Amz-Expires={EXPIRES_S}&X-Amz-Date={date}&X-Amz-Algorithm=AWS4-HMAC-SHA256\
             &X-Amz-Credential=emulator%2F{day}%2Fus-east-1%2Fs3%2Faws4_request\
             &X-Amz-SignedHeaders=host&X-Amz-Signature={signature}"
        ))
    }

    /// Whether a URL with this date and signature permits `method` on the object now.
    ///
    /// # Errors
    /// `ERR_INTERNAL`.
    pub(super) fn admits(&self, method: &str, path: &str, date: &str, signature: &str, now_ms: u64) -> Result<bool> {
        let oldest = compact(now_ms.saturating_sub(EXPIRES_S * 1000));
        // Dates in this form sort as texts.
        Ok(date >= oldest.as_str() && self.signature(method, path, date)? == signature)
    }

    /// Puts an object.
    pub(super) fn put(&self, path: &str, object: Object) {
        let mut inner = lock(&self.inner);
        inner.bytes += object.data.len();
        if let Some(before) = inner.objects.insert(path.to_owned(), object) {
            inner.bytes -= before.data.len();
            inner.order.retain(|known| known != path);
        }
        inner.order.push_back(path.to_owned());
        while inner.bytes > MAX_BYTES && inner.order.len() > 1 {
            if let Some(gone) = inner.order.pop_front().and_then(|oldest| inner.objects.remove(&oldest)) {
                inner.bytes -= gone.data.len();
            }
        }
    }

    /// Gets an object.
    pub(super) fn get(&self, path: &str) -> Option<Object> {
        lock(&self.inner).objects.get(path).cloned()
    }

    fn signature(&self, method: &str, path: &str, date: &str) -> Result<String> {
        jwt::hex_mac(&format!("{method} {path} {date}"), &self.key)
    }
}

/// The URL path of a stored packet of an environment.
pub(super) fn path_of(environment: &str, name: &str) -> String {
    let mut path = format!("/packets/proj_emulator/{}", segment(environment));
    for part in name.split('/') {
        path.push('/');
        path.push_str(&segment(part));
    }
    path
}

/// Whether a stored packet may have this name: no `..`, no empty segment.
pub(super) fn is_name(name: &str) -> bool {
    !name.split('/').any(|part| part.is_empty() || part == "." || part == "..")
        && !name.contains(|c: char| c.is_control() || c == '\\')
}

fn segment(text: &str) -> String {
    text.bytes().fold(String::with_capacity(text.len()), |mut path, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            path.push(char::from(byte));
        } else {
            path.push('%');
            path.push_str(&ident::hex(&[byte]).to_uppercase());
        }
        path
    })
}

/// `20261122T081748Z`.
fn compact(ms: u64) -> String {
    let mut text: String = format_timestamp(ms).chars().filter(|c| !matches!(c, '-' | ':')).take(15).collect();
    text.push('Z');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signed_url_works_for_its_method_and_path_and_for_five_minutes() {
        let objects = Objects::default();
        let now = 1_795_335_402_432;
        let path = path_of("env_1", "trigger/packet_1/payload.json");
        let url = objects.sign("http://127.0.0.1:1", "PUT", &path, now).expect("a URL");
        let part = |name: &str| {
            let url = url::Url::parse(&url).expect("a URL");
            url.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned()).expect("a part")
        };
        let (date, signature) = (part("X-Amz-Date"), part("X-Amz-Signature"));
        assert_eq!(date, "20261122T081642Z");
        let admits =
            |method: &str, path: &str, now| objects.admits(method, path, &date, &signature, now).expect("an answer");
        assert!(admits("PUT", &path, now) && admits("PUT", &path, now + 299_000));
        assert!(
            !admits("GET", &path, now) && !admits("PUT", "/packets/other", now) && !admits("PUT", &path, now + 301_000)
        );
    }

    #[test]
    fn a_name_never_leaves_its_place() {
        assert!(is_name("run_1/output.json"));
        for name in ["", "../x", "a/../b", "a//b", "/a", "a/", "a\\b", "a\nb"] {
            assert!(!is_name(name), "{name:?}");
        }
        assert_eq!(path_of("e/1", "a b/c"), "/packets/proj_emulator/e%2F1/a%20b/c");
    }
}
