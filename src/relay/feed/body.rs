//! A response body that any number of viewers share.

use std::io::Write as _;
use std::sync::OnceLock;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;

/// Bodies from this size on are compressed, in bytes.
const MIN_COMPRESSED: usize = 1024;

/// A body, and its compressed form once a viewer asked for it.
#[derive(Debug)]
pub(super) struct SharedBody {
    plain: Bytes,
    gzip: OnceLock<Option<Bytes>>,
    /// The newest `updatedAt` of its rows, in Unix milliseconds.
    pub(super) newest_ms: u64,
}

impl SharedBody {
    pub(super) fn new(body: String, newest_ms: u64) -> Self {
        Self { plain: body.into(), gzip: OnceLock::new(), newest_ms }
    }

    pub(super) fn plain(&self) -> Bytes {
        self.plain.clone()
    }

    /// The compressed body; `None` for one that is too short. Made once, for the first viewer that takes it.
    pub(super) fn gzip(&self) -> Option<Bytes> {
        self.gzip.get_or_init(|| if self.plain.len() < MIN_COMPRESSED { None } else { compress(&self.plain) }).clone()
    }

    /// How much memory it takes, in bytes.
    pub(super) fn size(&self) -> usize {
        // The compressed form takes less than half of the plain one.
        self.plain.len() + self.plain.len() / 2
    }
}

fn compress(plain: &[u8]) -> Option<Bytes> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(plain.len() / 4), Compression::new(4));
    encoder.write_all(plain).ok()?;
    encoder.finish().ok().map(Bytes::from)
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    #[test]
    fn a_long_body_is_compressed_once_and_a_short_one_never() {
        let text = "status ".repeat(1_000);
        let body = SharedBody::new(text.clone(), 0);
        let gzip = body.gzip().expect("compressed");
        assert_eq!(gzip.as_ptr(), body.gzip().expect("compressed").as_ptr());
        let mut read = String::new();
        flate2::read::GzDecoder::new(&*gzip).read_to_string(&mut read).expect("gzip");
        assert_eq!(read, text);
        assert!(SharedBody::new("short".into(), 0).gzip().is_none());
    }

    #[test]
    fn a_body_is_compressed_from_a_kilobyte_on() {
        let compressed = |length| SharedBody::new("x".repeat(length), 0).gzip().is_some();
        assert_eq!([compressed(1_023), compressed(1_024), compressed(1_025)], [false, true, true]);
    }
}
