//! Every cell of the state × event table in `docs/protocol.md`, and the rows that readers get.

use super::harness::{Harness, UP_TO_DATE, refused, row};
use super::*;
use crate::Error;
use crate::error::{ErrorCode, Kind};

/// A feed in a state of the table.
fn in_state(state: &str) -> Harness {
    match state {
        "New" => Harness { feed: Feed::new(Limits::default()), now: 0, step: Step::End(Ok(())), changes: Vec::new() },
        "Snapshot" => Harness::new(),
        "CatchUp" => {
            let mut harness = Harness::new();
            harness.good("0_0", &[&row("insert", "k", "A")]);
            harness
        }
        "Live" => Harness::live(),
        "Waiting" => {
            let mut harness = Harness::live();
            harness.respond(503, &[], "");
            harness
        }
        "Ended" => {
            let mut harness = Harness::live();
            harness.respond(401, &[], "");
            harness
        }
        other => panic!("no such state: {other}"),
    }
}

/// Gives the feed an event of the table, 10 ms after its request: too early for a response that was held.
fn happen(harness: &mut Harness, event: &str) {
    harness.after(10);
    match event {
        "up-to-date" => harness.good("1_0", &[&row("insert", "k", "B"), UP_TO_DATE]),
        "part" => harness.good("1_0", &[&row("insert", "k2", "B")]),
        "204" => harness.respond(204, &[], ""),
        "409" => harness.respond(409, &[("electric-handle", "new")], ""),
        "404, retry" => harness.respond(404, &[("x-should-retry", "true")], ""),
        "429" => harness.respond(429, &[], ""),
        "5xx" => harness.respond(500, &[], ""),
        "4xx" => harness.respond(403, &[], ""),
        "malformed" => harness.respond(200, &[("content-type", "text/html")], "<html>"),
        "connect" => harness.on(Event::Failed(Failure::Connect(refused()))),
        "silent" => harness.on(Event::Failed(Failure::Silent(refused()))),
        "cut" => harness.on(Event::Failed(Failure::Cut(refused()))),
        "too large" => harness.on(Event::Failed(Failure::TooLarge(Error::new(ErrorCode::TooLarge, "too large")))),
        "woken" => harness.on(Event::Woken),
        other => panic!("no such event: {other}"),
    };
}

#[test]
fn the_table_in_the_docs_is_what_the_machine_does() {
    let table: Vec<Vec<&str>> = include_str!("../../docs/protocol.md")
        .lines()
        .skip_while(|line| !line.starts_with("| event"))
        .take_while(|line| line.starts_with('|'))
        .map(|line| line.trim_matches('|').split('|').map(str::trim).collect())
        .collect();
    let states = &table[0][1..];
    assert_eq!(states, ["New", "Snapshot", "CatchUp", "Live", "Waiting", "Ended"]);
    assert_eq!(table.len(), 2 + 14, "every event has its line");
    for line in &table[2..] {
        for (state, expected) in states.iter().zip(&line[1..]) {
            let mut harness = in_state(state);
            happen(&mut harness, line[0]);
            assert_eq!(harness.said(), *expected, "{state} × {}", line[0]);
        }
    }
}

#[test]
fn a_snapshot_that_ends_up_to_date_is_not_downloaded_twice() {
    let harness = Harness::live();
    assert_eq!(harness.shown(), ["k=A"]);
    assert_eq!(harness.url(), "cursor=&handle=h&live=true&log=full&offset=0_0");
    assert_eq!(harness.feed.phase(), Phase::Live);
}

#[test]
fn a_snapshot_in_parts_is_published_when_it_is_whole() {
    let mut harness = Harness::new();
    assert_eq!(harness.url(), "log=full&offset=-1");
    harness.good("0_0", &[&row("insert", "a", "A")]);
    assert_eq!(harness.url(), "handle=h&log=full&offset=0_0");
    assert!(harness.changes.is_empty() && harness.feed.rows().next().is_none());
    assert_eq!(harness.feed.phase(), Phase::CatchingUp);
    harness.good("0_1", &[&row("insert", "b", "B"), &row("update", "a", "C")]);
    harness.good("0_inf", &[UP_TO_DATE]);
    assert_eq!(harness.shown(), ["a=C", "b=B"]);
    assert_eq!(harness.url(), "cursor=&handle=h&live=true&log=full&offset=0_inf");
    assert_eq!(harness.feed.rows().count(), 2);
}

