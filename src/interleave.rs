//! Every order in which threads take their locks. A scenario runs again and again, each time in another order, until all
//! orders with at most so many switches away from a thread that could go on were seen (Musuvathi and Qadeer, "Iterative
//! context bounding", 2007). A thread that waits and is not woken again is found as such, whatever the time.
//!
//! The threads are real ones, of which one runs at a time. Each gives the others a turn where it takes a lock
//! ([`crate::lock::lock`]) and at each [`point`]. What runs between two of these places runs at once: the order of memory
//! between atomics is not explored, and neither is the inside of `AtomicWaker` and of Tokio, which have loom tests of
//! their own.

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::pin;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

/// A thread that does not come to its next place within this time waits for something that is not explored.
const FAILSAFE: Duration = Duration::from_secs(60);

thread_local! {
    static TURN: RefCell<Option<Turn>> = const { RefCell::new(None) };
}

/// What a thread of a scenario knows of its turn.
#[derive(Clone)]
struct Turn {
    world: Arc<World>,
    me: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Ready,
    /// It found a lock taken, and tries again once another thread did something.
    Blocked,
    /// It waits to be woken.
    Parked,
    Over,
}

/// One of several threads was chosen.
#[derive(Clone, Copy)]
struct Choice {
    taken: usize,
    of: usize,
}

#[derive(Default)]
struct World {
    inner: Mutex<Inner>,
    changed: Condvar,
}

#[derive(Default)]
struct Inner {
    threads: Vec<(&'static str, State)>,
    woken: Vec<bool>,
    current: usize,
    switches: usize,
    max_switches: usize,
    path: Vec<Choice>,
    depth: usize,
    failed: Option<String>,
    handles: Vec<std::thread::JoinHandle<()>>,
}

impl World {
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    /// Chooses the thread that goes on, after the thread `me` came to a place.
    fn choose(&mut self, me: usize) {
        let goes_on = self.threads[me].1 == State::Ready;
        let ready = |inner: &Self, wanted: State| -> Vec<usize> {
            (0..inner.threads.len()).filter(|&at| at != me && inner.threads[at].1 == wanted).collect()
        };
        // A thread that found a lock taken did nothing that could have released another one.
        if self.threads[me].1 != State::Blocked {
            for blocked in ready(self, State::Blocked) {
                self.threads[blocked].1 = State::Ready;
            }
        }
        let mut candidates = if goes_on { vec![me] } else { Vec::new() };
        if !goes_on || self.switches < self.max_switches {
            candidates.extend(ready(self, State::Ready));
        }
        if candidates.is_empty() {
            if self.threads.iter().any(|(_, state)| *state != State::Over) {
                self.failed.get_or_insert_with(|| format!("threads wait for ever: {:?}", self.threads));
            }
            return;
        }
        let mut taken = 0;
        if candidates.len() > 1 {
            if self.depth == self.path.len() {
                self.path.push(Choice { taken: 0, of: candidates.len() });
            }
            let choice = self.path[self.depth];
            assert_eq!(choice.of, candidates.len(), "a scenario that does other things each time cannot be explored");
            taken = choice.taken;
            self.depth += 1;
        }
        self.current = candidates[taken];
        if goes_on && self.current != me {
            self.switches += 1;
        }
    }

    /// Turns to the next order; false when all were seen.
    fn next_order(&mut self) -> bool {
        while let Some(last) = self.path.last_mut() {
            if last.taken + 1 < last.of {
                last.taken += 1;
                return true;
            }
            self.path.pop();
        }
        false
    }
}

impl Turn {
    /// This thread is in this state now: another one may go on. Comes back when it is this thread's turn.
    fn pass(&self, state: State) {
        let mut inner = self.world.inner();
        inner.threads[self.me].1 = state;
        inner.choose(self.me);
        self.world.changed.notify_all();
        if state != State::Over {
            self.wait(inner);
        }
    }

