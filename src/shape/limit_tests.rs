//! The limits of a feed: how often and for how long it retries.

use super::harness::{Harness, UP_TO_DATE, now, refused, row};
use super::*;
use crate::error::Kind;

#[test]
fn must_refetch_for_ever_ends_with_a_typed_error_soon() {
    let mut harness = Harness::live();
    let (requests, ms) = harness.until_end(|harness| {
        harness.after(1).respond(409, &[], "[]");
    });
    assert_eq!(harness.end().kind(), Kind::NoProgress);
    assert!(requests <= 10 && ms <= 20_000, "{requests} requests in {ms} ms");
}

#[test]
fn a_shape_rebuilt_for_ever_ends_although_each_snapshot_is_whole() {
    let mut harness = Harness::live();
    let mut flip = false;
    let (requests, ms) = harness.until_end(|harness| {
        flip = !flip;
        harness.after(1);
        if flip {
            harness.respond(409, &[], "");
        } else {
            harness.good_from("other", "0_0", &[&row("insert", "k", "A"), UP_TO_DATE]);
        }
    });
    assert_eq!(harness.end().kind(), Kind::NoProgress);
    assert!(requests <= 20 && ms <= 30_000, "{requests} requests in {ms} ms");
}

#[test]
fn quick_live_answers_without_progress_slow_down_and_end() {
    let mut harness = Harness::live();
    let (requests, ms) = harness.until_end(|harness| {
        harness.after(1).good("0_0", &[UP_TO_DATE]);
    });
    assert_eq!(harness.end().kind(), Kind::NoProgress);
    assert!(requests <= 12 && ms >= 5_000, "{requests} requests in {ms} ms");
}

/// The waits after so many answers, in ms; 0 for a request at once.
fn waits(harness: &mut Harness, answers: usize, mut answer: impl FnMut(&mut Harness)) -> Vec<u64> {
    (0..answers)
        .map(|_| {
            answer(harness.after(1));
            let Step::Wait { ms, .. } = harness.step else { return 0 };
            harness.woken();
            ms
        })
        .collect()
}

#[test]
fn after_answers_that_bring_nothing_the_waits_begin_at_half_a_second_and_grow() {
    let empty = |harness: &mut Harness| {
        harness.good("0_0", &[UP_TO_DATE]);
    };
    assert_eq!(waits(&mut Harness::live(), 5, empty), [0, 0, 499, 799, 1_278]);
    let refetch = |harness: &mut Harness| {
        harness.respond(409, &[], "");
    };
    assert_eq!(waits(&mut Harness::live(), 5, refetch), [0, 499, 799, 1_278, 2_045]);
    let failed = |harness: &mut Harness| {
        harness.respond(503, &[], "");
    };
    assert_eq!(waits(&mut Harness::live(), 5, failed), [499, 799, 1_278, 2_045, 3_273]);
}

#[test]
fn changes_that_cannot_be_read_are_no_progress() {
    let unreadable = r#"{"key":"k","value":5,"headers":{"operation":"update"}}"#;
    let broken = |harness: &mut Harness| {
        harness.good("0_0", &[unreadable, UP_TO_DATE]);
    };
    assert_eq!(waits(&mut Harness::live(), 4, broken), [0, 0, 499, 799]);
}

#[test]
fn a_snapshot_in_many_parts_is_read_to_its_end_at_once() {
    let mut harness = Harness::new();
    for part in 0..40 {
        harness.after(1).good(&format!("{part}_0"), &[&row("insert", &part.to_string(), "A")]);
        assert_eq!(harness.said(), "ask catch-up", "{part}");
    }
    harness.good("40_0", &[UP_TO_DATE]);
    assert_eq!((harness.shown().len(), harness.said().as_str()), (40, "ask live"));
}

#[test]
fn the_first_up_to_date_ends_an_outage_also_where_it_has_no_body() {
    let mut harness = Harness::new();
    harness.good("0_0", &[&row("insert", "k", "A")]);
    let attempt = |harness: &mut Harness| {
        harness.respond(503, &[], "");
        let Step::Wait { retry, .. } = harness.step else { panic!("it waits") };
        harness.woken();
        retry.attempt
    };
    assert_eq!([attempt(&mut harness), attempt(&mut harness)], [1, 2]);
    harness.respond(204, &[("electric-handle", "h"), ("electric-offset", "0_0")], "");
    assert_eq!(harness.shown(), ["k=A"]);
    assert_eq!(attempt(&mut harness), 1);
}

