//! A stream's machine: connections that drop anywhere, and the ways in which a stream ends.

#![allow(clippy::panic, reason = "a test fails by panicking")]

mod stream_support;

use proptest::prelude::*;
use stream_support::{Bench, DONE, FOLLOW, batch, headers, ping, timeout, v1};
use trigger_native::stream::{Ending, Event, Plan, Request, Start, Step};

// Ends

#[test]
fn a_v2_window_ends_with_its_marker_and_is_dropped_without_it() {
    let mut bench = Bench::new(timeout(5));
    bench.open(true);
    bench.text(&batch(0, "1"));
    bench.on(Event::Closed);
    assert_eq!(bench.wake().last_event_id.as_deref(), Some("0"));
    bench.open(true);
    bench.text(&(batch(1, "2") + DONE));
    assert_eq!(*bench.end().as_ref().expect("no error"), Ending::Idle);
    assert_eq!(bench.values, ["1", "2"]);
}

#[test]
fn a_v1_body_that_ends_before_its_time_was_dropped_and_one_that_ends_after_it_is_idle() {
    let mut bench = Bench::new(timeout(5));
    bench.open(false);
    bench.text(&(v1(1, "1") + &v1(2, "2")));
    bench.on(Event::Closed);
    assert_eq!(bench.wake().last_event_id.as_deref(), Some("1-0"));
    bench.open(false);
    bench.text(&(v1(2, "2") + &v1(3, "3")));
    bench.at += 5_000;
    bench.on(Event::Closed);
    assert_eq!(*bench.end().as_ref().expect("no error"), Ending::Idle);
    assert_eq!(bench.values, ["1", "2", "3"]);
}

#[test]
fn a_v1_body_that_ends_early_and_empty_again_and_again_has_ended() {
    let mut bench = Bench::new(Plan::default());
    bench.open(false);
    bench.text(&v1(1, "1"));
    bench.on(Event::Closed);
    for _ in 0..2 {
        bench.wake();
        bench.open(false);
        bench.on(Event::Closed);
    }
    bench.wake();
    bench.open(false);
    bench.on(Event::Closed);
    assert_eq!(*bench.end().as_ref().expect("no error"), Ending::Idle);
    assert!(bench.at < 10_000);
}

#[test]
fn a_server_that_says_nothing_more_comes_ends_the_stream() {
    let mut bench = Bench::new(Plan::default());
    bench.on(Event::Opened {
        status: 200,
        headers: &headers(&[("x-stream-version", "v2"), ("x-session-settled", "true")]),
    });
    bench.on(Event::Closed);
    assert_eq!(*bench.end().as_ref().expect("no error"), Ending::Complete);
}

#[test]
fn a_followed_stream_opens_window_after_window_until_the_run_is_over() {
    let mut bench = Bench::new(FOLLOW);
    bench.open(true);
    bench.text(&batch(0, "1"));
    bench.at += 60_000;
    bench.text(DONE);
    assert_eq!(bench.request().last_event_id.as_deref(), Some("0"));
    bench.open(true);
    bench.text(&ping(1));
    assert!(matches!(bench.step, Step::Read { quiet_ms: None }), "{:?}", bench.step);
    assert!(matches!(bench.on(Event::RunOver), Step::Read { quiet_ms: Some(_) }));
    bench.text(&batch(1, "2"));
    bench.on(Event::Quiet);
    assert_eq!(bench.request().last_event_id.as_deref(), Some("1"), "silence does not say that the stream is drained");
    bench.open(true);
    bench.text(&ping(2));
    assert_eq!(*bench.end().as_ref().expect("no error"), Ending::Complete);
    assert_eq!(bench.values, ["1", "2"]);
}

