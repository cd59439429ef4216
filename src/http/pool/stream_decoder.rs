//! Decompresses a body as it arrives.

use std::collections::VecDeque;
use std::io::{BufRead, ErrorKind, Read};

use bytes::{Buf as _, Bytes};
use flate2::bufread::MultiGzDecoder;

use super::decode::{Encoding, broken, zstd_decoder};
use crate::error::Result;

/// The most decompressed bytes given out at once.
const MAX_CHUNK: usize = 16 * 1024;

/// A decompressor that stops where its input ends for now, and goes on when more is pushed.
pub(crate) enum StreamDecoder {
    Gzip(Box<MultiGzDecoder<Input>>),
    Zstd(zstd::stream::read::Decoder<'static, Input>),
}

impl StreamDecoder {
    /// A decoder for one body.
    ///
    /// # Errors
    /// When there is no memory for it.
    pub(crate) fn new(encoding: Encoding) -> Result<Self> {
        Ok(match encoding {
            Encoding::Gzip => Self::Gzip(Box::new(MultiGzDecoder::new(Input::default()))),
            Encoding::Zstd => Self::Zstd(zstd_decoder(Input::default()).map_err(broken)?),
        })
    }

    fn input(&mut self) -> &mut Input {
        match self {
            Self::Gzip(decoder) => decoder.get_mut(),
            Self::Zstd(decoder) => decoder.get_mut(),
        }
    }

    /// Adds the next bytes of the compressed body.
    pub(crate) fn push(&mut self, bytes: Bytes) {
        let input = self.input();
        input.any |= !bytes.is_empty();
        input.chunks.push_back(bytes);
    }

    /// Marks the end of the compressed body.
    pub(crate) fn finish(&mut self) {
        self.input().is_over = true;
    }

    /// The next decompressed bytes, at most 16 KiB; `None` until more is pushed, and at the end.
    ///
    /// # Errors
    /// `ERR_PROTOCOL` when the body is not compressed as its headers say, or breaks off.
    pub(crate) fn decode(&mut self) -> Result<Option<Bytes>> {
        // Old servers send an empty body with a content-encoding.
        if !self.input().any {
            return Ok(None);
        }
        let mut chunk = vec![0; MAX_CHUNK];
        let read = match self {
            Self::Gzip(decoder) => decoder.read(&mut chunk),
            Self::Zstd(decoder) => decoder.read(&mut chunk),
        };
        match read {
            Ok(0) => Ok(None),
            Ok(length) => {
                chunk.truncate(length);
                Ok(Some(chunk.into()))
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(None),
            Err(error) => Err(broken(error)),
        }
    }
}

impl std::fmt::Debug for StreamDecoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Gzip(_) => "Gzip",
            Self::Zstd(_) => "Zstd",
        })
    }
}

/// The pushed bytes that are not decompressed yet. A read past them fails with `WouldBlock` until the
/// body is over; the decoders go on from there.
#[derive(Debug, Default)]
pub(crate) struct Input {
    chunks: VecDeque<Bytes>,
    any: bool,
    is_over: bool,
}

impl Read for Input {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        let length = self.fill_buf()?.read(into)?;
        self.consume(length);
        Ok(length)
    }
}

impl BufRead for Input {
    fn fill_buf(&mut self) -> std::io::Result<&[u8]> {
        while self.chunks.front().is_some_and(Bytes::is_empty) {
            self.chunks.pop_front();
        }
        match self.chunks.front() {
            Some(chunk) => Ok(chunk),
            None if self.is_over => Ok(&[]),
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

    fn drain(decoder: &mut StreamDecoder) -> Vec<u8> {
        let mut out = Vec::new();
        while let Some(bytes) = decoder.decode().expect("what it says") {
            out.extend_from_slice(&bytes);
        }
        out
    }

    const PARTS: [&[u8]; 3] = [b"data: {\"n\":1}\n\n", b"data: {\"n\":2}\n\n", &[b'x'; 100_000]];

    #[test]
    fn what_the_server_flushed_can_be_read_before_the_next_comes() {
        for (encoding, chunks) in [(Encoding::Gzip, gzip(&PARTS)), (Encoding::Zstd, zstd(&PARTS))] {
            let mut decoder = StreamDecoder::new(encoding).expect("a decoder");
            for (chunk, part) in chunks.iter().zip(PARTS) {
                decoder.push(chunk.clone());
                assert_eq!(drain(&mut decoder), part, "{encoding:?}");
            }
            decoder.push(chunks[PARTS.len()].clone());
            decoder.finish();
            assert_eq!(drain(&mut decoder), b"", "{encoding:?}");
        }
    }

    #[test]
    fn chunks_can_be_cut_anywhere() {
        for (encoding, chunks) in [(Encoding::Gzip, gzip(&PARTS)), (Encoding::Zstd, zstd(&PARTS))] {
            let mut decoder = StreamDecoder::new(encoding).expect("a decoder");
            let mut out = Vec::new();
            for byte in chunks.concat() {
                decoder.push(Bytes::copy_from_slice(&[byte]));
                out.extend(drain(&mut decoder));
            }
            decoder.finish();
            out.extend(drain(&mut decoder));
            assert_eq!(out, PARTS.concat(), "{encoding:?}");
        }
    }

    #[test]
    fn a_body_that_breaks_off_or_is_something_else_is_an_error_and_an_empty_one_is_not() {
        for (encoding, chunks) in [(Encoding::Gzip, gzip(&PARTS)), (Encoding::Zstd, zstd(&PARTS))] {
            let mut cut = StreamDecoder::new(encoding).expect("a decoder");
            cut.push(chunks[0].clone());
            cut.finish();
            assert_eq!(cut.decode().expect("the first").as_deref(), Some(PARTS[0]));
            assert_eq!(cut.decode().expect_err("cut").code(), ErrorCode::Protocol, "{encoding:?}");
            let mut other = StreamDecoder::new(encoding).expect("a decoder");
            other.push(Bytes::from_static(b"data: plain text, whatever the header says\n\n"));
            assert_eq!(other.decode().expect_err("no such thing").code(), ErrorCode::Protocol, "{encoding:?}");
            let mut empty = StreamDecoder::new(encoding).expect("a decoder");
            empty.finish();
            assert_eq!(empty.decode().expect("nothing"), None, "{encoding:?}");
        }
    }
}
