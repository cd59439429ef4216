//! Compression, for bodies whose end is missing.

use std::io::Write as _;

/// `body` compressed, without its last `cut` bytes.
pub fn cut(encoding: &str, body: &[u8], cut: usize) -> Vec<u8> {
    let mut all = match encoding {
        "gzip" => {
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            encoder.write_all(body).and_then(|()| encoder.finish()).expect("into memory")
        }
        "zstd" => zstd::encode_all(body, 1).expect("into memory"),
        _ => body.to_vec(),
    };
    all.truncate(all.len().saturating_sub(cut).max(1));
    all
}
