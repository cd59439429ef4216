//! What a page is told where copies are behind, begin without rows, or change between two events.

use super::following_tests::{drain, recent, tags};
use super::page::{Page, Truth, batch, digests};
use super::step::Step;
use crate::growth::assert_linear;
use crate::relay::feed::FeedKey;
use crate::relay::feed::tests::Fixture;

#[test]
fn a_row_that_comes_to_a_copy_without_rows_is_told_to_a_page_that_has_an_older_state() {
    let (here, there) = (tags(), tags());
    let run = recent("a", 1);
    here.bring_batch(batch([&run]));
    let mut page = Page::default();
    let mut following = page.follow(&here, 0);
    drain(&mut page, &mut following, 0);
    // Which columns there are is not known before the first row.
    there.bring_batch(batch([]));
    let mut following = page.follow(&there, 0);
    assert_eq!(drain(&mut page, &mut following, 0), ["ready"]);
    let newer = Truth { updated_ms: run.updated_ms + 1, status: "WAITING", metadata: Some("1".into()), ..run };
    there.bring_batch(batch([&newer]));
    assert_eq!(drain(&mut page, &mut following, 0), ["change"]);
    assert_eq!(page.runs(), [newer.shown(&[])]);
}

#[test]
fn a_row_that_was_deleted_came_again_and_was_deleted_leaves_its_page() {
    let fixture = tags();
    let many = |name: &str| (0..300).map(|at| recent(&format!("{name}{at:03}"), 1)).collect::<Vec<_>>();
    let again = recent("a", 2);
    fixture.bring_batch(batch([&recent("0", 1), &recent("a", 1)]));
    let mut page = Page::default();
    let mut following = page.follow(&fixture, 0);
    let mut next = |page: &mut Page| page.apply(following.step(&digests(), 0, std::task::Waker::noop()));
    assert_eq!(next(&mut page), "row");
    // The page is about to be told of the row, when it goes, many others come, and then the row itself.
    fixture.delete("a");
    fixture.bring_batch(batch(&many("p")));
    fixture.bring_batch(batch([&again]));
    assert_eq!(next(&mut page), "row");
    assert_eq!(page.runs().last(), Some(&again.shown(&[])));
    // Half of the others are told, then the row goes for good.
    while page.rows.len() < 2 + 256 {
        next(&mut page);
    }
    fixture.delete("a");
    drain(&mut page, &mut following, 0);
    assert_eq!(page.rows.len(), 301);
}

#[test]
fn what_changes_of_a_run_as_its_end_is_told_is_told_before_the_want_is_over() {
    let fixture = Fixture::run();
    let mut run = Truth::new("a", 1_000);
    fixture.bring_batch(batch([&run]));
    let mut page = Page::default();
    let mut following = page.follow(&fixture, 0);
    drain(&mut page, &mut following, 0);
    (run.status, run.updated_ms) = ("COMPLETED_SUCCESSFULLY", 2_000);
    fixture.bring_batch(batch([&run]));
    assert_eq!(page.apply(following.step(&digests(), 0, std::task::Waker::noop())), "change");
    (run.metadata, run.updated_ms) = (Some("1".into()), 3_000);
    fixture.bring_batch(batch([&run]));
    assert_eq!(drain(&mut page, &mut following, 0), ["change", "end"]);
    assert_eq!(page.runs(), [run.shown(&[])]);
}

