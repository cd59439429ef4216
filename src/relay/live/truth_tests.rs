//! Pages that come and go between two relays, each as far behind as it likes, against what is true.

use std::collections::BTreeMap;
use std::task::Waker;

use super::following::Following;
use super::page::{Page, Truth, batch, digests};
use crate::clock::unix_ms;
use crate::relay::feed::FeedKey;
use crate::relay::feed::tests::Fixture;
use crate::shape::truth::{SeededRng, fuzz};

/// A copy of a relay, and how many of all changes it was given.
struct Copy {
    fixture: Fixture,
    given: usize,
}

impl Copy {
    /// Catches up with some of the changes, each row once in its newest state as the hub gives it.
    fn catch_up(&mut self, history: &[Truth], to: usize) {
        let mut newest = BTreeMap::new();
        for run in &history[self.given..to] {
            newest.insert(run.id.clone(), run.clone());
        }
        self.given = to;
        if !newest.is_empty() {
            self.fixture.bring_batch(batch(&newest.into_values().collect::<Vec<_>>()));
        }
    }
}

struct Viewer {
    page: Page,
    following: Option<Following>,
    began_at: u64,
}

fn change(rng: &mut SeededRng, runs: &mut BTreeMap<String, Truth>, now_ms: u64) -> Truth {
    let id = rng.below(8).to_string();
    let run = runs.entry(id.clone()).or_insert_with(|| Truth { created_ms: now_ms, ..Truth::new(&id, now_ms) });
    run.updated_ms = now_ms;
    match rng.below(5) {
        0 => run.payload = Some(format!("{now_ms}{}", "p".repeat(rng.below(200)))),
        1 => run.metadata = Some(format!("{now_ms}{}", "m".repeat(rng.below(200)))),
        2 => run.metadata = None,
        3 => run.status = "WAITING",
        _ => run.status = "EXECUTING",
    }
    run.clone()
}

fn play(seed: u64) -> u64 {
    let mut rng = SeededRng::new(seed);
    let (mut runs, mut history) = (BTreeMap::new(), Vec::new());
    let mut now_ms = unix_ms();
    let copy = || Copy { fixture: Fixture::new(FeedKey::tags(Some("a"), Some("1h"))), given: 0 };
    let mut copies = [copy(), copy()];
    let mut viewers: Vec<_> = (0..3)
        .map(|at| Viewer {
            page: Page { skips: if at == 0 { vec!["payload".into()] } else { Vec::new() }, ..Page::default() },
            following: None,
            began_at: 0,
        })
        .collect();
    let mut told = 0;
    for beat in 0..60 {
        for _ in 0..rng.below(4) {
            now_ms += 1;
            history.push(change(&mut rng, &mut runs, now_ms));
        }
        for copy in &mut copies {
            if rng.one_in(2) {
                let more = rng.below(history.len() - copy.given + 1);
                copy.catch_up(&history, copy.given + more);
            }
        }
        for viewer in &mut viewers {
            if rng.one_in(5) {
                viewer.following = None;
            }
            let following = viewer.following.get_or_insert_with(|| {
                viewer.began_at = beat;
                viewer.page.follow(&copies[rng.below(2)].fixture, beat)
            });
            // A slow page takes a few events at a time.
            for _ in 0..rng.below(6) {
                // No doubt is older than a heartbeat: the copies are less far behind than that.
                match viewer.page.apply(following.step(&digests(), viewer.began_at, Waker::noop())).as_str() {
                    "idle" => break,
                    failed if failed.starts_with("failed") => panic!("{failed}"),
                    _ => told += 1,
                }
            }
        }
    }
    for copy in &mut copies {
        copy.catch_up(&history, history.len());
    }
    for viewer in &mut viewers {
        let mut following = viewer.following.take().unwrap_or_else(|| viewer.page.follow(&copies[0].fixture, 0));
        while viewer.page.apply(following.step(&digests(), viewer.began_at, Waker::noop())) != "idle" {}
        let truth: Vec<_> = runs.values().map(|run| run.shown(&viewer.page.skips)).collect();
        assert_eq!(viewer.page.runs(), truth);
    }
    told
}

#[test]
fn however_pages_come_and_go_between_relays_each_has_what_is_true_in_the_end() {
    fuzz(50, play);
}
