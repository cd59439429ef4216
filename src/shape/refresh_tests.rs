//! A feed that comes back after a while asks once without holding (I20), and what it puts up with meanwhile.

use super::harness::{Harness, UP_TO_DATE, now, refused, row};
use super::*;
use crate::error::Kind;

const LOOK: &str = "handle=h&log=full&offset=0_0";
const LIVE: &str = "cursor=&handle=h&live=true&log=full&offset=0_0";

/// Until a wait is over that ends more than a second after the last answer.
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
    assert_eq!(harness.url(), LOOK, "a live request would be held");
    harness.good("1_0", &[&row("update", "k", "B"), UP_TO_DATE]);
    assert_eq!(harness.shown(), ["k=B"]);
    assert_eq!(harness.feed.phase(), Phase::Live);
    assert_eq!(harness.said(), "ask live");
}

#[test]
fn a_short_wait_needs_no_look_and_a_look_is_not_repeated() {
    let mut harness = Harness::live();
    harness.answer(503, &[], "").woken();
    assert_eq!(harness.url(), LIVE, "the server remembers half a second");
    fail_until_late(&mut harness, |harness| {
        harness.answer(503, &[], "");
    });
    assert_eq!(harness.url(), LOOK);
    harness.after(29_000).good("0_0", &[UP_TO_DATE]);
    assert_eq!(harness.url(), LIVE, "however slow the look was");
}

#[test]
fn a_look_that_fails_is_a_look_again_and_one_in_parts_is_read_to_its_end() {
    let mut harness = Harness::live();
    harness.after(2_000).on(Event::Failed(Failure::Silent(refused()))).woken();
    assert_eq!(harness.url(), LOOK);
    harness.answer(502, &[], "").woken();
    assert_eq!(harness.url(), LOOK);
    harness.good("1_0", &[&row("update", "k", "B")]);
    assert_eq!(harness.url(), "handle=h&log=full&offset=1_0");
    harness.answer(204, &[], "");
    assert_eq!((harness.shown(), harness.said()), (vec!["k=B".to_owned()], "ask live".to_owned()));
}

#[test]
fn a_driver_that_was_held_up_before_it_sent_the_request_asks_for_another() {
    let mut harness = Harness::live();
    assert!(!harness.feed.needs_refresh(now(1_000)));
    assert!(harness.feed.needs_refresh(now(1_001)), "its readers were slow, or its token was renewed");
    harness.after(1_001).on(Event::Woken);
    assert_eq!(harness.url(), LOOK);
    assert!(!harness.feed.needs_refresh(now(60_000)), "what it is");
}

#[test]
fn a_machine_that_slept_amid_a_poll_looks_first() {
    let slept = Now { unix_ms: now(100).unix_ms + 3_600_000, ..now(100) };
    let mut harness = Harness::live();
    harness.feed.on(Event::Failed(Failure::Cut(refused())), slept);
    let step = harness.feed.on(Event::Woken, Now { monotonic_ms: 600, ..slept }).step;
    assert!(matches!(&step, Step::Request(query) if !query.live), "{step:?}");
    // The answer of before the sleep is read after it.
    let mut harness = Harness::live();
    harness.after(40_000).good("0_0", &[UP_TO_DATE]);
    assert_eq!(harness.url(), LOOK);
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

/// Requests that were refused for too many, and looks, in ten minutes or until the feed ends.
fn under_a_limit(harness: &mut Harness, mut look: impl FnMut(&mut Harness, u32)) -> (u32, u32) {
    let (mut refused, mut looks, mut last) = (0, 0, harness.now);
    while harness.now < 600_000 {
        match &harness.step {
            Step::Request(query) if query.live => {
                refused += 1;
                harness.after(5).answer(429, &[], r#"{"error":"Too many concurrent requests"}"#);
            }
            Step::Request(_) => {
                assert!(harness.now - last <= 10_100, "told {} ms after the last look", harness.now - last);
                last = harness.now;
                looks += 1;
                harness.after(5);
                look(harness, looks);
            }
            Step::Wait { ms, .. } => {
                assert!(*ms <= 10_000, "{ms}");
                harness.woken();
            }
            Step::End(_) => break,
        }
    }
    (refused, looks)
}

#[test]
fn over_the_connection_limit_changes_are_told_within_ten_seconds_and_no_more_often_asked_for() {
    let mut harness = Harness::live();
    let (refused, looks) = under_a_limit(&mut harness, |harness, nth| {
        let offset = format!("{nth}_0");
        harness.good(&offset, &[&row("update", "k", &nth.to_string()), UP_TO_DATE]);
        assert_eq!(harness.changes.len(), 1);
    });
    assert!(harness.now >= 600_000, "given up: {}", harness.said());
    assert!((60..=75).contains(&refused) && (60..=75).contains(&looks), "{refused} refused, {looks} looks");
}

#[test]
fn a_quiet_feed_over_the_connection_limit_ends_with_the_servers_error_after_five_minutes() {
    let mut harness = Harness::live();
    let (refused, looks) = under_a_limit(&mut harness, |harness, _| {
        harness.good("0_0", &[UP_TO_DATE]);
    });
    assert_eq!(harness.end().status(), Some(429));
    assert!((280_000..=300_000).contains(&harness.now), "{}", harness.now);
    assert!(refused <= 45 && looks <= 45, "{refused} refused, {looks} looks");
}

#[test]
fn a_server_that_never_holds_is_given_up_although_it_is_looked_at() {
    let mut harness = Harness::live();
    let (requests, _) = harness.until_end(|harness| {
        harness.after(1).good("0_0", &[UP_TO_DATE]);
    });
    assert_eq!(harness.end().kind(), Kind::NoProgress);
    assert!(requests <= 12, "{requests}");
    // Whose live answers are no protocol, too (defect 1).
    let mut harness = Harness::live();
    let (requests, ms) = harness.until_end(|harness| match &harness.step {
        Step::Request(query) if query.live => {
            harness.after(1).answer(200, &[("content-type", "text/html")], "<html>");
        }
        Step::Request(_) | Step::Wait { .. } | Step::End(_) => {
            harness.after(1).good("0_0", &[UP_TO_DATE]);
        }
    });
    assert_eq!(harness.end().kind(), Kind::Protocol);
    assert!(requests <= 30 && ms <= 20_000, "{requests} requests in {ms} ms");
}