#[test]
fn a_doubt_that_comes_late_lasts_two_heartbeats_as_well() {
    let (ahead, behind) = (Fixture::run(), Fixture::run());
    let old = Truth::new("a", 1_000);
    let first = Truth { updated_ms: 2_000, status: "WAITING", ..old.clone() };
    let second = Truth { metadata: Some("1".into()), ..first.clone() };
    ahead.bring_batch(batch([&second]));
    behind.bring_batch(batch([&old]));
    let mut page = Page::default();
    let mut following = page.follow(&ahead, 0);
    drain(&mut page, &mut following, 0);
    let mut following = page.follow(&behind, 0);
    assert_eq!(drain(&mut page, &mut following, 0), ["ready"]);
    assert!(drain(&mut page, &mut following, 4).is_empty());
    // It catches up with the two states of one time, one after the other.
    behind.bring_batch(batch([&first]));
    assert!(drain(&mut page, &mut following, 5).is_empty(), "the page has the second one");
    assert!(drain(&mut page, &mut following, 6).is_empty());
    behind.bring_batch(batch([&second]));
    assert!(drain(&mut page, &mut following, 6).is_empty());
    assert!(!following.has_doubts());
    // One that stays is told.
    behind.bring_batch(batch([&old]));
    let mut following = page.follow(&behind, 6);
    drain(&mut page, &mut following, 6);
    behind.bring_batch(batch([&first]));
    assert!(drain(&mut page, &mut following, 8).is_empty());
    assert!(drain(&mut page, &mut following, 9).is_empty());
    assert_eq!(drain(&mut page, &mut following, 10), ["change"]);
    assert_eq!(page.runs(), [first.shown(&[])]);
}

#[test]
fn a_doubt_that_is_settled_as_its_row_changes_is_told_once() {
    let (here, there) = (Fixture::run(), Fixture::run());
    let run = Truth::new("a", 1_000);
    here.bring_batch(batch([&run]));
    there.bring_batch(batch([&Truth { status: "WAITING", ..run.clone() }]));
    let mut page = Page::default();
    let mut following = page.follow(&here, 0);
    drain(&mut page, &mut following, 0);
    let mut following = page.follow(&there, 0);
    assert_eq!(drain(&mut page, &mut following, 0), ["ready"]);
    // The change comes with the heartbeat at which the doubt is settled.
    let newer = Truth { metadata: Some("1".into()), ..run };
    there.bring_batch(batch([&newer]));
    assert_eq!(drain(&mut page, &mut following, 2), ["change"]);
    assert_eq!(page.runs(), [newer.shown(&[])]);
}

#[test]
fn a_row_that_changed_after_many_others_is_told_whole_and_before_the_feed_is_ready() {
    let fixture = tags();
    let mut runs: Vec<_> = (0..600).map(|at| recent(&format!("{at:04}"), 1)).collect();
    fixture.bring_batch(batch(&runs));
    (runs[5].status, runs[5].updated_ms) = ("WAITING", runs[5].updated_ms + 1);
    fixture.bring_batch(batch([&runs[5]]));
    let mut page = Page::default();
    let mut following = page.follow(&fixture, 0);
    let mut told = 0;
    while !page.is_ready {
        told += 1;
        // One changes that the page was told of, and one that it was not.
        if told == 300 {
            for at in [10, 550] {
                (runs[at].status, runs[at].updated_ms) = ("WAITING", runs[at].updated_ms + 1);
                fixture.bring_batch(batch([&runs[at]]));
            }
        }
        page.apply(following.step(&digests(), 0, std::task::Waker::noop()));
    }
    assert_eq!((told, page.runs()), (602, runs.iter().map(|run| run.shown(&[])).collect()));
    assert!(drain(&mut page, &mut following, 0).is_empty());
}

#[test]
fn a_page_is_told_all_of_a_row_that_changed_twice_while_many_others_did() {
    let fixture = tags();
    let mut runs: Vec<_> = (0..600).map(|at| recent(&format!("{at:04}"), 1)).collect();
    fixture.bring_batch(batch(&runs));
    let mut page = Page::default();
    let mut following = page.follow(&fixture, 0);
    drain(&mut page, &mut following, 0);
    (runs[5].metadata, runs[5].updated_ms) = (Some("1".into()), runs[5].updated_ms + 1);
    fixture.bring_batch(batch([&runs[5]]));
    for run in &mut runs {
        (run.status, run.updated_ms) = ("WAITING", run.updated_ms + 1);
    }
    fixture.bring_batch(batch(&runs));
    drain(&mut page, &mut following, 0);
    assert_eq!(page.runs(), runs.iter().map(|run| run.shown(&[])).collect::<Vec<_>>());
}