#[test]
fn a_quiet_feed_whose_polls_are_held_lives_for_ever() {
    let mut harness = Harness::live();
    for _ in 0..5_000 {
        harness.after(20_000).good("0_0", &[UP_TO_DATE]);
        assert_eq!(harness.said(), "ask live");
    }
}

#[test]
fn a_busy_run_whose_busy_columns_are_skipped_is_polled_gently_and_never_given_up() {
    let mut harness = Harness::live();
    let mut requests = 0;
    while harness.now < 600_000 {
        match &harness.step {
            Step::Request(_) => {
                requests += 1;
                let offset = requests.to_string();
                harness.after(1).good(&offset, &[&row("update", "k", "A"), UP_TO_DATE]);
            }
            Step::Wait { ms, .. } => {
                assert!(*ms <= 1_000);
                harness.woken();
            }
            Step::End(_) => panic!("given up: {}", harness.said()),
        }
    }
    assert!(requests < 1_000, "{requests}");
}

#[test]
fn html_for_ever_ends_within_twenty_seconds_and_thirty_requests() {
    for latency in [1, 500, 4_000] {
        let mut harness = Harness::new();
        let (requests, ms) = harness.until_end(|harness| {
            harness.after(latency).respond(200, &[("content-type", "text/html")], "<html>");
        });
        assert_eq!(harness.end().kind(), Kind::Protocol);
        assert!(harness.end().message().contains("text/html"));
        assert!(requests <= 30 && ms <= 20_000, "{requests} requests in {ms} ms");
        assert!(requests >= 3, "a proxy may answer so for a moment");
    }
}

#[test]
fn bodies_cut_for_ever_end_within_twenty_seconds_too() {
    let mut harness = Harness::live();
    let (requests, ms) = harness.until_end(|harness| {
        harness.after(1).on(Event::Failed(Failure::Cut(refused())));
    });
    assert!(requests <= 30 && ms <= 20_000, "{requests} requests in {ms} ms");
}

type Fail = fn(&mut Harness);

fn breaks_off(harness: &mut Harness) {
    harness.on(Event::Failed(Failure::Cut(refused())));
}

/// A gateway's.
fn shows_a_page(harness: &mut Harness) {
    harness.respond(200, &[("content-type", "text/html")], "<html>");
}

#[test]
fn one_held_answer_that_breaks_off_or_is_a_gateways_page_does_not_end_the_feed() {
    let ways: [Fail; 2] = [breaks_off, shows_a_page];
    for fail in ways {
        let mut harness = Harness::live();
        // The server holds each live request for 20 s, and each of its answers breaks off; what it says at once is whole.
        for _ in 0..5 {
            harness.after(20_000);
            fail(&mut harness);
            assert!(harness.said().starts_with("wait: "), "{}", harness.said());
            harness.woken();
            if harness.url() == "handle=h&log=full&offset=0_0" {
                harness.good("0_0", &[UP_TO_DATE]);
            }
        }
        harness.after(20_000).good("1_0", &[&row("update", "k", "B"), UP_TO_DATE]);
        assert_eq!(harness.shown(), ["k=B"]);
    }
}

#[test]
fn slow_answers_that_break_off_one_after_another_do_not_end_the_feed() {
    // With a length, as a page of the proxy that lost its server, and with a connection whose end is the body's.
    let ways: [Fail; 3] = [breaks_off, shows_a_page, |harness| {
        let pairs = [("electric-handle", "h"), ("electric-offset", "0_0"), ("electric-schema", "{}")];
        harness.respond(200, &pairs, "[{\"key\":");
    }];
    for fail in ways {
        let mut harness = Harness::new();
        for _ in 0..6 {
            fail(harness.after(30_000));
            assert!(harness.said().starts_with("wait: "), "{}", harness.said());
            harness.woken();
        }
        harness.after(30_000).good("0_0", &[&row("insert", "k", "A"), UP_TO_DATE]);
        assert_eq!(harness.shown(), ["k=A"]);
    }
}

