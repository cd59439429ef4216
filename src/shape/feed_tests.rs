//! Every cell of the state × event table, and the limits of the machine's patience.

use http::HeaderMap;

use super::*;
use crate::Error;
use crate::error::Kind;

const SCHEMA: &str = r#"{"status":{"type":"text"}}"#;
const UP_TO_DATE: &str = r#"{"headers":{"control":"up-to-date"}}"#;

/// A feed with a clock, and what it last said.
struct Script {
    feed: Feed,
    now: u64,
    step: Step,
    changes: Vec<Change>,
}

fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
    pairs.iter().map(|&(name, value)| (name.parse().expect("a name"), value.parse().expect("a value"))).collect()
}

fn row(operation: &str, key: &str, status: &str) -> String {
    format!(r#"{{"key":"{key}","value":{{"status":"{status}"}},"headers":{{"operation":"{operation}"}}}}"#)
}

impl Script {
    fn new() -> Self {
        Self::with(Limits::default())
    }

    fn with(limits: Limits) -> Self {
        let mut feed = Feed::new(limits);
        let step = feed.start(now(0));
        Self { feed, now: 0, step, changes: Vec::new() }
    }

    fn on(&mut self, event: Event<'_>) -> &mut Self {
        let outcome = self.feed.on(event, now(self.now));
        self.step = outcome.step;
        self.changes = outcome.changes;
        self
    }

    fn answer(&mut self, status: u16, pairs: &[(&'static str, &str)], body: &str) -> &mut Self {
        self.on(Event::Answer { status, headers: &headers(pairs), body: body.as_bytes() })
    }

    /// A good answer with these messages.
    fn good(&mut self, offset: &str, messages: &[&str]) -> &mut Self {
        self.good_from("h", offset, messages)
    }

    fn good_from(&mut self, handle: &str, offset: &str, messages: &[&str]) -> &mut Self {
        let pairs = [("electric-handle", handle), ("electric-offset", offset), ("electric-schema", SCHEMA)];
        self.answer(200, &pairs, &format!("[{}]", messages.join(",")))
    }

    fn after(&mut self, ms: u64) -> &mut Self {
        self.now += ms;
        self
    }

    fn woken(&mut self) -> &mut Self {
        if let Step::Wait { ms, .. } = self.step {
            self.now += ms;
        }
        self.on(Event::Woken)
    }

    /// Up to date with one row.
    fn live() -> Self {
        let mut script = Self::new();
        script.good("0_0", &[&row("insert", "k", "A"), UP_TO_DATE]);
        script
    }

    fn url(&self) -> String {
        match &self.step {
            Step::Request(query) => query.with(&[]),
            Step::Wait { .. } | Step::End(_) => format!("no request: {}", self.said()),
        }
    }

    /// The step in the words of `docs/protocol.md`.
    fn said(&self) -> String {
        match &self.step {
            Step::Request(query) if query.live => "ask live".to_owned(),
            Step::Request(query) if query.offset == "-1" => "ask snapshot".to_owned(),
            Step::Request(_) => "ask catch-up".to_owned(),
            Step::Wait { retry, .. } => format!("wait: {}", retry.reason.as_str()),
            Step::End(Ok(())) => "over".to_owned(),
            Step::End(Err(error)) => format!("end: {}", error.code()),
        }
    }

    fn shown(&self) -> Vec<String> {
        let show = |change: &Change| match change {
            Change::Row { key, row } => format!("{key}={}", row.get("status").unwrap_or("-")),
            Change::Gone { key } => format!("{key} gone"),
            Change::LetGo { key } => format!("{key} let go"),
            Change::Bad { key, .. } => format!("{} bad", key.as_deref().unwrap_or("?")),
        };
        self.changes.iter().map(show).collect()
    }

    fn end(&self) -> &Error {
        match &self.step {
            Step::End(Err(error)) => error,
            Step::Request(_) | Step::Wait { .. } | Step::End(Ok(())) => panic!("not an error: {}", self.said()),
        }
    }

    /// Repeats `event` (which passes the time it takes) until the feed ends: requests made, and
    /// how long it took.
    fn until_end(&mut self, mut event: impl FnMut(&mut Self)) -> (u32, u64) {
        let (mut requests, start) = (0, self.now);
        for _ in 0..10_000 {
            match &self.step {
                Step::Request(_) => {
                    requests += 1;
                    event(self);
                }
                Step::Wait { .. } => {
                    self.woken();
                }
                Step::End(_) => return (requests, self.now - start),
            }
        }
        panic!("it never ends")
    }
}

fn now(monotonic_ms: u64) -> Now {
    Now { monotonic_ms, unix_ms: 1_795_335_407_000 + monotonic_ms, jitter: 0.999 }
}

fn refused() -> Error {
    Error::new(Kind::Connection, "ERR_CONNECTION", "refused")
}

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
        "too large" => {
            script.on(Event::Failed(Failure::TooLarge(Error::new(Kind::Protocol, "ERR_TOO_LARGE", "too large"))))
        }
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

impl Script {
    fn step_after_wait(&mut self) -> String {
        if matches!(self.step, Step::Wait { .. }) {
            self.woken();
        }
        self.url()
    }
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
    let (requests, _) = script.until_end(|script| {
        script.good_from("h", "0_0", &[&row("insert", "k", "STALE"), UP_TO_DATE]);
        assert!(script.changes.is_empty());
    });
    assert_eq!(script.end().kind(), Kind::NoProgress);
    assert!(requests <= 12, "{requests}");
}

#[test]
fn a_stale_answer_is_asked_for_under_a_url_no_cache_has_seen() {
    let mut script = Script::live();
    script.answer(409, &[("electric-handle", "h2")], "");
    script.good_from("h", "0_0", &[UP_TO_DATE]);
    assert_eq!(script.url(), "expired_handle=h&handle=h2-next&log=full&offset=-1");
}

#[test]
fn must_refetch_for_ever_ends_with_a_typed_error_soon() {
    let mut script = Script::live();
    let (requests, ms) = script.until_end(|script| {
        script.after(1).answer(409, &[], "[]");
    });
    assert_eq!(script.end().kind(), Kind::NoProgress);
    assert!(requests <= 10 && ms <= 20_000, "{requests} requests in {ms} ms");
}

#[test]
fn a_shape_rebuilt_for_ever_ends_although_each_snapshot_is_whole() {
    let mut script = Script::live();
    let mut flip = false;
    let (requests, ms) = script.until_end(|script| {
        flip = !flip;
        script.after(1);
        if flip {
            script.answer(409, &[], "");
        } else {
            script.good_from("other", "0_0", &[&row("insert", "k", "A"), UP_TO_DATE]);
        }
    });
    assert_eq!(script.end().kind(), Kind::NoProgress);
    assert!(requests <= 20 && ms <= 30_000, "{requests} requests in {ms} ms");
}

#[test]
fn quick_live_answers_without_progress_slow_down_and_end() {
    let mut script = Script::live();
    let (requests, ms) = script.until_end(|script| {
        script.after(1).good("0_0", &[UP_TO_DATE]);
    });
    assert_eq!(script.end().kind(), Kind::NoProgress);
    assert!(requests <= 12 && ms >= 5_000, "{requests} requests in {ms} ms");
}

#[test]
fn a_quiet_feed_whose_polls_are_held_lives_for_ever() {
    let mut script = Script::live();
    for _ in 0..5_000 {
        script.after(20_000).good("0_0", &[UP_TO_DATE]);
        assert_eq!(script.said(), "ask live");
    }
}

#[test]
fn a_busy_run_whose_busy_columns_are_skipped_is_polled_gently_and_never_given_up() {
    let mut script = Script::live();
    let mut requests = 0;
    while script.now < 600_000 {
        match &script.step {
            Step::Request(_) => {
                requests += 1;
                let offset = requests.to_string();
                script.after(1).good(&offset, &[&row("update", "k", "A"), UP_TO_DATE]);
            }
            Step::Wait { ms, .. } => {
                assert!(*ms <= 1_000);
                script.woken();
            }
            Step::End(_) => panic!("given up: {}", script.said()),
        }
    }
    assert!(requests < 1_000, "{requests}");
}

#[test]
fn html_for_ever_ends_within_twenty_seconds_and_thirty_requests() {
    for latency in [1, 500, 4_000] {
        let mut script = Script::new();
        let (requests, ms) = script.until_end(|script| {
            script.after(latency).answer(200, &[("content-type", "text/html")], "<html>");
        });
        assert_eq!(script.end().kind(), Kind::Protocol);
        assert!(script.end().message().contains("text/html"));
        assert!(requests <= 30 && ms <= 20_000, "{requests} requests in {ms} ms");
        assert!(requests >= 3, "a proxy may answer so for a moment");
    }
}

#[test]
fn bodies_cut_for_ever_end_within_twenty_seconds_too() {
    let mut script = Script::live();
    let (requests, ms) = script.until_end(|script| {
        script.after(1).on(Event::Failed(Failure::Cut(refused())));
    });
    assert!(requests <= 30 && ms <= 20_000, "{requests} requests in {ms} ms");
}

#[test]
fn not_found_yet_is_tried_five_times_within_ten_seconds() {
    let mut script = Script::new();
    let (requests, ms) = script.until_end(|script| {
        script.after(1).answer(404, &[("x-should-retry", "true")], "{\"error\":\"Not found\"}");
    });
    assert_eq!(script.end().status(), Some(404));
    assert_eq!(requests, 5);
    assert!(ms <= 10_000, "{ms}");
}

#[test]
fn a_server_that_is_down_is_tried_for_five_minutes_and_not_often() {
    let mut script = Script::live();
    let (requests, ms) = script.until_end(|script| {
        script.after(1).answer(500, &[], "oops");
    });
    assert_eq!(script.end().status(), Some(500));
    assert!((240_000..=300_000).contains(&ms), "{ms}");
    assert!(requests <= 25, "{requests}");
}

#[test]
fn an_outage_that_ends_is_forgotten() {
    let mut script = Script::live();
    for _ in 0..20 {
        for attempt in 1..=6 {
            script.answer(503, &[], "");
            assert!(matches!(script.step, Step::Wait { retry, .. } if retry.attempt == attempt));
            assert_eq!(script.feed.phase(), Phase::Retrying);
            script.woken();
        }
        script.after(20_000).good("0_0", &[UP_TO_DATE]);
        assert_eq!(script.feed.phase(), Phase::Live);
    }
}

#[test]
fn the_servers_wait_is_honoured_and_capped() {
    for (pairs, least, most) in [
        ([("retry-after", "5")], 5_000, 5_600),
        ([("retry-after", "3600")], 30_000, 30_000),
        ([("retry-after", "0")], 100, 600),
    ] {
        let mut script = Script::live();
        script.answer(503, &pairs, "");
        let Step::Wait { ms, retry } = script.step else { panic!("it waits") };
        assert!((least..=most).contains(&ms), "{ms}");
        assert_eq!(retry, Retry { attempt: 1, status: Some(503), reason: Reason::Server });
    }
    let mut script = Script::live();
    let reset = (now(0).unix_ms + 12_000).to_string();
    script.answer(429, &[("x-ratelimit-reset", &reset)], "");
    assert!(matches!(script.step, Step::Wait { ms: 12_000..=12_600, .. }));
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

#[test]
fn a_broken_clock_or_die_cannot_break_the_machine() {
    for jitter in [f64::NAN, f64::INFINITY, -1.0, 2.0] {
        let mut feed = Feed::new(Limits::default());
        feed.start(Now { monotonic_ms: u64::MAX, unix_ms: 0, jitter });
        let outcome = feed.on(Event::Failed(Failure::Connect(refused())), Now { monotonic_ms: 0, unix_ms: 0, jitter });
        assert!(matches!(outcome.step, Step::Wait { .. }));
    }
}
