//! A stream's machine with a simulated clock, and the events of either version.

#![allow(dead_code, unreachable_pub, clippy::panic, reason = "each test file uses its part; a test fails by panicking")]

pub mod server;

use http::HeaderMap;
use trigger_native::error::ErrorCode;
use trigger_native::shape::Now;
use trigger_native::stream::{Ending, Event, Failure, Limits, Machine, Outcome, Plan, Request, Start, Step};
use trigger_native::{Error, Result};

/// A machine with a simulated clock.
pub struct Bench {
    pub machine: Machine,
    pub step: Step,
    pub at: u64,
    pub values: Vec<String>,
}

impl Bench {
    pub fn new(plan: Plan) -> Self {
        let mut machine = Machine::new(plan, Limits::default());
        let step = machine.start();
        Self { machine, step, at: 0, values: Vec::new() }
    }

    pub fn now(&self) -> Now {
        Now { monotonic_ms: self.at, unix_ms: 1_000_000 + self.at, jitter: 0.5 }
    }

    pub fn on(&mut self, event: Event<'_>) -> &Step {
        let now = self.now();
        let Outcome { step, chunks } = self.machine.on(event, now);
        self.values.extend(chunks.into_iter().map(|chunk| chunk.json.map_or("undefined".into(), String::from)));
        self.step = step;
        &self.step
    }

    pub fn open(&mut self, v2: bool) -> &Step {
        let version: &[(&str, &str)] = if v2 { &[("x-stream-version", "v2")] } else { &[] };
        self.on(Event::Opened { status: 200, headers: &headers(version) })
    }

    pub fn text(&mut self, text: &str) -> &Step {
        self.on(Event::Bytes(text.as_bytes()))
    }

    pub fn cut(&mut self) -> &Step {
        self.on(Event::Failed(Failure::Cut(Error::new(ErrorCode::Connection, "cut"))))
    }

    /// Lets the wait pass.
    pub fn wake(&mut self) -> Request {
        if let Step::Wait { ms, .. } = self.step {
            self.at += ms;
            self.on(Event::Woken);
        }
        self.request()
    }

    pub fn request(&self) -> Request {
        let Step::Request(request) = &self.step else { panic!("no request: {:?}", self.step) };
        request.clone()
    }

    pub fn end(&self) -> &Result<Ending> {
        let Step::End(result) = &self.step else { panic!("no end: {:?}", self.step) };
        result
    }
}

pub fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
    pairs
        .iter()
        .map(|(name, value)| {
            (name.parse::<http::HeaderName>().expect("a name"), value.parse::<http::HeaderValue>().expect("a value"))
        })
        .collect()
}

pub fn timeout(seconds: u16) -> Plan {
    Plan { timeout_s: Some(seconds), ..Plan::default() }
}

pub const FOLLOW: Plan = Plan { start: Start::Beginning, timeout_s: None, follow: true };
pub const DONE: &str = "data: [DONE]\n\n";

pub fn batch(seq: u64, value: &str) -> String {
    let body = serde_json::Value::from(format!("{{\"data\":{value},\"id\":\"id{seq}\"}}"));
    format!(
        "event: batch\nid: {seq},{},9\ndata: {{\"records\":[{{\"seq_num\":{seq},\"timestamp\":1,\"body\":{body}}}]}}\n\n",
        seq + 1
    )
}

pub fn ping(tail: u64) -> String {
    format!("event: ping\ndata: {{\"timestamp\":1,\"tail\":{{\"seq_num\":{tail},\"timestamp\":1}}}}\n\n")
}

pub fn v1(ms: u64, value: &str) -> String {
    format!("id: {ms}-0\ndata: {value}\n\n")
}
