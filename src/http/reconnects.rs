//! The pace of reconnects to one server. When a server restarts, every feed and stream of the process loses its
//! connection in the same moment; thousands of them at once would overrun the server that has just come back.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use once_cell::sync::Lazy;
use tokio::time::{Instant, sleep_until};

use crate::lock::lock;

/// The time from one turn to the next: 1,000 turns a second. Five thousand feeds are live again 5 s after their longest
/// wait, which is 10 s.
const INTERVAL: Duration = Duration::from_millis(1);
/// The most turns that are given at once. More than one, because timers are no finer than 1 ms.
const BURST: u32 = 50;
/// From this many servers on, those that nothing uses are forgotten.
const MAX_SERVERS: usize = 64;

static SERVERS: Lazy<Mutex<HashMap<String, Arc<ReconnectLimiter>>>> = Lazy::new(Mutex::default);

/// Gives turns to the requests to one server that follow a failure or a lost connection, of feeds and streams alike: at
/// most 1,000 a second, and 50 at once. The first request of a feed or stream, and a request on the connection of the
/// last answer, need none.
#[derive(Debug)]
pub(super) struct ReconnectLimiter {
    /// The time by which every turn so far would have been given, one in each interval. Waiters get the lock first come,
    /// first served, and one that leaves takes no turn.
    given: tokio::sync::Mutex<Instant>,
}

impl ReconnectLimiter {
    /// The limiter of the server of `url`.
    pub(super) fn of(url: &str) -> Arc<Self> {
        let server = url::Url::parse(url).map_or_else(|_| String::new(), |url| url.origin().ascii_serialization());
        let mut servers = lock(&SERVERS);
        if servers.len() >= MAX_SERVERS {
            servers.retain(|_, limiter| Arc::strong_count(limiter) > 1);
        }
        servers.entry(server).or_insert_with(|| Arc::new(Self::new())).clone()
    }

    fn new() -> Self {
        Self { given: tokio::sync::Mutex::new(Instant::now()) }
    }

    /// Waits for a turn. Dropping the future takes none.
    pub(super) async fn turn(&self) {
        let mut given = self.given.lock().await;
        let now = Instant::now();
        // From `given` on, the interval of this turn is over; so much earlier it may be given.
        let early = INTERVAL * (BURST - 1);
        if *given > now + early {
            sleep_until(*given - early).await;
        }
        *given = (*given).max(Instant::now()) + INTERVAL;
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;
    use futures_util::future::join_all;

    use super::*;

    /// The times of `turns` turns that are asked for at once, in ms.
    async fn times(limiter: &ReconnectLimiter, turns: usize) -> Vec<u128> {
        let start = Instant::now();
        let turn = || async {
            limiter.turn().await;
            start.elapsed().as_millis()
        };
        join_all((0..turns).map(|_| turn())).await
    }

    #[tokio::test(start_paused = true)]
    async fn five_thousand_feeds_that_lost_their_server_ask_it_within_five_seconds_and_never_over_a_thousand_a_second()
    {
        let limiter = ReconnectLimiter::new();
        let times = times(&limiter, 5_000).await;
        let last = times.iter().max().copied().expect("a turn");
        assert!((4_900..=5_100).contains(&last), "the last after {last} ms");
        for from in (0..last).step_by(50) {
            let within = times.iter().filter(|at| (from..from + 1_000).contains(*at)).count();
            assert!(within <= 1_050, "{within} within the second after {from} ms");
        }
        assert_eq!(times.iter().filter(|at| **at == 0).count(), 50);
    }

    #[tokio::test(start_paused = true)]
    async fn a_few_feeds_that_lost_their_server_wait_for_no_turn() {
        let limiter = ReconnectLimiter::new();
        for _ in 0..3 {
            assert_eq!(times(&limiter, 50).await, [0; 50]);
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_feed_that_is_closed_while_it_waits_for_its_turn_takes_none_from_the_others() {
        let limiter = ReconnectLimiter::new();
        times(&limiter, 50).await;
        {
            let mut waiting: Vec<_> = (0..1_000).map(|_| Box::pin(limiter.turn())).collect();
            for turn in &mut waiting {
                assert!(turn.now_or_never().is_none());
            }
        }
        assert!(times(&limiter, 1).await[0] <= 1);
    }

    #[test]
    fn all_that_ask_one_server_share_its_turns() {
        let one = ReconnectLimiter::of("https://a.example/base");
        assert!(Arc::ptr_eq(&one, &ReconnectLimiter::of("https://a.example:443/realtime/v1/runs/run_1?live=true")));
        assert!(!Arc::ptr_eq(&one, &ReconnectLimiter::of("https://b.example/base")));
    }

    #[test]
    fn an_app_that_asks_ever_new_servers_keeps_those_in_use_alone() {
        let used = ReconnectLimiter::of("https://used.example");
        for n in 0..10 * MAX_SERVERS {
            ReconnectLimiter::of(&format!("https://unused-{n}.example"));
        }
        assert!(Arc::ptr_eq(&used, &ReconnectLimiter::of("https://used.example")));
        // Other tests use servers, too.
        assert!(lock(&SERVERS).len() < 2 * MAX_SERVERS);
    }
}
