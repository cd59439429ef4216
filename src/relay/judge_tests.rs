//! Asking once, and what is kept.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use super::*;

/// A judge whose clock is `now`, and a server that counts.
struct Case {
    judge: Judge,
    now: Arc<AtomicU64>,
    asked: Arc<AtomicUsize>,
}

impl Case {
    fn new() -> Self {
        let now = Arc::new(AtomicU64::new(1_000_000));
        let told = now.clone();
        let judge = Judge::new(Clock::from_fn(move || told.load(Ordering::SeqCst)));
        Self { judge, now, asked: Arc::default() }
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
        let (judge, asked, token) = (self.judge.clone(), self.asked.clone(), Secret::new(token));
        async move {
            let question = || {
                asked.fetch_add(1, Ordering::SeqCst);
                async move {
                    tokio::time::sleep(Duration::from_secs(1)).await;
                    outcome
                }
            };
            judge.ask_with(&token, path, exp, question).await
        }
    }

    fn requests(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    fn pass(&self, ms: u64) {
        self.now.fetch_add(ms, Ordering::SeqCst);
    }
}

fn no() -> Ruling {
    Ruling::No(StatusCode::FORBIDDEN, Bytes::from_static(b"{}"))
}

fn refused() -> Ruling {
    Ruling::No(StatusCode::UNAUTHORIZED, Bytes::from_static(b"{}"))
}

#[tokio::test(start_paused = true)]
async fn many_viewers_with_one_token_ask_once() {
    let case = Case::new();
    let all = (0..50).map(|_| case.ask("a", None, Ok(Ruling::Yes)));
    assert!(futures_util::future::join_all(all).await.iter().all(|outcome| *outcome == Ok(Ruling::Yes)));
    assert_eq!(case.ask("a", None, Ok(no())).await, Ok(Ruling::Yes));
    assert_eq!(case.requests(), 1);
    assert_eq!(case.ask("b", None, Ok(no())).await, Ok(no()));
    assert_eq!(case.requests(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_yes_ends_with_the_token_or_after_five_minutes_and_a_no_after_thirty_seconds() {
    let case = Case::new();
    for (token, exp, outcome, kept_ms) in [
        ("a", Some(1_010.0), Ok(Ruling::Yes), 10_000),
        ("b", None, Ok(Ruling::Yes), 300_000),
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
    for unsure in [Unsure::Unreachable, Unsure::Busy(7)] {
        assert_eq!(case.ask("a", None, Err(unsure)).await, Err(unsure));
    }
    assert_eq!(case.ask("a", None, Ok(Ruling::Yes)).await, Ok(Ruling::Yes));
    assert_eq!(case.requests(), 3);
}

#[tokio::test(start_paused = true)]
async fn the_first_viewer_may_go_away_without_harm_to_the_others() {
    let case = Case::new();
    let mut first = Box::pin(case.ask("a", None, Ok(Ruling::Yes)));
    assert!((&mut first).now_or_never().is_none());
    let mut second = Box::pin(case.ask("a", None, Ok(no())));
    assert!((&mut second).now_or_never().is_none());
    drop(first);
    assert_eq!(second.await, Ok(Ruling::Yes));
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
    for at in 0..MOST {
        state.keep(digest(at), Ruling::Yes, u64::MAX);
    }
    assert!(state.known(&digest(0), 0).is_some());
    state.keep(digest(MOST), Ruling::Yes, u64::MAX);
    assert!(state.known(&digest(0), 0).is_some());
    assert!(state.known(&digest(1), 0).is_none());
    assert_eq!((state.kept.len(), state.order.len()), (MOST, MOST));
}

#[test]
fn a_digest_is_of_this_process_and_of_each_part() {
    let (one, other) = (Judge::new(Clock::system()), Judge::new(Clock::system()));
    assert_eq!(one.digest("a"), one.digest("a"));
    assert_ne!(one.digest("a"), other.digest("a"));
    assert_ne!(one.mac(&["ab", "c"]), one.mac(&["a", "bc"]));
}

#[tokio::test(start_paused = true)]
async fn a_flood_of_forged_tokens_has_few_questions_under_way_and_the_rest_come_back_later() {
    let case = Case::new();
    let forged = (0..1_000).map(|at| case.ask(&format!("forged {at}"), None, Ok(refused())));
    let told = futures_util::future::join_all(forged).await;
    assert_eq!(case.requests(), UNDER_WAY);
    let (asked, turned_away) = told.split_at(UNDER_WAY);
    assert!(asked.iter().all(|outcome| *outcome == Ok(refused())));
    assert!(turned_away.iter().all(|outcome| *outcome == Err(Unsure::Busy(1))));
    assert_eq!(case.ask("a", None, Ok(Ruling::Yes)).await, Ok(Ruling::Yes), "there is room again");
}

#[tokio::test(start_paused = true)]
async fn viewers_who_leave_give_their_places_back() {
    let case = Case::new();
    let mut held: Vec<_> = (0..UNDER_WAY).map(|at| Box::pin(case.ask(&at.to_string(), None, Ok(no())))).collect();
    assert!(held.iter_mut().all(|asking| asking.now_or_never().is_none()));
    assert_eq!(case.ask("a", None, Ok(Ruling::Yes)).await, Err(Unsure::Busy(1)));
    let second = case.ask("0", None, Ok(Ruling::Yes));
    assert_eq!(second.await, Ok(no()), "who shares a question needs no place");
    held.clear();
    assert_eq!(case.ask("a", None, Ok(Ruling::Yes)).await, Ok(Ruling::Yes));
}

#[tokio::test(start_paused = true)]
async fn a_token_the_server_does_not_know_is_asked_once_whatever_it_wants() {
    let case = Case::new();
    for path in ["/realtime/v1/runs/a", "/realtime/v1/runs/b", "/realtime/v1/runs?tags=a"] {
        assert_eq!(case.ask_for("forged", path, None, Ok(refused())).await, Ok(refused()));
    }
    assert_eq!(case.requests(), 1);
    // What one feed says of a token it knows is not true of another.
    for path in ["/realtime/v1/runs/a", "/realtime/v1/runs/b"] {
        assert_eq!(case.ask_for("a", path, None, Ok(no())).await, Ok(no()));
    }
    assert_eq!(case.requests(), 3);
}

#[test]
fn a_name_that_the_app_gives_is_no_token() {
    let judge = Judge::new(Clock::system());
    assert_eq!(judge.digest_of_viewer("a"), judge.digest_of_viewer("a"));
    assert_ne!(judge.digest_of_viewer("a"), judge.digest_of_viewer("b"));
    assert_ne!(judge.digest_of_viewer("a"), judge.digest("a"));
}
