//! Which wants of a response have news: each has a bit, which its own waker sets. So a change wakes the one task of the
//! response, and costs a look at that want alone.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::task::{Wake, Waker};

use futures_util::task::AtomicWaker;

/// The bits of all slots.
#[derive(Debug)]
pub(super) struct ReadySet {
    words: Box<[AtomicU64]>,
    /// Where the next search begins, so that a want with much news leaves the others their turn.
    next: AtomicUsize,
    slots: usize,
    task: AtomicWaker,
}

impl ReadySet {
    /// A set of so many slots, all of them ready.
    pub(super) fn new(slots: usize) -> Arc<Self> {
        let words = slots.div_ceil(64);
        let set = Self {
            words: (0..words).map(|_| AtomicU64::new(0)).collect(),
            next: AtomicUsize::new(0),
            slots,
            task: AtomicWaker::new(),
        };
        for slot in 0..slots {
            set.insert(slot);
        }
        Arc::new(set)
    }

    /// The task that is woken from now on. Called before [`ReadySet::take`].
    pub(super) fn register(&self, waker: &Waker) {
        self.task.register(waker);
    }

    /// Marks a slot as ready, and wakes nobody.
    pub(super) fn insert(&self, slot: usize) {
        if let Some(word) = self.words.get(slot / 64) {
            word.fetch_or(1 << (slot % 64), Ordering::AcqRel);
        }
    }

    /// The next slot that is ready, in turn; it is not ready any more then.
    pub(super) fn take(&self) -> Option<usize> {
        let start = self.next.load(Ordering::Relaxed);
        let words = self.words.len();
        // The word that the search begins in comes last again, for the slots before the beginning.
        for round in 0..=words {
            let at = (start / 64 + round) % words;
            let mut mask = u64::MAX;
            if round == 0 {
                mask <<= start % 64;
            }
            let found = self.words[at].load(Ordering::Acquire) & mask;
            if found != 0 {
                let bit = found.trailing_zeros() as usize;
                self.words[at].fetch_and(!(1 << bit), Ordering::AcqRel);
                let slot = at * 64 + bit;
                self.next.store((slot + 1) % self.slots, Ordering::Relaxed);
                return Some(slot);
            }
        }
        None
    }
}

/// The waker of one slot.
#[derive(Debug)]
struct SlotWaker {
    set: Arc<ReadySet>,
    slot: usize,
}

impl Wake for SlotWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.set.insert(self.slot);
        self.set.task.wake();
    }
}

/// The waker that makes a slot ready.
pub(super) fn waker(set: &Arc<ReadySet>, slot: usize) -> Waker {
    Arc::new(SlotWaker { set: set.clone(), slot }).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(set: &ReadySet) -> Vec<usize> {
        std::iter::from_fn(|| set.take()).collect()
    }

    #[test]
    fn each_slot_that_is_ready_is_taken_once() {
        let set = ReadySet::new(102);
        assert_eq!(taken(&set), (0..102).collect::<Vec<_>>());
        for slot in [101, 5, 63, 64, 5] {
            waker(&set, slot).wake();
        }
        assert_eq!(taken(&set), [5, 63, 64, 101]);
        assert_eq!(set.take(), None);
    }

    #[test]
    fn a_want_that_is_always_ready_leaves_the_others_their_turn() {
        let set = ReadySet::new(70);
        let mut turns = Vec::new();
        for _ in 0..72 {
            let slot = set.take().expect("one");
            turns.push(slot);
            set.insert(0);
        }
        assert_eq!(turns, (0..70).chain([0, 0]).collect::<Vec<_>>());
    }
}
