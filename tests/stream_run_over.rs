//! The machine of a stream whose run is over: the stream is read to its tail, and ends there.

mod stream_support;

use stream_support::{Bench, DONE, FOLLOW, batch, ping, timeout, v1};
use trigger_native::stream::{Ending, Event, Step};

#[test]
fn the_stream_of_a_finished_run_is_read_however_late_its_first_byte_comes() {
    let mut bench = Bench::new(FOLLOW);
    bench.on(Event::RunOver);
    assert!(matches!(bench.open(true), Step::Read { quiet_ms: None }));
    bench.on(Event::Quiet);
    bench.text(&batch(0, "1"));
    assert!(matches!(bench.step, Step::Read { quiet_ms: None }), "nor is a pause after it the end");
    bench.text(&(batch(1, "2") + DONE));
    assert_eq!(*bench.end().as_ref().expect("no error"), Ending::Complete);
    assert_eq!(bench.values, ["1", "2"]);

    // v1 has no marker: once a value came, a pause is the end.
    let mut bench = Bench::new(FOLLOW);
    bench.on(Event::RunOver);
    assert!(matches!(bench.open(false), Step::Read { quiet_ms: None }));
    bench.on(Event::Quiet);
    assert!(matches!(bench.text(&v1(1, "1")), Step::Read { quiet_ms: Some(_) }));
    bench.on(Event::Quiet);
    assert_eq!(*bench.end().as_ref().expect("no error"), Ending::Complete);
    assert_eq!(bench.values, ["1"]);
}

#[test]
fn a_run_that_ends_amid_its_stream_loses_nothing_that_the_server_told_of() {
    let mut bench = Bench::new(FOLLOW);
    bench.open(true);
    bench.text(&(batch(0, "1") + &batch(1, "2") + &ping(3)));
    bench.on(Event::RunOver);
    bench.on(Event::Quiet);
    assert_eq!(bench.request().last_event_id.as_deref(), Some("1"));
    bench.open(true);
    bench.text(&(batch(2, "3") + &ping(3)));
    assert_eq!(*bench.end().as_ref().expect("no error"), Ending::Complete);
    assert_eq!(bench.values, ["1", "2", "3"]);
}

#[test]
fn a_run_that_ends_amid_its_v1_stream_is_asked_once_more_for_what_it_wrote_last() {
    let mut bench = Bench::new(FOLLOW);
    bench.open(false);
    bench.text(&(v1(1, "1") + &v1(2, "2")));
    bench.on(Event::RunOver);
    bench.on(Event::Quiet);
    assert_eq!(bench.request().last_event_id.as_deref(), Some("1-0"));
    bench.open(false);
    bench.text(&(v1(2, "2") + &v1(3, "3")));
    bench.on(Event::Quiet);
    assert_eq!(*bench.end().as_ref().expect("no error"), Ending::Complete);
    assert_eq!(bench.values, ["1", "2", "3"]);
}

#[test]
fn a_v1_body_that_ends_or_goes_silent_amid_an_event_or_what_was_taken_before_is_not_all_there_is() {
    // The body ends cleanly and after its time, but amid an event: a proxy cut it.
    let mut bench = Bench::new(timeout(5));
    bench.open(false);
    bench.text("id: 1-0\ndata: 0\n\nid: 1-0\nda");
    bench.at += 6_000;
    assert!(matches!(bench.on(Event::Closed), Step::Wait { .. }));
    // Only a part of the values already taken comes again.
    bench.wake();
    bench.open(false);
    bench.text("id: 1-0\ndata: 0\n\nid: 1-0\ndata: 1\n\n");
    bench.cut();
    bench.wake();
    bench.open(false);
    bench.text("id: 1-0\ndata: 0\n\n");
    bench.at += 6_000;
    assert!(matches!(bench.on(Event::Closed), Step::Wait { .. }));
    bench.wake();
    bench.open(false);
    bench.text("id: 1-0\ndata: 0\n\nid: 1-0\ndata: 1\n\nid: 2-0\ndata: 2\n\n");
    bench.at += 6_000;
    bench.on(Event::Closed);
    assert_eq!((bench.end().as_ref().expect("no error"), bench.values.len()), (&Ending::Idle, 3));

    // The run is over, and its body goes silent amid an event. A server that never completes it has no more.
    let mut bench = Bench::new(FOLLOW);
    bench.on(Event::RunOver);
    for _ in 0..3 {
        bench.open(false);
        bench.text(": ping\n\nid: 1-0\ndata: ");
        assert!(matches!(bench.on(Event::Quiet), Step::Request(_)));
    }
    bench.open(false);
    bench.text("id: 1-0\ndata: ");
    bench.on(Event::Quiet);
    assert_eq!(*bench.end().as_ref().expect("no error"), Ending::Complete);
}

