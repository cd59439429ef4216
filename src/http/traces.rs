//! The traces that a secret leaves in a text: parts of it, and its encodings. A gateway cuts a header that it shows, and
//! encodes what it puts into a page.

use std::collections::HashSet;

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use crate::secret::PLACEHOLDER;

/// The shortest part of a secret that counts, in bytes. A shorter one stands anywhere by chance.
const PART: usize = 8;
/// The prefixes of keys, which say their kind and are no secret.
const KINDS: [&str; 6] = ["tr_dev_", "tr_stg_", "tr_prod_", "tr_preview_", "tr_pat_", "tr_oat_"];
/// Base64 of either alphabet is decoded with this one.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::URL_SAFE,
    GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The parts of one secret. Not `Debug`, so that they are never printed.
pub(super) struct Traces<'a>(HashSet<&'a [u8]>);

impl<'a> Traces<'a> {
    /// The parts of a key, without its kind, or of a token, without its header, which is every token's.
    pub(super) fn of(secret: &'a str) -> Self {
        let own = match secret.split_once('.') {
            Some((header, rest)) if header.starts_with("eyJ") => rest,
            Some(_) | None => KINDS.iter().find_map(|kind| secret.strip_prefix(kind)).unwrap_or(secret),
        };
        Self(own.split('.').flat_map(|part| part.as_bytes().windows(PART)).collect())
    }

    /// Whether a text holds a part of the secret, in plain or encoded.
    pub(super) fn are_in(&self, text: &str) -> bool {
        self.redact(text).is_some()
    }

    /// The text without the parts of the secret, and without the words that encode any; `None` where it has none.
    pub(super) fn redact(&self, text: &str) -> Option<String> {
        let mut shown = String::new();
        let mut kept = 0;
        for (start, end) in words(text) {
            let word = &text[start..end];
            let redacted = if self.is_encoded_in(word) { Some(PLACEHOLDER.to_owned()) } else { self.cut(word) };
            if let Some(redacted) = redacted {
                shown.push_str(&text[kept..start]);
                shown.push_str(&redacted);
                kept = end;
            }
        }
        (kept > 0).then(|| shown + &text[kept..])
    }

    /// A word with the placeholder for each run of bytes that is part of the secret.
    fn cut(&self, word: &str) -> Option<String> {
        let bytes = word.as_bytes();
        let mut shown = String::new();
        let (mut kept, mut at) = (0, 0);
        while at + PART <= bytes.len() {
            if !self.0.contains(&bytes[at..at + PART]) {
                at += 1;
                continue;
            }
            let start = at;
            while at + PART < bytes.len() && self.0.contains(&bytes[at + 1..at + 1 + PART]) {
                at += 1;
            }
            at += PART;
            // A secret is ASCII, and so are the borders of its parts.
            shown.push_str(word.get(kept..start)?);
            shown.push_str(PLACEHOLDER);
            kept = at;
        }
        (kept > 0).then(|| shown + &word[kept..])
    }

    fn has(&self, bytes: &[u8]) -> bool {
        bytes.windows(PART).any(|part| self.0.contains(part))
    }

    fn is_encoded_in(&self, word: &str) -> bool {
        let bytes = word.as_bytes();
        if has_escape(bytes) && self.has(&without_escapes(bytes)) {
            return true;
        }
        let is_digit = |byte: &u8| byte.is_ascii_hexdigit();
        let is_base64 = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_+/".contains(byte);
        runs(bytes, is_digit).any(|run| (0..2).any(|skip| self.has(&from_hex(run.get(skip..).unwrap_or_default()))))
            || runs(bytes, is_base64)
                .any(|run| (0..4).any(|skip| self.has(&from_base64(run.get(skip..).unwrap_or_default()))))
    }
}

/// The words of a text, as starts and ends: what stands between spaces, quotes and brackets.
fn words(text: &str) -> impl Iterator<Item = (usize, usize)> {
    let is_between = |letter: char| letter.is_whitespace() || "\"'<>(){}[],".contains(letter);
    text.split(is_between)
        .map(move |word| {
            let start = word.as_ptr() as usize - text.as_ptr() as usize;
            (start, start + word.len())
        })
        .filter(|(start, end)| end - start >= PART)
}

/// The runs of such bytes that are long enough to encode a part.
fn runs(bytes: &[u8], is: impl Fn(&u8) -> bool + Copy) -> impl Iterator<Item = &[u8]> {
    bytes.split(move |byte| !is(byte)).filter(|run| run.len() > PART)
}

fn from_hex(run: &[u8]) -> Vec<u8> {
    run.chunks_exact(2).filter_map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()).collect()
}

