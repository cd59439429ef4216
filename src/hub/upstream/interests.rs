//! Which feeds want to be told of which changes, and who is told of one.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::Notify;

use super::subject::Subject;

/// A feed that wants to be told.
#[derive(Debug, Default)]
pub(super) struct Interest {
    changed: AtomicBool,
    wake: Notify,
}

impl Interest {
    /// Something changed since [`Interest::begin`].
    pub(super) fn is_changed(&self) -> bool {
        self.changed.load(Ordering::SeqCst)
    }

    /// A request is about to be sent: what changed before it is in its answer.
    pub(super) fn begin(&self) {
        self.changed.store(false, Ordering::SeqCst);
    }

    /// Waits for a change. One that came before is not lost.
    pub(super) async fn told(&self) {
        self.wake.notified().await;
    }

    fn tell(&self) {
        self.changed.store(true, Ordering::SeqCst);
        self.wake.notify_one();
    }
}

/// Where an interest is kept.
#[derive(Debug)]
pub(super) struct Key {
    id: u64,
    list: List,
}

#[derive(Debug)]
enum List {
    Run(Arc<str>),
    Tag(Arc<str>),
    None,
}

/// An interest in the runs with all of these tags.
type Tagged = (Arc<[Arc<str>]>, Arc<Interest>);

/// The interests by what they are about.
#[derive(Debug, Default)]
pub(super) struct Interests {
    runs: HashMap<Arc<str>, HashMap<u64, Arc<Interest>>>,
    /// Each under one of its tags, with all of them.
    tags: HashMap<Arc<str>, HashMap<u64, Tagged>>,
    last: u64,
    count: usize,
}

impl Interests {
    /// Adds an interest.
    pub(super) fn add(&mut self, subject: &Subject) -> (Key, Arc<Interest>) {
        let interest = Arc::<Interest>::default();
        self.last += 1;
        let id = self.last;
        let list = match subject {
            Subject::Run(run) => {
                self.runs.entry(run.clone()).or_default().insert(id, interest.clone());
                List::Run(run.clone())
            }
            Subject::Tags(tags) => {
                // Under the tag that the fewest have: every change of a run looks at all that are under one of its tags.
                match tags.iter().min_by_key(|tag| self.tags.get(*tag).map_or(0, HashMap::len)) {
                    Some(tag) => {
                        let list = self.tags.entry(tag.clone()).or_default();
                        list.insert(id, (tags.clone(), interest.clone()));
                        List::Tag(tag.clone())
                    }
                    None => List::None,
                }
            }
            Subject::Other => List::None,
        };
        self.count += 1;
        (Key { id, list }, interest)
    }

    /// Removes an interest.
    pub(super) fn remove(&mut self, key: &Key) {
        self.count -= 1;
        match &key.list {
            List::Run(run) => remove_from(&mut self.runs, run, key.id),
            List::Tag(tag) => remove_from(&mut self.tags, tag, key.id),
            List::None => {}
        }
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.count
    }

    /// Tells those that a change of a run with these tags concerns. False where it concerns none.
    pub(super) fn tell(&self, run: &str, tags: &[String]) -> bool {
        let mut told = false;
        for interest in self.runs.get(run).into_iter().flat_map(HashMap::values) {
            interest.tell();
            told = true;
        }
        for (wanted, interest) in tags.iter().filter_map(|tag| self.tags.get(&**tag)).flat_map(HashMap::values) {
            if wanted.iter().all(|tag| tags.iter().any(|has| **has == **tag)) {
                interest.tell();
                told = true;
            }
        }
        told
    }
}

fn remove_from<T>(lists: &mut HashMap<Arc<str>, HashMap<u64, T>>, name: &Arc<str>, id: u64) {
    if let Some(list) = lists.get_mut(name) {
        list.remove(&id);
        if list.is_empty() {
            lists.remove(name);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::growth::assert_linear;

    fn run(id: &str) -> Subject {
        Subject::Run(id.into())
    }

    fn tags(tags: &[&str]) -> Subject {
        Subject::Tags(tags.iter().map(|tag| Arc::from(*tag)).collect())
    }

    fn owned(tags: &[&str]) -> Vec<String> {
        tags.iter().map(|tag| (*tag).to_owned()).collect()
    }

    #[test]
    fn a_change_is_told_to_the_feeds_of_its_run_and_of_its_tags_and_to_no_others() {
        let mut interests = Interests::default();
        let all = [run("run_1"), run("run_1"), run("run_2"), tags(&["a"]), tags(&["a", "b"]), tags(&["b", "c"])];
        let added: Vec<_> = all.iter().map(|subject| interests.add(subject)).collect();
        let told = |interests: &Interests, id: &str, has: &[&str]| {
            for (_, interest) in &added {
                interest.begin();
            }
            let any = interests.tell(id, &owned(has));
            let told: Vec<usize> = (0..added.len()).filter(|n| added[*n].1.is_changed()).collect();
            assert_eq!(any, !told.is_empty());
            told
        };
        assert_eq!(told(&interests, "run_1", &[]), [0, 1]);
        assert_eq!(told(&interests, "run_1", &["a"]), [0, 1, 3]);
        assert_eq!(told(&interests, "run_2", &["b", "a"]), [2, 3, 4]);
        assert_eq!(told(&interests, "run_3", &["c", "b", "x"]), [5]);
        assert_eq!(told(&interests, "run_3", &["c"]), [0_usize; 0]);
        assert_eq!(interests.len(), 6);
        for (key, _) in &added[..2] {
            interests.remove(key);
        }
        assert_eq!(told(&interests, "run_1", &["a"]), [3]);
        for (key, _) in &added[2..] {
            interests.remove(key);
        }
        assert_eq!((interests.len(), interests.runs.len(), interests.tags.len()), (0, 0, 0), "nothing is left behind");
    }

    #[tokio::test]
    async fn a_change_before_the_wait_is_not_lost() {
        let mut interests = Interests::default();
        let (_, interest) = interests.add(&run("run_1"));
        interest.begin();
        interests.tell("run_1", &[]);
        interest.told().await;
        assert!(interest.is_changed());
    }

    #[test]
    fn eighty_thousand_feeds_come_are_told_and_leave_without_a_look_at_each_for_each() {
        assert_linear("feeds that the environment's feed tells", |length| {
            let mut interests = Interests::default();
            let keys: Vec<Key> = (0..length)
                .map(|n| if n % 2 == 0 { run(&format!("run_{n}")) } else { tags(&["app", &format!("user_{n}")]) })
                .map(|subject| interests.add(&subject).0)
                .collect();
            for n in 0..length {
                interests.tell(&format!("run_{n}"), &owned(&["app", &format!("user_{n}")]));
            }
            for key in &keys {
                interests.remove(key);
            }
            assert_eq!(interests.len(), 0);
        });
    }
}
