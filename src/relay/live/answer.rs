//! The body of a live response: the events of all its wants, written when the connection takes them.
//!
//! There is no task and no queue for it: the connection's own task polls the body, and each want is looked at once its bit
//! of the [`ReadySet`] is set.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use futures_util::Stream;
use futures_util::future::BoxFuture;
use http::StatusCode;
use tokio::time::{Instant, Sleep, sleep_until};
use tokio_util::sync::WaitForCancellationFutureOwned;

use super::event::{self, AGAIN, HEARTBEAT, Refused};
use super::opening::{Asked, Opened};
use super::ready_set::{ReadySet, waker};
use super::shared::Shared;
use super::step::Step;
use super::wants::Want;
use crate::relay::browser::Hold;
use crate::relay::log;
use crate::relay::stats::Refusal;
use crate::serve::feed::hold;

/// How often a response sends a comment at least.
pub(super) const BEAT: Duration = Duration::from_secs(15);
/// How long a response lasts, give or take 15 percent: less than the five minutes after which platforms cut one.
pub(super) const LIFE: Duration = Duration::from_secs(240);
/// A part of the body is handed over from this length on, in bytes.
const PART_BYTES: usize = 16 << 10;
/// After how many turns in which wants only compared rows the connection's task leaves its thread to others.
const MAX_LATER: usize = 16;

/// A want, and its place in the ready set.
struct Slot {
    /// Its id as JSON.
    id: Box<str>,
    waker: Waker,
    state: State,
}

enum State {
    Opening(BoxFuture<'static, Result<Opened, Refused>>),
    Open(Box<Opened>),
    Over,
}

/// The body.
pub(super) struct Events {
    shared: Arc<Shared>,
    ready: Arc<ReadySet>,
    slots: Box<[Slot]>,
    /// How many wants are not over.
    open: usize,
    beat: u64,
    ends_at: Instant,
    timer: (Pin<Box<Sleep>>, Waker),
    stop: (Pin<Box<WaitForCancellationFutureOwned>>, Waker),
    /// What was written, and long bytes that follow it.
    out: Vec<u8>,
    long: Option<Bytes>,
    is_over: bool,
    /// How many wants only compared rows since the last poll.
    later: usize,
    /// The response takes one of the connections of a browser that has few.
    _connection: Option<Hold>,
}

impl Events {
    /// The events of these wants. `connection` counts the response among those of its
    /// browser (F12).
    pub(super) fn new(shared: Arc<Shared>, wants: Vec<Want>, asked: Asked, connection: Option<Hold>) -> Self {
        let ready = ReadySet::new(wants.len() + 2);
        let (asked, open) = (Arc::new(asked), wants.len());
        let slots = wants.into_iter().enumerate().map(|(slot, want)| {
            let id = event::id_text(&want.id);
            let (opener, asked) = (shared.opener.clone(), asked.clone());
            let opening = Box::pin(async move { opener.open(want, asked, 0).await });
            Slot { id, waker: waker(&ready, slot), state: State::Opening(opening) }
        });
        let now = Instant::now();
        Self {
            slots: slots.collect(),
            open,
            beat: 0,
            ends_at: now + hold(LIFE),
            timer: (Box::pin(sleep_until(now + BEAT)), waker(&ready, open)),
            stop: (Box::pin(shared.stop.clone().cancelled_owned()), waker(&ready, open + 1)),
            out: Vec::new(),
            long: None,
            is_over: false,
            later: 0,
            _connection: connection,
            shared,
            ready,
        }
    }

    /// Looks at a slot that is ready. Whoever has more to tell is ready again.
    fn turn(&mut self, slot: usize) {
        let wants = self.slots.len();
        if slot == wants {
            self.tick();
        } else if slot > wants {
            if poll(self.stop.0.as_mut(), &self.stop.1).is_ready() {
                self.end();
            }
        } else if let State::Opening(_) = self.slots[slot].state {
            self.open(slot);
        } else {
            self.tell(slot);
        }
    }

    /// The timer may have run out.
    fn tick(&mut self) {
        while poll(self.timer.0.as_mut(), &self.timer.1).is_ready() {
            let now = Instant::now();
            if now >= self.ends_at {
                return self.end();
            }
            self.beat += 1;
            self.out.extend_from_slice(HEARTBEAT.as_bytes());
            for (slot, want) in self.slots.iter().enumerate() {
                if let State::Open(open) = &want.state
                    && (open.expires_ms.is_some() || open.follower.has_doubts())
                {
                    self.ready.insert(slot);
                }
            }
            self.timer.0.as_mut().reset((now + BEAT).min(self.ends_at));
        }
    }

    /// Ends the response: the page asks again.
    fn end(&mut self) {
        self.out.extend_from_slice(AGAIN.as_bytes());
        self.is_over = true;
        self.slots = Box::default();
    }

    /// Goes on to open a want.
    fn open(&mut self, slot: usize) {
        let want = &mut self.slots[slot];
        let State::Opening(opening) = &mut want.state else { return };
        match poll(opening.as_mut(), &want.waker) {
            Poll::Pending => {}
            Poll::Ready(Ok(opened)) => {
                want.state = State::Open(Box::new(opened));
                self.ready.insert(slot);
            }
            Poll::Ready(Err(refused)) => self.refuse(slot, &refused),
        }
    }

