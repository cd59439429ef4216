//! Compressed bodies that are read as they come.

use std::collections::VecDeque;
use std::io::{BufRead, ErrorKind, Read};

use bytes::{Buf as _, Bytes};
use flate2::bufread::MultiGzDecoder;

use super::decode::{Encoding, broken};
use crate::error::Result;

/// Given out at once, in bytes.
const PART: usize = 16 * 1024;

/// Decompresses what it is given, as far as that goes.
pub(super) enum Inflate {
    Gzip(Box<MultiGzDecoder<Fed>>),
    Zstd(zstd::stream::read::Decoder<'static, Fed>),
}

impl Inflate {
    /// # Errors
    /// When there is no memory for it.
    pub(super) fn new(encoding: Encoding) -> Result<Self> {
        Ok(match encoding {
            Encoding::Gzip => Self::Gzip(Box::new(MultiGzDecoder::new(Fed::default()))),
            Encoding::Zstd => Self::Zstd(zstd::stream::read::Decoder::with_buffer(Fed::default()).map_err(broken)?),
        })
    }

    fn fed(&mut self) -> &mut Fed {
        match self {
            Self::Gzip(decoder) => decoder.get_mut(),
            Self::Zstd(decoder) => decoder.get_mut(),
        }
    }

    /// More of the body.
    pub(super) fn give(&mut self, bytes: Bytes) {
        let fed = self.fed();
        fed.any |= !bytes.is_empty();
        fed.chunks.push_back(bytes);
    }

    /// The body is over.
    pub(super) fn finish(&mut self) {
        self.fed().over = true;
    }

    /// What can be told so far, in parts; `None` until more is given, and at the end.
    ///
    /// # Errors
    /// `ERR_PROTOCOL` when it is not what it says, or breaks off.
    pub(super) fn take(&mut self) -> Result<Option<Bytes>> {
        // Old servers send an empty body with the header all the same.
        if !self.fed().any {
            return Ok(None);
        }
        let mut part = vec![0; PART];
        let read = match self {
            Self::Gzip(decoder) => decoder.read(&mut part),
            Self::Zstd(decoder) => decoder.read(&mut part),
        };
        match read {
            Ok(0) => Ok(None),
            Ok(length) => {
                part.truncate(length);
                Ok(Some(part.into()))
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(None),
            Err(error) => Err(broken(error)),
        }
    }
}

impl std::fmt::Debug for Inflate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Gzip(_) => "Gzip",
            Self::Zstd(_) => "Zstd",
        })
    }
}

/// What was given and not read yet. Reading on says `WouldBlock` until the body is over: the
/// decoders go on from there.
#[derive(Debug, Default)]
pub(super) struct Fed {
    chunks: VecDeque<Bytes>,
    any: bool,
    over: bool,
}

impl Read for Fed {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        let length = self.fill_buf()?.read(into)?;
        self.consume(length);
        Ok(length)
    }
}

impl BufRead for Fed {
    fn fill_buf(&mut self) -> std::io::Result<&[u8]> {
        while self.chunks.front().is_some_and(Bytes::is_empty) {
            self.chunks.pop_front();
        }
        match self.chunks.front() {
            Some(chunk) => Ok(chunk),
            None if self.over => Ok(&[]),
            None => Err(ErrorKind::WouldBlock.into()),
        }
    }

    fn consume(&mut self, length: usize) {
        if let Some(chunk) = self.chunks.front_mut() {
            chunk.advance(length.min(chunk.len()));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;
    use crate::error::ErrorCode;

    fn gzip(parts: &[&[u8]]) -> Vec<Bytes> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        let mut chunks = Vec::new();
        for part in parts {
            encoder.write_all(part).expect("written");
            encoder.flush().expect("flushed");
            chunks.push(std::mem::take(encoder.get_mut()).into());
        }
        chunks.push(encoder.finish().expect("finished").into());
        chunks
    }

    fn zstd(parts: &[&[u8]]) -> Vec<Bytes> {
        let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), 3).expect("an encoder");
        let mut chunks = Vec::new();
        for part in parts {
            encoder.write_all(part).expect("written");
            encoder.flush().expect("flushed");
            chunks.push(std::mem::take(encoder.get_mut()).into());
        }
        chunks.push(encoder.finish().expect("finished").into());
        chunks
    }

    fn drain(inflate: &mut Inflate) -> Vec<u8> {
        let mut out = Vec::new();
        while let Some(bytes) = inflate.take().expect("what it says") {
            out.extend_from_slice(&bytes);
        }
        out
    }

    const PARTS: [&[u8]; 3] = [b"data: {\"n\":1}\n\n", b"data: {\"n\":2}\n\n", &[b'x'; 100_000]];

    #[test]
    fn what_the_server_flushed_can_be_read_before_the_next_comes() {
        for (encoding, chunks) in [(Encoding::Gzip, gzip(&PARTS)), (Encoding::Zstd, zstd(&PARTS))] {
            let mut inflate = Inflate::new(encoding).expect("a decoder");
            for (chunk, part) in chunks.iter().zip(PARTS) {
                inflate.give(chunk.clone());
                assert_eq!(drain(&mut inflate), part, "{encoding:?}");
            }
            inflate.give(chunks[PARTS.len()].clone());
            inflate.finish();
            assert_eq!(drain(&mut inflate), b"", "{encoding:?}");
        }
    }

    #[test]
    fn chunks_can_be_cut_anywhere() {
        for (encoding, chunks) in [(Encoding::Gzip, gzip(&PARTS)), (Encoding::Zstd, zstd(&PARTS))] {
            let mut inflate = Inflate::new(encoding).expect("a decoder");
            let mut out = Vec::new();
            for byte in chunks.concat() {
                inflate.give(Bytes::copy_from_slice(&[byte]));
                out.extend(drain(&mut inflate));
            }
            inflate.finish();
            out.extend(drain(&mut inflate));
            assert_eq!(out, PARTS.concat(), "{encoding:?}");
        }
    }

    #[test]
    fn a_body_that_breaks_off_or_is_something_else_is_an_error_and_an_empty_one_is_not() {
        for (encoding, chunks) in [(Encoding::Gzip, gzip(&PARTS)), (Encoding::Zstd, zstd(&PARTS))] {
            let mut cut = Inflate::new(encoding).expect("a decoder");
            cut.give(chunks[0].clone());
            cut.finish();
            assert_eq!(cut.take().expect("the first").as_deref(), Some(PARTS[0]));
            assert_eq!(cut.take().expect_err("cut").code(), ErrorCode::Protocol, "{encoding:?}");
            let mut other = Inflate::new(encoding).expect("a decoder");
            other.give(Bytes::from_static(b"data: plain text, whatever the header says\n\n"));
            assert_eq!(other.take().expect_err("no such thing").code(), ErrorCode::Protocol, "{encoding:?}");
            let mut empty = Inflate::new(encoding).expect("a decoder");
            empty.finish();
            assert_eq!(empty.take().expect("nothing"), None, "{encoding:?}");
        }
    }
}
