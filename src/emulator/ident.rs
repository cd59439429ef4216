//! Random ids.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::random;

/// `c` and 24 lower-case letters and digits, the form of database ids. A run's public id is `run_` and such an id.
pub(super) fn database_id() -> String {
    let digits = b"0123456789abcdefghijklmnopqrstuvwxyz";
    let drawn: [u8; 24] = random::bytes();
    std::iter::once('c').chain(drawn.iter().map(|byte| char::from(digits[usize::from(*byte) % 36]))).collect()
}

/// 24 random characters, in base64url.
pub(super) fn nonce() -> String {
    URL_SAFE_NO_PAD.encode(random::bytes::<18>())
}

/// Seven random characters, the form of writers' append ids.
pub(super) fn part_id() -> String {
    nonce().chars().take(7).collect()
}

/// Lower-case hexadecimal digits.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        for digit in [byte >> 4, byte & 15] {
            text.extend(char::from_digit(digit.into(), 16));
        }
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_look_like_database_ids_and_differ() {
        let (one, two) = (database_id(), database_id());
        assert_eq!(one.len(), 25);
        assert!(one.starts_with('c') && one.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit()));
        assert_ne!(one, two);
        assert_eq!((nonce().len(), part_id().len(), hex(&[0, 171])), (24, 7, "00ab".into()));
    }
}
