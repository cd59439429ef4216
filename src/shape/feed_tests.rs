//! Every cell of the state × event table, and what readers see.

use super::script::{Script, UP_TO_DATE, refused, row};
use super::*;
use crate::Error;
use crate::error::{ErrorCode, Kind};

/// The feed in a state of the table.
fn in_state(state: &str) -> Script {
    match state {
        "New" => Script { feed: Feed::new(Limits::default()), now: 0, step: Step::End(Ok(())), changes: Vec::new() },
        "Snapshot" => Script::new(),
        "CatchUp" => {
            let mut script = Script::new();
            script.good("0_0", &[&row("insert", "k", "A")]);
            script
        }
        "Live" => Script::live(),
        "Waiting" => {
            let mut script = Script::live();
            script.answer(503, &[], "");
            script
        }
        "Ended" => {
            let mut script = Script::live();
            script.answer(401, &[], "");
            script
        }
        other => panic!("no such state: {other}"),
    }
}

/// An event of the table. The server takes a moment, but does not hold.
fn happen(script: &mut Script, event: &str) {
    script.after(10);
    match event {
        "up-to-date" => script.good("1_0", &[&row("insert", "k", "B"), UP_TO_DATE]),
        "part" => script.good("1_0", &[&row("insert", "k2", "B")]),
        "204" => script.answer(204, &[], ""),
        "409" => script.answer(409, &[("electric-handle", "new")], ""),
        "404, retry" => script.answer(404, &[("x-should-retry", "true")], ""),
        "429" => script.answer(429, &[], ""),
        "5xx" => script.answer(500, &[], ""),
        "4xx" => script.answer(403, &[], ""),
        "garbled" => script.answer(200, &[("content-type", "text/html")], "<html>"),
        "connect" => script.on(Event::Failed(Failure::Connect(refused()))),
        "silent" => script.on(Event::Failed(Failure::Silent(refused()))),
        "cut" => script.on(Event::Failed(Failure::Cut(refused()))),
        "too large" => script.on(Event::Failed(Failure::TooLarge(Error::new(ErrorCode::TooLarge, "too large")))),
        "woken" => script.on(Event::Woken),
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
            let mut script = in_state(state);
            happen(&mut script, line[0]);
            assert_eq!(script.said(), *expected, "{state} × {}", line[0]);
        }
    }
}

#[test]
fn a_snapshot_that_ends_up_to_date_is_not_downloaded_twice() {
    let script = Script::live();
    assert_eq!(script.shown(), ["k=A"]);
    assert_eq!(script.url(), "cursor=&handle=h&live=true&log=full&offset=0_0");
    assert_eq!(script.feed.phase(), Phase::Live);
}

#[test]
fn a_snapshot_in_parts_is_published_when_it_is_whole() {
    let mut script = Script::new();
    assert_eq!(script.url(), "log=full&offset=-1");
    script.good("0_0", &[&row("insert", "a", "A")]);
    assert_eq!(script.url(), "handle=h&log=full&offset=0_0");
    assert!(script.changes.is_empty() && script.feed.rows().next().is_none());
    assert_eq!(script.feed.phase(), Phase::CatchingUp);
    script.good("0_1", &[&row("insert", "b", "B"), &row("update", "a", "C")]);
    script.good("0_inf", &[UP_TO_DATE]);
    assert_eq!(script.shown(), ["a=C", "b=B"]);
    assert_eq!(script.url(), "cursor=&handle=h&live=true&log=full&offset=0_inf");
    assert_eq!(script.feed.rows().count(), 2);
}

#[test]
fn the_cursor_of_a_live_answer_goes_into_the_next_request() {
    let mut script = Script::live();
    let pairs = [("electric-handle", "h"), ("electric-offset", "1_0"), ("electric-cursor", "42")];
    script.answer(200, &pairs, &format!("[{},{UP_TO_DATE}]", row("update", "k", "B")));
    assert_eq!(script.url(), "cursor=42&handle=h&live=true&log=full&offset=1_0");
}

#[test]
fn what_follows_the_last_up_to_date_waits_for_the_next() {
    let mut script = Script::live();
    script.good("1_0", &[&row("update", "k", "B"), UP_TO_DATE, &row("update", "k", "C")]);
    assert_eq!(script.shown(), ["k=B"]);
    script.good("2_0", &[UP_TO_DATE]);
    assert_eq!(script.shown(), ["k=C"]);
}

#[test]
fn a_must_refetch_starts_over_with_the_new_handle_and_repeats_no_row() {
    let mut script = Script::live();
    script.answer(409, &[("electric-handle", "h2")], "{}");
    assert_eq!(script.url(), "expired_handle=h&handle=h2&log=full&offset=-1");
    assert_eq!(script.feed.rows().count(), 1, "readers keep what they saw");
    script.good_from("h2", "0_0", &[&row("insert", "k", "A"), &row("insert", "l", "B"), UP_TO_DATE]);
    assert_eq!(script.shown(), ["l=B"]);
    assert_eq!(script.url(), "cursor=&expired_handle=h&handle=h2&live=true&log=full&offset=0_0");
    script.answer(409, &[], "");
    assert_eq!(script.step_after_wait(), "expired_handle=h2&handle=h2-next&log=full&offset=-1");
    script.good_from("h3", "0_0", &[UP_TO_DATE]);
    assert_eq!(script.shown(), ["k gone", "l gone"]);
}