#[test]
fn the_cursor_of_a_live_answer_goes_into_the_next_request() {
    let mut harness = Harness::live();
    let pairs = [("electric-handle", "h"), ("electric-offset", "1_0"), ("electric-cursor", "42")];
    harness.respond(200, &pairs, &format!("[{},{UP_TO_DATE}]", row("update", "k", "B")));
    assert_eq!(harness.url(), "cursor=42&handle=h&live=true&log=full&offset=1_0");
}

#[test]
fn what_follows_the_last_up_to_date_waits_for_the_next() {
    let mut harness = Harness::live();
    harness.good("1_0", &[&row("update", "k", "B"), UP_TO_DATE, &row("update", "k", "C")]);
    assert_eq!(harness.shown(), ["k=B"]);
    harness.good("2_0", &[UP_TO_DATE]);
    assert_eq!(harness.shown(), ["k=C"]);
}

#[test]
fn a_must_refetch_starts_over_with_the_new_handle_and_repeats_no_row() {
    let mut harness = Harness::live();
    harness.respond(409, &[("electric-handle", "h2")], "{}");
    assert_eq!(harness.url(), "expired_handle=h&handle=h2&log=full&offset=-1");
    assert_eq!(harness.feed.rows().count(), 1, "readers keep what they saw");
    harness.good_from("h2", "0_0", &[&row("insert", "k", "A"), &row("insert", "l", "B"), UP_TO_DATE]);
    assert_eq!(harness.shown(), ["l=B"]);
    assert_eq!(harness.url(), "cursor=&expired_handle=h&handle=h2&live=true&log=full&offset=0_0");
    harness.respond(409, &[], "");
    assert_eq!(harness.step_after_wait(), "expired_handle=h2&handle=h2-next&log=full&offset=-1");
    harness.good_from("h3", "0_0", &[UP_TO_DATE]);
    assert_eq!(harness.shown(), ["k gone", "l gone"]);
}

