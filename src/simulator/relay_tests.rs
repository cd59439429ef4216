//! Viewers of two relays before one simulated server: they come, pause, leave, and change relays amid a feed.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

use super::backend::{Backend, Kind, Running};
use super::scenario::{KEY, in_simulated_time, leave, live, outcome, server, skips, view};
use super::viewer::Viewer;
use crate::clock::unix_ms;
use crate::config::Endpoint;
use crate::hub::BudgetOptions;
use crate::relay::{Options, Relay};
use crate::secret::Secret;
use crate::serve::clock::Clock;
use crate::shape::truth::{SeededRng, fuzz};
use crate::token::{Expiry, Grant, Minter, Use};

const SETTLED: Duration = Duration::from_secs(180);

/// Two relays of one server.
pub(super) fn relays(running: &Running, backend: &Backend, connections: usize) -> [Arc<Relay>; 2] {
    [0, 1].map(|_| {
        let options = Options {
            base_path: Some("".into()),
            upstream: BudgetOptions { connections: Some(connections), ..BudgetOptions::default() },
            ..Options::new(Endpoint::new(&running.url, KEY, None).expect("valid"))
        };
        let backend = backend.clone();
        Relay::with_clock(options, Clock::from_fn(move || backend.now_ms()))
    })
}

/// A token that may read everything, and leaves out these columns.
pub(super) fn token(skips: &[String]) -> String {
    let claims = json!({ "sub": "env_simulated", "pub": true });
    let minter = Minter::new(&Secret::new(KEY), claims.as_object().expect("claims"));
    let realtime = json!({ "skipColumns": skips }).to_string();
    let now = i64::try_from(unix_ms() / 1_000).expect("this century");
    let grant = Grant {
        usage: Use::Public,
        scopes: Some(r#"["read:all","read:runs","read:batch:batch_1"]"#),
        realtime: (!skips.is_empty()).then_some(&realtime),
        expiry: Expiry::Period("20d"),
    };
    minter.mint(&grant, now).expect("a token")
}

/// How a viewer behaves.
struct Behaviour {
    changes_relays: bool,
    pause_ms: u64,
}

/// Polls until everything is to be read, and then until nothing comes any more.
async fn follow(
    mut viewer: Viewer,
    behaviour: Behaviour,
    (relays, backend): ([Arc<Relay>; 2], Backend),
    mut rng: SeededRng,
    drain: watch::Receiver<bool>,
) -> (Viewer, u64) {
    let (mut at, mut quiet, mut polls) = (rng.below(2), 0, 0);
    while quiet < 3 {
        let is_draining = *drain.borrow();
        if behaviour.changes_relays && !is_draining && rng.one_in(3) {
            at = 1 - at;
        }
        let brought = viewer.poll(&relays[at], &backend).await;
        polls += 1;
        quiet = if is_draining && !brought { quiet + 1 } else { 0 };
        if behaviour.pause_ms > 0 && !is_draining {
            sleep(Duration::from_millis(rng.below(usize::try_from(behaviour.pause_ms).expect("small")) as u64)).await;
        }
    }
    (viewer, polls)
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
    let mut viewers: Vec<JoinHandle<(Viewer, u64)>> = Vec::new();
    for _ in 0..20 + rng.below(20) {
        if viewers.len() < 8 && rng.one_in(3) {
            let view = view(&mut rng);
            let token = token(&view.skips);
            let viewer = Viewer::new(view, &skips(&mut rng), token);
            let behaviour = Behaviour {
                changes_relays: !is_steady && rng.one_in(2),
                pause_ms: if is_steady { [0, 3_000][rng.below(2)] } else { [0, 500, 30_000][rng.below(3)] },
            };
            let own = SeededRng::new(rng.below(1 << 30) as u64);
            viewers.push(tokio::spawn(follow(
                viewer,
                behaviour,
                (relays.clone(), backend.clone()),
                own,
                drain.clone(),
            )));
        }
        if !viewers.is_empty() && rng.one_in(12) {
            leave(&mut viewers, &mut rng).await;
        }
        live(&backend, &running, &mut rng).await;
    }
    backend.calm(true);
    let calm = Instant::now();
    sleep(SETTLED).await;
    begin_drain.send_replace(true);
    let mut checked = 0;
    for viewer in viewers {
        let (viewer, polls) = outcome(viewer.await);
        let state = backend.state();
        viewer.watch.complete(&state.table, state.kind == Kind::Electric && !is_steady);
        checked += polls;
    }
    assert!(calm.elapsed() < SETTLED * 3, "viewers are never up to date");
    checked
}

#[test]
fn viewers_that_come_go_and_change_relays_see_each_run_as_it_was_and_end_with_what_there_is() {
    fuzz(15, |seed| in_simulated_time(seed, play(seed)));
}
