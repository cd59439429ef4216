//! Randomness for ids and jitter, from the operating system.

use std::cell::Cell;

/// `N` random bytes. If the system gives none, which no supported platform does, they come from the
/// standard library's randomly keyed hasher.
pub fn bytes<const N: usize>() -> [u8; N] {
    let mut out = [0; N];
    if getrandom::fill(&mut out).is_err() {
        use std::hash::{BuildHasher, Hasher};
        for chunk in out.chunks_mut(8) {
            let drawn = std::hash::RandomState::new().build_hasher().finish().to_le_bytes();
            chunk.copy_from_slice(&drawn[..chunk.len()]);
        }
    }
    out
}

thread_local! {
    /// The state of this thread's jitter, seeded by the operating system.
    static JITTER: Cell<u64> = Cell::new(u64::from_le_bytes(bytes()));
}

/// A random number in `[0, 1)`, for jitter. Only the seed comes from the operating system (SplitMix64,
/// Steele, Lea and Flood 2014), so that it must not serve as a secret.
pub fn unit() -> f64 {
    let state = JITTER.get().wrapping_add(0x9e37_79b9_7f4a_7c15);
    JITTER.set(state);
    let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    let drawn = mixed ^ (mixed >> 31);
    // A double holds 53 bits exactly.
    #[allow(clippy::cast_precision_loss, reason = "53 bits fit a double exactly")]
    let fraction = (drawn >> 11) as f64;
    fraction / 9_007_199_254_740_992.0
}

/// Makes the jitter of this thread repeatable, so that a simulated scenario can be played again.
#[cfg(test)]
pub(crate) fn seed(seed: u64) {
    JITTER.set(seed);
}

/// A random (version 4) UUID in its usual form.
pub fn uuid() -> String {
    let mut drawn: [u8; 16] = bytes();
    drawn[6] = (drawn[6] & 0x0f) | 0x40;
    drawn[8] = (drawn[8] & 0x3f) | 0x80;
    let mut text = String::with_capacity(36);
    for (index, byte) in drawn.into_iter().enumerate() {
        if matches!(index, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        text.push(char::from(HEX[usize::from(byte >> 4)]));
        text.push(char::from(HEX[usize::from(byte & 15)]));
    }
    text
}

const HEX: &[u8; 16] = b"0123456789abcdef";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uuid_has_its_version_and_variant_and_is_never_the_same() {
        let (one, other) = (uuid(), uuid());
        assert_ne!(one, other);
        assert_eq!(one.len(), 36);
        assert_eq!(&one[14..15], "4");
        assert!("89ab".contains(&one[19..20]));
    }

    #[test]
    fn jitter_stays_below_one() {
        assert!((0..1000).map(|_| unit()).all(|drawn| (0.0..1.0).contains(&drawn)));
    }
}
