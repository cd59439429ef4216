//! Live responses as a whole, in simulated time.

use std::pin::pin;

use futures_util::StreamExt as _;
use http::HeaderMap;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::relay::admission::Admission;
use crate::relay::authorizer::Authorizer;
use crate::relay::digest::Digester;
use crate::relay::feed::Feeds;
use crate::relay::feed::tests::{Fixture, options};
use crate::relay::limits::{InFlightBytes, Limiter};
use crate::relay::live::following::Following;
use crate::relay::live::following_tests::{drain, recent, tags};
use crate::relay::live::opening::{Follower, Opener};
use crate::relay::live::page::{Page, Truth, batch};
use crate::relay::live::place::Digests;
use crate::relay::options::Limits;
use crate::relay::proxy::Proxy;
use crate::relay::router::Router;
use crate::relay::stats::Stats;
use crate::relay::stream::Streams;
use crate::secret::Secret;
use crate::serve::clock::Clock;

/// What follows one run, whose relay lets so many bytes be under way.
struct World {
    shared: Arc<Shared>,
    fixture: Fixture,
    began: Instant,
}

impl World {
    fn new(max: u64) -> Self {
        let (options, stats, stop) =
            (options("http://127.0.0.1:1", "tr_dev_1"), Arc::<Stats>::default(), CancellationToken::new());
        let began = Instant::now();
        let clock = Clock::from_fn(move || u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX));
        let feeds = Feeds::new(&options, stop.clone(), stats.clone());
        let authorizer = Authorizer::new(&options, clock.clone(), stats.clone(), Digester::new(), feeds);
        let limiter = Limiter::new(Limits::default(), stats.clone());
        let in_flight = InFlightBytes::new(max);
        let opener = Opener {
            authorizer: Arc::new(authorizer),
            router: Arc::new(Router::new(&options)),
            streams: Arc::new(Streams::new(options.clone(), stop.clone(), stats.clone())),
            proxy: Proxy::new(&options, limiter.clone(), stats.clone(), stop.clone(), Digester::new()),
            limiter,
            admission: Arc::new(Admission::new(&options, stats.clone())),
            in_flight: in_flight.clone(),
            stats: stats.clone(),
        };
        let digests = Digests::new(&Secret::new("tr_dev_1"));
        let shared = Shared { opener, digests, in_flight, stats, clock, stop };
        let fixture = Fixture::run();
        fixture.bring_batch(batch(&[Truth::new("a", 1_000)]));
        Self { shared: Arc::new(shared), fixture, began }
    }

    /// A response with one want, which is open.
    fn events(&self, expires_ms: Option<u64>) -> Events {
        self.following(Following::new(self.fixture.another(), Vec::new(), &[], 0), expires_ms)
    }

    fn following(&self, following: Following, expires_ms: Option<u64>) -> Events {
        let wants = crate::relay::live::wants::parse(br#"{"wants":[{"id":"a","run":"run_a"}]}"#).expect("wants");
        let asked = Asked { headers: HeaderMap::new(), origin: String::new(), grant: None };
        let mut events = Events::new(self.shared.clone(), wants, asked, None);
        let permit = self.shared.opener.limiter.enter(Some([1; 32]), "/x".into()).expect("room");
        let opened = Opened { follower: Follower::Feed(following), owner: Some([1; 32]), expires_ms, _permit: permit };
        events.slots[0].state = State::Open(Box::new(opened));
        events
    }
}

async fn text(events: &mut Pin<&mut Events>) -> Option<String> {
    let part = events.next().await?.expect("a part");
    Some(String::from_utf8(part.to_vec()).expect("text"))
}

fn names(text: &str) -> Vec<&str> {
    text.lines().filter_map(|line| line.strip_prefix("event: ")).collect()
}

#[tokio::test(start_paused = true)]
async fn a_silent_response_is_kept_alive_and_ends_by_itself() {
    let world = World::new(1 << 20);
    let mut events = pin!(world.events(None));
    assert_eq!(names(&text(&mut events).await.expect("the first")), ["row", "ready"]);
    let mut beats = 0;
    let last = loop {
        let told = text(&mut events).await.expect("a beat");
        if told != HEARTBEAT {
            break told;
        }
        beats += 1;
        assert_eq!(world.began.elapsed().as_secs(), beats * 15);
    };
    assert_eq!(last, AGAIN);
    assert!((204..=276).contains(&world.began.elapsed().as_secs()), "{:?}", world.began.elapsed());
    assert_eq!(text(&mut events).await, None);
    assert_eq!(world.shared.stats.to_json(crate::relay::stats::Gauges::default())["viewers"]["now"], 0);
}

#[tokio::test(start_paused = true)]
async fn a_want_ends_with_its_token() {
    let world = World::new(1 << 20);
    let mut events = pin!(world.events(Some(20_000)));
    assert_eq!(names(&text(&mut events).await.expect("the first")), ["row", "ready"]);
    assert_eq!(text(&mut events).await.as_deref(), Some(HEARTBEAT));
    let last = text(&mut events).await.expect("the end");
    assert!(last.contains("event: error\ndata: [\"a\",{\"status\":401,"), "{last}");
    assert_eq!((text(&mut events).await, world.began.elapsed().as_secs()), (None, 30));
}

