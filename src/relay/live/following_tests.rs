//! What a page is told of a feed: by copies whose rows the tests bring.

use std::sync::Arc;
use std::task::{Poll, Waker};

use super::following::Following;
use super::page::{Page, Truth, batch, digests};
use crate::hub::{Batch, Item};
use crate::interleave::{block_on, explore, spawn};
use crate::relay::feed::FeedKey;
use crate::relay::feed::tests::Fixture;

/// Takes all that there is now.
pub(super) fn drain(page: &mut Page, following: &mut Following, beat: u64) -> Vec<String> {
    let mut told = Vec::new();
    loop {
        let step = page.apply(following.step(&digests(), beat, Waker::noop()));
        match step.as_str() {
            "idle" => return told,
            "later" => {}
            "end" => {
                told.push(step);
                return told;
            }
            failed if failed.starts_with("failed") => {
                told.push(step);
                return told;
            }
            _ => told.push(step),
        }
    }
}

pub(super) fn tags() -> Fixture {
    Fixture::new(FeedKey::tags(Some("a"), Some("1h")))
}

fn now_ms() -> u64 {
    crate::clock::unix_ms()
}

/// A run of now, so that it is in the window.
pub(super) fn recent(id: &str, updated: u64) -> Truth {
    Truth { created_ms: now_ms(), ..Truth::new(id, now_ms() + updated) }
}

#[test]
fn a_run_is_told_whole_once_then_what_changes_of_it_and_ends_with_it() {
    let fixture = Fixture::run();
    let mut page = Page::default();
    let mut following = page.follow(&fixture, 0);
    assert!(drain(&mut page, &mut following, 0).is_empty(), "nothing is there yet");
    let mut run = Truth::new("a", 1_000);
    fixture.bring_batch(batch([&run]));
    assert_eq!(drain(&mut page, &mut following, 0), ["row", "ready"]);
    assert!(!page.runs()[0].to_string().contains("secret"), "a column that the server did not announce");
    (run.metadata, run.updated_ms) = (Some("{}".into()), 2_000);
    fixture.bring_batch(batch([&run]));
    assert_eq!(drain(&mut page, &mut following, 0), ["change"]);
    assert_eq!(page.runs(), [run.shown(&[])]);
    (run.metadata, run.status, run.updated_ms) = (None, "COMPLETED_SUCCESSFULLY", 3_000);
    fixture.bring_batch(batch([&run]));
    assert_eq!(drain(&mut page, &mut following, 0), ["change", "end"]);
    assert_eq!(page.runs(), [run.shown(&[])]);
    let mut again = page.follow(&fixture, 0);
    assert_eq!(drain(&mut page, &mut again, 0), ["ready", "end"], "a page that comes back has it all");
}

#[test]
fn a_slow_page_gets_the_newest_state_of_each_row_and_not_those_between() {
    let fixture = tags();
    let mut runs: Vec<_> = ["a", "b", "c"].map(|id| recent(id, 1)).to_vec();
    fixture.bring_batch(batch(&runs));
    let mut page = Page::default();
    let mut following = page.follow(&fixture, 0);
    assert_eq!(page.apply(following.step(&digests(), 0, Waker::noop())), "row");
    for at in 2..50 {
        for run in &mut runs {
            (run.updated_ms, run.metadata) = (run.updated_ms + 1, Some(at.to_string()));
        }
        fixture.bring_batch(batch(&runs));
    }
    assert_eq!(drain(&mut page, &mut following, 0), ["row", "row", "ready", "change"]);
    assert_eq!(page.runs(), runs.iter().map(|run| run.shown(&[])).collect::<Vec<_>>());
}

#[test]
fn a_feed_of_more_rows_than_wait_at_once_is_told_whole_before_it_is_ready() {
    let fixture = tags();
    let runs: Vec<_> = (0..1_000).map(|at| recent(&format!("{at:04}"), 1)).collect();
    fixture.bring_batch(batch(&runs));
    let mut page = Page::default();
    let mut following = page.follow(&fixture, 0);
    let told = drain(&mut page, &mut following, 0);
    assert_eq!((told.len(), told.last().map(String::as_str), page.rows.len()), (1_001, Some("ready"), 1_000));
}

#[test]
fn a_page_that_comes_back_anywhere_is_told_what_it_lacks_and_no_more() {
    let (here, there) = (tags(), tags());
    let mut runs: Vec<_> = ["a", "b", "c"].map(|id| recent(id, 1)).to_vec();
    here.bring_batch(batch(&runs));
    let mut page = Page::default();
    let mut following = page.follow(&here, 0);
    drain(&mut page, &mut following, 0);
    drop(following);
    (runs[1].status, runs[1].updated_ms) = ("WAITING", runs[1].updated_ms + 5);
    runs.push(recent("d", 9));
    there.bring_batch(batch(&runs));
    let mut following = page.follow(&there, 0);
    let mut told = drain(&mut page, &mut following, 0);
    told.sort();
    assert_eq!(told, ["change", "ready", "row"]);
    assert_eq!(page.runs(), runs.iter().map(|run| run.shown(&[])).collect::<Vec<_>>());
    assert!(!following.has_doubts(), "and nothing more is remembered of where it was");
}

