//! What all scenarios share: the runtime in simulated time, the server's habits, the views that readers take.

use std::cell::RefCell;
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};
use tokio::task::{JoinError, JoinHandle};
use tokio::time::sleep;

use super::backend::{Backend, Kind, Running};
use super::history::{Filter, View};
use crate::clock::unix_ms;
use crate::shape::truth::{Habits, SeededRng, Table};

pub(super) const KEY: &str = "tr_dev_simulated0";
const SKIPPED: [&str; 4] = ["payload", "output", "metadata", "updatedAt"];

thread_local! {
    /// One for all scenarios of a thread: connections that the pool keeps belong to it.
    static RUNTIME: RefCell<Option<Runtime>> = const { RefCell::new(None) };
}

/// Plays a scenario in simulated time, and waits until what it left behind has ended.
pub(super) fn in_simulated_time<T>(seed: u64, scenario: impl Future<Output = T>) -> T {
    crate::random::seed(seed);
    RUNTIME.with_borrow_mut(|runtime| {
        let runtime = runtime.get_or_insert_with(|| {
            Builder::new_current_thread().enable_all().start_paused(true).build().expect("a runtime")
        });
        runtime.block_on(async {
            let result = scenario.await;
            // Idle connections are closed after 4 s, and the relay keeps feeds for 5 s.
            sleep(Duration::from_secs(20)).await;
            result
        })
    })
}

/// A server in memory with its first runs.
pub(super) fn server(seed: u64, rng: &mut SeededRng) -> (Backend, Running) {
    let kind = if rng.one_in(2) { Kind::Native } else { Kind::Electric };
    let is_large = rng.one_in(40);
    let habits = Habits {
        max_rows: if is_large { 2_500 } else { 1 + rng.below(12) },
        deletes: kind == Kind::Electric && rng.one_in(2),
        stays_finished: true,
        long_bytes: if rng.one_in(3) { 20_000 } else { 0 },
    };
    let backend = Backend::new(seed, kind, habits, unix_ms());
    backend.change(|table, rng| table.change_of(0, rng));
    for _ in 0..if is_large { 2_000 } else { rng.below(8) } {
        backend.change(Table::change);
    }
    let running = backend.serve();
    (backend, running)
}

/// One of a few views, so that readers meet in some.
pub(super) fn view(rng: &mut SeededRng) -> View {
    let filter = match rng.below(4) {
        0 => Filter::Run(0),
        1 => Filter::Batch,
        _ => Filter::Tags(1 + rng.below(2)),
    };
    let is_recent = matches!(filter, Filter::Tags(_)) && rng.one_in(3);
    View { filter, is_recent, skips: skips(rng) }
}

/// What a reader's task resolves to; its panic, where it panicked.
pub(super) fn outcome<T>(ended: Result<T, JoinError>) -> T {
    ended.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()))
}

/// Ends one of the readers, wherever it is.
pub(super) async fn leave<T>(readers: &mut Vec<JoinHandle<T>>, rng: &mut SeededRng) {
    let left = readers.swap_remove(rng.below(readers.len()));
    left.abort();
    if let Err(error) = left.await
        && error.is_panic()
    {
        std::panic::resume_unwind(error.into_panic());
    }
}

pub(super) fn skips(rng: &mut SeededRng) -> Vec<String> {
    if rng.one_in(2) { Vec::new() } else { vec![rng.pick(&SKIPPED).to_owned()] }
}

/// The server lives on for one step: some changes at once or after each other, an outage, or nothing for a while.
pub(super) async fn live(backend: &Backend, running: &Running, rng: &mut SeededRng) {
    match rng.below(12) {
        0 => running.outage(backend, Duration::from_millis(rng.below(20_000) as u64)).await,
        1 => {
            for _ in 0..rng.below(60) {
                backend.change(Table::change);
                sleep(Duration::from_millis(rng.below(200) as u64)).await;
            }
        }
        2 => sleep(Duration::from_millis(rng.below(40_000) as u64)).await,
        3 => {
            for _ in 0..rng.below(40) {
                backend.change(Table::change);
            }
        }
        _ => {
            for _ in 0..rng.below(4) {
                backend.change(Table::change);
            }
            sleep(Duration::from_millis(rng.below(3_000) as u64)).await;
        }
    }
}
