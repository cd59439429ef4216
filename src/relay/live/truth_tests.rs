//! Pages that come and go between two relays, each as far behind as it likes, against what is true.

use std::collections::BTreeMap;
use std::task::Waker;

use super::following::Following;
use super::page::{Page, Truth, batch, digests};
use crate::clock::unix_ms;
use crate::hub::Batch;
use crate::relay::feed::FeedKey;
use crate::relay::feed::tests::Fixture;
use crate::shape::truth::{SeededRng, fuzz};

/// What happened to a run: its new state, or `None` where it was deleted.
type Change = (String, Option<Truth>);

/// A copy of a relay, and how many of all changes it was given.
struct Copy {
    fixture: Fixture,
    given: usize,
}

impl Copy {
    /// A copy of a relay that has just started. That it has no rows may be told before the first one.
    fn new(rng: &mut SeededRng) -> Self {
        let copy = Self { fixture: Fixture::new(FeedKey::tags(Some("a"), Some("1h"))), given: 0 };
        if rng.one_in(3) {
            copy.fixture.bring_batch(batch([]));
        }
        copy
    }

    /// Catches up with some of the changes, each row once in its newest state as the hub gives it.
    fn catch_up(&mut self, history: &[Change], to: usize) {
        let mut newest = BTreeMap::new();
        let mut gone = Vec::new();
        for (id, run) in &history[self.given..to] {
            if run.is_none() {
                gone.push(format!("\"public\".\"TaskRun\"/\"{id}\"").as_str().into());
            }
            newest.insert(id, run.as_ref());
        }
        self.given = to;
        if !newest.is_empty() {
            self.fixture.bring_batch(Batch { gone, ..batch(newest.into_values().flatten()) });
        }
    }
}

struct Viewer {
    page: Page,
    following: Option<(usize, Following)>,
    began_at: u64,
}

impl Viewer {
    fn follow(&mut self, rng: &mut SeededRng, copies: &[Copy], beat: u64) {
        if self.following.is_some() {
            return;
        }
        // A page need not keep what it has, and may want to see more than before.
        if rng.one_in(5)
            && let Some(key) = self.page.rows.keys().nth(rng.below(self.page.rows.len().max(1))).cloned()
        {
            self.page.rows.remove(&key);
        }
        if rng.one_in(20) {
            self.page.skips.clear();
        }
        self.began_at = beat;
        let at = rng.below(copies.len());
        self.following = Some((at, self.page.follow(&copies[at].fixture, beat)));
    }

    /// Takes at most so many events, at a heartbeat. Returns how many there were.
    fn take(&mut self, events: usize, beat: u64) -> u64 {
        let Some((_, following)) = &mut self.following else { return 0 };
        let mut told = 0;
        for _ in 0..events {
            match self.page.apply(following.step(&digests(), beat, Waker::noop())).as_str() {
                "idle" => break,
                failed if failed.starts_with("failed") => panic!("{failed}"),
                _ => told += 1,
            }
        }
        told
    }
}

fn change(rng: &mut SeededRng, runs: &mut BTreeMap<String, Truth>, ids: usize, now_ms: u64) -> Change {
    let id = format!("{:03}", rng.below(ids));
    if rng.one_in(10) && runs.remove(&id).is_some() {
        return (id, None);
    }
    let new = || {
        let payload = Some(format!("new {now_ms}{}", "p".repeat(100)));
        Truth { created_ms: now_ms, payload, ..Truth::new(&id, now_ms) }
    };
    let run = runs.entry(id.clone()).or_insert_with(new);
    run.updated_ms = now_ms;
    match rng.below(6) {
        0 => run.payload = Some(format!("{now_ms}{}", "p".repeat(rng.below(200)))),
        1 => run.metadata = Some(format!("{now_ms}{}", "m".repeat(rng.below(200)))),
        2 => run.metadata = None,
        3 => run.payload = None,
        4 => run.status = "WAITING",
        _ => run.status = "EXECUTING",
    }
    (id, Some(run.clone()))
}

fn play(seed: u64) -> u64 {
    let mut rng = SeededRng::new(seed);
    let (mut runs, mut history) = (BTreeMap::new(), Vec::new());
    let mut now_ms = unix_ms();
    // More rows than wait at once, sometimes.
    let (ids, beats) = if rng.one_in(10) { (400, 20) } else { (8, 60) };
    let mut copies = [Copy::new(&mut rng), Copy::new(&mut rng)];
    let mut viewers: Vec<_> = (0..3)
        .map(|at| Viewer {
            page: Page { skips: if at == 0 { vec!["payload".into()] } else { Vec::new() }, ..Page::default() },
            following: None,
            began_at: 0,
        })
        .collect();
    let mut told = 0;
    for beat in 0..beats {
        for _ in 0..rng.below(4) * ids / 8 {
            // Several changes may be of one time.
            now_ms += u64::from(!rng.one_in(4));
            history.push(change(&mut rng, &mut runs, ids, now_ms));
        }
        for (at, copy) in copies.iter_mut().enumerate() {
            if rng.one_in(20) {
                *copy = Copy::new(&mut rng);
                for viewer in &mut viewers {
                    drop(viewer.following.take_if(|(relay, _)| *relay == at));
                }
            }
            if rng.one_in(2) {
                copy.catch_up(&history, copy.given + rng.below(history.len() - copy.given + 1));
            }
        }
        for viewer in &mut viewers {
            if rng.one_in(5) {
                viewer.following = None;
            }
            viewer.follow(&mut rng, &copies, beat);
            // A slow page takes a few events at a time. No doubt is older than a heartbeat: the copies are less far
            // behind than that.
            told += viewer.take(rng.below(6) * ids / 8, viewer.began_at);
        }
    }
    // The last change of all: every copy is then known to have all.
    history.push(("last".into(), Some(Truth { created_ms: now_ms, ..Truth::new("last", now_ms + 1) })));
    runs.extend(history.last().cloned().and_then(|(id, run)| Some((id, run?))));
    for copy in &mut copies {
        copy.catch_up(&history, history.len());
    }
    for viewer in &mut viewers {
        viewer.follow(&mut rng, &copies, 0);
        for beat in 0..6 {
            told += viewer.take(usize::MAX, viewer.began_at + beat);
        }
        let truth: Vec<_> = runs.values().map(|run| run.shown(&viewer.page.skips)).collect();
        assert_eq!(viewer.page.runs(), truth);
    }
    told
}

#[test]
fn however_pages_come_and_go_between_relays_each_has_what_is_true_in_the_end() {
    fuzz(50, play);
}

/// Of more rows than wait at once, one was deleted, came again, and was deleted once more before its turn.
#[test]
fn a_run_that_was_deleted_twice_before_its_turn_leaves_the_page() {
    play(8_409_074_162_282_759_258);
}
