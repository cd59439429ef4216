//! Seeded randomness, and the loop that plays one seed after another.

use std::time::{Duration, Instant};

/// A seeded source of random numbers (SplitMix64).
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

    /// A number below `limit`, which is not 0.
    pub(crate) fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.draw() >> 33).expect("31 bits") % limit
    }

    pub(crate) fn one_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }

    pub(crate) fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[self.below(from.len())]
    }
}

/// Prints the seed when its test fails.
struct Seed(u64);

impl Drop for Seed {
    fn drop(&mut self) {
        if std::thread::panicking() {
            #[allow(clippy::print_stderr, reason = "a failure is played again by its seed")]
            {
                eprintln!("TRIGGER_NATIVE_FUZZ_SEED={} shows it again", self.0);
            }
        }
    }
}

/// Calls `play` with one seed after the other, from 1: so many times as `scenarios` says. With
/// `TRIGGER_NATIVE_FUZZ_SECONDS`, for so many seconds and from a random seed, or from `TRIGGER_NATIVE_FUZZ_FROM`; with
/// `TRIGGER_NATIVE_FUZZ_SEED`, once with that seed. `play` returns the number of responses that it checked.
pub(crate) fn fuzz(scenarios: u64, mut play: impl FnMut(u64) -> u64) {
    let told = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let (only, seconds) = (told("TRIGGER_NATIVE_FUZZ_SEED"), told("TRIGGER_NATIVE_FUZZ_SECONDS"));
    let end = seconds.map(|seconds| Instant::now() + Duration::from_secs(seconds));
    let random = || told("TRIGGER_NATIVE_FUZZ_FROM").unwrap_or_else(|| u64::from_le_bytes(crate::random::bytes()) >> 1);
    let first = only.unwrap_or_else(|| if end.is_some() { random() } else { 1 });
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
    // One write: the lines of simulators that end at the same time, and of the test runner, do not mix.
    let line = format!("{played} scenarios from seed {first}, {checked} answers checked\n");
    #[allow(clippy::print_stderr, reason = "a long run prints its totals, which --nocapture shows")]
    {
        eprint!("{line}");
    }
}
