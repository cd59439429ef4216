//! The turns of feeds, without a server.

use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use tokio::time::{Instant, sleep, timeout};

use super::budget::{Budget, Options};
use super::environment::Changes;
use super::turn::{Turn, Turns};
use crate::config::Endpoint;
use crate::connection::{ConnectionState, Notice, RetryPolicy};
use crate::hub::batch::{Batch, Item};
use crate::hub::spec::FeedSpec;
use crate::shape::{Reason, Retry, Row};

/// What the environment's feed says after so many batches, and for how long it is silent before.
type Script = fn(u32) -> (Duration, Batch);

struct Scripted(Script, AtomicU32);

impl Changes for Scripted {
    fn next(&self) -> BoxFuture<'_, Batch> {
        Box::pin(async {
            let (silence, batch) = self.0(self.1.load(Ordering::Relaxed));
            sleep(silence).await;
            self.1.fetch_add(1, Ordering::Relaxed);
            batch
        })
    }
}

fn state(state: ConnectionState) -> Batch {
    Batch { notices: vec![Notice::State(state)], settled: true, ..Batch::default() }
}

/// Up to date at once, and a change of a run with the tag every 10 ms.
fn busy(_: &FeedSpec) -> Box<dyn Changes> {
    let script: Script = |nth| {
        let pairs = [("friendlyId".into(), Some("run_1".into())), ("runTags".into(), Some("{a}".into()))];
        let row = Arc::new(Row::merge(&mut Arc::default(), None, None, pairs));
        let change = Item { key: "1".into(), row, schema: Arc::default() };
        match nth {
            0 => (Duration::ZERO, state(ConnectionState::Live)),
            _ => (Duration::from_millis(10), Batch { rows: vec![change], ..Batch::default() }),
        }
    };
    Box::new(Scripted(script, AtomicU32::default()))
}

/// Comes and goes every two seconds.
fn unsteady(_: &FeedSpec) -> Box<dyn Changes> {
    let script: Script = |nth| {
        let now = if nth.is_multiple_of(2) { ConnectionState::Live } else { ConnectionState::Retrying };
        (Duration::from_secs(2), state(now))
    };
    Box::new(Scripted(script, AtomicU32::default()))
}

/// Is noted, and tells of 500 runs a second that nobody watches.
fn noisy(spec: &FeedSpec) -> Box<dyn Changes> {
    OPENED.with_borrow_mut(|opened| opened.push(spec.clone()));
    let script: Script = |nth| {
        let row = Arc::new(Row::merge(&mut Arc::default(), None, None, [("id".into(), Some("1".into()))]));
        let item = Item { key: "1".into(), row, schema: Arc::default() };
        let live = state(ConnectionState::Live);
        let rows = if nth == 0 { Vec::new() } else { vec![item; 500] };
        (Duration::from_secs(1), Batch { rows, ..live })
    };
    Box::new(Scripted(script, AtomicU32::default()))
}

/// Is refused once, and says nothing after it.
fn refused(_: &FeedSpec) -> Box<dyn Changes> {
    let script: Script = |nth| {
        let retry = Retry { attempt: 1, status: Some(429), reason: Reason::RateLimited };
        let notices = vec![Notice::Retry { retry, wait_ms: 1_000 }];
        (Duration::from_secs(u64::from(nth) << 30), Batch { notices, ..Batch::default() })
    };
    Box::new(Scripted(script, AtomicU32::default()))
}

thread_local! {
    static OPENED: RefCell<Vec<FeedSpec>> = const { RefCell::new(Vec::new()) };
}

/// Never says anything, and is noted.
fn silent(spec: &FeedSpec) -> Box<dyn Changes> {
    OPENED.with_borrow_mut(|opened| opened.push(spec.clone()));
    Box::new(Scripted(|_| (Duration::from_secs(1 << 30), Batch::default()), AtomicU32::default()))
}

