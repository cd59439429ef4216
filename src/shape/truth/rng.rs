//! Seeded randomness, and the loop that plays one seed after another.

use std::time::{Duration, Instant};

/// A seeded source of chance (SplitMix64).
pub(crate) struct SeededRng(u64);

impl SeededRng {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Below `most`, which is not 0.
    pub(crate) fn below(&mut self, most: usize) -> usize {
        usize::try_from(self.draw() >> 33).expect("31 bits") % most
    }

    pub(crate) fn one_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }

    pub(super) fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[self.below(from.len())]
    }
}

/// Says which seed failed.
struct Seed(u64);

impl Drop for Seed {
    fn drop(&mut self) {
        if std::thread::panicking() {
            #[allow(clippy::print_stderr, reason = "the seed is what a failure is told by")]
            {
                eprintln!("TRIGGER_NATIVE_FUZZ_SEED={} shows it again", self.0);
            }
        }
    }
}

/// Plays `play` with one seed after the other: `scenarios` of them, or for as long as `TRIGGER_NATIVE_FUZZ_SECONDS` says,
/// then from a random one on. `play` returns how many answers it checked.
pub(crate) fn fuzz(scenarios: u64, mut play: impl FnMut(u64) -> u64) {
    let told = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let (only, seconds) = (told("TRIGGER_NATIVE_FUZZ_SEED"), told("TRIGGER_NATIVE_FUZZ_SECONDS"));
    let end = seconds.map(|seconds| Instant::now() + Duration::from_secs(seconds));
    let first = only.unwrap_or_else(|| if end.is_some() { u64::from_le_bytes(crate::random::bytes()) >> 1 } else { 1 });
    let (mut played, mut checked) = (0, 0);
    while match (only, end) {
        (Some(_), _) => played == 0,
        (None, Some(end)) => Instant::now() < end,
        (None, None) => played < scenarios,
    } {
        let seed = Seed(first.wrapping_add(played));
        checked += play(seed.0);
        played += 1;
    }
    #[allow(clippy::print_stderr, reason = "shown with --nocapture: what a long run came to")]
    {
        eprintln!("{played} scenarios from seed {first}, {checked} answers checked");
    }
}
