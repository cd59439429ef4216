//! How work grows with its list, for tests of what nothing outside of the crate reaches. `scripts/growth.mjs` counts the
//! instructions of the rest.

use std::time::Duration;

/// The lengths of a short list and of a long one, on which what is quadratic shows.
const LENGTHS: [usize; 2] = [10_000, 80_000];
/// The most that the long list may cost, as a multiple of eight short ones: 1 is linear, 8 quadratic. Caches of the
/// processor and trees are between.
const MAX_RATIO: u32 = 4;
/// The system may tell a thread's time as it was some milliseconds ago. What takes less than this is not quadratic.
const LEAST: Duration = Duration::from_millis(20);

/// Fails where `work` grows much faster than the length of its list. Of three runs the shortest counts, in time of the
/// processor where the system tells it: what else runs on the machine does not count.
pub(crate) fn assert_linear(name: &str, work: impl Fn(usize)) {
    let [short, long] = LENGTHS;
    let shortest = |length: usize, times: usize| {
        let runs = (0..3).map(|_| {
            let began = now();
            (0..times).for_each(|_| work(length));
            now().saturating_sub(began)
        });
        runs.min().unwrap_or_default().max(LEAST)
    };
    let (of_short, of_long) = (shortest(short, long / short), shortest(long, 1));
    assert!(
        of_long < of_short * MAX_RATIO,
        "{name}: {of_short:?} for {} lists of {short}, {of_long:?} for one of {long}",
        long / short
    );
}

/// The time that this thread has run.
fn now() -> Duration {
    let told = std::fs::read_to_string("/proc/thread-self/schedstat").ok();
    let nanos = told.and_then(|text| text.split(' ').next()?.parse().ok());
    nanos.map_or_else(wall, Duration::from_nanos)
}

/// Elsewhere than on Linux, the time on the wall.
fn wall() -> Duration {
    std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default()
}

#[test]
#[should_panic(expected = "squared")]
fn what_is_quadratic_is_found() {
    assert_linear("squared", |length| {
        let list: Vec<usize> = (0..length / 10).collect();
        assert!(list.iter().all(|each| list.iter().position(|other| std::hint::black_box(other) == each).is_some()));
    });
}
