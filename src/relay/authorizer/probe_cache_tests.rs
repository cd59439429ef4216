//! Probes are sent once, and their decisions cached.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt as _;
use http::StatusCode;

use super::probe::{Decision, Indeterminate, Outcome};
use super::probe_cache::{MAX_DECISIONS, MAX_PROBES, ProbeCache, State};
use crate::relay::digest::Digester;
use crate::secret::Secret;
use crate::serve::clock::Clock;

/// A cache whose clock is `now`, and a server that counts.
struct Case {
    cache: ProbeCache,
    now: Arc<AtomicU64>,
    asked: Arc<AtomicUsize>,
}

impl Case {
    fn new() -> Self {
        let now = Arc::new(AtomicU64::new(1_000_000));
        let told = now.clone();
        let cache = ProbeCache::new(Clock::from_fn(move || told.load(Ordering::SeqCst)), Digester::new());
        Self { cache, now, asked: Arc::default() }
    }

    fn ask(&self, token: &str, exp: Option<f64>, outcome: Outcome) -> impl Future<Output = Outcome> + use<> {
        self.ask_for(token, "/realtime/v1/runs/r", exp, outcome)
    }

    fn ask_for(
        &self,
        token: &str,
        path: &'static str,
        exp: Option<f64>,
        outcome: Outcome,
    ) -> impl Future<Output = Outcome> + use<> {
        let (cache, asked, token) = (self.cache.clone(), self.asked.clone(), Secret::new(token));
        async move {
            let probe = || {
                asked.fetch_add(1, Ordering::SeqCst);
                async move {
                    tokio::time::sleep(Duration::from_secs(1)).await;
                    outcome
                }
            };
            cache.probe_with(&token, path, exp, probe).await
        }
    }

