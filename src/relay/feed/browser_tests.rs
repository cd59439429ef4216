//! Polls of a browser that is short of connections (F12).

use std::sync::Arc;
use std::time::Duration;

use http::HeaderMap;
use tokio::time::Instant;

use super::tests::{Fixture, Received, request, told};
use super::{Reply, answer};
use crate::clock::unix_ms;
use crate::relay::browser::{Holds, Identity, Kind};
use crate::relay::stats::Bound;
use crate::serve::feed::UP_TO_DATE;
use crate::serve::{PlainPeer, Request};

fn browser() -> Identity {
    let mut headers = HeaderMap::new();
    headers.insert("user-agent", "Mozilla/5.0".parse().expect("a value"));
    Identity::of(&headers, Some(PlainPeer(None))).expect("a browser")
}

/// A page's requests, of which one poll is held.
struct Page {
    fixture: Fixture,
    holds: Arc<Holds>,
}

impl Page {
    fn open() -> Self {
        let page = Self { fixture: Fixture::run(), holds: Holds::new(1) };
        page.fixture.bring_one("PENDING", 1_000);
        page
    }

    async fn ask(&self, request: &Request, kind: Kind) -> Received {
        let hold = self.holds.enter(&browser(), kind);
        match answer(&self.fixture.subscriber, request, &[], Some(&hold)).await {
            Reply::Answer(answer) => Received::of(answer).await,
            Reply::Upstream => panic!("asked to read upstream"),
        }
    }

    /// The request that the official client sends after an answer.
    fn next(answer: &Received) -> Request {
        let (handle, offset) = (answer.header("electric-handle"), answer.header("electric-offset"));
        let cursor = answer.header("electric-cursor");
        request(&format!("live=true&handle={handle}&offset={offset}&cursor={cursor}"))
    }

    fn early(&self) -> u64 {
        self.fixture.subscriber.inner.stats.limited(Bound::HeldPerBrowser)
    }
}

#[tokio::test(start_paused = true)]
async fn one_of_a_browsers_polls_too_many_is_answered_within_a_second_as_one_without_news_and_counted() {
    let page = Page::open();
    let snapshot = page.ask(&request("offset=-1"), Kind::Snapshot).await;
    let live = Page::next(&snapshot);
    let begin = Instant::now();
    let (full, short) = tokio::join!(page.ask(&live, Kind::Poll), async {
        let short = page.ask(&live, Kind::Poll).await;
        assert!((500..=1_001).contains(&begin.elapsed().as_millis()), "{:?}", begin.elapsed());
        assert_eq!(page.early(), 1);
        short
    });
    assert!((17_000..=23_010).contains(&begin.elapsed().as_millis()), "{:?}", begin.elapsed());
    for answer in [full, short] {
        assert_eq!((answer.status, answer.text()), (200, UP_TO_DATE));
        for name in ["electric-handle", "electric-offset"] {
            assert_eq!(answer.header(name), snapshot.header(name), "it goes on where it was");
        }
    }
    assert_eq!(page.early(), 1, "one that was held for its full time is none of them");
}

#[tokio::test(start_paused = true)]
async fn the_more_requests_went_before_a_poll_the_sooner_it_is_answered() {
    let page = Page::open();
    let _held = page.holds.enter(&browser(), Kind::Poll);
    let snapshot = page.ask(&request("offset=-1"), Kind::Snapshot).await;
    let first = page.ask(&Page::next(&snapshot), Kind::Poll).await;
    // It comes again when four more have ended, which waited in the browser before it.
    for _ in 0..4 {
        drop(page.holds.enter(&browser(), Kind::Snapshot));
    }
    let begin = Instant::now();
    let answer = page.ask(&Page::next(&first), Kind::Poll).await;
    assert_eq!((answer.text(), begin.elapsed().as_millis()), (UP_TO_DATE, 200));
    let [before, after] = [&first, &answer].map(|one| one.header("electric-cursor").parse::<u64>().expect("a count"));
    assert_eq!(after - before, 5, "with the first poll itself");
    assert!(unix_ms().abs_diff(after) < 60_000, "{after}");
}

#[tokio::test(start_paused = true)]
async fn one_of_a_browsers_polls_too_many_has_its_news_at_once() {
    let page = Page::open();
    let snapshot = page.ask(&request("offset=-1"), Kind::Snapshot).await;
    let _held = page.holds.enter(&browser(), Kind::Poll);
    let live = Page::next(&snapshot);
    let begin = Instant::now();
    let (answer, ()) = tokio::join!(page.ask(&live, Kind::Poll), async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        page.fixture.bring_one("EXECUTING", 2_000);
    });
    assert_eq!((answer.rows(), begin.elapsed().as_millis()), (vec![told("update", "a", "EXECUTING")], 100));
    assert!(!answer.header("electric-cursor").is_empty());
    assert_eq!(page.early(), 0);
}

#[tokio::test(start_paused = true)]
async fn of_thousands_of_polls_that_look_like_one_browsers_none_is_held_for_longer_than_its_full_time() {
    let page = Page::open();
    let snapshot = page.ask(&request("offset=-1"), Kind::Snapshot).await;
    let polls: Vec<_> = (0..6_000).map(|_| page.holds.enter(&browser(), Kind::Poll)).collect();
    let begin = Instant::now();
    let turns: Vec<_> = polls.iter().filter_map(|hold| hold.turn(None, begin, 0.0)).collect();
    assert!(turns[5_000] > Duration::from_secs(60), "{:?}", turns[5_000]);
    assert_eq!(page.ask(&Page::next(&snapshot), Kind::Poll).await.text(), UP_TO_DATE);
    assert!((17_000..=23_010).contains(&begin.elapsed().as_millis()), "{:?}", begin.elapsed());
    assert_eq!(page.early(), 0, "one that was held for its full time is none of them");
}

#[tokio::test(start_paused = true)]
async fn a_request_that_is_answered_at_once_takes_no_turn() {
    let page = Page::open();
    let _held = page.holds.enter(&browser(), Kind::Poll);
    let snapshot = page.ask(&request("offset=-1"), Kind::Snapshot).await;
    let first = page.ask(&Page::next(&snapshot), Kind::Poll).await;
    let (handle, offset) = (first.header("electric-handle"), first.header("electric-offset"));
    for _ in 0..4 {
        page.ask(&request(&format!("handle={handle}&offset={offset}")), Kind::Snapshot).await;
        page.ask(&request(&format!("live=true&handle={handle}&offset=0_0")), Kind::Poll).await;
    }
    let begin = Instant::now();
    // Eight have ended since, and its hook's own.
    page.ask(&Page::next(&first), Kind::Poll).await;
    assert_eq!(begin.elapsed().as_millis(), 112);
}