    /// Writes the next event of a want.
    fn tell(&mut self, slot: usize) {
        let want = &mut self.slots[slot];
        let State::Open(open) = &mut want.state else { return };
        if open.expires_ms.is_some_and(|expires_ms| expires_ms <= self.shared.clock.now_ms()) {
            let why = "The token has expired: ask again with a new one";
            return self.refuse(slot, &Refused::new(StatusCode::UNAUTHORIZED, why, false));
        }
        match open.follower.step(&self.shared.digests, self.beat, &want.waker) {
            Step::Idle => return,
            Step::Row(text, true) => return self.write(slot, "row", &text),
            Step::Row(text, false) => return self.write(slot, "change", &text),
            Step::Chunk(text) => return self.write(slot, "chunk", &text),
            Step::Later => self.later += 1,
            Step::Gone(key) => event::push_gone(&mut self.out, &want.id, key),
            Step::Ready { is_partial } => event::push_ready(&mut self.out, &want.id, is_partial),
            Step::End => {
                event::push_plain(&mut self.out, "end", &want.id);
                return self.close(slot);
            }
            Step::Failed(refused) => return self.refuse(slot, &refused),
        }
        self.ready.insert(slot);
    }

    /// Writes an event of two lines, of which `text` is the second.
    fn write(&mut self, slot: usize, name: &str, text: &Bytes) {
        let want = &self.slots[slot];
        let State::Open(open) = &want.state else { return };
        let Ok(long) = self.shared.count(text, open.owner) else {
            return self.refuse(slot, &Refused::from(crate::relay::limits::too_many_requests()));
        };
        let short = if long.is_none() { &**text } else { b"" };
        self.out.reserve(event::NAME_BYTES + want.id.len() + short.len());
        event::push_head(&mut self.out, name, &want.id);
        self.out.extend_from_slice(short);
        self.long = long;
        self.ready.insert(slot);
    }

    fn refuse(&mut self, slot: usize, refused: &Refused) {
        // Feeds end with the relay: that is no fault of the want.
        if self.shared.stop.is_cancelled() {
            return self.end();
        }
        if let Some(refusal) = Refusal::of(refused.status) {
            self.shared.stats.refuse(refusal);
        }
        log::refused(None, refused.status);
        event::push_error(&mut self.out, &self.slots[slot].id, refused);
        self.close(slot);
    }

    /// A want is over. With the last one, so is the response.
    fn close(&mut self, slot: usize) {
        self.slots[slot].state = State::Over;
        self.open -= 1;
        self.is_over = self.open == 0;
    }
}

impl Stream for Events {
    type Item = io::Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.ready.register(cx.waker());
        if self.out.is_empty()
            && let Some(long) = self.long.take()
        {
            return Poll::Ready(Some(Ok(long)));
        }
        self.later = 0;
        while !self.is_over && self.long.is_none() && self.out.len() < PART_BYTES && self.later < MAX_LATER {
            let Some(slot) = self.ready.take() else { break };
            self.turn(slot);
        }
        if !self.out.is_empty() {
            return Poll::Ready(Some(Ok(std::mem::take(&mut self.out).into())));
        }
        if self.is_over {
            return Poll::Ready(None);
        }
        if self.later == MAX_LATER {
            cx.waker().wake_by_ref();
        }
        Poll::Pending
    }
}

fn poll<F: Future + ?Sized>(future: Pin<&mut F>, waker: &Waker) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(waker))
}

#[cfg(test)]
mod tests {
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
    use crate::relay::live::opening::Follower;
    use crate::relay::live::opening::Opener;
    use crate::relay::live::page::{Truth, batch};
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
            let opener = Opener {
                authorizer: Arc::new(authorizer),
                router: Arc::new(Router::new(&options)),
                streams: Arc::new(Streams::new(options.clone(), stop.clone(), stats.clone())),
                proxy: Proxy::new(&options, limiter.clone(), stats.clone(), stop.clone(), Digester::new()),
                limiter,
                admission: Arc::new(Admission::new(&options, stats.clone())),
            };
            let digests = Digests::new(&Secret::new("tr_dev_1"));
            let shared = Shared { opener, digests, in_flight: InFlightBytes::new(max), stats, clock, stop };
            let fixture = Fixture::run();
            fixture.bring_batch(batch(&[Truth::new("a", 1_000)]));
            Self { shared: Arc::new(shared), fixture, began }
        }

        /// A response with one want, which is open.
        fn events(&self, expires_ms: Option<u64>) -> Events {
            let wants = crate::relay::live::wants::parse(br#"{"wants":[{"id":"a","run":"run_a"}]}"#).expect("wants");
            let asked = Asked { headers: HeaderMap::new(), origin: String::new(), grant: None };
            let mut events = Events::new(self.shared.clone(), wants, asked, None);
            let permit = self.shared.opener.limiter.enter(Some([1; 32]), "/x".into()).expect("room");
            let following = Following::new(self.fixture.another(), Vec::new(), &[], 0);
            let opened =
                Opened { follower: Follower::Feed(following), owner: Some([1; 32]), expires_ms, _permit: permit };
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
}