#[test]
fn a_v1_connection_whose_ping_is_late_does_not_tell_that_nothing_was_written() {
    for (late, asks) in [(13_000, true), (11_000, false)] {
        let mut bench = Bench::new(FOLLOW);
        bench.open(false);
        bench.at += 10_000;
        bench.text(": ping\n\n");
        bench.at += late;
        assert_eq!(matches!(bench.on(Event::RunOver), Step::Request(_)), asks, "{late}");
    }
}

#[test]
fn a_window_that_ended_before_its_run_is_not_the_end_of_the_stream() {
    let mut bench = Bench::new(FOLLOW);
    bench.open(true);
    bench.text(&batch(0, "1"));
    bench.on(Event::RunOver);
    bench.text(DONE);
    assert_eq!(bench.request().last_event_id.as_deref(), Some("0"), "the run may have written after it");
    bench.open(true);
    bench.text(&(batch(1, "2") + DONE));
    assert_eq!(*bench.end().as_ref().expect("no error"), Ending::Complete);
    assert_eq!(bench.values, ["1", "2"]);
}

#[test]
fn a_clean_and_empty_body_does_not_end_the_stream_of_a_finished_run() {
    for v2 in [true, false] {
        let mut bench = Bench::new(FOLLOW);
        bench.on(Event::RunOver);
        bench.open(v2);
        bench.text(&if v2 { batch(0, "1") } else { v1(1, "1") });
        bench.on(Event::Closed);
        bench.wake();
        bench.open(v2);
        bench.on(Event::Closed);
        bench.wake();
        bench.open(v2);
        bench.text(&if v2 { batch(1, "2") + &ping(2) } else { v1(1, "1") + &v1(2, "2") });
        if !v2 {
            bench.on(Event::Quiet);
        }
        assert_eq!(*bench.end().as_ref().expect("no error"), Ending::Complete, "v2: {v2}");
        assert_eq!(bench.values, ["1", "2"], "v2: {v2}");
    }
}

#[test]
fn a_stream_opened_after_its_run_ends_where_the_server_says_the_tail_is() {
    let mut bench = Bench::new(FOLLOW);
    bench.on(Event::RunOver);
    bench.open(true);
    bench.text(&batch(0, "1"));
    assert!(matches!(bench.step, Step::Read { .. }));
    bench.text(&ping(2));
    assert!(matches!(bench.step, Step::Read { .. }), "one more record is on its way");
    bench.text(&(batch(1, "2") + &ping(2)));
    assert_eq!(*bench.end().as_ref().expect("no error"), Ending::Complete);
    assert_eq!(bench.values, ["1", "2"]);
}

#[test]
fn a_connection_that_may_be_dead_does_not_tell_that_a_stream_is_drained() {
    let mut bench = Bench::new(FOLLOW);
    bench.open(true);
    bench.text(&batch(0, "1"));
    bench.at += 30_000;
    bench.on(Event::RunOver);
    assert_eq!(bench.request().last_event_id.as_deref(), Some("0"), "asked anew, over another connection");
    bench.open(true);
    bench.text(&(batch(1, "2") + &ping(2)));
    assert_eq!(*bench.end().as_ref().expect("no error"), Ending::Complete);
    assert_eq!(bench.values, ["1", "2"]);
}

#[test]
fn a_dropped_stream_of_a_run_that_is_over_is_still_resumed() {
    let mut bench = Bench::new(FOLLOW);
    bench.open(true);
    bench.on(Event::RunOver);
    bench.text(&batch(0, "1"));
    bench.cut();
    assert_eq!(bench.wake().last_event_id.as_deref(), Some("0"));
    bench.open(true);
    bench.text(&(batch(1, "2") + &ping(2)));
    assert_eq!(bench.values, ["1", "2"]);
    assert_eq!(*bench.end().as_ref().expect("no error"), Ending::Complete);
}