#[test]
fn an_outage_is_no_silence_of_the_stream() {
    for v2 in [true, false] {
        let mut bench = Bench::new(timeout(5));
        bench.open(v2);
        bench.text(&if v2 { batch(0, "1") } else { v1(1, "1") });
        bench.cut();
        bench.at += 60_000;
        bench.wake();
        bench.open(v2);
        bench.text(": hello\n\n");
        bench.on(Event::Closed);
        bench.wake();
        bench.open(v2);
        bench.text(&if v2 { batch(1, "2") } else { v1(1, "1") + &v1(2, "2") });
        bench.at += 5_000;
        if v2 {
            bench.text(DONE);
        } else {
            bench.on(Event::Closed);
        }
        assert_eq!(*bench.end().as_ref().expect("no error"), Ending::Idle, "v2: {v2}");
        assert_eq!(bench.values, ["1", "2"], "v2: {v2}");
    }
}

#[test]
fn a_v2_body_without_its_marker_is_resumed_however_long_it_lasted() {
    let mut bench = Bench::new(timeout(5));
    bench.open(true);
    bench.text(&ping(1));
    bench.at += 60_000;
    bench.on(Event::Closed);
    bench.wake();
    bench.open(true);
    bench.text(&(batch(0, "1") + DONE));
    assert_eq!(*bench.end().as_ref().expect("no error"), Ending::Idle);
    assert_eq!(bench.values, ["1"]);
}

#[test]
fn windows_that_end_at_once_are_not_asked_for_without_pause() {
    let mut bench = Bench::new(FOLLOW);
    for _ in 0..20 {
        bench.open(true);
        bench.text(DONE);
        bench.wake();
    }
    assert!(bench.at >= 20_000, "20 windows in {} ms", bench.at);
}

#[test]
fn a_quiet_window_that_was_held_for_a_second_is_opened_again_at_once() {
    for (held, waits) in [(999, true), (1_000, false), (60_000, false)] {
        let mut bench = Bench::new(FOLLOW);
        bench.open(true);
        bench.at += held;
        assert_eq!(matches!(bench.text(DONE), Step::Wait { .. }), waits, "{held} ms: {:?}", bench.step);
    }
}

#[test]
fn reading_from_the_tail_asks_for_it_once() {
    let mut bench = Bench::new(Plan { start: Start::Latest, ..Plan::default() });
    assert!(bench.request().latest);
    bench.cut();
    assert!(bench.wake().latest, "nothing was answered yet");
    bench.open(true);
    bench.text(&ping(7));
    bench.cut();
    assert_eq!(bench.wake(), Request { last_event_id: Some("6".into()), ..Request::default() });
}

#[test]
fn a_reader_that_comes_back_asks_for_what_it_lacks_whatever_the_version() {
    let at = |place: &str| Plan { start: Start::At(place.parse().expect(place)), ..Plan::default() };
    let asked = |bench: &Bench| bench.request().last_event_id.map(String::from);
    let mut bench = Bench::new(at("100"));
    assert_eq!(asked(&bench).as_deref(), Some("36"));
    bench.open(true);
    bench.text(&(batch(99, "1") + &batch(100, "2") + &batch(101, "3")));
    assert_eq!(bench.values, ["3"]);

    let mut bench = Bench::new(at("7-0+1"));
    assert_eq!(asked(&bench).as_deref(), Some("6-18446744073709551615"));
    bench.open(false);
    bench.text(&(v1(7, "1") + &v1(7, "2") + &v1(8, "3")));
    assert_eq!(bench.values, ["2", "3"]);
}

#[test]
fn a_place_in_another_version_of_the_stream_is_read_from_the_start() {
    for (place, v2) in [("100", false), ("7-0+1", true), ("~3", true)] {
        let plan = Plan { start: Start::At(place.parse().expect(place)), ..Plan::default() };
        let mut bench = Bench::new(plan);
        bench.open(v2);
        assert_eq!(bench.request(), Request::default(), "{place}");
        bench.open(v2);
        bench.text(&if v2 { batch(0, "1") } else { v1(1, "1") });
        assert_eq!(bench.values, ["1"]);
    }
}

