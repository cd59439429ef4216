//! The polls that each browser holds: the first few for their full time, others for a turn of at most a second.
//!
//! A browser opens six connections to an `http:` origin, and a seventh request waits in the browser, behind all those
//! that wait already. So the polls beyond the few are answered one after the other, evenly, and so often that a request
//! of the page's own, behind all polls that wait in the browser, has a connection within a second. More often would only
//! cost the page and the relay. How many wait is not told: a poll says how many requests ended since its hook was last
//! answered, and those went before it.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::time::Instant;

use super::identity::Identity;
use crate::clock::unix_ms;
use crate::lock::lock;

/// A request that comes to the browser's queue has a connection within this time. A poll beyond the few is held no longer.
pub(crate) const TURN: Duration = Duration::from_secs(1);
/// The shortest time for which a poll is held where none waits in the browser, as a share of [`TURN`]: the times differ,
/// so that hooks which began at once do not ask at once for ever.
const SHORTEST: f64 = 0.6;
/// How many polls of what looks like one browser are answered early in a second, about.
const MAX_TURNS_PER_SECOND: u32 = 60;
/// How many requests one browser has in flight. Where more are, they are of several browsers behind a proxy that names no
/// address.
const CONNECTIONS: u32 = 6;
/// More requests than this were not in one browser's queue: the count is another relay's, or of before a restart. The queue
/// is then taken for as long as the browser has connections, until the hook comes again.
const MAX_QUEUE: u64 = 1_000;

/// The polls and streams of browsers that are answered now. Nothing is kept of a browser without one.
#[derive(Debug)]
pub(crate) struct Holds {
    /// How many of one browser are held for their full time.
    max: usize,
    /// Seeds the keys of `browsers`: a key does not tell whose it is, and takes 8 bytes.
    hasher: RandomState,
    browsers: Mutex<HashMap<u64, Held>>,
}

/// What one browser holds.
#[derive(Clone, Copy, Debug)]
struct Held {
    /// All requests in flight.
    all: u32,
    /// Of those, the ones that are held for their full time.
    full: usize,
    /// How many requests have ended, counted on from the time in milliseconds when the first began: a count from before,
    /// or another relay's, is then far from it.
    ended: u64,
    /// When the last of the polls that make way is answered.
    last_turn: Option<Instant>,
}

impl Held {
    fn since(now_ms: u64) -> Self {
        Self { all: 0, full: 0, ended: now_ms, last_turn: None }
    }
}

/// What a request asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A live poll, which is held for its full time if fewer than the most are.
    Poll,
    /// A stream, which has its connection for as long as it lasts.
    Stream,
    /// An answer that is not held.
    Snapshot,
}

/// A browser's request that is answered now. It counts until this is dropped.
#[derive(Debug)]
pub(crate) struct Hold {
    holds: Arc<Holds>,
    browser: u64,
    is_full: bool,
}

impl Holds {
    /// No browser holds anything yet. `max` polls and streams of each are held for their full time.
    pub(crate) fn new(max: usize) -> Arc<Self> {
        Arc::new(Self { max, hasher: RandomState::new(), browsers: Mutex::default() })
    }

    /// Counts a request of a browser until the result is dropped.
    pub(crate) fn enter(self: &Arc<Self>, browser: &Identity, kind: Kind) -> Hold {
        let browser = self.hasher.hash_one(browser);
        let mut browsers = self.browsers();
        let held = browsers.entry(browser).or_insert_with(|| Held::since(unix_ms()));
        let is_full = match kind {
            Kind::Poll => held.full < self.max,
            Kind::Stream => true,
            Kind::Snapshot => false,
        };
        held.all += 1;
        held.full += usize::from(is_full);
        Hold { holds: self.clone(), browser, is_full }
    }

    fn browsers(&self) -> MutexGuard<'_, HashMap<u64, Held>> {
        lock(&self.browsers)
    }
}

impl Hold {
    /// How long the poll may be held; `None` for its full time. `ended` is what [`Hold::ended`] gave for the same hook's
    /// last answer, where its request says so; `share`, in `[0, 1)`, spreads the polls where none waits in the browser.
    pub(crate) fn turn(&self, ended: Option<u64>, now: Instant, share: f64) -> Option<Duration> {
        if self.is_full {
            return None;
        }
        let mut browsers = self.holds.browsers();
        let held = browsers.get_mut(&self.browser)?;
        // The hook's own answer ended, too: at least one.
        let queue = ended.map_or(1, |ended| {
            held.ended.checked_sub(ended).filter(|count| *count <= MAX_QUEUE).unwrap_or(CONNECTIONS.into())
        });
        let least = TURN / MAX_TURNS_PER_SECOND;
        let spacing = spacing(queue, held.all).max(least);
        let longest = TURN.mul_f64(SHORTEST + (1.0 - SHORTEST) * share).max(least * held.all);
        let turn = held.last_turn.map_or(now, |last| last.max(now)) + spacing;
        let turn = turn.min(now + longest);
        held.last_turn = Some(turn);
        Some(turn - now)
    }

