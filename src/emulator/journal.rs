//! The order of all changes, and the feeds that wait for them. A change of a run wakes exactly the feeds that show the
//! run.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, MutexGuard};

use tokio::sync::watch;

use super::column::Column;
use super::row::Row;
use crate::lock::lock;

/// The runs that a feed of several runs shows.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Topic {
    /// Every run of an environment.
    Environment(usize),
    /// The runs of an environment with a tag.
    Tag(usize, String),
    /// The runs of a batch, by its public id.
    Batch(String),
}

/// The order of all changes, and the feeds that wait for them.
#[derive(Debug, Default)]
pub(super) struct Journal {
    inner: Mutex<Inner>,
}

/// One entry being made: no other number is drawn meanwhile. So a reader that draws a number later than a change sees
/// the change, whole and in all of its topics.
pub(super) struct Entry<'a>(MutexGuard<'a, Inner>);

#[derive(Debug, Default)]
struct Inner {
    sequence: u64,
    readers: HashMap<Topic, watch::Sender<()>>,
    /// The public ids of the runs that a tag or a batch has.
    members: HashMap<Topic, HashSet<String>>,
}

impl Journal {
    /// The next number, for versions, offsets and cursors.
    pub(super) fn next(&self) -> u64 {
        self.entry().next()
    }

    /// Begins an entry. A change draws its number from it, is made, and is noted with it.
    pub(super) fn entry(&self) -> Entry<'_> {
        Entry(lock(&self.inner))
    }

    /// Subscribes to a topic's changes from now on.
    pub(super) fn follow(&self, topic: Topic) -> watch::Receiver<()> {
        lock(&self.inner).readers.entry(topic).or_insert_with(|| watch::Sender::new(())).subscribe()
    }

    /// The public ids of the runs that a tag or a batch has now, in no order.
    pub(super) fn members(&self, topic: &Topic) -> Vec<String> {
        lock(&self.inner).members.get(topic).into_iter().flatten().cloned().collect()
    }

    /// Removes a run from its topics.
    pub(super) fn forget(&self, environment: usize, batch: Option<&str>, row: &Row) {
        let id = row.get(Column::FriendlyId).unwrap_or_default();
        let mut inner = lock(&self.inner);
        for tag in row.tags() {
            inner.leave(&Topic::Tag(environment, tag.clone()), id);
        }
        if let Some(batch) = batch {
            inner.leave(&Topic::Batch(batch.to_owned()), id);
        }
    }
}

impl Entry<'_> {
    /// The next number.
    pub(super) fn next(&mut self) -> u64 {
        self.0.sequence += 1;
        self.0.sequence
    }

    /// Records that a run is new or changed, and wakes the readers of every topic that it has or had. `before` are the
    /// tags that it had.
    pub(super) fn note(mut self, environment: usize, batch: Option<&str>, before: &[String], row: &Row) {
        let inner = &mut *self.0;
        let id = row.get(Column::FriendlyId).unwrap_or_default();
        let now = row.tags();
        for tag in before.iter().filter(|tag| !now.contains(tag)) {
            inner.leave(&Topic::Tag(environment, tag.clone()), id);
        }
        for tag in now {
            inner.join(Topic::Tag(environment, tag.clone()), id);
        }
        let batch = batch.map(|batch| Topic::Batch(batch.to_owned()));
        if let Some(batch) = &batch {
            inner.join(batch.clone(), id);
        }
        let tags: HashSet<&String> = before.iter().chain(now).collect();
        for tag in tags {
            inner.wake(&Topic::Tag(environment, tag.clone()));
        }
        inner.wake(&Topic::Environment(environment));
        if let Some(batch) = &batch {
            inner.wake(batch);
        }
    }
}

impl Inner {
    fn join(&mut self, topic: Topic, id: &str) {
        self.members.entry(topic).or_default().insert(id.to_owned());
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
    use std::sync::Arc;

    use super::*;
    use crate::emulator::run::{Effect, Run};

    fn run(journal: &Arc<Journal>, id: &str, tags: &[&str]) -> Arc<Run> {
        let mut row = Row::new(id, &format!("run_{id}"), "hello", 1_000);
        row.set_tags(tags.iter().map(|tag| (*tag).to_owned()).collect());
        Arc::new(Run::new(journal, 0, row))
    }

    #[test]
    fn readers_of_a_tag_are_woken_by_its_runs_alone() {
        let journal = Arc::new(Journal::default());
        let (one, two) = (run(&journal, "1", &["a"]), run(&journal, "2", &["b"]));
        one.begin();
        two.begin();
        let tag = |name: &str| Topic::Tag(0, name.into());
        let (of_a, of_b, all) =
            (journal.follow(tag("a")), journal.follow(tag("b")), journal.follow(Topic::Environment(0)));
        one.change(2_000, |row| {
            row.set(Column::Status, Some("EXECUTING"));
            Effect::Notify
        });
        let woken = |reader: &watch::Receiver<()>| reader.has_changed().expect("open");
        assert!(woken(&of_a) && !woken(&of_b) && woken(&all));
        assert_eq!(journal.members(&tag("a")).len(), 1);
    }

    #[test]
    fn a_run_that_takes_or_loses_a_tag_wakes_both_and_moves() {
        let journal = Arc::new(Journal::default());
        let run = run(&journal, "1", &["old"]);
        run.begin();
        let (old, new) = (journal.follow(Topic::Tag(0, "old".into())), journal.follow(Topic::Tag(0, "new".into())));
        run.change(2_000, |row| {
            row.set_tags(vec!["new".into()]);
            Effect::Notify
        });
        assert!(old.has_changed().expect("open") && new.has_changed().expect("open"));
        assert!(journal.members(&Topic::Tag(0, "old".into())).is_empty());
        assert_eq!(journal.members(&Topic::Tag(0, "new".into())).len(), 1);
        // One that is evicted is no member of anything.
        run.leave_journal();
        assert!(journal.members(&Topic::Tag(0, "new".into())).is_empty());
    }
}
