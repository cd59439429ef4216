//! Redacts a key that a server, or a proxy on the way, sends back: no error may repeat it.

use std::borrow::Cow;

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue};

use crate::secret::PLACEHOLDER;

/// The shortest text that counts as a secret, in bytes. A shorter one can stand anywhere by chance.
const MIN_SECRET_BYTES: usize = 8;

/// Redacts the secret of one request from its response. Not `Debug`, so that it is never printed.
pub(super) struct Redaction(Option<HeaderValue>);

impl Redaction {
    /// The redaction for a request with these headers.
    pub(super) fn of(headers: &HeaderMap) -> Self {
        Self(headers.get(AUTHORIZATION).cloned())
    }

    /// Redacts the secret in a response from status 400. A response below is no error and stays as it is, but for its
    /// content type: an error names that when the body turns out to be something else.
    pub(super) fn redact(&self, status: u16, headers: HeaderMap, body: Bytes) -> (HeaderMap, Bytes) {
        match self.secret() {
            Some(secret) if status >= 400 => (redact_headers(headers, secret), redact_body(body, secret)),
            Some(secret) => (redact_content_type(headers, secret), body),
            None => (headers, body),
        }
    }

    fn secret(&self) -> Option<&str> {
        let text = self.0.as_ref()?.to_str().ok()?;
        Some(text.strip_prefix("Bearer ").unwrap_or(text)).filter(|secret| secret.len() >= MIN_SECRET_BYTES)
    }
}

fn redact_headers(mut headers: HeaderMap, secret: &str) -> HeaderMap {
    headers.values_mut().for_each(|value| redact_value(value, secret));
    headers
}

fn redact_content_type(mut headers: HeaderMap, secret: &str) -> HeaderMap {
    if let Some(value) = headers.get_mut(CONTENT_TYPE) {
        redact_value(value, secret);
    }
    headers
}

fn redact_value(value: &mut HeaderValue, secret: &str) {
    // A value that is not ASCII text can hold the secret too.
    let text = String::from_utf8_lossy(value.as_bytes());
    if text.contains(secret) {
        *value = HeaderValue::from_str(&text.replace(secret, PLACEHOLDER))
            .unwrap_or_else(|_| HeaderValue::from_static(PLACEHOLDER));
    }
}

fn redact_body(body: Bytes, secret: &str) -> Bytes {
    let text = unescaped(String::from_utf8_lossy(&body));
    // A body that broke off, or was cut, can end amid the secret.
    let cut = (MIN_SECRET_BYTES..secret.len()).rev().find(|&length| text.ends_with(&secret[..length]));
    let whole = cut.map_or(&*text, |length| &text[..text.len() - length]);
    if cut.is_none() && !text.contains(secret) {
        return body;
    }
    let mut shown = whole.replace(secret, PLACEHOLDER);
    if cut.is_some() {
        shown.push_str(PLACEHOLDER);
    }
    shown.into()
}

/// The text with its JSON escapes resolved: a secret written as `\u00…` is not found as text, and is read all the same.
fn unescaped(text: Cow<'_, str>) -> Cow<'_, str> {
    if !text.contains("\\u00") {
        return text;
    }
    match serde_json::from_str::<serde_json::Value>(&text) {
        Ok(value) => value.to_string().into(),
        Err(_) => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "tr_dev_hiddenhidden";

    fn redaction(key: &str) -> Redaction {
        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, format!("Bearer {key}").parse().expect("a value"));
        Redaction::of(&headers)
    }

    fn hidden(key: &str, status: u16, text: &str) -> (String, String) {
        let mut headers = HeaderMap::new();
        headers.insert("x-echo", text.parse().expect("a value"));
        let (headers, body) = redaction(key).redact(status, headers, Bytes::copy_from_slice(text.as_bytes()));
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("text");
        (text(headers["x-echo"].as_bytes()), text(&body))
    }

    #[test]
    fn a_refusal_that_repeats_the_key_no_longer_does() {
        let (header, body) = hidden(KEY, 401, &format!("Bearer {KEY} and é {KEY}."));
        assert_eq!(
            (header.as_str(), body.as_str()),
            ("Bearer (secret) and é (secret).", "Bearer (secret) and é (secret).")
        );
    }

    #[test]
    fn a_body_that_breaks_off_amid_the_key_shows_no_part_of_it() {
        for length in MIN_SECRET_BYTES..KEY.len() {
            let (_, body) = hidden(KEY, 500, &format!("{KEY}, {}", &KEY[..length]));
            assert_eq!(body, "(secret), (secret)", "{length}");
        }
        assert_eq!(hidden(KEY, 500, "tr_dev_").1, "tr_dev_");
    }

    #[test]
    fn a_body_whose_letters_are_numbers_shows_no_key_when_it_is_read() {
        let letters: Vec<String> = KEY.chars().map(|letter| format!("\\u{:04x}", u32::from(letter))).collect();
        let escaped = letters.concat();
        assert_eq!(hidden(KEY, 400, &format!("{{\"error\":\"{escaped}\"}}")).1, "{\"error\":\"(secret)\"}");
        let other = "{\"error\":\"\\u0041\"}";
        assert_eq!(hidden(KEY, 400, other).1, other, "and stays as it is where it holds none");
    }

    #[test]
    fn the_type_of_an_answer_that_may_be_none_shows_no_key() {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, format!("text/html; {KEY}").parse().expect("a value"));
        let (headers, _) = redaction(KEY).redact(200, headers, Bytes::new());
        assert_eq!(headers[CONTENT_TYPE], "text/html; (secret)");
    }

    #[test]
    fn what_is_no_refusal_or_no_secret_stays_as_it_is() {
        assert_eq!(hidden(KEY, 200, KEY).1, KEY);
        assert_eq!(hidden("key", 404, "no such key").1, "no such key");
        let bytes = Bytes::from_static(b"\xff no text");
        assert_eq!(redaction(KEY).redact(500, HeaderMap::new(), bytes.clone()).1, bytes);
        assert_eq!(Redaction::of(&HeaderMap::new()).redact(500, HeaderMap::new(), bytes.clone()).1, bytes);
    }
}
