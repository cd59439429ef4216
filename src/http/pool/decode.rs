//! Decompresses whole bodies.

use std::io::Read;

use bytes::Bytes;

use crate::error::{Error, Result};

/// How a body is compressed: the encodings that requests accept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Encoding {
    Gzip,
    Zstd,
}

impl Encoding {
    /// The encoding that a `content-encoding` names; `None` for `identity`, and for any that was not
    /// accepted.
    pub(super) fn of(value: &[u8]) -> Option<Self> {
        if value.eq_ignore_ascii_case(b"gzip") || value.eq_ignore_ascii_case(b"x-gzip") {
            Some(Self::Gzip)
        } else if value.eq_ignore_ascii_case(b"zstd") {
            Some(Self::Zstd)
        } else {
            None
        }
    }

    /// The decompressed body, or `None` when it is longer than `max` bytes.
    ///
    /// # Errors
    /// `ERR_PROTOCOL` when the body is not compressed as its headers say.
    pub(super) fn decode(self, body: &Bytes, max: usize) -> Result<Option<Bytes>> {
        // Old servers send an empty body (204) with a content-encoding.
        if body.is_empty() {
            return Ok(Some(Bytes::new()));
        }
        match self {
            Self::Gzip => read(flate2::read::MultiGzDecoder::new(&body[..]), max).map_err(broken),
            Self::Zstd => {
                read(zstd::stream::read::Decoder::with_buffer(&body[..]).map_err(broken)?, max).map_err(broken)
            }
        }
    }
}

/// The error of a body that is not compressed as its headers say.
pub(super) fn broken(error: std::io::Error) -> Error {
    Error::protocol("the server's answer cannot be decompressed").with_source(error)
}

fn read(from: impl Read, max: usize) -> std::io::Result<Option<Bytes>> {
    let mut out = Vec::new();
    let limit = u64::try_from(max).unwrap_or(u64::MAX).saturating_add(1);
    from.take(limit).read_to_end(&mut out)?;
    Ok((out.len() <= max).then(|| Bytes::from(out)))
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn gzip(text: &[u8]) -> Bytes {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(text).expect("written");
        encoder.finish().expect("finished").into()
    }

    #[test]
    fn what_polls_accept_is_decoded() {
        let text = b"[{\"headers\":{\"control\":\"up-to-date\"}}]";
        let zstd = Bytes::from(zstd::encode_all(&text[..], 3).expect("encoded"));
        for (name, body) in [("gzip", gzip(text)), ("GZIP", gzip(text)), ("zstd", zstd)] {
            let encoding = Encoding::of(name.as_bytes()).expect(name);
            assert_eq!(encoding.decode(&body, 1_000).expect(name).as_deref(), Some(&text[..]));
            assert_eq!(encoding.decode(&body, text.len() - 1).expect(name), None, "too long");
            assert!(encoding.decode(&body.slice(..body.len() / 2), 1_000).is_err(), "cut short");
            assert_eq!(encoding.decode(&Bytes::new(), 0).expect(name).as_deref(), Some(&b""[..]));
        }
        assert_eq!(Encoding::of(b"identity"), None);
    }
}
