//! Bodies of responses: decompression that is cut anywhere and stays within its bound, and errors without the key.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue};

use super::input::{Input, cut};
use crate::error::Error;
use crate::http::pool::{Encoding, StreamDecoder};
use crate::http::redaction::Redaction;

const KEY: &str = "tr_dev_hiddenhiddenhidden";
const MAX_BODY: usize = 1 << 16;

/// A compressed body, or the body of an error that repeats the key.
pub fn responses(data: &[u8]) {
    let mut input = Input::new(data);
    let (kind, seed) = (input.byte(), input.byte());
    match kind % 4 {
        0 => compressed(Encoding::Gzip, input.rest(), seed),
        1 => compressed(Encoding::Zstd, input.rest(), seed),
        2 => made(input.rest(), seed),
        _ => error(&mut input),
    }
}

/// Whole or in pieces, a body gives the same bytes or the same refusal, and no more than the bound.
fn compressed(encoding: Encoding, body: &[u8], seed: u8) {
    let body = Bytes::copy_from_slice(body);
    let whole = encoding.decode(&body, MAX_BODY);
    let mut decoder = StreamDecoder::new(encoding).expect("a decoder");
    let (mut out, mut is_broken) = (Vec::new(), false);
    let mut drain = |decoder: &mut StreamDecoder, out: &mut Vec<u8>| loop {
        match decoder.decode() {
            Ok(Some(bytes)) => {
                assert!(bytes.len() <= 16 * 1024, "{} bytes at once", bytes.len());
                out.extend_from_slice(&bytes);
                if out.len() > MAX_BODY {
                    return;
                }
            }
            Ok(None) => return,
            Err(_) => {
                is_broken = true;
                return;
            }
        }
    };
    for piece in cut(&body, seed) {
        decoder.push(Bytes::copy_from_slice(piece));
        drain(&mut decoder, &mut out);
    }
    decoder.finish();
    drain(&mut decoder, &mut out);
    match whole {
        Ok(Some(whole)) => assert_eq!((is_broken, &*whole), (false, &out[..]), "in pieces it is another body"),
        Ok(None) => assert!(out.len() > MAX_BODY, "too long as a whole only"),
        Err(_) => assert!(is_broken || out.len() > MAX_BODY, "broken as a whole only"),
    }
}

/// A body that a server compresses comes back as it was.
fn made(body: &[u8], seed: u8) {
    let mut gzip = Vec::new();
    let mut encoder = flate2::read::GzEncoder::new(body, flate2::Compression::fast());
    std::io::Read::read_to_end(&mut encoder, &mut gzip).expect("compressed");
    let zstd = zstd::bulk::compress(body, 1).expect("compressed");
    for (encoding, packed) in [(Encoding::Gzip, gzip), (Encoding::Zstd, zstd)] {
        let packed = Bytes::from(packed);
        assert_eq!(encoding.decode(&packed, body.len()).expect("a body").as_deref(), Some(body));
        if !body.is_empty() {
            assert_eq!(encoding.decode(&packed, body.len() - 1).expect("a body"), None, "the bound");
        }
        compressed(encoding, &packed, seed);
    }
}

/// An error that a server answers shows neither the key nor a part that gives it away, however the body writes it. `\x01`
/// in the input stands for the key.
fn error(input: &mut Input<'_>) {
    let (status, content_type) = (400 + u16::from(input.byte()), input.part().unwrap_or_default());
    let with_key = |text: &[u8]| -> Vec<u8> {
        text.iter()
            .flat_map(|byte| if *byte == 1 { KEY.as_bytes() } else { std::slice::from_ref(byte) })
            .copied()
            .collect()
    };
    let mut request = HeaderMap::new();
    request.insert("authorization", HeaderValue::from_str(&format!("Bearer {KEY}")).expect("a header"));
    let mut headers = HeaderMap::new();
    if let Ok(value) = HeaderValue::from_bytes(&with_key(content_type)) {
        headers.insert("content-type", value.clone());
        headers.insert("x-detail", value);
    }
    let body = Bytes::from(with_key(input.clone().rest()));
    let (headers, body) = Redaction::of(&request).redact(status, headers, body);
    let error = Error::api(status, &headers, &body);
    let answer = error.answer().expect("an answer");
    let shown = format!("{error} {error:?} {} {:?}", answer.body, answer.headers);
    assert!(!shown.contains(KEY), "the key is shown: {shown}");
    assert!(!unescaped(&shown).contains(KEY), "the key is shown with escapes: {shown}");
    assert!(answer.body.len() <= 3 * 16 * 1024);
}

/// The text with each `\u00xx` resolved, wherever it stands.
fn unescaped(text: &str) -> String {
    let mut parts = text.split("\\u00");
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        match part.get(..2).and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) => out.extend([&String::from(char::from(byte)), &part[2..]]),
            None => out.extend(["\\u00", part]),
        }
    }
    out
}
