//! Tests of the refresh: a feed whose last response is more than a second old asks once without `live` (I20).

use super::harness::{Harness, UP_TO_DATE, now, refused, row};
use super::*;
use crate::error::Kind;

const REFRESH: &str = "handle=h&log=full&offset=0_0";
const LIVE: &str = "cursor=&handle=h&live=true&log=full&offset=0_0";

/// Fails requests until a wait ends more than a second after the last response.
fn fail_until_late(harness: &mut Harness, mut fail: impl FnMut(&mut Harness)) {
    let from = harness.now;
    while harness.now - from <= 1_000 {
        fail(harness);
        harness.woken();
    }
}

#[test]
fn after_an_outage_what_happened_meanwhile_is_told_at_once() {
    let mut harness = Harness::live();
    fail_until_late(&mut harness, |harness| {
        harness.on(Event::Failed(Failure::Connect(refused())));
    });
    assert_eq!(harness.url(), REFRESH, "a live request would be held");
    harness.good("1_0", &[&row("update", "k", "B"), UP_TO_DATE]);
    assert_eq!(harness.shown(), ["k=B"]);
    assert_eq!(harness.feed.phase(), Phase::Live);
    assert_eq!(harness.said(), "ask live");
}

#[test]
fn a_short_wait_needs_no_look_and_a_look_is_not_repeated() {
    let mut harness = Harness::live();
    harness.respond(503, &[], "").woken();
    assert_eq!(harness.url(), LIVE, "the server remembers half a second");
    fail_until_late(&mut harness, |harness| {
        harness.respond(503, &[], "");
    });
    assert_eq!(harness.url(), REFRESH);
    harness.after(29_000).good("0_0", &[UP_TO_DATE]);
    assert_eq!(harness.url(), LIVE, "however slow the refresh was");
}

#[test]
fn a_look_that_fails_is_a_look_again_and_one_in_parts_is_read_to_its_end() {
    let mut harness = Harness::live();
    harness.after(2_000).on(Event::Failed(Failure::Silent(refused()))).woken();
    assert_eq!(harness.url(), REFRESH);
    harness.respond(502, &[], "").woken();
    assert_eq!(harness.url(), REFRESH);
    harness.good("1_0", &[&row("update", "k", "B")]);
    assert_eq!(harness.url(), "handle=h&log=full&offset=1_0");
    harness.respond(204, &[], "");
    assert_eq!((harness.shown(), harness.said()), (vec!["k=B".to_owned()], "ask live".to_owned()));
}

#[test]
fn a_driver_that_was_held_up_before_it_sent_the_request_asks_for_another() {
    let mut harness = Harness::live();
    assert!(!harness.feed.needs_refresh(now(1_000)));
    assert!(harness.feed.needs_refresh(now(1_001)), "its readers were slow, or its token was renewed");
    harness.after(1_001).on(Event::Woken);
    assert_eq!(harness.url(), REFRESH);
    assert!(!harness.feed.needs_refresh(now(60_000)), "what it is");
}

#[test]
fn a_machine_that_slept_amid_a_poll_looks_first() {
    let slept = Now { unix_ms: now(100).unix_ms + 3_600_000, ..now(100) };
    let mut harness = Harness::live();
    harness.feed.on(Event::Failed(Failure::Cut(refused())), slept);
    let step = harness.feed.on(Event::Woken, Now { monotonic_ms: 600, ..slept }).step;
    assert!(matches!(&step, Step::Request(query) if !query.live), "{step:?}");
    // The response came before the sleep, and is read after it.
    let mut harness = Harness::live();
    harness.after(40_000).good("0_0", &[UP_TO_DATE]);
    assert_eq!(harness.url(), REFRESH);
    harness.good("0_0", &[UP_TO_DATE]);
    assert_eq!(harness.url(), LIVE);
}

#[test]
fn a_clock_that_is_set_back_changes_nothing() {
    let mut harness = Harness::live();
    let back = Now { unix_ms: 0, ..now(500) };
    assert!(!harness.feed.needs_refresh(back));
    harness.feed.on(Event::Failed(Failure::Cut(refused())), back);
    assert!(matches!(harness.feed.on(Event::Woken, back).step, Step::Request(query) if query.live));
}

/// Refuses live requests with 429 for ten minutes or until the feed ends. The numbers of refused requests and of
/// refreshes.
fn under_a_limit(harness: &mut Harness, mut refresh: impl FnMut(&mut Harness, u32)) -> (u32, u32) {
    let (mut refused, mut refreshes, mut last) = (0, 0, harness.now);
    while harness.now < 600_000 {
        match &harness.step {
            Step::Request(query) if query.live => {
                refused += 1;
                harness.after(5).respond(429, &[], r#"{"error":"Too many concurrent requests"}"#);
            }
            Step::Request(_) => {
                assert!(harness.now - last <= 10_100, "{} ms after the last refresh", harness.now - last);
                last = harness.now;
                refreshes += 1;
                harness.after(5);
                refresh(harness, refreshes);
            }
            Step::Wait { ms, .. } => {
                assert!(*ms <= 10_000, "{ms}");
                harness.woken();
            }
            Step::End(_) => break,
        }
    }
    (refused, refreshes)
}

#[test]
fn over_the_connection_limit_changes_are_told_within_ten_seconds_and_no_more_often_asked_for() {
    let mut harness = Harness::live();
    let (refused, refreshes) = under_a_limit(&mut harness, |harness, nth| {
        let offset = format!("{nth}_0");
        harness.good(&offset, &[&row("update", "k", &nth.to_string()), UP_TO_DATE]);
        assert_eq!(harness.changes.len(), 1);
    });
    assert!(harness.now >= 600_000, "given up: {}", harness.said());
    assert!((60..=75).contains(&refused) && (60..=75).contains(&refreshes), "{refused} refused, {refreshes} refreshes");
}

#[test]
fn a_quiet_feed_over_the_connection_limit_ends_with_the_servers_error_after_five_minutes() {
    let mut harness = Harness::live();
    let (refused, refreshes) = under_a_limit(&mut harness, |harness, _| {
        harness.good("0_0", &[UP_TO_DATE]);
    });
    assert_eq!(harness.end().status(), Some(429));
    assert!((280_000..=300_000).contains(&harness.now), "{}", harness.now);
    assert!(refused <= 45 && refreshes <= 45, "{refused} refused, {refreshes} refreshes");
}

#[test]
fn a_server_that_never_holds_is_given_up_although_it_is_looked_at() {
    let mut harness = Harness::live();
    let (requests, _) = harness.until_end(|harness| {
        harness.after(1).good("0_0", &[UP_TO_DATE]);
    });
    assert_eq!(harness.end().kind(), Kind::NoProgress);
    assert!(requests <= 12, "{requests}");
    // The same holds for a server whose live responses are not of the protocol (defect 1).
    let mut harness = Harness::live();
    let (requests, ms) = harness.until_end(|harness| match &harness.step {
        Step::Request(query) if query.live => {
            harness.after(1).respond(200, &[("content-type", "text/html")], "<html>");
        }
        Step::Request(_) | Step::Wait { .. } | Step::End(_) => {
            harness.after(1).good("0_0", &[UP_TO_DATE]);
        }
    });
    assert_eq!(harness.end().kind(), Kind::Protocol);
    assert!(requests <= 30 && ms <= 20_000, "{requests} requests in {ms} ms");
}