    /// How many of the browser's requests have ended so far, by a count of its own.
    pub(crate) fn ended(&self) -> u64 {
        self.holds.browsers().get(&self.browser).map_or(0, |held| held.ended)
    }
}

/// The time between two answers, after which whoever comes behind `queue` requests has a connection within [`TURN`].
/// Where more than one browser's requests are in flight, `all`, each has its share of the answers and of the queue.
fn spacing(queue: u64, all: u32) -> Duration {
    let browsers = f64::from(all.max(CONNECTIONS)) / f64::from(CONNECTIONS);
    let queue = f64::from(u32::try_from(queue).unwrap_or(u32::MAX)) / browsers;
    TURN.div_f64(queue.max(1.0) * browsers)
}

impl Drop for Hold {
    fn drop(&mut self) {
        let mut browsers = self.holds.browsers();
        let Entry::Occupied(mut entry) = browsers.entry(self.browser) else { return };
        let held = entry.get_mut();
        held.ended += 1;
        held.all = held.all.saturating_sub(1);
        held.full = held.full.saturating_sub(usize::from(self.is_full));
        if held.all == 0 {
            entry.remove();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use http::HeaderMap;

    use super::*;
    use crate::serve::PlainPeer;

    fn browser(name: &str) -> Identity {
        let mut headers = HeaderMap::new();
        headers.insert("user-agent", format!("Mozilla/5.0 {name}").parse().expect("a value"));
        Identity::of(&headers, Some(PlainPeer(None))).expect("a browser")
    }

    /// The turn in milliseconds of a poll before which so many requests ended.
    fn ms(hold: &Hold, queue: Option<u64>, now: Instant, share: f64) -> Option<u128> {
        let ended = queue.map(|queue| hold.ended() - queue);
        hold.turn(ended, now, share).map(|turn| turn.as_millis())
    }

    #[test]
    fn three_polls_of_a_browser_are_held_and_another_browsers_too() {
        let holds = Holds::new(3);
        let (one, two) = (browser("one"), browser("two"));
        let polls: Vec<_> = (0..5).map(|_| holds.enter(&one, Kind::Poll)).collect();
        assert_eq!(polls.iter().map(|hold| hold.is_full).collect::<Vec<_>>(), [true, true, true, false, false]);
        assert!(holds.enter(&two, Kind::Poll).is_full);
    }

    #[test]
    fn whoever_asks_next_takes_the_place_of_a_poll_that_ended_so_that_all_have_their_turn() {
        let holds = Holds::new(1);
        let one = browser("one");
        let first = holds.enter(&one, Kind::Poll);
        let second = holds.enter(&one, Kind::Poll);
        drop(first);
        let third = holds.enter(&one, Kind::Poll);
        assert_eq!((second.is_full, third.is_full), (false, true));
        drop(second);
        assert!(!holds.enter(&one, Kind::Poll).is_full, "an end of a poll that had no place frees none");
    }

    #[test]
    fn nothing_is_kept_of_a_browser_after_its_last_request() {
        let holds = Holds::new(3);
        let (one, two) = (browser("one"), browser("two"));
        let polls: Vec<_> = (0..8).map(|_| holds.enter(&one, Kind::Poll)).collect();
        let stream = holds.enter(&two, Kind::Stream);
        assert_eq!(holds.browsers().len(), 2);
        drop(polls);
        assert_eq!(holds.browsers().len(), 1);
        drop(stream);
        assert_eq!(holds.browsers().len(), 0);
    }

    #[test]
    fn open_streams_have_connections_too_and_take_the_places_of_polls() {
        let holds = Holds::new(3);
        let one = browser("one");
        let streams: Vec<_> = (0..4).map(|_| holds.enter(&one, Kind::Stream)).collect();
        assert!(!holds.enter(&one, Kind::Poll).is_full);
        drop(streams);
        let _snapshots: Vec<_> = (0..4).map(|_| holds.enter(&one, Kind::Snapshot)).collect();
        assert!(holds.enter(&one, Kind::Poll).is_full, "an answer that is not held takes no place");
    }

    #[test]
    fn a_poll_beyond_them_is_answered_within_a_second_and_sooner_the_more_wait() {
        let holds = Holds::new(1);
        let (one, now) = (browser("one"), Instant::now());
        let full = holds.enter(&one, Kind::Poll);
        assert_eq!(ms(&full, Some(1), now, 0.5), None, "held for its full time");
        for (queue, share, wait_ms) in [
            (None, 0.0, 600),
            (None, 0.5, 800),
            (None, 1.0, 1_000),
            (Some(0), 1.0, 1_000),
            (Some(1), 1.0, 1_000),
            (Some(1), 0.0, 600),
            (Some(2), 1.0, 500),
            (Some(15), 1.0, 66),
            (Some(60), 1.0, 16),
            (Some(1_000), 1.0, 16),
            // Another relay's count.
            (Some(1_001), 1.0, 166),
            (Some(1_000_000), 1.0, 166),
        ] {
            let one = browser(&format!("{queue:?} {share}"));
            let _full = holds.enter(&one, Kind::Poll);
            assert_eq!(ms(&holds.enter(&one, Kind::Poll), queue, now, share), Some(wait_ms), "{queue:?} {share}");
        }
        let short = holds.enter(&one, Kind::Poll);
        assert_eq!(
            short.turn(Some(u64::MAX), now, 1.0).map(|turn| turn.as_millis()),
            Some(166),
            "another relay's count"
        );
    }

    #[test]
    fn polls_that_make_way_are_answered_one_after_the_other_at_even_times() {
        let holds = Holds::new(3);
        let (one, now) = (browser("one"), Instant::now());
        let polls: Vec<_> = (0..6).map(|_| holds.enter(&one, Kind::Poll)).collect();
        let turns: Vec<_> = polls.iter().filter_map(|hold| ms(hold, Some(5), now, 1.0)).collect();
        assert_eq!(turns, [200, 400, 600]);
        // One that comes when the first was answered is behind the others; one that comes late begins anew.
        let later = now + Duration::from_millis(200);
        assert_eq!(ms(&polls[3], Some(5), later, 1.0), Some(600));
        assert_eq!(ms(&polls[4], Some(5), now + TURN * 5, 1.0), Some(200));
    }

    #[test]
    fn whoever_comes_to_the_queue_has_a_connection_within_a_second_and_no_more_is_asked_than_that_takes() {
        for hooks in [7, 8, 9, 20, 40] {
            let (waits, per_second) = simulated(hooks);
            let longest = waits.iter().max().expect("waits");
            assert!(*longest <= Duration::from_millis(1_050), "{hooks} hooks: {longest:?}");
            assert!(per_second <= f64::from(hooks - 5).max(5.0) * 1.05, "{hooks} hooks: {per_second} a second");
        }
    }

    /// A page with so many hooks without news for a minute, over six connections: how long each poll waits in the browser
    /// once the first seconds are over, and how many are answered early in a second.
    fn simulated(hooks: u32) -> (Vec<Duration>, f64) {
        let (holds, one, begin) = (Holds::new(3), browser("one"), Instant::now());
        // First each hook asks for its run as it is.
        let mut queue: VecDeque<_> = (0..hooks).map(|hook| (hook, None, begin)).collect();
        let mut in_flight: Vec<(Instant, u32, Hold)> = Vec::new();
        let (mut now, mut waits, mut early) = (begin, Vec::new(), 0);
        while now < begin + Duration::from_secs(70) {
            while in_flight.len() < 6
                && let Some((hook, ended, since)) = queue.pop_front()
            {
                let is_counted = now > begin + Duration::from_secs(10);
                if is_counted {
                    waits.push(now - since);
                }
                let hold = holds.enter(&one, if ended.is_some() { Kind::Poll } else { Kind::Snapshot });
                let share = (f64::from(hook) * 0.618 + waits.len() as f64 * 0.414).fract();
                let turn = if ended.is_some() { hold.turn(ended, now, share) } else { Some(Duration::from_millis(5)) };
                early += u32::from(turn.is_some() && is_counted);
                in_flight.push((now + turn.unwrap_or(Duration::from_secs(20)), hook, hold));
            }
            in_flight.sort_by_key(|(end, ..)| *end);
            let (end, hook, hold) = in_flight.remove(0);
            now = end;
            queue.push_back((hook, Some(hold.ended()), now));
        }
        (waits, f64::from(early) / 60.0)
    }

    #[test]
    fn many_browsers_that_look_like_one_ask_no_more_often_together_than_a_few() {
        let holds = Holds::new(3);
        let (one, now) = (browser("one"), Instant::now());
        // Ten browsers, none of which has a queue: each has an answer a second at the least.
        let polls: Vec<_> = (0..60).map(|_| holds.enter(&one, Kind::Poll)).collect();
        let turns: Vec<_> = polls[3..13].iter().map(|hold| ms(hold, Some(1), now, 1.0)).collect();
        assert_eq!(turns[..3], [Some(100), Some(200), Some(300)]);
        assert_eq!(turns[9], Some(1_000));
        let more: Vec<_> = (60..1_200).map(|_| holds.enter(&one, Kind::Poll)).collect();
        let turns: Vec<_> = more.iter().filter_map(|hold| ms(hold, Some(1), now, 0.0)).collect();
        let last = turns.last();
        assert!(last.is_some_and(|last| (19_000..=20_000).contains(last)), "{last:?}");
    }
}
