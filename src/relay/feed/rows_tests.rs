//! The changes that a viewer is sent, for each state that it may have seen.

use super::changes::Changes;
use super::copy::tests::row;
use super::rows::{MAX_TOMBSTONES, Retention, Rows};
use super::since::Since;
use crate::growth::assert_linear;

fn rows(keep: Retention) -> Rows {
    Rows::new(keep, 0)
}

fn put(rows: &mut Rows, id: &str, status: &str, created_ms: u64, updated_ms: u64) {
    rows.put(&id.into(), &row(id, status, created_ms, updated_ms));
}

fn told(changes: &Changes) -> Vec<(String, bool)> {
    changes.rows.iter().map(|(key, _, is_new)| (key.to_string(), *is_new)).collect()
}

#[test]
fn only_what_changed_since_is_told_newest_run_first_and_once() {
    let mut rows = rows(Retention::default());
    put(&mut rows, "a", "PENDING", 1_000, 1_000);
    let seen = Since::Change(rows.sequence());
    assert!(rows.changes(seen, 0).is_empty());
    put(&mut rows, "a", "DEQUEUED", 1_000, 2_000);
    put(&mut rows, "b", "PENDING", 3_000, 3_000);
    put(&mut rows, "a", "EXECUTING", 1_000, 4_000);
    put(&mut rows, "a", "EXECUTING", 1_000, 4_000);
    let changes = rows.changes(seen, 0);
    assert_eq!(told(&changes), [("b".into(), true), ("a".into(), false)]);
    assert_eq!(changes.newest_ms, 4_000);
    assert_eq!(told(&rows.all(0)), [("a".into(), true), ("b".into(), true)]);
}

#[test]
fn a_stranger_is_told_what_changed_after_its_time() {
    let mut rows = rows(Retention::default());
    put(&mut rows, "a", "PENDING", 1_000, 5_000);
    put(&mut rows, "b", "PENDING", 6_000, 6_000);
    assert_eq!(told(&rows.changes(Since::Millis(4_000), 0)), [("b".into(), true), ("a".into(), false)]);
    assert_eq!(told(&rows.changes(Since::Millis(5_000), 0)), [("b".into(), true)]);
    assert!(rows.changes(Since::Millis(6_000), 0).is_empty());
    assert!(!rows.is_lost(Since::Millis(0), 0), "nothing was deleted");
}

#[test]
fn rows_older_than_the_window_are_told_to_nobody_who_came_later() {
    let mut rows = rows(Retention::default());
    put(&mut rows, "old", "PENDING", 59_999, 100_000);
    put(&mut rows, "new", "PENDING", 60_000, 100_001);
    assert_eq!(told(&rows.all(60_000)), [("new".into(), true)]);
    assert_eq!(told(&rows.changes(Since::Change(0), 60_000)), [("new".into(), true)]);
}

#[test]
fn a_delete_is_told_to_who_had_the_row_and_a_stranger_reads_anew() {
    let mut rows = rows(Retention::default());
    put(&mut rows, "a", "PENDING", 1_000, 1_000);
    let seen = Since::Change(rows.sequence());
    put(&mut rows, "b", "PENDING", 1_000, 1_000);
    rows.remove(&"a".into());
    rows.remove(&"b".into());
    let gone: Vec<_> = rows.changes(seen, 0).deletes.iter().map(|gone| gone.key.to_string()).collect();
    assert_eq!(gone, ["a"], "it never had b");
    assert!(rows.is_lost(Since::Millis(u64::MAX), 0) && !rows.is_lost(seen, 0));
    put(&mut rows, "a", "PENDING", 1_000, 2_000);
    assert!(rows.changes(seen, 0).deletes.is_empty(), "it came back");
}

#[test]
fn viewers_who_lack_different_things_are_told_different_things() {
    let mut rows = rows(Retention::default());
    put(&mut rows, "a", "PENDING", 1, 1);
    let b = Since::Change(rows.sequence());
    put(&mut rows, "k", "PENDING", 2, 2);
    let c = Since::Change(rows.sequence());
    put(&mut rows, "a", "EXECUTING", 1, 3);
    let d = Since::Change(rows.sequence());
    rows.remove(&"k".into());
    let told = [b, c, d].map(|since| rows.changes(since, 0).ids());
    assert_eq!([0, 1, 1], [0, 1, 2].map(|viewer: usize| told[viewer].deletes.len()), "b never had k");
    assert!(told[0] != told[1] && told[1] != told[2] && told[0] != told[2]);
    put(&mut rows, "z", "PENDING", 4, 4);
    assert_eq!(rows.changes(c, 0).ids().deletes, told[1].deletes);
}