fn from_base64(run: &[u8]) -> Vec<u8> {
    let of_urls = |byte: &u8| match byte {
        b'+' => b'-',
        b'/' => b'_',
        other => *other,
    };
    // Three bytes are four letters; a single letter at the end encodes nothing.
    let whole = if run.len() % 4 == 1 { &run[..run.len() - 1] } else { run };
    BASE64.decode(whole.iter().map(of_urls).collect::<Vec<_>>()).unwrap_or_default()
}

/// Whether there is an escape of URLs, JSON, JavaScript or HTML.
fn has_escape(bytes: &[u8]) -> bool {
    (0..bytes.len()).any(|at| escape_at(&bytes[at..]).is_some())
}

/// The byte of an escape that stands at the beginning, and the escape's length.
fn escape_at(bytes: &[u8]) -> Option<(u8, usize)> {
    let number = |digits: &[u8], radix| {
        let digits = std::str::from_utf8(digits).ok().filter(|digits| !digits.starts_with('+'))?;
        u8::from_str_radix(digits, radix).ok()
    };
    let hex = |start: usize| Some((number(bytes.get(start..start + 2)?, 16)?, start + 2));
    match bytes {
        [b'%', ..] => hex(1),
        [b'\\', b'u' | b'U', b'0', b'0', ..] => hex(4),
        [b'\\', b'x', ..] => hex(2),
        [b'&', b'#', ..] => {
            let end = bytes.iter().take(10).position(|&byte| byte == b';')?;
            let (digits, radix) = match &bytes[2..end] {
                [b'x' | b'X', digits @ ..] => (digits, 16),
                digits => (digits, 10),
            };
            Some((number(digits.strip_prefix(b"0").unwrap_or(digits), radix)?, end + 1))
        }
        _ => None,
    }
}

fn without_escapes(bytes: &[u8]) -> Vec<u8> {
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let (byte, length) = escape_at(&bytes[at..]).unwrap_or((bytes[at], 1));
        decoded.push(byte);
        at += length;
    }
    decoded
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "tr_dev_Qm7ZvK2xWp9RtB4nJc6L";
    const TOKEN: &str = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJlbnZfMSJ9.RtB4nJc6LQm7ZvK2xWp9";

    fn shown(text: &str) -> String {
        Traces::of(KEY).redact(text).unwrap_or_else(|| text.to_owned())
    }

    #[test]
    fn a_part_of_a_key_is_not_shown() {
        assert_eq!(shown("no such key: tr_dev_Qm7ZvK2xWp..."), "no such key: tr_dev_(secret)...");
        assert_eq!(shown("...WpWpWp9RtB4nJc6L, WpWp9RtB4n;"), "...WpWp(secret), Wp(secret);");
        assert_eq!(shown("\u{e9}2xWp9RtB\u{e9} Qm7ZvK2"), "\u{e9}(secret)\u{e9} Qm7ZvK2", "seven are nobody's");
        assert_eq!(Traces::of(TOKEN).redact("<i>eyJzdWIiOiJ</i>").as_deref(), Some("<i>(secret)</i>"));
    }

    #[test]
    fn an_encoded_key_is_not_shown() {
        let part = "x:2xWp9RtB4n:y";
        let of_each = |write: fn(u8) -> String| part.bytes().map(write).collect::<Vec<_>>().concat();
        let hex = of_each(|byte| format!("{byte:02x}"));
        for encoded in [
            hex.clone(),
            format!("a{hex}"),
            hex.to_uppercase(),
            of_each(|byte| format!("%{byte:02X}")),
            of_each(|byte| format!("\\u00{byte:02x}")),
            of_each(|byte| format!("&#{byte};")),
            of_each(|byte| format!("&#x0{byte:x};")),
            part.replace('W', "%57"),
            BASE64.encode(part),
            base64::engine::general_purpose::STANDARD.encode(format!("?>{part}")),
            format!("key={}", BASE64.encode(format!("Bearer {KEY}"))),
        ] {
            assert_eq!(shown(&format!("no {encoded}, \"no\"")), "no (secret), \"no\"", "{encoded}");
        }
    }

    #[test]
    fn what_is_nobodys_secret_stays_as_it_is() {
        for text in [
            "",
            "tr_dev_",
            "no such key",
            "eyJhbGciOiJIUzI1NiJ9",
            "100%",
            "%zz &# \\u00 &#;",
            "\u{e9}\u{e9}\u{e9}\u{e9}",
        ] {
            assert_eq!(Traces::of(KEY).redact(text), None, "{text}");
            assert!(!Traces::of(TOKEN).are_in(text), "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read(text in "([ -~\u{e9}]|2xWp9RtB4n|%57|&#87;|\\\\u0057){0,30}") {
            let shown = shown(&text);
            proptest::prop_assert!(!Traces::of(KEY).has(shown.as_bytes()), "{}", shown);
        }
    }
}
