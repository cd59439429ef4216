//! Readers of the hub, over the pool and the drivers, against the simulated server: one and many, quick and slow, that
//! come and go.

use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout, timeout_at};

use super::backend::{Backend, Kind};
use super::history::{Filter, View, Watch};
use super::scenario::{KEY, in_simulated_time, leave, live, outcome, server, view};
use crate::config::Endpoint;
use crate::connection::RetryPolicy;
use crate::hub::{Batch, BudgetOptions, End, FeedSpec, Hub, Reader, ReaderOptions};
use crate::shape::truth::{Cells, SeededRng, fuzz};

/// Longer than a server holds a request, the longest silence of a connection and the longest wait between two attempts
/// together: after that without trouble, every reader has everything.
const SETTLED: Duration = Duration::from_secs(180);

fn spec(url: &str, view: &View) -> FeedSpec {
    let mut query = view.parameters();
    if !view.skips.is_empty() {
        query.push(("skipColumns", view.skips.join(",")));
    }
    let endpoint = Endpoint::new(url, KEY, None).expect("valid");
    FeedSpec { endpoint, path: view.path().into(), query: query.into(), retry: RetryPolicy::default() }
}

/// A reader, and what it saw.
struct Watched {
    reader: Reader,
    options: ReaderOptions,
    watch: Watch,
    backend: Backend,
    checked: u64,
    is_over: bool,
}

impl Watched {
    fn take(&mut self, batch: Batch) {
        assert!(batch.faults.is_empty(), "a row that cannot be read: {:?}", batch.faults);
        let state = self.backend.state();
        for key in &batch.gone {
            self.watch.gone(&state.history, state.table.now_ms, key);
        }
        for item in batch.rows {
            let cells: Cells = item.row.iter().map(|(name, text)| (name.to_owned(), text.to_owned())).collect();
            self.watch.take(&state.history, state.table.now_ms, &item.key, cells);
            self.checked += 1;
        }
        match batch.end {
            None => {}
            Some(End::Failed(error)) => panic!("a reader ended: {error:?}"),
            Some(End::Complete) => {
                assert!(self.options.until_finished, "a reader ended by itself");
                let status = self.watch.row("\"public\".\"TaskRun\"/\"c0\"").and_then(|cells| cells.get("status"));
                assert_eq!(status.map(String::as_str), Some(crate::shape::truth::FINISHED), "it ended before the run");
                self.is_over = true;
            }
        }
    }

    /// Reads with pauses of up to `pace_ms` until everything is to be read, and then until nothing comes.
    async fn read(mut self, pace_ms: u64, mut rng: SeededRng, mut drain: watch::Receiver<bool>) -> Self {
        while !self.is_over && !*drain.borrow_and_update() {
            let batch = tokio::select! {
                biased;
                _ = drain.changed() => continue,
                batch = self.reader.next() => batch,
            };
            self.take(batch);
            if pace_ms > 0 {
                let pause = Duration::from_millis(rng.below(usize::try_from(pace_ms).expect("small")) as u64);
                let _ = timeout(pause, drain.changed()).await;
            }
        }
        // Notices go on: feeds that take turns are live and polling by turns.
        let mut quiet = Instant::now() + SETTLED;
        while !self.is_over
            && let Ok(batch) = timeout_at(quiet, self.reader.next()).await
        {
            if !batch.rows.is_empty() || !batch.gone.is_empty() {
                quiet = Instant::now() + SETTLED;
            }
            self.take(batch);
        }
        self
    }
}

fn join(
    backend: &Backend,
    (url, connections): (&str, usize),
    rng: &mut SeededRng,
    drain: &watch::Receiver<bool>,
) -> JoinHandle<Watched> {
    let view = view(rng);
    let is_one = matches!(view.filter, Filter::Run(_));
    let options = ReaderOptions {
        until_finished: is_one && rng.one_in(2),
        until_gone: false,
        notices: rng.one_in(2),
        copies: rng.one_in(2),
    };
    let spec = spec(url, &view);
    let upstream = BudgetOptions { connections: Some(connections), ..BudgetOptions::default() };
    let budget = Hub::budget(&spec.endpoint, &upstream);
    let reader = Hub::global().open_within(&spec, options, budget.as_ref());
    let watch = Watch::new(view, false, options.copies);
    let watched = Watched { reader, options, watch, backend: backend.clone(), checked: 0, is_over: false };
    let pace_ms = [0, 0, 0, 20, 2_000, 60_000][rng.below(6)];
    tokio::spawn(watched.read(pace_ms, SeededRng::new(rng.below(1 << 30) as u64), drain.clone()))
}

async fn play(seed: u64) -> u64 {
    let mut rng = SeededRng::new(seed);
    let (backend, running) = server(seed, &mut rng);
    backend.calm(rng.one_in(6));
    // Without a budget, or with fewer long-polls than there are feeds.
    let connections = [0, 1, 2, 3, 8][rng.below(5)];
    backend.state().loses_notifications = rng.one_in(2);
    let (begin_drain, drain) = watch::channel(false);
    let mut readers: Vec<JoinHandle<Watched>> = Vec::new();
    for _ in 0..20 + rng.below(40) {
        if readers.len() < 6 && rng.one_in(4) {
            readers.push(join(&backend, (&running.url, connections), &mut rng, &drain));
        }
        if !readers.is_empty() && rng.one_in(16) {
            leave(&mut readers, &mut rng).await;
        }
        live(&backend, &running, &mut rng).await;
    }
    backend.calm(true);
    sleep(SETTLED).await;
    begin_drain.send_replace(true);
    let mut checked = 0;
    for reader in readers {
        let watched = outcome(reader.await);
        let state = backend.state();
        // Runs that the feed let go of are deleted unseen (docs/protocol.md, I16).
        let keeps_deleted = state.kind == Kind::Electric && state.table.rows.len() > 1_000;
        if !watched.is_over {
            watched.watch.complete(&state.table, keeps_deleted);
        }
        checked += watched.checked;
    }
    let answers = backend.state().answers;
    let peak = backend.state().peak;
    assert!(connections == 0 || peak <= connections, "{peak} long-polls were held at once");
    checked + answers
}

#[test]
fn whatever_becomes_of_their_connections_readers_see_each_run_as_it_was_and_end_with_what_there_is() {
    fuzz(20, |seed| in_simulated_time(seed, play(seed)));
}
