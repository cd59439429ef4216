//! The rows of a feed: what is published, and which finished runs are let go (I5, I6, I16).

use super::*;

fn insert(key: &'static str, status: &'static str) -> Message<'static> {
    Message::Insert { key: key.into(), value: vec![("status".into(), Some(status.into())), ("n".into(), None)] }
}

fn update(key: &'static str, column: &'static str, text: &'static str) -> Message<'static> {
    Message::Update { key: key.into(), value: vec![(column.into(), Some(text.into()))] }
}

fn delete(key: &'static str) -> Message<'static> {
    Message::Delete { key: key.into() }
}

fn shown(changes: &[Change]) -> Vec<String> {
    changes
        .iter()
        .map(|change| match change {
            Change::Row { key, row } => format!("{key}={}", row.get("status").unwrap_or("-")),
            Change::Gone { key } => format!("{key} gone"),
            Change::Evicted { key } => format!("{key} evicted"),
            Change::Malformed { key, .. } => format!("{} bad", key.as_deref().unwrap_or("?")),
        })
        .collect()
}

fn store(messages: Vec<Message<'static>>) -> RowStore {
    let mut rows = RowStore::default();
    for message in messages {
        rows.apply(message);
    }
    rows
}

#[test]
fn several_changes_of_a_key_are_published_once_merged() {
    let mut rows = store(vec![insert("a", "1"), insert("b", "1"), update("a", "status", "2"), update("a", "n", "7")]);
    assert_eq!(shown(&rows.publish()), ["a=2", "b=1"]);
    assert_eq!(rows.published().next().and_then(|(_, row)| row.get("n")), Some("7"));
    assert!(rows.publish().is_empty());
}

#[test]
fn a_row_that_came_back_to_what_was_published_is_not_published() {
    let mut rows = store(vec![insert("a", "1")]);
    rows.publish();
    rows.apply(update("a", "status", "2"));
    rows.apply(update("a", "status", "1"));
    assert!(rows.publish().is_empty());
}

#[test]
fn a_delete_is_gone_and_a_delete_followed_by_an_insert_is_a_row() {
    let mut rows = store(vec![insert("a", "1"), insert("b", "1")]);
    rows.publish();
    for message in [delete("a"), delete("b"), insert("b", "2"), delete("never")] {
        rows.apply(message);
    }
    assert_eq!(shown(&rows.publish()), ["a gone", "b=2"]);
    assert_eq!(rows.published().count(), 1);
    rows.apply(update("a", "n", "1"));
    assert_eq!(shown(&rows.publish()), ["a=-"], "nothing of the deleted row is left");
}

#[test]
fn a_row_inserted_and_deleted_between_publications_was_never_there() {
    let mut rows = store(vec![insert("a", "1"), delete("a")]);
    assert!(rows.publish().is_empty());
    assert!(rows.entries.is_empty());
}

/// A store that keeps so many finished runs, or so many bytes of them.
fn keeping(finished: usize, finished_bytes: usize) -> RowStore {
    RowStore::new(Retention { finished, finished_bytes, remembered: 64 }, InternLimits::default())
}

/// Finishes a run that has eight bytes of text (its status), and says what that let go.
fn finish(rows: &mut RowStore, key: usize) -> Vec<String> {
    let value = vec![("status".into(), Some("CANCELED".into()))];
    rows.apply(Message::Insert { key: key.to_string().into(), value });
    shown(&rows.publish()).into_iter().filter(|change| change.ends_with(" evicted")).collect()
}

#[test]
fn finished_runs_stay_until_they_are_a_quarter_beyond_the_limit_and_then_the_oldest_go() {
    for mut rows in [keeping(8, usize::MAX / 2), keeping(usize::MAX / 2, 8 * 8)] {
        for key in 0..10 {
            assert!(finish(&mut rows, key).is_empty(), "{key}");
        }
        assert_eq!(finish(&mut rows, 10), ["0 evicted", "1 evicted", "2 evicted"], "to the limit itself");
        assert_eq!((rows.finished, rows.finished_bytes, rows.present), (8, 8 * 8, 8));
        for key in 11..13 {
            assert!(finish(&mut rows, key).is_empty(), "{key}");
        }
        assert_eq!(finish(&mut rows, 13), ["3 evicted", "4 evicted", "5 evicted"]);
    }
}

#[test]
fn of_finished_runs_those_go_first_whose_last_change_is_the_oldest() {
    let mut rows = keeping(8, usize::MAX / 2);
    for key in 0..10 {
        finish(&mut rows, key);
    }
    rows.apply(update("0", "n", "1"));
    rows.publish();
    assert_eq!(finish(&mut rows, 10), ["1 evicted", "2 evicted", "3 evicted"]);
}

#[test]
fn a_finished_run_that_runs_again_or_is_deleted_makes_room() {
    let mut rows = keeping(2, usize::MAX / 2);
    for key in 0..2 {
        finish(&mut rows, key);
    }
    rows.apply(update("0", "status", "EXECUTING"));
    rows.apply(delete("1"));
    rows.publish();
    assert_eq!((rows.finished, rows.finished_bytes, rows.present), (0, 0, 1));
    assert!((2..4).all(|key| finish(&mut rows, key).is_empty()));
    assert_eq!(finish(&mut rows, 4), ["2 evicted"], "the run that goes on is kept");
}

#[test]
fn updates_of_runs_that_were_let_go_make_a_feed_keep_more_but_eight_times_as_many_at_most() {
    let mut rows = keeping(2, 1 << 20);
    for times in [2, 4, 8, 8, 8] {
        for key in 0..100 {
            finish(&mut rows, key);
        }
        assert!(!rows.take_missing());
        rows.apply(update("0", "n", "1"));
        assert!(rows.take_missing(), "only a snapshot has the rest of the row");
        assert!(!rows.take_missing());
        assert_eq!((rows.retention.finished, rows.retention.finished_bytes), (2 * times, times << 20));
    }
}

#[test]
fn after_a_must_refetch_only_differences_are_published() {
    let mut rows = store(vec![insert("a", "1"), insert("b", "1"), insert("c", "1")]);
    rows.publish();
    rows.clear();
    assert_eq!(rows.published().count(), 3, "readers keep what they saw");
    rows.apply(insert("b", "1"));
    rows.apply(insert("a", "2"));
    assert_eq!(shown(&rows.publish()), ["a=2", "c gone"]);
    rows.clear();
    assert_eq!(shown(&rows.publish()), ["a gone", "b gone"]);
}