    fn wait(&self, mut inner: MutexGuard<'_, Inner>) {
        while inner.current != self.me && inner.failed.is_none() {
            let (next, time) = self.world.changed.wait_timeout(inner, FAILSAFE).unwrap_or_else(PoisonError::into_inner);
            inner = next;
            if time.timed_out() {
                inner.failed.get_or_insert_with(|| "a thread waits for what is not explored".to_owned());
            }
        }
        if inner.failed.is_some() {
            drop(inner);
            self.world.changed.notify_all();
            // Not a panic that is printed: the failure is, once.
            resume_unwind(Box::new("the scenario failed"));
        }
        inner.threads[self.me].1 = State::Ready;
    }
}

fn turn() -> Option<Turn> {
    // Destructors of a failed thread run on without turns.
    if std::thread::panicking() { None } else { TURN.with_borrow(Clone::clone) }
}

/// A place at which another thread may go on. False outside of a scenario.
pub(crate) fn point() -> bool {
    let turn = turn();
    if let Some(turn) = &turn {
        turn.pass(State::Ready);
    }
    turn.is_some()
}

/// The thread found a lock taken.
pub(crate) fn blocked() {
    if let Some(turn) = turn() {
        turn.pass(State::Blocked);
    } else {
        std::thread::yield_now();
    }
}

/// Starts another thread of the scenario.
pub(crate) fn spawn(name: &'static str, work: impl FnOnce() + Send + 'static) {
    let turn = turn().expect("within a scenario");
    start(&turn.world, name, work);
}

fn start(world: &Arc<World>, name: &'static str, work: impl FnOnce() + Send + 'static) {
    let mut inner = world.inner();
    let me = inner.threads.len();
    inner.threads.push((name, State::Ready));
    inner.woken.push(false);
    let turn = Turn { world: world.clone(), me };
    let handle = std::thread::spawn(move || {
        let ended = catch_unwind(AssertUnwindSafe(|| {
            turn.wait(turn.world.inner());
            TURN.set(Some(turn.clone()));
            work();
        }));
        TURN.set(None);
        if let Err(panic) = ended {
            let text = panic.downcast_ref::<String>().map(String::as_str);
            let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("a panic").to_owned();
            turn.world.inner().failed.get_or_insert(format!("{name}: {text}"));
        }
        turn.pass(State::Over);
    });
    inner.handles.push(handle);
}

/// Runs a future on a thread of a scenario.
pub(crate) fn block_on<T>(future: impl Future<Output = T>) -> T {
    let turn = turn().expect("within a scenario");
    let waker = Waker::from(Arc::new(turn.clone()));
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(value) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return value;
        }
        let woken = std::mem::take(&mut turn.world.inner().woken[turn.me]);
        turn.pass(if woken { State::Ready } else { State::Parked });
        turn.world.inner().woken[turn.me] = false;
    }
}

impl Wake for Turn {
    fn wake(self: Arc<Self>) {
        let mut inner = self.world.inner();
        inner.woken[self.me] = true;
        if inner.threads[self.me].1 == State::Parked {
            inner.threads[self.me].1 = State::Ready;
        }
    }
}

