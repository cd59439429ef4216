//! The polls that each browser holds: the first few for their full time, others for a turn of at most a second.
//!
//! A browser opens six connections to an `http:` origin, and a seventh request waits in the browser, behind all those
//! that wait already. So a poll beyond the few is answered a second after the hook's answer before, however much of
//! that second it waited in the browser: then all hooks have their turn within a second, and so has a request of the
//! page's own that waits behind them.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use super::identity::Identity;
use crate::lock::lock;

/// A poll beyond the few is answered at the latest so long after the same hook's answer before.
pub(crate) const TURN: Duration = Duration::from_secs(1);
/// The shortest turn, as a share of [`TURN`]: turns differ, so that hooks which began at once do not ask at once for ever.
const SHORTEST: f64 = 0.6;
/// How many polls of what looks like one browser are answered early in a second, about. A browser has six at once: many
/// more are of browsers behind a proxy that names no address, and turns last longer then.
const MAX_TURNS_PER_SECOND: u32 = 60;

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
#[derive(Clone, Copy, Debug, Default)]
struct Held {
    /// Polls and streams.
    all: u32,
    /// Of those, the ones that are held for their full time.
    full: usize,
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
    /// How many requests the browser had in flight with this one.
    all: u32,
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
        let held = browsers.entry(browser).or_default();
        let is_full = match kind {
            Kind::Poll => held.full < self.max,
            Kind::Stream => true,
            Kind::Snapshot => false,
        };
        held.all += 1;
        held.full += usize::from(is_full);
        Hold { holds: self.clone(), browser, is_full, all: held.all }
    }

    fn browsers(&self) -> MutexGuard<'_, HashMap<u64, Held>> {
        lock(&self.browsers)
    }
}

impl Hold {
    /// How long the poll may be held; `None` for its full time. `answered_ms` is when the same hook was last answered,
    /// where its request says so; `share`, in `[0, 1)`, spreads the turns.
    pub(crate) fn turn(&self, answered_ms: Option<u64>, now_ms: u64, share: f64) -> Option<Duration> {
        if self.is_full {
            return None;
        }
        let turn = TURN.mul_f64(SHORTEST + (1.0 - SHORTEST) * share).max(TURN * self.all / MAX_TURNS_PER_SECOND);
        // A time in the future is that of another relay's clock.
        let since_ms = answered_ms.and_then(|at| now_ms.checked_sub(at)).unwrap_or_default();
        Some(turn.saturating_sub(Duration::from_millis(since_ms)))
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        let mut browsers = self.holds.browsers();
        let Entry::Occupied(mut entry) = browsers.entry(self.browser) else { return };
        let held = entry.get_mut();
        held.all = held.all.saturating_sub(1);
        held.full = held.full.saturating_sub(usize::from(self.is_full));
        if held.all == 0 {
            entry.remove();
        }
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;

    use super::*;
    use crate::serve::PlainPeer;

    fn browser(name: &str) -> Identity {
        let mut headers = HeaderMap::new();
        headers.insert("user-agent", format!("Mozilla/5.0 {name}").parse().expect("a value"));
        Identity::of(&headers, Some(PlainPeer(None))).expect("a browser")
    }

    fn ms(hold: &Hold, answered_ms: Option<u64>, share: f64) -> Option<u128> {
        hold.turn(answered_ms, 10_000, share).map(|turn| turn.as_millis())
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
    fn a_poll_beyond_them_is_answered_within_a_second_of_the_answer_before() {
        let holds = Holds::new(1);
        let one = browser("one");
        let full = holds.enter(&one, Kind::Poll);
        assert_eq!(ms(&full, Some(9_900), 0.5), None, "held for its full time");
        let short = holds.enter(&one, Kind::Poll);
        for (answered_ms, share, wait_ms) in [
            (None, 0.0, 600),
            (None, 0.5, 800),
            (None, 1.0, 1_000),
            // A part of the second was spent waiting in the browser.
            (Some(9_700), 1.0, 700),
            (Some(9_000), 1.0, 0),
            (Some(0), 1.0, 0),
            (Some(10_001), 1.0, 1_000),
            (Some(u64::MAX), 1.0, 1_000),
        ] {
            assert_eq!(ms(&short, answered_ms, share), Some(wait_ms), "{answered_ms:?} {share}");
        }
    }

    #[test]
    fn many_browsers_that_look_like_one_ask_no_more_often_together_than_a_few() {
        let holds = Holds::new(3);
        let one = browser("one");
        let mut polls: Vec<_> = (0..60).map(|_| holds.enter(&one, Kind::Poll)).collect();
        assert_eq!(ms(&polls[59], None, 1.0), Some(1_000));
        polls.extend((60..1_200).map(|_| holds.enter(&one, Kind::Poll)));
        assert_eq!(ms(&polls[1_199], None, 0.0), Some(20_000));
    }
}