    fn requests(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    fn pass(&self, ms: u64) {
        self.now.fetch_add(ms, Ordering::SeqCst);
    }
}

fn no() -> Decision {
    Decision::Deny(StatusCode::FORBIDDEN, Bytes::from_static(b"{}"))
}

fn refused() -> Decision {
    Decision::Deny(StatusCode::UNAUTHORIZED, Bytes::from_static(b"{}"))
}

#[tokio::test(start_paused = true)]
async fn many_viewers_with_one_token_ask_once() {
    let case = Case::new();
    let all = (0..50).map(|_| case.ask("a", None, Ok(Decision::Allow)));
    assert!(futures_util::future::join_all(all).await.iter().all(|outcome| *outcome == Ok(Decision::Allow)));
    assert_eq!(case.ask("a", None, Ok(no())).await, Ok(Decision::Allow));
    assert_eq!(case.requests(), 1);
    assert_eq!(case.ask("b", None, Ok(no())).await, Ok(no()));
    assert_eq!(case.requests(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_yes_ends_with_the_token_or_after_five_minutes_and_a_no_after_thirty_seconds() {
    let case = Case::new();
    for (token, exp, outcome, kept_ms) in [
        ("a", Some(1_010.0), Ok(Decision::Allow), 10_000),
        ("b", None, Ok(Decision::Allow), 300_000),
        ("c", None, Ok(no()), 30_000),
    ] {
        let begun = case.requests();
        case.now.store(1_000_000, Ordering::SeqCst);
        case.ask(token, exp, outcome.clone()).await.expect("an answer");
        case.pass(kept_ms - 1);
        case.ask(token, exp, outcome.clone()).await.expect("kept");
        assert_eq!(case.requests(), begun + 1, "{token}");
        case.pass(1);
        case.ask(token, exp, outcome).await.expect("asked again");
        assert_eq!(case.requests(), begun + 2, "{token}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_servers_trouble_is_told_and_not_kept() {
    let case = Case::new();
    for indeterminate in [Indeterminate::Unreachable, Indeterminate::Busy(7)] {
        assert_eq!(case.ask("a", None, Err(indeterminate)).await, Err(indeterminate));
    }
    assert_eq!(case.ask("a", None, Ok(Decision::Allow)).await, Ok(Decision::Allow));
    assert_eq!(case.requests(), 3);
}

#[tokio::test(start_paused = true)]
async fn the_first_viewer_may_go_away_without_harm_to_the_others() {
    let case = Case::new();
    let mut first = Box::pin(case.ask("a", None, Ok(Decision::Allow)));
    assert!((&mut first).now_or_never().is_none());
    let mut second = Box::pin(case.ask("a", None, Ok(no())));
    assert!((&mut second).now_or_never().is_none());
    drop(first);
    assert_eq!(second.await, Ok(Decision::Allow));
    assert_eq!(case.requests(), 1);
}

#[test]
fn what_is_kept_is_bounded_and_the_longest_unused_goes_first() {
    let mut state = State::default();
    let digest = |at: usize| {
        let mut digest = [0; 32];
        digest[..8].copy_from_slice(&(at as u64).to_le_bytes());
        digest
    };
    for at in 0..MAX_DECISIONS {
        state.insert(digest(at), Decision::Allow, u64::MAX);
    }
    assert!(state.get(&digest(0), 0).is_some());
    state.insert(digest(MAX_DECISIONS), Decision::Allow, u64::MAX);
    assert!(state.get(&digest(0), 0).is_some());
    assert!(state.get(&digest(1), 0).is_none());
    assert_eq!((state.cached.len(), state.order.len()), (MAX_DECISIONS, MAX_DECISIONS));
}

#[tokio::test(start_paused = true)]
async fn a_flood_of_forged_tokens_has_few_questions_under_way_and_the_rest_come_back_later() {
    let case = Case::new();
    let forged = (0..1_000).map(|at| case.ask(&format!("forged {at}"), None, Ok(refused())));
    let told = futures_util::future::join_all(forged).await;
    assert_eq!(case.requests(), MAX_PROBES);
    let (asked, turned_away) = told.split_at(MAX_PROBES);
    assert!(asked.iter().all(|outcome| *outcome == Ok(refused())));
    assert!(turned_away.iter().all(|outcome| *outcome == Err(Indeterminate::Busy(1))));
    assert_eq!(case.ask("a", None, Ok(Decision::Allow)).await, Ok(Decision::Allow), "there is room again");
}

#[tokio::test(start_paused = true)]
async fn viewers_who_leave_give_their_places_back() {
    let case = Case::new();
    let mut held: Vec<_> = (0..MAX_PROBES).map(|at| Box::pin(case.ask(&at.to_string(), None, Ok(no())))).collect();
    assert!(held.iter_mut().all(|asking| asking.now_or_never().is_none()));
    assert_eq!(case.ask("a", None, Ok(Decision::Allow)).await, Err(Indeterminate::Busy(1)));
    let second = case.ask("0", None, Ok(Decision::Allow));
    assert_eq!(second.await, Ok(no()), "who shares a probe needs no permit");
    held.clear();
    assert_eq!(case.ask("a", None, Ok(Decision::Allow)).await, Ok(Decision::Allow));
}

#[tokio::test(start_paused = true)]
async fn a_token_the_server_does_not_know_is_asked_once_whatever_it_wants() {
    let case = Case::new();
    for path in ["/realtime/v1/runs/a", "/realtime/v1/runs/b", "/realtime/v1/runs?tags=a"] {
        assert_eq!(case.ask_for("forged", path, None, Ok(refused())).await, Ok(refused()));
    }
    assert_eq!(case.requests(), 1);
    // The decision on one feed for a known token does not hold for another feed.
    for path in ["/realtime/v1/runs/a", "/realtime/v1/runs/b"] {
        assert_eq!(case.ask_for("a", path, None, Ok(no())).await, Ok(no()));
    }
    assert_eq!(case.requests(), 3);
}
