//! The runs of all environments, in memory.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex};

use super::column::Column;
use super::journal::{Journal, Topic};
use super::run::Run;
use crate::lock::lock;

/// A task-level idempotency key: environment, task, key.
type IdempotencyKey = (usize, String, String);

/// All runs.
#[derive(Debug)]
pub(super) struct Store {
    inner: Mutex<Inner>,
    journal: Arc<Journal>,
    max_runs: usize,
}

#[derive(Debug, Default)]
struct Inner {
    runs: HashMap<String, Arc<Run>>,
    order: VecDeque<String>,
    idempotent: HashMap<IdempotencyKey, (String, u64)>,
    used_tokens: HashMap<String, u64>,
}

/// The result of a trigger.
#[derive(Debug)]
pub(super) enum Triggered {
    /// A new run.
    New(Arc<Run>),
    /// The run of an earlier trigger with the same idempotency key.
    Cached(Arc<Run>),
    /// The one-time token was used before.
    TokenUsed,
}

/// The keys of a trigger that make it happen once.
#[derive(Debug, Default)]
pub(super) struct TriggerKeys {
    /// The idempotency key, and its expiry in Unix milliseconds.
    pub(super) idempotency: Option<(String, u64)>,
    /// The digest of the one-time token, and its expiry in Unix milliseconds.
    pub(super) one_time: Option<(String, u64)>,
}

impl Store {
    /// An empty store for at most `max_runs`. Beyond them the oldest are dropped.
    pub(super) fn new(max_runs: usize) -> Self {
        Self { inner: Mutex::default(), journal: Arc::default(), max_runs }
    }

    /// The order of all changes, and the feeds that wait for them.
    pub(super) fn journal(&self) -> &Arc<Journal> {
        &self.journal
    }

    /// The runs of a topic, in no order.
    pub(super) fn select(&self, topic: &Topic) -> Vec<Arc<Run>> {
        match topic {
            Topic::Environment(environment) => {
                lock(&self.inner).runs.values().filter(|run| run.environment == *environment).cloned().collect()
            }
            Topic::Tag(..) | Topic::Batch(_) => {
                let ids = self.journal.members(topic);
                let inner = lock(&self.inner);
                ids.iter().filter_map(|id| inner.runs.get(id).cloned()).collect()
            }
        }
    }

    /// The run with that public id.
    pub(super) fn find(&self, friendly_id: &str) -> Option<Arc<Run>> {
        lock(&self.inner).runs.get(friendly_id).cloned()
    }

    /// Removes a run. Its readers get a 404 at their next request.
    pub(super) fn remove(&self, friendly_id: &str) -> bool {
        let mut inner = lock(&self.inner);
        inner.order.retain(|id| id != friendly_id);
        let removed = inner.runs.remove(friendly_id);
        drop(inner);
        removed.inspect(|run| run.leave_journal()).is_some()
    }

    /// Adds a run, unless its id is taken.
    pub(super) fn insert(&self, run: Run) -> Option<Arc<Run>> {
        let run = Arc::new(run);
        let gone = lock(&self.inner).insert(&run, self.max_runs)?;
        settle(&run, &gone);
        Some(run)
    }

    /// Stores the run of a trigger in one step: of several at once with the same one-time token or idempotency key
    /// exactly one makes a run. A cached run does not use up the token.
    pub(super) fn trigger(&self, run: Run, keys: TriggerKeys, now_ms: u64) -> Triggered {
        let row = run.row();
        let task = row.get(Column::TaskIdentifier).unwrap_or_default().to_owned();
        let friendly_id = row.get(Column::FriendlyId).unwrap_or_default().to_owned();
        let mut inner = lock(&self.inner);
        let key = keys.idempotency.map(|(key, until)| ((run.environment, task, key), until));
        if let Some((key, _)) = &key {
            let cached = inner.idempotent.get(key).filter(|(_, until)| *until > now_ms);
            if let Some(run) = cached.and_then(|(id, _)| inner.runs.get(id)) {
                return Triggered::Cached(run.clone());
            }
        }
        if let Some((digest, until)) = keys.one_time
            && !inner.use_up(digest, until, now_ms)
        {
            return Triggered::TokenUsed;
        }
        let run = Arc::new(run);
        let gone = inner.insert(&run, self.max_runs).unwrap_or_default();
        if let Some((key, until)) = key {
            inner.idempotent.retain(|_, (_, until)| *until > now_ms);
            inner.idempotent.insert(key, (friendly_id, until));
        }
        drop(inner);
        settle(&run, &gone);
        Triggered::New(run)
    }

    /// Uses up a one-time token, by its digest. False when it was used before. The digest is kept until the token
    /// expires at `until_ms`.
    pub(super) fn use_up(&self, digest: String, until_ms: u64, now_ms: u64) -> bool {
        lock(&self.inner).use_up(digest, until_ms, now_ms)
    }
}

/// Begins a new run, and tells the journal of those that were evicted for it.
fn settle(run: &Run, evicted: &[Arc<Run>]) {
    run.begin();
    for run in evicted {
        run.leave_journal();
    }
}

