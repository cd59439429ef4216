//! The feed machine and the stream reader over answers that come on standard input, one case a line as JSON:
//! `scripts/lib/differential` compares what this program prints with what the published clients make of the same bytes.

#![allow(clippy::print_stdout, reason = "its output is its interface")]

use std::collections::BTreeMap;
use std::io::BufRead as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, HeaderName, HeaderValue};
use serde::Deserialize;
use serde_json::{Value, json};
use trigger_native::run::render;
use trigger_native::shape::{Change, Event, Feed, Limits, Now, Step};
use trigger_native::stream;

/// More requests than any case needs.
const MAX_REQUESTS: usize = 200;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
enum Case {
    Shape(BTreeMap<String, Answer>),
    Stream { v2: bool, pieces: Vec<String> },
}

/// What a server says to a request, by its handle and offset. The first `fails` such requests are answered with 503.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Answer {
    status: u16,
    headers: BTreeMap<String, String>,
    body: String,
    #[serde(default)]
    fails: u32,
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    for line in std::io::stdin().lock().lines() {
        let seen = match serde_json::from_str(&line?)? {
            Case::Shape(mut answers) => shape(&mut answers)?,
            Case::Stream { v2, pieces } => read(v2, &pieces)?,
        };
        println!("{seen}");
    }
    Ok(())
}

fn at(ms: u64) -> Now {
    Now { monotonic_ms: ms, unix_ms: 1_795_335_407_000 + ms, jitter: 0.5 }
}

fn headers(pairs: &BTreeMap<String, String>) -> Result<HeaderMap, Box<dyn std::error::Error>> {
    let pair = |(name, value): (&String, &String)| {
        Ok((HeaderName::from_bytes(name.as_bytes())?, HeaderValue::from_str(value)?))
    };
    pairs.iter().map(pair).collect()
}

/// The rows after each answer, until a request that the server has no answer for.
fn shape(answers: &mut BTreeMap<String, Answer>) -> Result<Value, Box<dyn std::error::Error>> {
    let mut feed = Feed::new(Limits::default());
    let (mut now, mut states, mut requests, mut malformed) = (1_000, Vec::new(), Vec::new(), 0);
    let mut step = feed.start(at(now));
    let mut end = Value::Null;
    while requests.len() < MAX_REQUESTS {
        now += 2_000;
        let outcome = match step {
            Step::Wait { ms, .. } => {
                now += ms;
                feed.on(Event::Woken, at(now))
            }
            Step::End(result) => {
                end = result.map_or_else(|error| error.code().to_string(), |()| "over".to_owned()).into();
                break;
            }
            Step::Request(query) => {
                let key = if query.offset == "-1" {
                    format!("{}|-1", query.handle.as_deref().unwrap_or_default())
                } else {
                    format!("{}|{}", query.handle.as_deref().unwrap_or_default(), query.offset)
                };
                requests.push(key.clone());
                let Some(answer) = answers.get_mut(&key) else { break };
                let failing = answer.fails > 0;
                answer.fails = answer.fails.saturating_sub(1);
                let (status, body) =
                    if failing { (503, Vec::new()) } else { (answer.status, STANDARD.decode(&answer.body)?) };
                feed.on(Event::Response { status, headers: &headers(&answer.headers)?, body: &body }, at(now))
            }
        };
        malformed += outcome.changes.iter().filter(|change| matches!(change, Change::Malformed { .. })).count();
        if !outcome.changes.is_empty() {
            states.push(rows(&feed));
        }
        step = outcome.step;
    }
    Ok(json!({ "states": states, "requests": requests, "end": end, "malformed": malformed }))
}

/// Each row as its texts, and as the run that JavaScript gets.
fn rows(feed: &Feed) -> Value {
    let row = |row: &trigger_native::shape::Row| {
        let mut run = String::new();
        let rendered = feed.schema().is_some_and(|schema| render(row, schema, None, &mut run).is_ok());
        let texts: BTreeMap<_, _> = row.iter().collect();
        // As text, because JavaScript reads some that serde_json refuses: lone surrogates.
        json!({ "texts": texts, "run": rendered.then_some(run) })
    };
    feed.rows().map(|(key, value)| (key.to_string(), row(value))).collect::<serde_json::Map<_, _>>().into()
}

/// The values of a stream whose one body comes in pieces.
fn read(v2: bool, pieces: &[String]) -> Result<Value, Box<dyn std::error::Error>> {
    let mut machine = stream::Machine::new(stream::Plan::default(), stream::Limits::default());
    let mut head = HeaderMap::new();
    head.insert("content-type", HeaderValue::from_static("text/event-stream"));
    if v2 {
        head.insert("x-stream-version", HeaderValue::from_static("v2"));
    }
    machine.start();
    let mut step = machine.on(stream::Event::Opened { status: 200, headers: &head }, at(0)).step;
    let mut values = Vec::new();
    for piece in pieces {
        if !matches!(step, stream::Step::Read { .. }) {
            break;
        }
        let outcome = machine.on(stream::Event::Bytes(&STANDARD.decode(piece)?), at(1));
        values.extend(outcome.chunks.into_iter().map(|chunk| chunk.json));
        step = outcome.step;
    }
    let failed = match step {
        stream::Step::Wait { retry: Some(_), .. } | stream::Step::End(Err(_)) => true,
        stream::Step::Wait { .. } | stream::Step::End(Ok(_)) | stream::Step::Read { .. } | stream::Step::Request(_) => {
            false
        }
    };
    Ok(json!({ "values": values, "failed": failed }))
}