/// Runs `scenario` on the first of its threads, in every order with at most `max_switches`. The number of orders.
///
/// It runs once before, without a switch: what a process makes once, such as a table of names, takes locks that no later run
/// takes.
///
/// `TRIGGER_NATIVE_SWITCHES` allows so many more switches, for a run of minutes to hours.
///
/// One at a time: a lock of the whole process that another exploration holds would look as if it were held for ever.
pub(crate) fn explore(max_switches: usize, scenario: impl Fn() + Clone + Send + 'static) -> usize {
    static ONE: Mutex<()> = Mutex::new(());
    let _one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    let more = std::env::var("TRIGGER_NATIVE_SWITCHES").ok().and_then(|text| text.parse::<usize>().ok()).unwrap_or(0);
    let mut path = Vec::new();
    for orders in 0.. {
        let world = Arc::new(World::default());
        {
            let mut inner = world.inner();
            inner.path = std::mem::take(&mut path);
            inner.max_switches = if orders == 0 { 0 } else { max_switches + more };
        }
        start(&world, "first", scenario.clone());
        world.changed.notify_all();
        loop {
            let Some(handle) = world.inner().handles.pop() else { break };
            let _ = handle.join();
        }
        let mut inner = world.inner();
        if let Some(failed) = &inner.failed {
            let order: Vec<_> = inner.path.iter().map(|choice| choice.taken).collect();
            panic!("{failed}; after {orders} orders, in the order {order:?}");
        }
        if orders == 0 {
            continue;
        }
        if !inner.next_order() {
            return orders;
        }
        path = std::mem::take(&mut inner.path);
    }
    unreachable!("the orders are finite")
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

    use super::*;
    use crate::lock::lock;

    #[test]
    fn an_update_that_is_lost_between_two_locks_is_found() {
        let failure = catch_unwind(|| {
            explore(1, || {
                let count = Arc::new(Mutex::new(0));
                let done = Arc::new(AtomicUsize::new(0));
                for _ in 0..2 {
                    let (count, done) = (count.clone(), done.clone());
                    spawn("adder", move || {
                        let before = *lock(&count);
                        *lock(&count) = before + 1;
                        if done.fetch_add(1, SeqCst) == 1 {
                            assert_eq!(*lock(&count), 2, "an update was lost");
                        }
                    });
                }
            })
        });
        let text = failure.expect_err("it is found");
        assert!(text.downcast_ref::<String>().is_some_and(|text| text.contains("an update was lost")));
    }

    #[test]
    fn two_threads_that_wait_for_each_others_lock_are_found() {
        let failure = catch_unwind(|| {
            explore(1, || {
                let (one, two) = (Arc::new(Mutex::new(())), Arc::new(Mutex::new(())));
                let (first, second) = (one.clone(), two.clone());
                spawn("a", move || drop((lock(&first), lock(&second))));
                spawn("b", move || drop((lock(&two), lock(&one))));
            })
        });
        let text = failure.expect_err("it is found");
        assert!(text.downcast_ref::<String>().is_some_and(|text| text.contains("wait for ever")));
    }

    #[test]
    fn a_wake_up_that_comes_before_the_wait_is_found_to_be_lost() {
        let failure = catch_unwind(|| {
            explore(1, || {
                let state: Arc<Mutex<(bool, Option<Waker>)>> = Arc::default();
                let theirs = state.clone();
                spawn("waker", move || {
                    lock(&theirs).0 = true;
                    if let Some(waker) = lock(&theirs).1.take() {
                        waker.wake();
                    }
                });
                spawn("waiter", move || {
                    block_on(std::future::poll_fn(|cx| {
                        if lock(&state).0 {
                            return Poll::Ready(());
                        }
                        // The mistake: the state is not looked at again.
                        lock(&state).1 = Some(cx.waker().clone());
                        Poll::Pending
                    }));
                });
            })
        });
        let text = failure.expect_err("it is found");
        assert!(text.downcast_ref::<String>().is_some_and(|text| text.contains("wait for ever")));
    }

    #[test]
    fn all_orders_of_two_threads_with_two_locks_each_are_seen() {
        let seen: Arc<Mutex<std::collections::BTreeSet<String>>> = Arc::default();
        let all = seen.clone();
        let orders = explore(4, move || {
            let text: Arc<Mutex<String>> = Arc::default();
            for name in ["a", "b"] {
                let (text, all) = (text.clone(), all.clone());
                spawn(name, move || {
                    for _ in 0..2 {
                        lock(&text).push_str(name);
                    }
                    let text = lock(&text).clone();
                    if text.len() == 4 {
                        all.lock().unwrap_or_else(PoisonError::into_inner).insert(text);
                    }
                });
            }
        });
        let seen = seen.lock().unwrap_or_else(PoisonError::into_inner).clone();
        assert_eq!(seen.len(), 6, "{seen:?} in {orders} orders");
    }
}
