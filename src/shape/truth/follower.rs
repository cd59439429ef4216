//! A reader of one feed, which checks every change against the server.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::rng::SeededRng;
use super::table::Cells;
use super::world::World;
use crate::retry::Policy;
use crate::shape::*;

/// A feed's machine, and the rows that its reader has.
pub(crate) struct Follower {
    feed: Feed,
    step: Step,
    clock_ms: u64,
    pub(crate) rows: BTreeMap<String, Cells>,
    let_go: BTreeSet<String>,
    /// The time on the server up to which the reader has every change.
    pub(crate) told_ms: u64,
}

impl Follower {
    /// A reader that interns texts from 6 bytes on, a few at most, and keeps so many finished runs.
    pub(crate) fn new(rng: &mut SeededRng, finished: usize) -> Self {
        let forever = Policy { max_attempts: u32::MAX, ..Policy::default() };
        let limits = Limits {
            retry_for_ms: u64::MAX,
            protocol_failures: u32::MAX,
            protocol_for_ms: u64::MAX,
            not_found: forever,
            refetches: u32::MAX,
            idle_responses: u32::MAX,
            retention: Retention { finished, ..Retention::default() },
            intern: InternLimits { min_bytes: 6, max_texts: rng.below(5), max_bytes: 16 + rng.below(200) },
            ..Limits::default()
        };
        let mut feed = Feed::new(limits);
        let step = feed.start(at(0));
        Self { feed, step, clock_ms: 0, rows: BTreeMap::new(), let_go: BTreeSet::new(), told_ms: 0 }
    }

    pub(crate) fn present(&self) -> impl Iterator<Item = (&Arc<str>, &Arc<Row>)> {
        self.feed.rows()
    }

    /// Plays one request and its response, or one wait. Each published row must equal the server's. After a response
    /// with everything the server has, the reader must have everything too.
    pub(crate) fn turn(&mut self, world: &mut World, rng: &mut SeededRng) -> Vec<Change> {
        // The response takes 5 s, or 40 s: longer than a server holds.
        self.clock_ms += if rng.one_in(4) { 40_000 } else { 5_000 };
        let (outcome, is_all) = match &self.step {
            Step::Wait { .. } => (self.feed.on(Event::Woken, at(self.clock_ms)), false),
            Step::End(result) => panic!("it ended: {result:?}"),
            Step::Request(query) => {
                let (status, headers, mut body, mut is_all) = world.answer(query, rng);
                if rng.one_in(40) {
                    body.truncate(body.len() / 2);
                    is_all = false;
                }
                (self.feed.on(Event::Response { status, headers: &headers, body: &body }, at(self.clock_ms)), is_all)
            }
        };
        for change in &outcome.changes {
            self.take(change, world);
        }
        self.step = outcome.step;
        if is_all && matches!(&self.step, Step::Request(query) if query.offset != "-1") {
            for (key, cells) in world.rows() {
                assert_eq!(self.rows.get(key), Some(cells), "{key} as the server has it");
            }
            // The delete of an evicted run is published only when the feed sees the delete itself (I16).
            self.rows.retain(|key, _| world.rows().contains_key(key) || !self.let_go.contains(key));
            assert_eq!(self.rows.len(), world.rows().len(), "runs that are gone");
            self.told_ms = world.now_ms();
        }
        outcome.changes
    }

    fn take(&mut self, change: &Change, world: &World) {
        match change {
            Change::Row { key, row } => {
                let told: Cells = row.iter().map(|(name, text)| (name.to_owned(), text.to_owned())).collect();
                assert_eq!(Some(&told), world.rows().get(&**key), "told of {key}");
                let before = self.rows.insert(key.to_string(), told.clone());
                assert!(before.as_ref() != Some(&told), "{key} was told twice");
                self.let_go.remove(&**key);
            }
            Change::Gone { key } => {
                assert!(!world.rows().contains_key(&**key), "{key} is there");
                assert!(self.rows.remove(&**key).is_some(), "{key} was never told");
                self.let_go.remove(&**key);
            }
            Change::Evicted { key } => {
                self.let_go.insert(key.to_string());
            }
            Change::Malformed { key, why } => panic!("{key:?}: {why}"),
        }
    }
}

fn at(monotonic_ms: u64) -> Now {
    Now { monotonic_ms, unix_ms: 0, jitter: 0.5 }
}