#[tokio::test(start_paused = true)]
async fn long_texts_count_as_under_way_until_they_are_sent_and_beyond_the_limit_the_want_is_refused() {
    let world = World::new(20_000);
    let long = Truth { payload: Some("p".repeat(15_000)), ..Truth::new("a", 2_000) };
    world.fixture.bring_batch(batch([&long]));
    let mut events = pin!(world.events(None));
    assert_eq!(names(&text(&mut events).await.expect("the head")), ["row"]);
    let rest = events.next().await.expect("the text").expect("a part");
    assert!(rest.len() > 15_000 && world.shared.in_flight.bytes() == rest.len() as u64);
    assert_eq!(names(&text(&mut events).await.expect("the next")), ["ready"]);
    // The first was not sent yet: another of that length is too much, for a token that has so much.
    let longer = Truth { payload: Some("q".repeat(15_000)), updated_ms: 3_000, ..long };
    world.fixture.bring_batch(batch(&[longer]));
    let told = text(&mut events).await.expect("the refusal");
    assert!(
        told.starts_with("event: error\ndata: [\"a\",{\"status\":429,") && told.contains("\"retry\":true"),
        "{told}"
    );
    drop(rest);
    assert_eq!(world.shared.in_flight.bytes(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_want_of_an_empty_name_is_refused_and_is_no_other_feed() {
    let wants = br#"{"wants":[{"id":"a","run":""},{"id":"b","batch":""},{"id":"c","stream":{"run":"","key":"k"}},
        {"id":"d","stream":{"run":"run_a","key":"","input":true}}]}"#;
    let wants = crate::relay::live::wants::parse(wants).expect("wants");
    let asked = Asked { headers: HeaderMap::new(), origin: String::new(), grant: None };
    let told = text(&mut pin!(Events::new(World::new(1).shared, wants, asked, None))).await.expect("refusals");
    assert_eq!((names(&told).len(), told.matches("\"status\":400,").count()), (4, 4), "{told}");
}

#[tokio::test(start_paused = true)]
async fn a_row_that_the_relay_does_not_have_leaves_its_page_though_nothing_changes() {
    let world = World::new(1 << 20);
    let other = Fixture::run();
    other.bring_batch(batch(&[Truth::new("b", 500)]));
    let mut page = Page::default();
    let mut there = page.follow(&other, 0);
    drain(&mut page, &mut there, 0);
    let following = Following::new(world.fixture.another(), Vec::new(), &page.places(), 0);
    let mut events = pin!(world.following(following, None));
    assert_eq!(names(&text(&mut events).await.expect("the first")), ["row", "ready"]);
    let mut told = text(&mut events).await.expect("a beat");
    while told == HEARTBEAT {
        told = text(&mut events).await.expect("a beat");
    }
    assert_eq!((names(&told), world.began.elapsed().as_secs()), (vec!["gone"], 30), "{told}");
}

#[tokio::test(start_paused = true)]
async fn a_page_that_lacks_nothing_of_many_rows_leaves_others_their_turn_before_all_are_compared() {
    let world = World::new(1 << 20);
    let fixture = tags();
    fixture.bring_batch(batch(&(0..2_000).map(|at| recent(&format!("{at:04}"), 1)).collect::<Vec<_>>()));
    let mut page = Page::default();
    let mut first = page.follow(&fixture, 0);
    drain(&mut page, &mut first, 0);
    let following = Following::new(fixture.another(), Vec::new(), &page.places(), 0);
    let mut events = pin!(world.following(following, None));
    let is_amid = std::future::poll_fn(|cx| Poll::Ready(events.as_mut().poll_next(cx).is_pending())).await;
    assert!(is_amid, "all were compared at once");
    assert_eq!(names(&text(&mut events).await.expect("the first")), ["ready"]);
}

#[tokio::test(start_paused = true)]
async fn places_count_as_bytes_under_way_until_all_of_them_were_compared() {
    let world = World::new(1 << 20);
    let fixture = tags();
    fixture.bring_batch(batch(&(0..20).map(|at| recent(&at.to_string(), 1)).collect::<Vec<_>>()));
    let mut page = Page::default();
    let mut first = page.follow(&fixture, 0);
    drain(&mut page, &mut first, 0);
    let reserved = world.shared.opener.reserve(&page.places(), None).expect("room");
    assert!(world.shared.in_flight.bytes() > 20 * 128);
    let following = Following::new(fixture.another(), Vec::new(), &page.places(), 0).counting(reserved);
    let mut events = pin!(world.following(following, None));
    assert_eq!(names(&text(&mut events).await.expect("the first")), ["ready"]);
    assert!(world.shared.in_flight.bytes() > 20 * 128, "the relay of another key made the digests: they are in doubt");
    let mut told = text(&mut events).await.expect("a beat");
    while told == HEARTBEAT {
        told = text(&mut events).await.expect("a beat");
    }
    assert_eq!(names(&told).len(), 20, "{told}");
    assert_eq!(world.shared.in_flight.bytes(), 0);
}
