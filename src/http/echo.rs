//! A key that a server, or a proxy on the way, sends back: no error may repeat it.

use std::borrow::Cow;

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue};

/// What stands in its place.
const HIDDEN: &str = "(secret)";

/// Shorter ones are no secrets, and their text may stand anywhere by chance. In bytes.
const SHORTEST: usize = 8;

/// The secret of a request. `Debug` shows nothing of it.
pub(super) struct Echo(Option<HeaderValue>);

impl Echo {
    /// That of a request with these headers.
    pub(super) fn of(headers: &HeaderMap) -> Self {
        Self(headers.get(AUTHORIZATION).cloned())
    }

    /// Hides the secret in a refusal. An answer below 400 is no error and stays as it is, but for its type, which is named
    /// where it turns out to be one.
    pub(super) fn hide(&self, status: u16, headers: HeaderMap, body: Bytes) -> (HeaderMap, Bytes) {
        match self.secret() {
            Some(secret) if status >= 400 => (hide_in_headers(headers, secret), hide_in_body(body, secret)),
            Some(secret) => (hide_in_type(headers, secret), body),
            None => (headers, body),
        }
    }

    fn secret(&self) -> Option<&str> {
        let text = self.0.as_ref()?.to_str().ok()?;
        Some(text.strip_prefix("Bearer ").unwrap_or(text)).filter(|secret| secret.len() >= SHORTEST)
    }
}

fn hide_in_headers(mut headers: HeaderMap, secret: &str) -> HeaderMap {
    headers.values_mut().for_each(|value| hide_in_value(value, secret));
    headers
}

fn hide_in_type(mut headers: HeaderMap, secret: &str) -> HeaderMap {
    if let Some(value) = headers.get_mut(CONTENT_TYPE) {
        hide_in_value(value, secret);
    }
    headers
}

fn hide_in_value(value: &mut HeaderValue, secret: &str) {
    // A value that is no text in ASCII can hold one all the same.
    let text = String::from_utf8_lossy(value.as_bytes());
    if text.contains(secret) {
        *value =
            HeaderValue::from_str(&text.replace(secret, HIDDEN)).unwrap_or_else(|_| HeaderValue::from_static(HIDDEN));
    }
}

fn hide_in_body(body: Bytes, secret: &str) -> Bytes {
    let text = unescaped(String::from_utf8_lossy(&body));
    // A body that broke off, or was cut, can end amid it.
    let cut = (SHORTEST..secret.len()).rev().find(|&length| text.ends_with(&secret[..length]));
    let whole = cut.map_or(&*text, |length| &text[..text.len() - length]);
    if cut.is_none() && !text.contains(secret) {
        return body;
    }
    let mut shown = whole.replace(secret, HIDDEN);
    if cut.is_some() {
        shown.push_str(HIDDEN);
    }
    shown.into()
}

/// Who writes letters as numbers in JSON hides a secret from us, and from nobody who reads it.
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

    fn echo(key: &str) -> Echo {
        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, format!("Bearer {key}").parse().expect("a value"));
        Echo::of(&headers)
    }

    fn hidden(key: &str, status: u16, text: &str) -> (String, String) {
        let mut headers = HeaderMap::new();
        headers.insert("x-echo", text.parse().expect("a value"));
        let (headers, body) = echo(key).hide(status, headers, Bytes::copy_from_slice(text.as_bytes()));
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
        for length in SHORTEST..KEY.len() {
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
        let (headers, _) = echo(KEY).hide(200, headers, Bytes::new());
        assert_eq!(headers[CONTENT_TYPE], "text/html; (secret)");
    }

    #[test]
    fn what_is_no_refusal_or_no_secret_stays_as_it_is() {
        assert_eq!(hidden(KEY, 200, KEY).1, KEY);
        assert_eq!(hidden("key", 404, "no such key").1, "no such key");
        let bytes = Bytes::from_static(b"\xff no text");
        assert_eq!(echo(KEY).hide(500, HeaderMap::new(), bytes.clone()).1, bytes);
        assert_eq!(Echo::of(&HeaderMap::new()).hide(500, HeaderMap::new(), bytes.clone()).1, bytes);
    }
}
