//! What changed, in order, and who waits for it: feeds of tags and batches are woken by exactly
//! the runs they show.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, Weak};

use tokio::sync::watch;

use super::column::Column;
use super::run::Run;
use crate::lock::lock;

/// What a feed of several runs is about.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Topic {
    /// Every run of an environment.
    Environment(usize),
    /// The runs of an environment with a tag.
    Tag(usize, String),
    /// The runs of a batch, by its public id.
    Batch(String),
}

/// The order of all changes, and who waits for them.
#[derive(Debug, Default)]
pub(super) struct Journal {
    sequence: AtomicU64,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    readers: HashMap<Topic, watch::Sender<()>>,
    members: HashMap<Topic, HashMap<String, Weak<Run>>>,
}

impl Journal {
    /// The next number, for versions, offsets and cursors.
    pub(super) fn next(&self) -> u64 {
        self.sequence.fetch_add(1, Ordering::SeqCst) + 1
    }

    /// Follows a topic's changes from now on.
    pub(super) fn follow(&self, topic: Topic) -> watch::Receiver<()> {
        lock(&self.inner).readers.entry(topic).or_insert_with(|| watch::Sender::new(())).subscribe()
    }

    /// The runs that a tag or a batch has now, in no order.
    pub(super) fn members(&self, topic: &Topic) -> Vec<Arc<Run>> {
        let inner = lock(&self.inner);
        inner.members.get(topic).into_iter().flat_map(HashMap::values).filter_map(Weak::upgrade).collect()
    }

    /// Notes that a run is new or changed: it had the tags `before`. Wakes who reads a topic it
    /// has, or had.
    pub(super) fn note(&self, run: &Arc<Run>, before: &[String]) {
        // Read under the lock, so that of two notes the later one has the last word.
        let mut inner = lock(&self.inner);
        let row = run.row();
        let id = row.get(Column::FriendlyId).unwrap_or_default();
        let now = row.tags();
        for tag in before.iter().filter(|tag| !now.contains(tag)) {
            inner.leave(&Topic::Tag(run.environment, tag.clone()), id);
        }
        for tag in now {
            inner.join(Topic::Tag(run.environment, tag.clone()), id, run);
        }
        if let Some(batch) = &run.batch {
            inner.join(Topic::Batch(batch.clone()), id, run);
        }
        let tags: HashSet<&String> = before.iter().chain(now).collect();
        for tag in tags {
            inner.wake(&Topic::Tag(run.environment, tag.clone()));
        }
        inner.wake(&Topic::Environment(run.environment));
        if let Some(batch) = &run.batch {
            inner.wake(&Topic::Batch(batch.clone()));
        }
    }

    /// Forgets a run.
    pub(super) fn forget(&self, run: &Run) {
        let row = run.row();
        let id = row.get(Column::FriendlyId).unwrap_or_default();
        let mut inner = lock(&self.inner);
        for tag in row.tags() {
            inner.leave(&Topic::Tag(run.environment, tag.clone()), id);
        }
        if let Some(batch) = &run.batch {
            inner.leave(&Topic::Batch(batch.clone()), id);
        }
    }
}

impl Inner {
    fn join(&mut self, topic: Topic, id: &str, run: &Arc<Run>) {
        self.members.entry(topic).or_default().insert(id.to_owned(), Arc::downgrade(run));
    }

    fn leave(&mut self, topic: &Topic, id: &str) {
        if let Some(members) = self.members.get_mut(topic) {
            members.remove(id);
            if members.is_empty() {
                self.members.remove(topic);
            }
        }
    }

    fn wake(&mut self, topic: &Topic) {
        if let Some(readers) = self.readers.get(topic) {
            if readers.receiver_count() == 0 {
                self.readers.remove(topic);
            } else {
                readers.send_replace(());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::emulator::row::Row;
    use crate::emulator::run::Effect;

    fn run(journal: &Arc<Journal>, id: &str, tags: &[&str]) -> Arc<Run> {
        let mut row = Row::new(id, &format!("run_{id}"), "hello", 1_000);
        row.set_tags(tags.iter().map(|tag| (*tag).to_owned()).collect());
        Arc::new(Run::new(journal, 0, row))
    }

    #[test]
    fn readers_of_a_tag_are_woken_by_its_runs_alone() {
        let journal = Arc::new(Journal::default());
        let (one, two) = (run(&journal, "1", &["a"]), run(&journal, "2", &["b"]));
        journal.note(&one, &[]);
        journal.note(&two, &[]);
        let tag = |name: &str| Topic::Tag(0, name.into());
        let (of_a, of_b, all) =
            (journal.follow(tag("a")), journal.follow(tag("b")), journal.follow(Topic::Environment(0)));
        one.change(2_000, |row| {
            row.set(Column::Status, Some("EXECUTING"));
            Effect::Loud
        });
        let woken = |reader: &watch::Receiver<()>| reader.has_changed().expect("open");
        assert!(woken(&of_a) && !woken(&of_b) && woken(&all));
        assert_eq!(journal.members(&tag("a")).len(), 1);
    }

    #[test]
    fn a_run_that_takes_or_loses_a_tag_wakes_both_and_moves() {
        let journal = Arc::new(Journal::default());
        let run = run(&journal, "1", &["old"]);
        journal.note(&run, &[]);
        let (old, new) = (journal.follow(Topic::Tag(0, "old".into())), journal.follow(Topic::Tag(0, "new".into())));
        run.change(2_000, |row| {
            row.set_tags(vec!["new".into()]);
            Effect::Loud
        });
        assert!(old.has_changed().expect("open") && new.has_changed().expect("open"));
        assert!(journal.members(&Topic::Tag(0, "old".into())).is_empty());
        assert_eq!(journal.members(&Topic::Tag(0, "new".into())).len(), 1);
    }
}