#[test]
fn a_delete_of_a_run_before_its_window_is_told_to_nobody_who_never_had_it() {
    let mut rows = rows(Retention::default());
    put(&mut rows, "old", "PENDING", 59_999, 100_000);
    let seen = Since::Change(rows.sequence());
    rows.remove(&"old".into());
    assert_eq!(rows.changes(seen, 60_000).deletes.len(), 0);
    assert_eq!(rows.changes(seen, 59_999).deletes.len(), 1);
}

#[test]
fn a_run_that_was_let_go_and_is_deleted_leaves_its_viewers_too() {
    let mut rows = rows(Retention { rows: 1, bytes: usize::MAX });
    put(&mut rows, "running", "EXECUTING", 1, 1);
    for n in 2..5 {
        put(&mut rows, &n.to_string(), "COMPLETED_SUCCESSFULLY", n, n);
        rows.evict();
    }
    let seen = Since::Change(rows.sequence());
    rows.remove(&"2".into());
    let gone: Vec<_> = rows.changes(seen, 0).deletes.iter().map(|gone| gone.key.to_string()).collect();
    assert_eq!(gone, ["2"]);
    // The delete is sent also where the run came back in between, unseen by the viewer.
    put(&mut rows, "3", "COMPLETED_SUCCESSFULLY", 3, 9);
    rows.remove(&"3".into());
    let gone: Vec<_> = rows.changes(seen, 0).deletes.iter().map(|gone| gone.key.to_string()).collect();
    assert_eq!(gone, ["3", "2"]);
}

#[test]
fn forgotten_deletes_send_who_missed_them_back_to_the_start() {
    let mut rows = rows(Retention::default());
    put(&mut rows, "first", "PENDING", 1, 1);
    let early = rows.sequence();
    for n in 0..=MAX_TOMBSTONES {
        put(&mut rows, &n.to_string(), "PENDING", 1, 1);
        rows.remove(&n.to_string().as_str().into());
    }
    assert!(rows.is_lost(Since::Change(early), 0));
    assert!(!rows.is_lost(Since::Change(rows.sequence()), 0));
    assert_eq!(rows.tombstones.len(), MAX_TOMBSTONES);
}

#[test]
fn finished_runs_beyond_the_limit_are_let_go_and_nobody_is_told_too_little() {
    let mut rows = rows(Retention { rows: 2, bytes: usize::MAX });
    put(&mut rows, "running", "EXECUTING", 1, 1);
    for n in 2..6 {
        put(&mut rows, &n.to_string(), "COMPLETED_SUCCESSFULLY", n, n * 10);
        rows.evict();
    }
    assert!(rows.is_partial());
    let mut kept: Vec<_> = rows.entries.keys().map(ToString::to_string).collect();
    kept.sort();
    assert_eq!(kept, ["4", "5", "running"]);
    // Change 4 brought run 3, the last one that was evicted.
    assert!(rows.is_lost(Since::Change(3), 0) && !rows.is_lost(Since::Change(4), 0));
    assert!(rows.is_lost(Since::Millis(29), 0) && !rows.is_lost(Since::Millis(30), 0));
    assert!(!rows.is_lost(Since::Millis(29), 4), "what was let go is older than its window");
    assert_eq!((rows.finished.len(), rows.order.len()), (2, 3));
}

#[test]
fn a_feed_of_one_run_is_never_partial() {
    let mut rows = rows(Retention { rows: 0, bytes: 0 });
    put(&mut rows, "a", "CANCELED", 1, 1);
    rows.evict();
    assert!(!rows.is_partial() && rows.one().is_some());
}

#[test]
fn eighty_thousand_runs_change_and_leave_without_a_look_at_each_for_each() {
    assert_linear("runs of a copy", |length| {
        let mut rows = rows(Retention { rows: length / 2, ..Retention::default() });
        for status in ["PENDING", "COMPLETED_SUCCESSFULLY"] {
            let seen = Since::Change(rows.sequence());
            for run in 0..length {
                put(&mut rows, &run.to_string(), status, 1_000, 1_000);
            }
            rows.evict();
            assert!(told(&rows.changes(seen, 0)).len() >= length / 2);
        }
        for run in 0..length {
            rows.remove(&run.to_string().into());
        }
        assert_eq!(rows.len(), 0);
    });
}
