//! Pages that follow runs on the live streams of two relays before one simulated server: they come, go, lose their
//! response, pause, and go on at the other relay.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

use super::backend::{Backend, Kind};
use super::page::{Page, Want};
use super::relay_tests::{relays, token};
use super::scenario::{in_simulated_time, leave, live, outcome, server, skips, view};
use crate::relay::Relay;
use crate::shape::truth::{SeededRng, fuzz};

/// Two heartbeats settle what time alone can tell, and nothing tells of some changes for longer.
const SETTLED: Duration = Duration::from_secs(240);

/// Reads until everything is to be read, and then until nothing comes any more.
async fn follow(
    mut page: Page,
    (relays, backend): ([Arc<Relay>; 2], Backend),
    (is_steady, mut rng): (bool, SeededRng),
    drain: watch::Receiver<bool>,
) -> (Page, u64) {
    let (mut at, mut quiet, mut reads) = (rng.below(2), 0, 0);
    while quiet < 8 {
        let is_draining = *drain.borrow();
        if !is_draining && rng.one_in(8) {
            page.leave();
            if !is_steady {
                at = rng.below(2);
            }
        }
        let is_news = page.read(&relays[at], &backend).await;
        reads += 1;
        quiet = if is_draining && !is_news { quiet + 1 } else { 0 };
        if !is_draining && rng.one_in(4) {
            sleep(Duration::from_millis(rng.below(5_000) as u64)).await;
        }
    }
    (page, reads)
}

async fn play(seed: u64) -> u64 {
    let mut rng = SeededRng::new(seed);
    let (backend, running) = server(seed, &mut rng);
    let relays = relays(&running, &backend, [0, 1, 2, 8][rng.below(4)]);
    backend.state().loses_notifications = rng.one_in(2);
    backend.calm(rng.one_in(4));
    // Only a copy that lives on knows every delete (docs/relay-feeds.md, "What it does not do").
    let is_steady = rng.one_in(2);
    let (begin_drain, drain) = watch::channel(false);
    let mut pages: Vec<JoinHandle<(Page, u64)>> = Vec::new();
    for _ in 0..20 + rng.below(20) {
        if pages.len() < 5 && rng.one_in(4) {
            let wants = (0..=rng.below(4)).map(|_| {
                let view = view(&mut rng);
                let token = token(&view.skips);
                Want::new(view, &skips(&mut rng), token)
            });
            let page = Page::new(wants.collect());
            let own = SeededRng::new(rng.below(1 << 30) as u64);
            pages.push(tokio::spawn(follow(page, (relays.clone(), backend.clone()), (is_steady, own), drain.clone())));
        }
        if !pages.is_empty() && rng.one_in(12) {
            leave(&mut pages, &mut rng).await;
        }
        live(&backend, &running, &mut rng).await;
    }
    backend.calm(true);
    let calm = Instant::now();
    sleep(SETTLED).await;
    begin_drain.send_replace(true);
    let mut checked = 0;
    for page in pages {
        let (page, reads) = outcome(page.await);
        let state = backend.state();
        for want in &page.wants {
            want.watch.complete(&state.table, state.kind == Kind::Electric && !is_steady);
        }
        checked += reads;
    }
    assert!(calm.elapsed() < SETTLED * 3, "pages are never up to date");
    checked
}

#[test]
fn pages_that_come_go_and_change_relays_see_each_run_as_it_was_and_end_with_what_there_is() {
    fuzz(15, |seed| in_simulated_time(seed, play(seed)));
}