#[test]
fn a_relay_that_is_behind_takes_no_page_back_in_time() {
    let (ahead, behind) = (Fixture::run(), Fixture::run());
    let old = Truth::new("a", 1_000);
    let new = Truth { updated_ms: 2_000, status: "WAITING", ..old.clone() };
    ahead.bring_batch(batch([&new]));
    behind.bring_batch(batch(&[Truth { status: "COMPLETED_SUCCESSFULLY", ..old }]));
    let mut page = Page::default();
    let mut following = page.follow(&ahead, 0);
    drain(&mut page, &mut following, 0);
    let mut following = page.follow(&behind, 0);
    assert_eq!(drain(&mut page, &mut following, 0), ["ready"], "not even its end");
    assert!(drain(&mut page, &mut following, 99).is_empty(), "however long it takes");
    let newest = Truth { updated_ms: 3_000, metadata: Some("1".into()), ..new };
    behind.bring_batch(batch([&newest]));
    assert_eq!(drain(&mut page, &mut following, 99), ["change"]);
    assert_eq!(page.runs(), [newest.shown(&[])]);
}

#[test]
fn of_two_states_of_one_time_the_page_keeps_its_own_for_two_heartbeats() {
    let (here, there) = (Fixture::run(), Fixture::run());
    let run = Truth::new("a", 1_000);
    here.bring_batch(batch([&run]));
    let other = Truth { status: "WAITING", ..run };
    there.bring_batch(batch([&other]));
    let mut page = Page::default();
    let mut following = page.follow(&here, 0);
    drain(&mut page, &mut following, 0);
    let mut following = page.follow(&there, 3);
    assert_eq!(drain(&mut page, &mut following, 4), ["ready"]);
    assert!(following.has_doubts());
    assert_eq!(drain(&mut page, &mut following, 5), ["change"]);
    assert_eq!((page.runs(), following.has_doubts()), (vec![other.shown(&[])], false));
}

#[test]
fn a_row_that_is_deleted_leaves_the_page_here_and_elsewhere() {
    let (here, there) = (tags(), tags());
    let runs: Vec<_> = ["a", "b", "c"].map(|id| recent(id, 1)).to_vec();
    here.bring_batch(batch(&runs));
    let mut page = Page::default();
    let mut following = page.follow(&here, 0);
    drain(&mut page, &mut following, 0);
    here.delete("a");
    assert_eq!(drain(&mut page, &mut following, 0), ["gone"]);
    there.bring_batch(batch(&[runs[2].clone(), recent("d", 50)]));
    let mut following = page.follow(&there, 0);
    assert_eq!(drain(&mut page, &mut following, 0), ["row", "ready"]);
    assert_eq!(page.rows.len(), 3, "the copy may be behind");
    assert_eq!(drain(&mut page, &mut following, 2), ["gone"]);
    assert_eq!(page.rows.len(), 2);
}

#[test]
fn a_run_older_than_the_window_is_told_to_pages_that_have_it_alone() {
    let fixture = tags();
    let old = Truth { created_ms: now_ms() - 7_200_000, ..recent("a", 1) };
    let runs = [old.clone(), recent("b", 1)];
    fixture.bring_batch(batch(&runs));
    let mut page = Page::default();
    let mut following = page.follow(&fixture, 0);
    assert_eq!(drain(&mut page, &mut following, 0), ["row", "ready"]);
    let mut following = page.follow(&fixture, 0);
    assert_eq!(drain(&mut page, &mut following, 0), ["ready"], "one that comes back has the newer run alone");
    // A page that came two hours ago.
    let run = Fixture::run();
    run.bring_batch(batch([&old]));
    let mut page = Page::default();
    let mut following = page.follow(&run, 0);
    drain(&mut page, &mut following, 0);
    let mut following = page.follow(&fixture, 0);
    assert_eq!(drain(&mut page, &mut following, 0), ["row", "ready"]);
    fixture.bring_batch(batch(&[Truth { updated_ms: old.updated_ms + 1, status: "WAITING", ..old }]));
    assert_eq!(drain(&mut page, &mut following, 0), ["change"]);
}

