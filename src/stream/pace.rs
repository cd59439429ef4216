//! The pace at which values are handed over: values that trickle in faster are gathered (S19).

/// Bytes that come sooner than this after the bytes before them trickle in, in milliseconds: more than 200 values a
/// second.
const SOON_MS: u64 = 5;
/// How long a trickle is gathered, in milliseconds: a frame of a screen. A wake-up costs more than reading the bytes.
const WINDOW_MS: u64 = 16;
/// So many bytes at once are no trickle: the next ones are read at once.
const TRICKLE_BYTES: usize = 32 * 1024;

/// The pace of one stream.
#[derive(Debug, Default)]
pub(super) struct Pace {
    /// When bytes were taken last, in milliseconds.
    last: Option<u64>,
    /// The wire was left alone after they were taken.
    gathering: bool,
}

impl Pace {
    /// Bytes were taken at `ms`, in so many pieces. Returns how long to leave the wire alone, in milliseconds; `None` for
    /// bytes that came alone, 5 ms or more after those before.
    pub(super) fn taken(&mut self, ms: u64, pieces: usize, bytes: usize) -> Option<u64> {
        let soon = self.last.replace(ms).is_some_and(|last| ms.saturating_sub(last) < SOON_MS);
        self.gathering = (soon || self.gathering && pieces > 1) && bytes < TRICKLE_BYTES;
        self.gathering.then_some(WINDOW_MS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_now_and_then_is_never_waited_for() {
        let mut pace = Pace::default();
        for (ms, pieces) in [(0, 1), (5, 2), (10, 1), (1_000, 4), (1_020, 1)] {
            assert_eq!(pace.taken(ms, pieces, 1_000), None, "{ms}");
        }
    }

    #[test]
    fn what_trickles_in_is_gathered_for_a_window_and_what_pours_in_is_not() {
        let mut pace = Pace::default();
        assert_eq!(pace.taken(0, 1, 1_000), None, "the first is read on from at once");
        assert_eq!(pace.taken(1, 1, 1_000), Some(WINDOW_MS));
        assert_eq!(pace.taken(17, 16, 16_000), Some(WINDOW_MS), "as long as it goes on");
        assert_eq!(pace.taken(34, 1, 1_000), None, "and no longer");
        assert_eq!(pace.taken(35, 64, 64_000), None);
    }
}
