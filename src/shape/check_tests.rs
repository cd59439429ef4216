//! Requests in the place of live ones that the driver has no connection for.

use super::harness::{Harness, UP_TO_DATE, now, row};
use super::*;

/// A request in the place of the live one that the machine named.
fn checked(harness: &mut Harness, answer: impl FnOnce(&mut Harness)) {
    harness.step = harness.feed.catch_up(now(harness.now)).expect("a live request was named");
    assert_eq!(harness.said(), "ask catch-up");
    answer(harness);
}

#[test]
fn a_feed_that_is_only_asked_now_and_then_never_ends_for_want_of_news() {
    let mut harness = Harness::live();
    for _ in 0..100 {
        checked(harness.after(3_000), |harness| {
            harness.good("0_0", &[&row("insert", "k", "A"), UP_TO_DATE]);
        });
        assert_eq!((harness.said(), harness.shown().len()), ("ask live".to_owned(), 0));
    }
    checked(&mut harness, |harness| {
        harness.good("1_0", &[&row("insert", "k", "B"), UP_TO_DATE]);
    });
    assert_eq!(harness.shown(), ["k=B"]);
}

#[test]
fn live_requests_that_are_refused_now_and_then_end_no_feed_that_is_asked_in_between() {
    let mut harness = Harness::live();
    let mut waits = Vec::new();
    for _ in 0..10 {
        harness.after(60_000).respond(429, &[], "{}");
        let Step::Wait { ms, .. } = harness.step else { panic!("{}", harness.said()) };
        waits.push(ms);
        harness.woken().good("0_0", &[UP_TO_DATE]);
        checked(harness.after(1), |harness| {
            harness.good("0_0", &[UP_TO_DATE]);
        });
    }
    assert!(waits.is_sorted() && waits[0] < waits[9], "the waits grow, as after any refusal: {waits:?}");
}

#[test]
fn a_server_that_answers_long_polls_at_once_ends_a_feed_that_is_checked_in_between() {
    let mut harness = Harness::live();
    for _ in 0..12 {
        harness.after(1).good("0_0", &[UP_TO_DATE]);
        if matches!(harness.step, Step::Wait { .. }) {
            harness.woken().good("0_0", &[UP_TO_DATE]);
        }
        if matches!(harness.step, Step::End(_)) {
            break;
        }
        if let Some(check) = harness.feed.catch_up(now(harness.now)) {
            harness.step = check;
            harness.after(1).good("0_0", &[UP_TO_DATE]);
        }
    }
    assert!(
        matches!(&harness.step, Step::End(Err(error)) if error.code() == crate::error::ErrorCode::NoProgress),
        "{}",
        harness.said()
    );
}

#[test]
fn checks_that_fail_now_and_then_are_made_again_as_soon_as_after_the_first_failure() {
    let mut harness = Harness::live();
    for _ in 0..10 {
        checked(harness.after(30_000), |harness| {
            harness.respond(503, &[], "");
        });
        let Step::Wait { retry, .. } = harness.step else { panic!("{}", harness.said()) };
        assert_eq!(retry.attempt, 1);
        harness.woken().good("0_0", &[UP_TO_DATE]);
    }
}

#[test]
fn a_check_that_fails_is_made_again_and_the_feed_ends_after_five_minutes_of_failures() {
    let mut harness = Harness::live();
    checked(&mut harness, |harness| {
        harness.respond(503, &[], "");
    });
    assert_eq!(harness.woken().said(), "ask catch-up");
    let (_, ms) = harness.until_end(|harness| {
        harness.after(1).respond(503, &[], "");
    });
    assert!((290_000..=300_000).contains(&ms), "{ms}");
}

#[test]
fn only_a_live_request_has_another_in_its_place() {
    let mut harness = Harness::new();
    assert!(harness.feed.catch_up(now(0)).is_none(), "a snapshot was named");
    harness.good("0_0", &[&row("insert", "k", "A")]);
    assert!(harness.feed.catch_up(now(0)).is_none(), "a catch-up was named");
    harness.respond(503, &[], "");
    assert!(harness.feed.catch_up(now(0)).is_none(), "a wait was named");
}

#[test]
fn electric_is_known_by_its_handles() {
    for (handle, expected) in
        [("41012-1795893960000", true), ("run-cmx0r5", false), ("runs_1_2_3", false), ("-1", false)]
    {
        let mut harness = Harness::new();
        harness.good_from(handle, "0_0", &[UP_TO_DATE]);
        assert_eq!(harness.feed.is_electric(), expected, "{handle}");
    }
}
