//! A feed that comes back after a while asks once without holding (I20), and what it puts up with meanwhile.

use super::script::{Script, UP_TO_DATE, now, refused, row};
use super::*;
use crate::error::Kind;

const LOOK: &str = "handle=h&log=full&offset=0_0";
const LIVE: &str = "cursor=&handle=h&live=true&log=full&offset=0_0";

/// Until a wait is over that ends more than a second after the last answer.
fn fail_until_late(script: &mut Script, mut fail: impl FnMut(&mut Script)) {
    let from = script.now;
    while script.now - from <= 1_000 {
        fail(script);
        script.woken();
    }
}

#[test]
fn after_an_outage_what_happened_meanwhile_is_told_at_once() {
    let mut script = Script::live();
    fail_until_late(&mut script, |script| {
        script.on(Event::Failed(Failure::Connect(refused())));
    });
    assert_eq!(script.url(), LOOK, "a live request would be held");
    script.good("1_0", &[&row("update", "k", "B"), UP_TO_DATE]);
    assert_eq!(script.shown(), ["k=B"]);
    assert_eq!(script.feed.phase(), Phase::Live);
    assert_eq!(script.said(), "ask live");
}

#[test]
fn a_short_wait_needs_no_look_and_a_look_is_not_repeated() {
    let mut script = Script::live();
    script.answer(503, &[], "").woken();
    assert_eq!(script.url(), LIVE, "the server remembers half a second");
    fail_until_late(&mut script, |script| {
        script.answer(503, &[], "");
    });
    assert_eq!(script.url(), LOOK);
    script.after(29_000).good("0_0", &[UP_TO_DATE]);
    assert_eq!(script.url(), LIVE, "however slow the look was");
}

#[test]
fn a_look_that_fails_is_a_look_again_and_one_in_parts_is_read_to_its_end() {
    let mut script = Script::live();
    script.after(2_000).on(Event::Failed(Failure::Silent(refused()))).woken();
    assert_eq!(script.url(), LOOK);
    script.answer(502, &[], "").woken();
    assert_eq!(script.url(), LOOK);
    script.good("1_0", &[&row("update", "k", "B")]);
    assert_eq!(script.url(), "handle=h&log=full&offset=1_0");
    script.answer(204, &[], "");
    assert_eq!((script.shown(), script.said()), (vec!["k=B".to_owned()], "ask live".to_owned()));
}

#[test]
fn a_driver_that_was_held_up_before_it_sent_the_request_asks_for_another() {
    let mut script = Script::live();
    assert!(!script.feed.is_late(now(1_000)));
    assert!(script.feed.is_late(now(1_001)), "its readers were slow, or its token was renewed");
    script.after(1_001).on(Event::Woken);
    assert_eq!(script.url(), LOOK);
    assert!(!script.feed.is_late(now(60_000)), "what it is");
}

#[test]
fn a_machine_that_slept_amid_a_poll_looks_first() {
    let slept = Now { unix_ms: now(100).unix_ms + 3_600_000, ..now(100) };
    let mut script = Script::live();
    script.feed.on(Event::Failed(Failure::Cut(refused())), slept);
    let step = script.feed.on(Event::Woken, Now { monotonic_ms: 600, ..slept }).step;
    assert!(matches!(&step, Step::Request(query) if !query.live), "{step:?}");
    // The answer of before the sleep is read after it.
    let mut script = Script::live();
    script.after(40_000).good("0_0", &[UP_TO_DATE]);
    assert_eq!(script.url(), LOOK);
    script.good("0_0", &[UP_TO_DATE]);
    assert_eq!(script.url(), LIVE);
}

#[test]
fn a_clock_that_is_set_back_changes_nothing() {
    let mut script = Script::live();
    let back = Now { unix_ms: 0, ..now(500) };
    assert!(!script.feed.is_late(back));
    script.feed.on(Event::Failed(Failure::Cut(refused())), back);
    assert!(matches!(script.feed.on(Event::Woken, back).step, Step::Request(query) if query.live));
}

/// Requests that were refused for too many, and looks, in ten minutes or until the feed ends.
fn under_a_limit(script: &mut Script, mut look: impl FnMut(&mut Script, u32)) -> (u32, u32) {
    let (mut refused, mut looks, mut last) = (0, 0, script.now);
    while script.now < 600_000 {
        match &script.step {
            Step::Request(query) if query.live => {
                refused += 1;
                script.after(5).answer(429, &[], r#"{"error":"Too many concurrent requests"}"#);
            }
            Step::Request(_) => {
                assert!(script.now - last <= 10_100, "told {} ms after the last look", script.now - last);
                last = script.now;
                looks += 1;
                script.after(5);
                look(script, looks);
            }
            Step::Wait { ms, .. } => {
                assert!(*ms <= 10_000, "{ms}");
                script.woken();
            }
            Step::End(_) => break,
        }
    }
    (refused, looks)
}

#[test]
fn over_the_connection_limit_changes_are_told_within_ten_seconds_and_no_more_often_asked_for() {
    let mut script = Script::live();
    let (refused, looks) = under_a_limit(&mut script, |script, nth| {
        let offset = format!("{nth}_0");
        script.good(&offset, &[&row("update", "k", &nth.to_string()), UP_TO_DATE]);
        assert_eq!(script.changes.len(), 1);
    });
    assert!(script.now >= 600_000, "given up: {}", script.said());
    assert!((60..=75).contains(&refused) && (60..=75).contains(&looks), "{refused} refused, {looks} looks");
}

#[test]
fn a_quiet_feed_over_the_connection_limit_ends_with_the_servers_error_after_five_minutes() {
    let mut script = Script::live();
    let (refused, looks) = under_a_limit(&mut script, |script, _| {
        script.good("0_0", &[UP_TO_DATE]);
    });
    assert_eq!(script.end().status(), Some(429));
    assert!((280_000..=300_000).contains(&script.now), "{}", script.now);
    assert!(refused <= 45 && looks <= 45, "{refused} refused, {looks} looks");
}

#[test]
fn a_server_that_never_holds_is_given_up_although_it_is_looked_at() {
    let mut script = Script::live();
    let (requests, _) = script.until_end(|script| {
        script.after(1).good("0_0", &[UP_TO_DATE]);
    });
    assert_eq!(script.end().kind(), Kind::NoProgress);
    assert!(requests <= 12, "{requests}");
    // Whose live answers are no protocol, too (defect 1).
    let mut script = Script::live();
    let (requests, ms) = script.until_end(|script| match &script.step {
        Step::Request(query) if query.live => {
            script.after(1).answer(200, &[("content-type", "text/html")], "<html>");
        }
        Step::Request(_) | Step::Wait { .. } | Step::End(_) => {
            script.after(1).good("0_0", &[UP_TO_DATE]);
        }
    });
    assert_eq!(script.end().kind(), Kind::Protocol);
    assert!(requests <= 30 && ms <= 20_000, "{requests} requests in {ms} ms");
}