// Any connection dropped anywhere

/// A server that stores a stream and resumes it as the real one does.
struct Origin {
    v2: bool,
    /// On v1 an entry's number is its id; several values can share it.
    entries: Vec<(u64, String)>,
}

impl Origin {
    fn body(&self, request: &Request) -> String {
        let after = request.last_event_id.as_deref().map(|id| id.split('-').next().and_then(|ms| ms.parse().ok()));
        let after: Option<u64> = after.map(|ms| ms.expect("an id the server parses"));
        let rest = self.entries.iter().filter(|(id, _)| after.is_none_or(|after| *id > after));
        let events = rest.map(|(id, value)| if self.v2 { batch(*id, value) } else { v1(*id, value) });
        events.chain([if self.v2 { DONE.to_owned() } else { ": ping\n\n".to_owned() }]).collect()
    }
}

/// Reads `origin` over connections that break after so many bytes, then over one that does not.
fn read(origin: &Origin, breaks: &[usize]) -> Bench {
    let mut bench = Bench::new(timeout(5));
    for length in breaks {
        let body = origin.body(&bench.wake());
        bench.open(origin.v2);
        for chunk in body.as_bytes()[..(*length).min(body.len().saturating_sub(1))].chunks(7) {
            bench.on(Event::Bytes(chunk));
        }
        bench.cut();
    }
    let body = origin.body(&bench.wake());
    bench.open(origin.v2);
    bench.text(&body);
    bench
}

proptest! {
    #[test]
    fn a_v2_stream_dropped_anywhere_loses_and_repeats_nothing(
        values in prop::collection::vec(0..1000u32, 1..30),
        breaks in prop::collection::vec(0..3_000usize, 0..8),
    ) {
        let entries = values.iter().enumerate().map(|(at, value)| (at as u64, value.to_string())).collect();
        let bench = read(&Origin { v2: true, entries }, &breaks);
        prop_assert_eq!(&bench.values, &values.iter().map(u32::to_string).collect::<Vec<_>>());
        prop_assert_eq!(*bench.end().as_ref().expect("no error"), Ending::Idle);
    }

    #[test]
    fn a_v1_stream_dropped_anywhere_loses_and_repeats_nothing(
        groups in prop::collection::vec(1..5usize, 1..12),
        breaks in prop::collection::vec(0..800usize, 0..8),
    ) {
        let entries: Vec<(u64, String)> = groups
            .iter()
            .enumerate()
            .flat_map(|(id, count)| (0..*count).map(move |at| (id as u64 + 1, format!("{{\"id\":{id},\"at\":{at}}}"))))
            .collect();
        let expected: Vec<String> = entries.iter().map(|(_, value)| value.clone()).collect();
        let bench = read(&Origin { v2: false, entries }, &breaks);
        prop_assert_eq!(bench.values, expected);
    }

    #[test]
    fn any_bytes_and_any_order_of_events_never_panic(
        plan in (any::<bool>(), any::<bool>()),
        events in prop::collection::vec((0..9u8, prop::collection::vec(any::<u8>(), 0..40)), 0..40),
    ) {
        let start = if plan.0 { Start::Latest } else { Start::Beginning };
        let mut bench = Bench::new(Plan { start, timeout_s: None, follow: plan.1 });
        for (kind, bytes) in events {
            bench.at += u64::from(kind) * 100;
            match kind {
                0 => bench.open(true),
                1 => bench.open(false),
                2 => bench.on(Event::Bytes(&bytes)),
                3 => bench.on(Event::Closed),
                4 => bench.cut(),
                5 => bench.on(Event::Woken),
                6 => bench.on(Event::Quiet),
                7 => bench.on(Event::RunOver),
                _ => bench.text("event: batch\ndata: {\"records\":[{\"seq_num\":1}]}\n\nid: 1-0\ndata: x\n\n"),
            };
        }
    }
}