#[test]
fn a_copy_that_evicted_runs_is_whole_for_pages_that_saw_them_alone() {
    let fixture = Fixture::keeping_runs(FeedKey::tags(Some("a"), Some("1h")), 1);
    let runs: Vec<_> =
        (1..4).map(|at| Truth { status: "COMPLETED_SUCCESSFULLY", ..recent(&at.to_string(), at) }).collect();
    let mut page = Page::default();
    fixture.bring_batch(batch(&runs[..1]));
    let mut following = page.follow(&fixture, 0);
    drain(&mut page, &mut following, 0);
    for run in &runs[1..] {
        fixture.bring_batch(batch(std::slice::from_ref(run)));
        assert_eq!(drain(&mut page, &mut following, 0), ["row"]);
    }
    let mut following = page.follow(&fixture, 0);
    assert_eq!(drain(&mut page, &mut following, 9), ["ready"], "evicted rows are not gone");
    let mut other = Page::default();
    let mut following = other.follow(&fixture, 0);
    assert_eq!(
        drain(&mut other, &mut following, 0),
        ["row", "partial"],
        "what there is is told, and that it is not all"
    );
    // A page that is too slow for what is kept.
    let slow = Fixture::keeping_runs(FeedKey::tags(Some("a"), Some("1h")), 1);
    slow.bring_batch(batch(&runs[..1]));
    let mut following = other.follow(&slow, 0);
    drain(&mut other, &mut following, 0);
    slow.bring_batch(batch(&runs[1..]));
    assert_eq!(drain(&mut other, &mut following, 0), ["failed 409"]);
}

#[test]
fn a_feed_that_fails_tells_so() {
    let fixture = Fixture::run();
    let mut page = Page::default();
    let mut following = page.follow(&fixture, 0);
    drain(&mut page, &mut following, 0);
    fixture.fail();
    assert_eq!(drain(&mut page, &mut following, 0), ["failed 404"]);
}

#[test]
fn pages_that_make_the_same_step_share_its_text_and_those_that_may_see_less_do_not() {
    let fixture = Fixture::run();
    let run = Truth::new("a", 1_000);
    fixture.bring_batch(batch([&run]));
    let mut pages: Vec<_> = (0..20)
        .map(|at| Page { skips: if at % 2 == 0 { vec!["payload".into()] } else { vec![] }, ..Page::default() })
        .collect();
    let mut all: Vec<_> = pages.iter_mut().map(|page| page.follow(&fixture, 0)).collect();
    for (page, following) in pages.iter_mut().zip(&mut all) {
        assert_eq!(drain(page, following, 0), ["row", "ready"]);
    }
    assert_eq!(fixture.texts_written(), 2);
    let next = Truth { updated_ms: 2_000, payload: Some("q".repeat(100)), ..run };
    fixture.bring_batch(batch([&next]));
    for (page, following) in pages.iter_mut().zip(&mut all) {
        assert_eq!(drain(page, following, 0), ["change"]);
        assert_eq!(page.runs(), [next.shown(&page.skips)]);
    }
    assert_eq!(fixture.texts_written(), 4);
}

#[test]
fn a_change_wakes_its_page_however_they_meet() {
    let states = ["EXECUTING", "WAITING", "COMPLETED_SUCCESSFULLY"];
    let states: Vec<_> =
        (0..).zip(states).map(|(at, status)| Truth { status, ..Truth::new("a", 1_000 + at) }.item()).collect();
    let of = |item: &Item| {
        let Item { key, row, schema } = item;
        let rows = vec![Item { key: key.clone(), row: row.clone(), schema: schema.clone() }];
        Batch { rows, drained: true, ..Batch::default() }
    };
    let orders = explore(2, move || {
        let fixture = Arc::new(Fixture::run());
        fixture.bring_batch(of(&states[0]));
        let theirs = fixture.clone();
        spawn("page", move || {
            let mut page = Page::default();
            let mut following = page.follow(&theirs, 0);
            block_on(std::future::poll_fn(|cx| {
                loop {
                    match page.apply(following.step(&digests(), 0, cx.waker())).as_str() {
                        "end" => return Poll::Ready(()),
                        "idle" => return Poll::Pending,
                        _ => {}
                    }
                }
            }));
        });
        for state in &states[1..] {
            fixture.bring_batch(of(state));
        }
    });
    println!("{orders} orders");
}

#[test]
fn a_page_that_follows_a_run_beyond_its_end_is_told_of_what_changes_then() {
    let fixture = Fixture::run();
    let done = Truth { status: "COMPLETED_SUCCESSFULLY", ..Truth::new("a", 1_000) };
    fixture.bring_batch(batch([&done]));
    let mut page = Page::default();
    let mut following = page.follow(&fixture, 0).lasting(true);
    assert_eq!(drain(&mut page, &mut following, 0), ["row", "ready"]);
    fixture.bring_batch(batch(&[Truth { metadata: Some("1".into()), updated_ms: 2_000, ..done }]));
    assert_eq!(drain(&mut page, &mut following, 0), ["change"]);
    let mut other = page.follow(&fixture, 0);
    assert_eq!(drain(&mut page, &mut other, 0), ["ready", "end"]);
}