impl Inner {
    /// Adds a run. Returns the runs that were evicted for it; `None` where its id is taken.
    fn insert(&mut self, run: &Arc<Run>, max_runs: usize) -> Option<Vec<Arc<Run>>> {
        let id = run.id();
        if self.runs.contains_key(&id) {
            return None;
        }
        self.runs.insert(id.clone(), run.clone());
        self.order.push_back(id);
        let mut gone = Vec::new();
        while self.order.len() > max_runs {
            if let Some(oldest) = self.order.pop_front() {
                gone.extend(self.runs.remove(&oldest));
            }
        }
        Some(gone)
    }

    fn use_up(&mut self, digest: String, until_ms: u64, now_ms: u64) -> bool {
        self.used_tokens.retain(|_, until| *until > now_ms);
        self.used_tokens.insert(digest, until_ms).is_none()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::emulator::row::Row;
    use crate::emulator::run::Effect;
    use crate::interleave::{block_on, explore, spawn};

    fn run(store: &Store, id: &str, environment: usize) -> Run {
        Run::new(store.journal(), environment, Row::new(id, &format!("run_{id}"), "hello", 1_000))
    }

    fn once(token: &str) -> TriggerKeys {
        TriggerKeys { one_time: Some((token.into(), 9_000)), ..TriggerKeys::default() }
    }

    #[test]
    fn a_one_time_token_makes_one_run() {
        let store = Store::new(10);
        assert!(matches!(store.trigger(run(&store, "1", 0), once("t"), 1_000), Triggered::New(_)));
        assert!(matches!(store.trigger(run(&store, "2", 0), once("t"), 1_000), Triggered::TokenUsed));
        assert!(matches!(store.trigger(run(&store, "3", 0), once("u"), 1_000), Triggered::New(_)));
        assert!(store.find("run_2").is_none());
    }

    #[test]
    fn an_idempotent_retry_finds_its_run_even_with_a_used_token() {
        let store = Store::new(10);
        let keys = || TriggerKeys { idempotency: Some(("k".into(), 5_000)), ..once("t") };
        assert!(matches!(store.trigger(run(&store, "1", 0), keys(), 1_000), Triggered::New(_)));
        assert!(
            matches!(store.trigger(run(&store, "2", 0), keys(), 1_000), Triggered::Cached(run) if run.row().get(Column::Id) == Some("1"))
        );
        assert!(matches!(
            store.trigger(
                run(&store, "3", 1),
                TriggerKeys { idempotency: Some(("k".into(), 5_000)), ..TriggerKeys::default() },
                1_000
            ),
            Triggered::New(_)
        ));
        assert!(matches!(
            store.trigger(
                run(&store, "4", 0),
                TriggerKeys { idempotency: Some(("k".into(), 9_000)), ..TriggerKeys::default() },
                6_000
            ),
            Triggered::New(_)
        ));
    }

    /// Reads a topic as its feed does, until it has heard of that many runs.
    fn read(store: &Store, topic: &Topic, runs: usize) -> BTreeSet<String> {
        let mut changes = store.journal().follow(topic.clone());
        let (mut told, mut seen) = (BTreeSet::new(), 0);
        loop {
            changes.mark_unchanged();
            let sequence = store.journal().next();
            let rows = store.select(topic).into_iter().map(|run| run.row());
            for row in rows.filter(|row| row.version() > seen) {
                told.insert(row.get(Column::FriendlyId).expect("an id").to_owned());
            }
            if told.len() >= runs {
                return told;
            }
            seen = sequence;
            block_on(changes.changed()).expect("open");
        }
    }

    #[test]
    fn a_feed_is_told_of_every_new_run_however_its_polls_and_their_triggers_meet() {
        for topic in [Topic::Environment(0), Topic::Tag(0, "t".into()), Topic::Batch("b".into())] {
            explore(3, move || {
                let store = Arc::new(Store::new(10));
                let (reading, topic) = (store.clone(), topic.clone());
                spawn("feed", move || assert_eq!(read(&reading, &topic, 2).len(), 2));
                for id in ["1", "2"] {
                    let mut row = Row::new(id, &format!("run_{id}"), "hello", 1_000);
                    row.set_tags(vec!["t".into()]);
                    let run = Run::new(store.journal(), 0, row).in_batch(Some("b".into()));
                    store.insert(run);
                }
            });
        }
    }

    #[test]
    fn a_feed_is_told_of_a_run_that_takes_its_tag_however_they_meet() {
        explore(3, || {
            let store = Arc::new(Store::new(10));
            let run = store.insert(run(&store, "1", 0)).expect("a new run");
            let reading = store.clone();
            spawn("feed", move || assert_eq!(read(&reading, &Topic::Tag(0, "t".into()), 1).len(), 1));
            run.change(2_000, |row| {
                row.set_tags(vec!["t".into()]);
                Effect::Notify
            });
        });
    }

    #[test]
    fn the_oldest_runs_go_when_there_are_too_many() {
        let store = Store::new(2);
        for id in ["1", "2", "3"] {
            store.insert(run(&store, id, 0));
        }
        assert!(store.find("run_1").is_none() && store.find("run_2").is_some() && store.find("run_3").is_some());
        assert!(store.insert(run(&store, "3", 0)).is_none());
    }
}