fn spec(path: &str, query: &[(&'static str, &str)]) -> FeedSpec {
    let endpoint = Endpoint::new("http://a.b", "tr_dev_1234567890", None).expect("valid");
    let query = query.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
    FeedSpec { endpoint, path: path.into(), query, retry: RetryPolicy::default() }
}

fn batch_feed() -> FeedSpec {
    spec("/realtime/v1/batches/batch_1", &[])
}

fn budget(connections: usize, open: fn(&FeedSpec) -> Box<dyn Changes>) -> Arc<Budget> {
    let budget = Arc::new(Budget::new(&batch_feed().endpoint, open));
    budget.set(&Options { connections: Some(connections), ..Options::default() });
    budget
}

/// The turn that a feed has within a tenth of a second.
async fn turn(turns: &mut Turns) -> Option<Turn> {
    timeout(Duration::from_millis(100), turns.next(None, false)).await.ok()
}

#[tokio::test(start_paused = true)]
async fn a_feed_that_always_has_something_to_ask_takes_its_turn_all_the_same() {
    let budget = budget(2, busy);
    let held = budget.permits.try_take().expect("one is free");
    let mut turns = Turns::new(budget.clone(), &spec("/realtime/v1/runs", &[("tags", "a")]));
    let mut asked = 0;
    let mut held = Some(held);
    loop {
        turns.ask().await;
        sleep(Duration::from_millis(50)).await;
        turns.answered(false);
        match turns.next(None, false).await {
            Turn::Poll => break,
            Turn::Ask => asked += 1,
        }
        assert!(held.is_some(), "it is its turn, and it asks");
        if asked == 5 {
            held = None;
        }
    }
    assert_eq!(asked, 5);
}

#[tokio::test(start_paused = true)]
async fn a_feed_that_waits_after_a_failure_holds_nobody_up() {
    let budget = budget(2, silent);
    let held = budget.permits.try_take().expect("one is free");
    let [mut first, mut second] = [(); 2].map(|()| Turns::new(budget.clone(), &batch_feed()));
    assert_eq!((turn(&mut first).await, turn(&mut second).await), (None, None));
    first.failed(false);
    drop(held);
    assert_eq!(second.next(None, false).now_or_never(), Some(Turn::Poll));
    second.failed(false);
    assert_eq!(budget.permits.held(), 0);
    assert_eq!(first.next(None, false).now_or_never(), Some(Turn::Poll));
    first.let_go();
    assert_eq!(budget.permits.held(), 0, "its readers may be slow for ever");
}

#[tokio::test(start_paused = true)]
async fn a_permit_is_handed_on_after_a_long_poll_and_not_after_another_request() {
    let budget = budget(2, silent);
    let [mut first, mut second] = [(); 2].map(|()| Turns::new(budget.clone(), &batch_feed()));
    first.ask().await;
    first.answered(false);
    assert_eq!(turn(&mut second).await, None);
    assert_eq!(turn(&mut first).await, Some(Turn::Poll));
    // Time has passed, so that the machine asked without `live` in its place.
    first.answered(false);
    assert_eq!(turn(&mut first).await, Some(Turn::Poll));
    first.answered(true);
    assert_eq!(turn(&mut first).await, None);
    assert_eq!(turn(&mut second).await, Some(Turn::Poll));
}

#[tokio::test(start_paused = true)]
async fn checks_keep_their_pace_when_the_environments_feed_comes_and_goes() {
    let budget = budget(1, unsteady);
    let asked: Arc<std::sync::Mutex<Vec<Instant>>> = Arc::default();
    for _ in 0..1_000 {
        let (mut turns, asked) = (Turns::new(budget.clone(), &batch_feed()), asked.clone());
        tokio::spawn(async move {
            loop {
                assert_eq!(turns.next(None, false).await, Turn::Ask);
                crate::lock::lock(&asked).push(Instant::now());
                turns.ask().await;
                turns.answered(false);
            }
        });
    }
    sleep(Duration::from_secs(20)).await;
    let asked = crate::lock::lock(&asked);
    assert!(asked.len() > 1_500, "{}", asked.len());
    let quickest = asked.windows(102).map(|some| some[101] - some[0]).min();
    assert!(quickest >= Some(Duration::from_millis(990)), "{quickest:?}");
}

#[tokio::test(start_paused = true)]
async fn the_environments_feed_is_opened_once_it_is_known_how_far_back_it_may_go() {
    for (is_electric, window) in [(true, Some("1h")), (false, None)] {
        let budget = budget(1, silent);
        let mut turns = Turns::new(budget, &batch_feed());
        turns.ask().await;
        sleep(Duration::from_secs(60)).await;
        assert_eq!(OPENED.take().len(), 0, "no feed was answered yet");
        turns.answered(false);
        let _ = timeout(Duration::from_secs(1), turns.next(None, is_electric)).await;
        let opened = OPENED.take();
        let given = opened[0].query.iter().find(|(name, _)| *name == "createdAt").map(|(_, value)| &**value);
        assert_eq!((opened.len(), given), (1, window));
    }
}

#[tokio::test(start_paused = true)]
async fn feeds_make_room_for_that_of_the_environment_where_it_is_refused() {
    let budget = budget(8, refused);
    let held: Vec<_> = (0..5).filter_map(|_| budget.permits.try_take()).collect();
    let _queued = budget.environment.register(&super::subject::Subject::Other);
    budget.note_electric(false);
    sleep(Duration::from_secs(1)).await;
    assert_eq!((budget.permits.limit(), held.len()), (4, 5));
    assert!(held[0].is_beyond(), "one of them is not handed on");
}

#[tokio::test(start_paused = true)]
async fn feeds_that_are_told_at_once_ask_few_at_a_time_however_slow_the_server_is() {
    let budget = budget(1, busy);
    let (asking, peak) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0)));
    let answered = Arc::new(AtomicU32::new(0));
    for _ in 0..2_000 {
        let (asking, peak, answered) = (asking.clone(), peak.clone(), answered.clone());
        let mut turns = Turns::new(budget.clone(), &spec("/realtime/v1/runs", &[("tags", "a")]));
        tokio::spawn(async move {
            turns.ask().await;
            turns.answered(false);
            assert_eq!(turns.next(None, false).await, Turn::Ask);
            turns.ask().await;
            peak.fetch_max(asking.fetch_add(1, Ordering::Relaxed) + 1, Ordering::Relaxed);
            sleep(Duration::from_secs(1)).await;
            asking.fetch_sub(1, Ordering::Relaxed);
            turns.answered(false);
            answered.fetch_add(1, Ordering::Relaxed);
        });
    }
    sleep(Duration::from_secs(30)).await;
    assert_eq!(answered.load(Ordering::Relaxed), 2_000);
    let peak = peak.load(Ordering::Relaxed);
    assert!(peak <= 32 + 110, "{peak} at once");
}

#[tokio::test(start_paused = true)]
async fn an_environments_feed_that_cost_too_much_stays_away_although_all_leave_and_come_back() {
    let budget = budget(8, noisy);
    budget.note_electric(false);
    let register = || budget.environment.register(&super::subject::Subject::Other);
    let registration = register();
    sleep(Duration::from_secs(15)).await;
    assert_eq!((OPENED.take().len(), budget.counts().costly), (1, true));
    drop(registration);
    sleep(Duration::from_secs(60)).await;
    let _again = register();
    sleep(Duration::from_secs(200)).await;
    assert_eq!((OPENED.take().len(), budget.counts().costly), (0, true));
    sleep(Duration::from_secs(35)).await;
    assert!(!budget.counts().costly, "five minutes are over");
    sleep(Duration::from_secs(5)).await;
    assert_eq!(OPENED.take().len(), 1);
}
