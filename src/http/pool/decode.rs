//! Decompresses whole bodies.

use std::io::{BufRead, Read};

use bytes::Bytes;

use crate::error::{Error, Result};

/// The largest window of a body in zstd, as a power of two: 8 MiB, which RFC 9659 has every server keep to. A decoder
/// takes the memory for it when it meets the header of a frame, which is 6 bytes long; zstd's own bound is 128 MiB.
const MAX_WINDOW_LOG: u32 = 23;

/// A decoder of zstd that reads from `from`.
///
/// # Errors
/// When there is no memory for it.
pub(super) fn zstd_decoder<R: BufRead>(from: R) -> std::io::Result<zstd::stream::read::Decoder<'static, R>> {
    let mut decoder = zstd::stream::read::Decoder::with_buffer(from)?;
    decoder.window_log_max(MAX_WINDOW_LOG)?;
    Ok(decoder)
}

/// How a body is compressed: the encodings that requests accept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Encoding {
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
    pub(crate) fn decode(self, body: &Bytes, max: usize) -> Result<Option<Bytes>> {
        // Old servers send an empty body (204) with a content-encoding.
        if body.is_empty() {
            return Ok(Some(Bytes::new()));
        }
        match self {
            Self::Gzip => read(flate2::read::MultiGzDecoder::new(&body[..]), max).map_err(broken),
            Self::Zstd => read(zstd_decoder(&body[..]).map_err(broken)?, max).map_err(broken),
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

    #[test]
    fn a_body_that_would_expand_to_very_much_stops_at_the_limit() {
        const MAX: usize = 100_000;
        let zeros = vec![0; 50 * MAX];
        let many = gzip(&zeros[..MAX / 2]).repeat(100);
        for (encoding, bomb) in [
            (Encoding::Gzip, gzip(&zeros)),
            (Encoding::Gzip, many.into()),
            (Encoding::Zstd, zstd::encode_all(&zeros[..], 3).expect("encoded").into()),
            (Encoding::Zstd, zstd::encode_all(&zeros[..MAX / 2], 3).expect("encoded").repeat(100).into()),
        ] {
            assert!(bomb.len() < MAX, "{}", bomb.len());
            assert_eq!(encoding.decode(&bomb, MAX).expect("a body"), None, "{encoding:?}");
        }
        // A bomb in a bomb is decompressed once, as its header says.
        let inner = gzip(&zeros);
        assert_eq!(Encoding::Gzip.decode(&gzip(&inner), MAX).expect("a body"), Some(inner));
        assert_eq!(Encoding::of(b"gzip, gzip"), None);
    }

    #[test]
    fn a_body_that_asks_for_a_window_of_128_mib_is_refused_before_the_memory_is_taken() {
        // The header of a frame: the magic number, no checksum and no size, and the window as a power of two.
        let frame = |log: u8| {
            let header = [0x28, 0xb5, 0x2f, 0xfd, 0x00, (log - 10) << 3];
            // The last block: raw, 1 byte.
            Bytes::from([&header[..], &[0x09, 0x00, 0x00, b'x']].concat())
        };
        assert_eq!(Encoding::Zstd.decode(&frame(23), 10).expect("8 MiB").as_deref(), Some(&b"x"[..]));
        for log in [24, 27, 31] {
            assert!(Encoding::Zstd.decode(&frame(log), 10).is_err(), "{log}");
        }
    }
}
