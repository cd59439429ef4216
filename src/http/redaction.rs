//! Redacts a key that a server, or a proxy on the way, sends back: no error may repeat it.

use std::borrow::Cow;

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};

use super::traces::Traces;
use crate::secret::PLACEHOLDER;

/// The shortest text that counts as a secret, in bytes. A shorter one can stand anywhere by chance.
const MIN_SECRET_BYTES: usize = 8;

/// Redacts the secret of one request from its response. Not `Debug`, so that it is never printed.
pub(crate) struct Redaction(Option<HeaderValue>);

impl Redaction {
    /// The redaction for a request with these headers.
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        Self(headers.get(AUTHORIZATION).cloned())
    }

    /// Redacts the secret in a response from status 400. A response below is no error and stays as it is, but for its
    /// content type: an error names that when the body turns out to be something else.
    pub(crate) fn redact(&self, status: u16, headers: HeaderMap, body: Bytes) -> (HeaderMap, Bytes) {
        // Nearly every response: nothing is looked for.
        if status < 400 && headers.get(CONTENT_TYPE).is_none_or(is_plain_type) {
            return (headers, body);
        }
        let Some(secret) = self.secret() else { return (headers, body) };
        let secret = Secret { text: secret, traces: Traces::of(secret) };
        if status >= 400 {
            (secret.redact_headers(headers), secret.redact_body(body))
        } else {
            (secret.redact_content_type(headers), body)
        }
    }

    fn secret(&self) -> Option<&str> {
        let text = self.0.as_ref()?.to_str().ok()?;
        Some(text.strip_prefix("Bearer ").unwrap_or(text)).filter(|secret| secret.len() >= MIN_SECRET_BYTES)
    }
}

fn is_plain_type(value: &HeaderValue) -> bool {
    const PLAIN: [&str; 4] = [
        "application/json",
        "application/json; charset=utf-8",
        "text/event-stream",
        "text/event-stream; charset=utf-8",
    ];
    PLAIN.iter().any(|plain| value.as_bytes().eq_ignore_ascii_case(plain.as_bytes()))
}

/// A secret, and the traces that it leaves in a text.
struct Secret<'a> {
    text: &'a str,
    traces: Traces<'a>,
}

impl Secret<'_> {
    fn redact_headers(&self, headers: HeaderMap) -> HeaderMap {
        // A secret in the name of a header is no header that anybody needs.
        let shown = |(name, value): (Option<HeaderName>, HeaderValue), last: &mut Option<HeaderName>| {
            *last = name.or_else(|| last.take());
            last.clone().filter(|name| !self.traces.are_in(name.as_str())).map(|name| (name, self.redact_value(value)))
        };
        let mut last = None;
        let mut redacted = HeaderMap::with_capacity(headers.len());
        for line in headers {
            if let Some((name, value)) = shown(line, &mut last) {
                redacted.append(name, value);
            }
        }
        redacted
    }

    fn redact_content_type(&self, mut headers: HeaderMap) -> HeaderMap {
        if let Some(value) = headers.remove(CONTENT_TYPE) {
            headers.insert(CONTENT_TYPE, self.redact_value(value));
        }
        headers
    }

    fn redact_value(&self, value: HeaderValue) -> HeaderValue {
        // A value that is not ASCII text can hold the secret too.
        let text = String::from_utf8_lossy(value.as_bytes());
        match self.redact_text(&text) {
            None => value,
            Some(shown) => HeaderValue::from_str(&shown).unwrap_or_else(|_| HeaderValue::from_static(PLACEHOLDER)),
        }
    }

    fn redact_body(&self, body: Bytes) -> Bytes {
        // As it came, too: of a name that an object has twice, only the last is in the text with its escapes resolved.
        let came = String::from_utf8_lossy(&body);
        let plain = if has_escapes(&came) { self.redact_text(&came) } else { None };
        let text = unescaped(plain.as_deref().map_or(came, Cow::Borrowed));
        // A body that broke off, or was cut, can end amid the secret.
        let cut = (MIN_SECRET_BYTES..self.text.len()).rev().find(|&length| text.ends_with(&self.text[..length]));
        let whole = cut.map_or(&*text, |length| &text[..text.len() - length]);
        let shown = self.redact_text(whole);
        if cut.is_none() && shown.is_none() {
            return plain.map_or(body, Bytes::from);
        }
        let mut shown = shown.unwrap_or_else(|| whole.to_owned());
        if cut.is_some() {
            shown.push_str(PLACEHOLDER);
        }
        shown.into()
    }

    /// The text without the secret and its traces; `None` where it has none.
    fn redact_text(&self, text: &str) -> Option<String> {
        let replaced = text.contains(self.text).then(|| text.replace(self.text, PLACEHOLDER));
        let left = replaced.as_deref().unwrap_or(text);
        self.traces.redact(left).or(replaced)
    }
}

/// The text with its JSON escapes resolved: a secret written as `\u00…` is not found as text, and is read all the same.
fn unescaped(text: Cow<'_, str>) -> Cow<'_, str> {
    if !has_escapes(&text) {
        return text;
    }
    match serde_json::from_str::<serde_json::Value>(&text) {
        Ok(value) => value.to_string().into(),
        Err(_) => text,
    }
}

fn has_escapes(text: &str) -> bool {
    text.contains("\\u00")
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

    #[test]
    fn a_key_in_a_name_that_a_body_has_twice_is_not_shown() {
        for body in [
            format!(r#"{{"error":"no key {KEY}","a":"\u0000","error":null}}"#),
            format!(r#"{{"error":"no key {KEY}","a":"\u0074r_dev_hiddenhidden","error":null}}"#),
        ] {
            let (_, body) = redaction(KEY).redact(400, HeaderMap::new(), body.into());
            assert!(!String::from_utf8_lossy(&body).contains("hidden"), "{body:?}");
        }
    }

    #[test]
    fn a_key_whose_every_letter_is_escaped_is_not_read_from_the_body() {
        let escaped: Vec<String> = KEY.chars().map(|letter| format!("\\u{:04x}", u32::from(letter))).collect();
        let escaped = escaped.concat();
        let (_, body) = redaction(KEY).redact(400, HeaderMap::new(), format!(r#"{{"error":"{escaped}"}}"#).into());
        let read: serde_json::Value = serde_json::from_slice(&body).expect("JSON");
        assert!(!read.to_string().contains("hidden"), "{read}");
    }

    #[test]
    fn a_header_that_is_named_after_the_key_is_not_kept() {
        let mut headers = HeaderMap::new();
        headers.insert("hiddenhidden", "1".parse().expect("a value"));
        for value in ["1", "hiddenhidden"] {
            headers.append("x-a", value.parse().expect("a value"));
        }
        let (headers, _) = redaction(KEY).redact(400, headers, Bytes::new());
        let left: Vec<_> = headers.iter().map(|(name, value)| (name.as_str(), value.to_str().expect("text"))).collect();
        assert_eq!(left, [("x-a", "1"), ("x-a", "(secret)")]);
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