#[test]
fn a_page_that_was_to_be_told_of_a_run_that_is_evicted_first_has_to_ask_again() {
    let fixture = Fixture::keeping_runs(FeedKey::tags(Some("a"), Some("1h")), 2);
    let runs: Vec<_> =
        (1..5).map(|at| Truth { status: "COMPLETED_SUCCESSFULLY", ..recent(&at.to_string(), at) }).collect();
    fixture.bring_batch(batch(&runs[..2]));
    let mut page = Page::default();
    let mut following = page.follow(&fixture, 0);
    assert_eq!(page.apply(following.step(&digests(), 0, std::task::Waker::noop())), "row");
    fixture.bring_batch(batch(&runs[2..]));
    assert_eq!(drain(&mut page, &mut following, 0), ["failed 409"]);
    // It has seen one of the runs that were evicted, and not the other.
    let mut following = page.follow(&fixture, 0);
    assert_eq!(drain(&mut page, &mut following, 0), ["row", "row", "partial"]);
}

#[test]
fn a_page_that_comes_back_is_told_of_many_rows_though_it_lacks_nothing_of_most() {
    let fixture = tags();
    let mut runs: Vec<_> = (0..1_000).map(|at| recent(&format!("{at:04}"), 1)).collect();
    fixture.bring_batch(batch(&runs));
    let mut page = Page::default();
    let mut following = page.follow(&fixture, 0);
    drain(&mut page, &mut following, 0);
    runs[700].updated_ms += 1;
    fixture.bring_batch(batch([&runs[700]]));
    let mut following = page.follow(&fixture, 0);
    let mut later = 0;
    loop {
        match following.step(&digests(), 0, std::task::Waker::noop()) {
            Step::Later => later += 1,
            Step::Ready { .. } => break,
            step => drop(page.apply(step)),
        }
    }
    assert!(later >= 10, "it leaves the thread to others {later} times");
    assert_eq!(page.runs(), runs.iter().map(|run| run.shown(&[])).collect::<Vec<_>>());
}

#[test]
fn rows_that_are_gone_cost_a_look_each_however_many_they_are() {
    let rows = |length: usize| (0..length as u64 / 10).map(|key| super::place::Place::at(key, 1).encode()).collect();
    assert_linear("rows of a page that are gone", |length| {
        let fixture = Fixture::new(FeedKey::batch("b").expect("a key"));
        fixture.bring_batch(batch([&recent("a", 1)]));
        let places: Vec<String> = rows(length);
        let mut following = super::following::Following::new(fixture.another(), Vec::new(), &places, 0);
        let (mut gone, digests) = (0, digests());
        loop {
            match following.step(&digests, 9, std::task::Waker::noop()) {
                Step::Gone(_) => gone += 1,
                Step::Idle => break,
                _ => {}
            }
        }
        assert_eq!(gone, places.len());
    });
}

#[test]
fn what_was_forgotten_before_a_page_came_does_not_keep_it_from_the_rows_that_there_are() {
    let fixture = tags();
    fixture.bring_batch(batch(&(0..600).map(|at| recent(&format!("r{at:03}"), 2)).collect::<Vec<_>>()));
    let gone: Vec<_> = (0..1_100).map(|at| recent(&format!("d{at:04}"), 1)).collect();
    fixture.bring_batch(batch(&gone));
    for run in &gone {
        fixture.delete(&run.id);
    }
    let mut page = Page::default();
    let mut following = page.follow(&fixture, 0);
    let told = drain(&mut page, &mut following, 0);
    assert_eq!((told.len(), told.last().map(String::as_str), page.rows.len()), (601, Some("ready"), 600));
}