#[test]
fn answers_that_break_off_now_and_then_do_not_end_a_feed_that_nothing_happens_in() {
    let mut harness = Harness::live();
    for _ in 0..8 {
        breaks_off(harness.after(2_000));
        assert!(harness.said().starts_with("wait: "), "{}", harness.said());
        harness.woken();
        assert_eq!(harness.url(), "handle=h&log=full&offset=0_0", "after a while it asks without live");
        harness.after(4_000).good("0_0", &[UP_TO_DATE]);
    }
    harness.after(20_000).good("1_0", &[&row("update", "k", "B"), UP_TO_DATE]);
    assert_eq!(harness.shown(), ["k=B"]);
}

#[test]
fn answers_that_break_off_after_an_outage_are_asked_for_again_within_seconds() {
    let ways: [Fail; 3] = [breaks_off, shows_a_page, |harness| {
        harness.respond(404, &[("x-should-retry", "true")], "{}");
    }];
    for fail in ways {
        let mut harness = Harness::new();
        for _ in 0..20 {
            harness.after(1).respond(503, &[], "");
            harness.woken();
        }
        for _ in 0..3 {
            fail(&mut harness);
            let Step::Wait { ms, .. } = harness.step else { panic!("it waits") };
            assert!(ms <= 3_000, "{ms}");
            harness.woken();
        }
        harness.good("0_0", &[&row("insert", "k", "A"), UP_TO_DATE]);
        assert_eq!(harness.shown(), ["k=A"]);
    }
}

#[test]
fn not_found_yet_is_tried_five_times_within_ten_seconds() {
    let mut harness = Harness::new();
    let (requests, ms) = harness.until_end(|harness| {
        harness.after(1).respond(404, &[("x-should-retry", "true")], "{\"error\":\"Not found\"}");
    });
    assert_eq!(harness.end().status(), Some(404));
    assert_eq!(requests, 5);
    assert!(ms <= 10_000, "{ms}");
}

#[test]
fn a_server_that_is_down_is_tried_for_five_minutes_and_every_ten_seconds_at_most() {
    let mut harness = Harness::live();
    let (requests, ms) = harness.until_end(|harness| {
        harness.after(1).respond(500, &[], "oops");
    });
    assert_eq!(harness.end().status(), Some(500));
    assert!((240_000..=300_000).contains(&ms), "{ms}");
    assert!(requests <= 40, "{requests}");
}

#[test]
fn an_outage_that_ends_is_forgotten() {
    let mut harness = Harness::live();
    for _ in 0..20 {
        for attempt in 1..=6 {
            harness.respond(503, &[], "");
            assert!(matches!(harness.step, Step::Wait { retry, .. } if retry.attempt == attempt));
            assert_eq!(harness.feed.phase(), Phase::Retrying);
            harness.woken();
        }
        // The refresh after the outage, and a request that is held.
        harness.good("0_0", &[UP_TO_DATE]);
        assert_eq!(harness.feed.phase(), Phase::Live);
        harness.after(20_000).good("0_0", &[UP_TO_DATE]);
        assert_eq!(harness.feed.phase(), Phase::Live);
    }
}

#[test]
fn the_servers_wait_is_honoured_and_capped() {
    for (pairs, least, most) in [
        ([("retry-after", "5")], 5_000, 5_600),
        ([("retry-after", "3600")], 30_000, 30_000),
        ([("retry-after", "0")], 100, 600),
    ] {
        let mut harness = Harness::live();
        harness.respond(503, &pairs, "");
        let Step::Wait { ms, retry } = harness.step else { panic!("it waits") };
        assert!((least..=most).contains(&ms), "{ms}");
        assert_eq!(retry, Retry { attempt: 1, status: Some(503), reason: Reason::Server });
    }
    let mut harness = Harness::live();
    let reset = (now(0).unix_ms + 12_000).to_string();
    harness.respond(429, &[("x-ratelimit-reset", &reset)], "");
    assert!(matches!(harness.step, Step::Wait { ms: 12_000..=12_600, .. }));
}

#[test]
fn a_broken_clock_or_die_cannot_break_the_machine() {
    for jitter in [f64::NAN, f64::INFINITY, -1.0, 2.0] {
        let mut feed = Feed::new(Limits::default());
        feed.start(Now { monotonic_ms: u64::MAX, unix_ms: 0, jitter });
        let outcome = feed.on(Event::Failed(Failure::Connect(refused())), Now { monotonic_ms: 0, unix_ms: 0, jitter });
        assert!(matches!(outcome.step, Step::Wait { .. }));
    }
}