#[test]
fn a_must_refetch_in_the_body_starts_over_too() {
    let mut harness = Harness::live();
    harness.good("9_9", &[&row("update", "k", "X"), r#"{"headers":{"control":"must-refetch"}}"#]);
    assert_eq!(harness.url(), "handle=h-next&log=full&offset=-1");
    harness.good("0_0", &[&row("insert", "k", "A"), UP_TO_DATE]);
    assert!(harness.changes.is_empty());
}

#[test]
fn a_cached_answer_from_the_expired_shape_is_not_taken() {
    let mut harness = Harness::live();
    harness.respond(409, &[("electric-handle", "h2")], "");
    harness.good_from("h", "0_0", &[&row("insert", "k", "STALE"), UP_TO_DATE]);
    assert!(harness.changes.is_empty());
    harness.good_from("h2", "0_0", &[&row("insert", "k", "B"), UP_TO_DATE]);
    assert_eq!(harness.shown(), ["k=B"]);
    // A cached response to a live request is not taken either, whatever its URL: the shape is read anew.
    for _ in 0..2 {
        harness.good_from("h", "9_9", &[&row("update", "k", "STALE"), UP_TO_DATE]);
        assert!(harness.changes.is_empty());
    }
    assert_eq!(harness.said(), "ask snapshot");
    harness.good_from("h", "1_0", &[&row("insert", "k", "C"), UP_TO_DATE]);
    assert_eq!(harness.shown(), ["k=C"]);
}

#[test]
fn a_proxy_that_answers_everything_with_one_stale_snapshot_ends_the_feed() {
    let mut harness = Harness::live();
    harness.respond(409, &[("electric-handle", "h2")], "");
    let (requests, _) = harness.until_end(|harness| {
        harness.good_from("h", "0_0", &[&row("insert", "k", "STALE"), UP_TO_DATE]);
    });
    assert_eq!(harness.end().kind(), Kind::NoProgress);
    assert!(requests <= 14, "{requests}");
}

#[test]
fn a_must_refetch_of_a_shape_that_keeps_its_handle_costs_two_snapshots_and_no_wait() {
    // The native backend's handle is the run's, whatever handle the request has.
    for named in ["h-next", "h", ""] {
        let mut harness = Harness::live();
        for round in 0..20 {
            harness.respond(409, &[("electric-handle", named)], "");
            let mut urls = Vec::new();
            while harness.said() == "ask snapshot" {
                assert!(!urls.contains(&harness.url()), "a cache may answer {}", harness.url());
                urls.push(harness.url());
                harness.after(5).good_from(
                    "h",
                    &format!("{round}_0"),
                    &[&row("insert", "k", &round.to_string()), UP_TO_DATE],
                );
            }
            assert!(urls.len() <= 2, "{urls:?}");
            assert_eq!(harness.shown(), [format!("k={round}")]);
            assert_eq!(harness.url(), format!("cursor=&handle=h&live=true&log=full&offset={round}_0"));
            // The next response under that handle is taken.
            harness.after(20_000).good_from("h", &format!("{round}_1"), &[&row("update", "k", "-"), UP_TO_DATE]);
            assert_eq!((harness.shown(), harness.said()), (vec!["k=-".to_owned()], "ask live".to_owned()));
        }
    }
}

#[test]
fn a_stale_answer_is_asked_for_under_a_url_no_cache_has_seen() {
    let mut harness = Harness::live();
    harness.respond(409, &[("electric-handle", "h2")], "");
    harness.good_from("h", "0_0", &[UP_TO_DATE]);
    assert_eq!(harness.url(), "expired_handle=h&handle=h2-next&log=full&offset=-1");
}

#[test]
fn a_failure_keeps_the_place_and_the_rows() {
    let mut harness = Harness::live();
    let before = harness.url();
    harness.on(Event::Failed(Failure::Silent(refused()))).woken();
    assert_eq!(harness.url(), before);
    harness.good("1_0", &[&row("update", "k", "A"), UP_TO_DATE]);
    assert!(harness.changes.is_empty(), "a row that did not change is not repeated");
}

/// A row of run `n` with a payload of its own.
fn long_row(operation: &str, n: usize, status: &str) -> String {
    let payload = format!("of run {n} ").repeat(600);
    format!(
        r#"{{"key":"k{n}","value":{{"status":"{status}","payload":"{payload}"}},"headers":{{"operation":"{operation}"}}}}"#
    )
}

#[test]
fn each_run_keeps_its_own_long_payload_however_many_there_are() {
    let mut harness = Harness::new();
    let tell = |harness: &mut Harness, offset: &str, rows: &[String]| {
        let messages: Vec<&str> = rows.iter().map(String::as_str).chain([UP_TO_DATE]).collect();
        harness.good(offset, &messages);
        for (key, row) in harness.feed.rows() {
            let own = format!("of run {} ", &key[1..]);
            assert!(row.get("payload").expect("a payload").starts_with(&own), "{key} after {offset}");
        }
    };
    let all = |operation, status| (1..=40).map(|n| long_row(operation, n, status)).collect::<Vec<_>>();
    tell(&mut harness, "0_0", &all("insert", "A"));
    // More texts than are kept, in one body and over several.
    for (step, status) in ["B", "C", "D"].into_iter().enumerate() {
        tell(&mut harness, &format!("1_{step}"), &all("update", status));
    }
    for n in 1..=40 {
        let rows = [long_row("insert", 40 + n, "A"), long_row("update", n, "E"), long_row("update", 41 - n, "F")];
        tell(&mut harness, &format!("2_{n}"), &rows);
    }
    assert_eq!(harness.feed.rows().count(), 80);
}
