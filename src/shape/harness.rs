//! A test harness: a feed with a clock that the test moves.

use http::HeaderMap;

use super::*;
use crate::Error;
use crate::error::ErrorCode;

const SCHEMA: &str = r#"{"status":{"type":"text"}}"#;
pub(super) const UP_TO_DATE: &str = r#"{"headers":{"control":"up-to-date"}}"#;

/// A feed, its clock, and its last step and changes.
pub(super) struct Harness {
    pub(super) feed: Feed,
    pub(super) now: u64,
    pub(super) step: Step,
    pub(super) changes: Vec<Change>,
}

pub(super) fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
    pairs.iter().map(|&(name, value)| (name.parse().expect("a name"), value.parse().expect("a value"))).collect()
}

pub(super) fn row(operation: &str, key: &str, status: &str) -> String {
    format!(r#"{{"key":"{key}","value":{{"status":"{status}"}},"headers":{{"operation":"{operation}"}}}}"#)
}

impl Harness {
    pub(super) fn new() -> Self {
        Self::with(Limits::default())
    }

    #[allow(clippy::large_types_passed_by_value, reason = "once a test")]
    pub(super) fn with(limits: Limits) -> Self {
        let mut feed = Feed::new(limits);
        let step = feed.start(now(0));
        Self { feed, now: 0, step, changes: Vec::new() }
    }

    pub(super) fn on(&mut self, event: Event<'_>) -> &mut Self {
        let outcome = self.feed.on(event, now(self.now));
        self.step = outcome.step;
        self.changes = outcome.changes;
        self
    }

    pub(super) fn respond(&mut self, status: u16, pairs: &[(&'static str, &str)], body: &str) -> &mut Self {
        self.on(Event::Response { status, headers: &headers(pairs), body: body.as_bytes() })
    }

    /// Gives a response of the protocol with these messages.
    pub(super) fn good(&mut self, offset: &str, messages: &[&str]) -> &mut Self {
        self.good_from("h", offset, messages)
    }

    pub(super) fn good_from(&mut self, handle: &str, offset: &str, messages: &[&str]) -> &mut Self {
        let pairs = [("electric-handle", handle), ("electric-offset", offset), ("electric-schema", SCHEMA)];
        self.respond(200, &pairs, &format!("[{}]", messages.join(",")))
    }

    pub(super) fn after(&mut self, ms: u64) -> &mut Self {
        self.now += ms;
        self
    }

    pub(super) fn woken(&mut self) -> &mut Self {
        if let Step::Wait { ms, .. } = self.step {
            self.now += ms;
        }
        self.on(Event::Woken)
    }

    /// A feed that is up to date with one row.
    pub(super) fn live() -> Self {
        let mut harness = Self::new();
        harness.good("0_0", &[&row("insert", "k", "A"), UP_TO_DATE]);
        harness
    }

    pub(super) fn step_after_wait(&mut self) -> String {
        if matches!(self.step, Step::Wait { .. }) {
            self.woken();
        }
        self.url()
    }

    pub(super) fn url(&self) -> String {
        match &self.step {
            Step::Request(query) => query.with(&[]),
            Step::Wait { .. } | Step::End(_) => format!("no request: {}", self.said()),
        }
    }

    /// The last step in the words of the table in `docs/protocol.md`.
    pub(super) fn said(&self) -> String {
        match &self.step {
            Step::Request(query) if query.live => "ask live".to_owned(),
            Step::Request(query) if query.offset == "-1" => "ask snapshot".to_owned(),
            Step::Request(_) => "ask catch-up".to_owned(),
            Step::Wait { retry, .. } => format!("wait: {}", retry.reason.as_str()),
            Step::End(Ok(())) => "over".to_owned(),
            Step::End(Err(error)) => format!("end: {}", error.code()),
        }
    }

    pub(super) fn shown(&self) -> Vec<String> {
        let show = |change: &Change| match change {
            Change::Row { key, row } => format!("{key}={}", row.get("status").unwrap_or("-")),
            Change::Gone { key } => format!("{key} gone"),
            Change::Evicted { key } => format!("{key} evicted"),
            Change::Malformed { key, .. } => format!("{} bad", key.as_deref().unwrap_or("?")),
        };
        self.changes.iter().map(show).collect()
    }

    pub(super) fn end(&self) -> &Error {
        match &self.step {
            Step::End(Err(error)) => error,
            Step::Request(_) | Step::Wait { .. } | Step::End(Ok(())) => panic!("not an error: {}", self.said()),
        }
    }

    /// Answers each request with `event`, which moves the clock, until the feed ends. The number of requests, and the
    /// time in ms.
    pub(super) fn until_end(&mut self, mut event: impl FnMut(&mut Self)) -> (u32, u64) {
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

pub(super) fn now(monotonic_ms: u64) -> Now {
    Now { monotonic_ms, unix_ms: 1_795_335_407_000 + monotonic_ms, jitter: 0.999 }
}

pub(super) fn refused() -> Error {
    Error::new(ErrorCode::Connection, "refused")
}
