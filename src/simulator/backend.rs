//! The simulated server: what it knows, and the switches of a scenario.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use super::history::{History, View};
use super::shape_log::ShapeLog;
use super::streams;
use super::trouble::Trouble;
use super::wire::{self, Answer};
use crate::http::{MemoryListener, Switch};
use crate::lock::lock;
use crate::serving::{Panics, Serving, serving};
use crate::shape::truth::{Changed, Habits, SeededRng, Table};

/// Which of the two servers of docs/server-protocol.md 4 is simulated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Native,
    Electric,
}

/// The state of the server.
pub(super) struct State {
    pub(super) kind: Kind,
    pub(super) rng: SeededRng,
    pub(super) table: Table,
    pub(super) history: History,
    /// Electric's shapes.
    pub(super) shapes: BTreeMap<View, ShapeLog>,
    /// Native: the key and time of each change.
    pub(super) changes: Vec<(String, u64)>,
    /// What a cache before Electric remembers, by target.
    pub(super) cache: HashMap<String, Answer>,
    pub(super) streams: BTreeMap<String, streams::World>,
    pub(super) dice: streams::Dice,
    /// Whether the connections of streams break.
    pub(super) breaks_streams: bool,
    /// Whether the environment's feed misses changes.
    pub(super) loses_notifications: bool,
    /// The long-polls that are held, and the most there were.
    pub(super) held: usize,
    pub(super) peak: usize,
    pub(super) answers: u64,
    /// Troubles in a row, by what is shown.
    troubled: BTreeMap<View, u32>,
    is_calm: bool,
}

/// The server, shared by its connections and the scenario. Cheap to clone.
#[derive(Clone)]
pub(super) struct Backend {
    state: Arc<Mutex<State>>,
    /// Counts changes.
    changed: watch::Sender<u64>,
    /// Counts restarts.
    pub(super) restarts: watch::Sender<u64>,
    began: Instant,
    base_ms: u64,
}

/// A long-poll that is held.
pub(super) struct Held(Backend);

impl Drop for Held {
    fn drop(&mut self) {
        self.0.state().held -= 1;
    }
}

/// The running server, which ends when this is dropped.
pub(super) struct Running {
    pub(super) url: String,
    switch: Switch,
    _task: Serving,
    _panics: Panics,
}

impl Backend {
    pub(super) fn new(seed: u64, kind: Kind, habits: Habits, base_ms: u64) -> Self {
        let state = State {
            kind,
            rng: SeededRng::new(seed ^ 0x5eed),
            table: Table::new(habits, base_ms),
            history: History::default(),
            shapes: BTreeMap::new(),
            changes: Vec::new(),
            cache: HashMap::new(),
            streams: BTreeMap::new(),
            dice: streams::Dice(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1),
            breaks_streams: true,
            loses_notifications: false,
            held: 0,
            peak: 0,
            answers: 0,
            troubled: BTreeMap::new(),
            is_calm: true,
        };
        Self {
            state: Arc::new(Mutex::new(state)),
            changed: watch::Sender::new(0),
            restarts: watch::Sender::new(0),
            began: Instant::now(),
            base_ms,
        }
    }

    /// Serves it in memory.
    pub(super) fn serve(&self) -> Running {
        let listener = MemoryListener::bind();
        let (url, switch, panics) = (listener.url(), listener.switch(), Panics::default());
        let task = serving(wire::serve(listener, self.clone(), panics.guard()));
        Running { url, switch, _task: task, _panics: panics }
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    pub(super) fn elapsed_ms(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).expect("some hours")
    }

    /// A long-poll begins. It is held until the guard is dropped.
    pub(super) fn hold(&self) -> Held {
        let mut state = self.state();
        state.held += 1;
        state.peak = state.peak.max(state.held);
        drop(state);
        Held(self.clone())
    }

    /// The time on the server in Unix milliseconds.
    pub(super) fn now_ms(&self) -> u64 {
        self.base_ms + self.elapsed_ms()
    }

    /// Makes a change, and wakes the polls that are held.
    pub(super) fn change(&self, make: impl FnOnce(&mut Table, &mut SeededRng) -> Changed) {
        {
            let mut guard = self.state();
            let state = &mut *guard;
            state.table.now_ms = state.table.now_ms.max(self.now_ms());
            let changed = make(&mut state.table, &mut state.rng);
            state.history.record(&changed);
            state.changes.push((changed.key.clone(), state.table.now_ms));
            for log in state.shapes.values_mut() {
                log.add(&changed, state.table.now_ms, &mut state.rng);
            }
        }
        self.changed.send_modify(|count| *count += 1);
    }

    pub(super) fn changes(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    /// From now on responses meet trouble, or none does.
    pub(super) fn calm(&self, is_calm: bool) {
        self.state().is_calm = is_calm;
    }
}

impl Running {
    /// Every connection breaks, and no other is accepted for a while.
    pub(super) async fn outage(&self, backend: &Backend, span: Duration) {
        self.switch.set(false);
        backend.restarts.send_modify(|count| *count += 1);
        tokio::time::sleep(span).await;
        self.switch.set(true);
    }
}

impl State {
    /// What becomes of the next response to a request of `view`. Never more than three in a row meet trouble: feeds that
    /// share a path take no turns at it, or one could meet it for ever.
    pub(super) fn trouble(&mut self, view: &View) -> Trouble {
        let in_a_row = self.troubled.entry(view.clone()).or_default();
        if self.is_calm || *in_a_row >= 3 || !self.rng.one_in(6) {
            *in_a_row = 0;
            return Trouble::None;
        }
        *in_a_row += 1;
        Trouble::draw(*in_a_row == 1, &mut self.rng)
    }
}