#[test]
fn a_must_refetch_in_the_body_starts_over_too() {
    let mut script = Script::live();
    script.good("9_9", &[&row("update", "k", "X"), r#"{"headers":{"control":"must-refetch"}}"#]);
    assert_eq!(script.url(), "handle=h-next&log=full&offset=-1");
    script.good("0_0", &[&row("insert", "k", "A"), UP_TO_DATE]);
    assert!(script.changes.is_empty());
}

#[test]
fn a_cached_answer_from_the_expired_shape_is_not_taken() {
    let mut script = Script::live();
    script.answer(409, &[("electric-handle", "h2")], "");
    script.good_from("h", "0_0", &[&row("insert", "k", "STALE"), UP_TO_DATE]);
    assert!(script.changes.is_empty());
    script.good_from("h2", "0_0", &[&row("insert", "k", "B"), UP_TO_DATE]);
    assert_eq!(script.shown(), ["k=B"]);
    // Nor is one of a live request, whatever its URL: then the shape is read anew.
    for _ in 0..2 {
        script.good_from("h", "9_9", &[&row("update", "k", "STALE"), UP_TO_DATE]);
        assert!(script.changes.is_empty());
    }
    assert_eq!(script.said(), "ask snapshot");
    script.good_from("h", "1_0", &[&row("insert", "k", "C"), UP_TO_DATE]);
    assert_eq!(script.shown(), ["k=C"]);
}

#[test]
fn a_proxy_that_answers_everything_with_one_stale_snapshot_ends_the_feed() {
    let mut script = Script::live();
    script.answer(409, &[("electric-handle", "h2")], "");
    let (requests, _) = script.until_end(|script| {
        script.good_from("h", "0_0", &[&row("insert", "k", "STALE"), UP_TO_DATE]);
    });
    assert_eq!(script.end().kind(), Kind::NoProgress);
    assert!(requests <= 14, "{requests}");
}

#[test]
fn a_must_refetch_of_a_shape_that_keeps_its_handle_costs_two_snapshots_and_no_wait() {
    // As the native backend's handles are: the run's own, whatever the request says.
    for named in ["h-next", "h", ""] {
        let mut script = Script::live();
        for round in 0..20 {
            script.answer(409, &[("electric-handle", named)], "");
            let mut urls = Vec::new();
            while script.said() == "ask snapshot" {
                assert!(!urls.contains(&script.url()), "a cache may answer {}", script.url());
                urls.push(script.url());
                script.after(5).good_from(
                    "h",
                    &format!("{round}_0"),
                    &[&row("insert", "k", &round.to_string()), UP_TO_DATE],
                );
            }
            assert!(urls.len() <= 2, "{urls:?}");
            assert_eq!(script.shown(), [format!("k={round}")]);
            assert_eq!(script.url(), format!("cursor=&handle=h&live=true&log=full&offset={round}_0"));
            // What follows under that handle is taken as it comes.
            script.after(20_000).good_from("h", &format!("{round}_1"), &[&row("update", "k", "-"), UP_TO_DATE]);
            assert_eq!((script.shown(), script.said()), (vec!["k=-".to_owned()], "ask live".to_owned()));
        }
    }
}

#[test]
fn a_stale_answer_is_asked_for_under_a_url_no_cache_has_seen() {
    let mut script = Script::live();
    script.answer(409, &[("electric-handle", "h2")], "");
    script.good_from("h", "0_0", &[UP_TO_DATE]);
    assert_eq!(script.url(), "expired_handle=h&handle=h2-next&log=full&offset=-1");
}

#[test]
fn a_failure_keeps_the_place_and_the_rows() {
    let mut script = Script::live();
    let before = script.url();
    script.on(Event::Failed(Failure::Silent(refused()))).woken();
    assert_eq!(script.url(), before);
    script.good("1_0", &[&row("update", "k", "A"), UP_TO_DATE]);
    assert!(script.changes.is_empty(), "a row that did not change is not repeated");
}

/// A row of run `n`, whose payload nobody else has.
fn long_row(operation: &str, n: usize, status: &str) -> String {
    let payload = format!("of run {n} ").repeat(600);
    format!(
        r#"{{"key":"k{n}","value":{{"status":"{status}","payload":"{payload}"}},"headers":{{"operation":"{operation}"}}}}"#
    )
}

#[test]
fn each_run_keeps_its_own_long_payload_however_many_there_are() {
    let mut script = Script::new();
    let tell = |script: &mut Script, offset: &str, rows: &[String]| {
        let messages: Vec<&str> = rows.iter().map(String::as_str).chain([UP_TO_DATE]).collect();
        script.good(offset, &messages);
        for (key, row) in script.feed.rows() {
            let own = format!("of run {} ", &key[1..]);
            assert!(row.get("payload").expect("a payload").starts_with(&own), "{key} after {offset}");
        }
    };
    let all = |operation, status| (1..=40).map(|n| long_row(operation, n, status)).collect::<Vec<_>>();
    tell(&mut script, "0_0", &all("insert", "A"));
    // Learned and recognised, and more of them than are kept, in one body and over several.
    for (step, status) in ["B", "C", "D"].into_iter().enumerate() {
        tell(&mut script, &format!("1_{step}"), &all("update", status));
    }
    for n in 1..=40 {
        let rows = [long_row("insert", 40 + n, "A"), long_row("update", n, "E"), long_row("update", 41 - n, "F")];
        tell(&mut script, &format!("2_{n}"), &rows);
    }
    assert_eq!(script.feed.rows().count(), 80);
}
