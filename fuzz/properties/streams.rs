//! Streams of runs, v1 and v2: the same bytes cut elsewhere give the same values and the same requests, a value is JSON,
//! and a position brings a reader back without loss or repetition.

use std::collections::HashSet;

use http::{HeaderMap, HeaderValue};
use serde_json::Value;
use serde_json::value::RawValue;

use super::input::{Input, cut, has_repeated_names};
use crate::error::{Error, ErrorCode};
use crate::shape::Now;
use crate::sse::Decoder;
use crate::stream::{Chunk, Event, Failure, Limits, Machine, Plan, Position, Raw, Replay, Start, Step, Values};

const MAX_BODIES: usize = 6;

/// Reads the bodies of the input twice, cut in different ways.
pub fn streams(data: &[u8]) {
    let mut input = Input::new(data);
    let (kind, seed) = (input.byte(), input.byte());
    let is_v2 = kind & 1 == 1;
    let start = match kind >> 1 & 3 {
        0 | 1 => Start::Beginning,
        2 => Start::Latest,
        _ => input.text().parse::<Position>().map_or(Start::After(3), Start::At),
    };
    let plan = Plan { start, timeout_s: None, follow: kind & 8 != 0 };
    let bodies: Vec<&[u8]> = std::iter::from_fn(|| input.part()).take(MAX_BODIES).collect();
    let whole = read(plan, is_v2, &bodies, None);
    assert_eq!(whole, read(plan, is_v2, &bodies, Some(seed)), "cut elsewhere, the stream is another one");
    values(&whole);
    if let (Start::Beginning, [first, ..]) = (start, &bodies[..]) {
        let expected = if is_v2 { v2_model(first) } else { v1_model(first) };
        if let Some(expected) = expected {
            let first = read(plan, is_v2, &bodies[..1], None);
            let values: Vec<_> = first.chunks.iter().map(|chunk| chunk.json.as_deref().map(canonical)).collect();
            assert_eq!(values, expected, "not the values of a naive reader");
        }
        decoded(is_v2, first, seed);
    }
    replayed(&bodies, seed);
}

/// A live response tells the values that a reader gets of the same body.
fn decoded(is_v2: bool, body: &[u8], seed: u8) {
    let take = |pieces: &[&[u8]]| {
        let (mut values, mut chunks) = (Values::new(is_v2, None), Vec::new());
        let taken = pieces.iter().try_fold(false, |done, piece| Ok(done || values.push(piece, &mut chunks)?));
        (chunks, taken.map_err(|error: Error| error.code()))
    };
    let whole = take(&[body]);
    assert_eq!(whole, take(&cut(body, seed)), "cut elsewhere, other values are told");
    let read = read(Plan { start: Start::Beginning, ..Plan::default() }, is_v2, &[body], None);
    assert_eq!(whole.0, read.chunks, "not the values of a reader");
}

/// What a reader sees: values, and steps with the position that each request asks for.
#[derive(Debug, Default, PartialEq)]
struct Seen {
    chunks: Vec<Chunk>,
    steps: Vec<String>,
}

fn read(plan: Plan, is_v2: bool, bodies: &[&[u8]], seed: Option<u8>) -> Seen {
    let mut machine = Machine::new(plan, Limits { max_event_bytes: 1 << 16, ..Limits::default() });
    let (mut seen, mut now) = (Seen::default(), 0);
    let mut step = machine.start();
    let mut headers = HeaderMap::new();
    headers.insert("content-type", HeaderValue::from_static("text/event-stream"));
    if is_v2 {
        headers.insert("x-stream-version", HeaderValue::from_static("v2"));
    }
    for body in bodies {
        for _ in 0..3 {
            match step {
                Step::Wait { ms, .. } => {
                    now += ms;
                    seen.steps.push(format!("wait {ms}"));
                    step = machine.on(Event::Woken, at(now)).step;
                }
                Step::Request(request) => {
                    seen.steps.push(format!("{:?} {}", request.last_event_id, request.latest));
                    step = machine.on(Event::Opened { status: 200, headers: &headers }, at(now)).step;
                }
                Step::Read { .. } | Step::End(_) => break,
            }
        }
        now += 1_500;
        let pieces = seed.map_or_else(|| vec![*body], |seed| cut(body, seed));
        for piece in pieces {
            if !matches!(step, Step::Read { .. }) {
                break;
            }
            let outcome = machine.on(Event::Bytes(piece), at(now));
            seen.chunks.extend(outcome.chunks);
            step = outcome.step;
        }
        if matches!(step, Step::Read { .. }) {
            let broken = Event::Failed(Failure::Cut(Error::new(ErrorCode::Connection, "cut")));
            // A body that ends in an odd length was cut, one of an even length ended.
            step = machine.on(if body.len() % 2 == 1 { broken } else { Event::Closed }, at(now)).step;
        }
        if let Step::End(result) = &step {
            seen.steps.push(format!("end {:?}", result.as_ref().map_err(Error::code)));
            return seen;
        }
    }
    seen.steps.push(format!("{step:?}").split(' ').next().unwrap_or_default().to_owned());
    seen
}

fn at(ms: u64) -> Now {
    Now { monotonic_ms: ms, unix_ms: 1_795_335_407_000 + ms, jitter: 0.5 }
}

/// Every value is JSON, and its position is read as it is written.
fn values(seen: &Seen) {
    let mut last = None;
    for chunk in &seen.chunks {
        if let Some(json) = &chunk.json {
            assert!(serde_json::from_str::<&RawValue>(json).is_ok(), "{json} is no JSON");
        }
        if let Some(position) = chunk.position {
            assert_eq!(position.to_string().parse(), Ok(position));
            assert!(last.replace(position) != Some(position), "two values at {position}");
        }
    }
}

/// A value as a comparison needs it: parsed where that is possible.
fn canonical(json: &str) -> String {
    serde_json::from_str::<Value>(json).map_or_else(|_| json.to_owned(), |value| value.to_string())
}

/// The events of a body, of whose decoding `sse` makes sure.
fn events(body: &[u8]) -> Option<Vec<(String, String)>> {
    let mut events = Vec::new();
    let taken = Decoder::new(1 << 16).push(body, |event| events.push((event.event.to_owned(), event.data.to_owned())));
    taken.ok().map(|()| events)
}

/// Every event of a first v1 body is a value: JSON, or a text.
fn v1_model(body: &[u8]) -> Option<Vec<Option<String>>> {
    let value = |data: String| match serde_json::from_str::<&RawValue>(&data) {
        Ok(json) => canonical(json.get()),
        Err(_) => Value::from(data).to_string(),
    };
    Some(events(body)?.into_iter().map(|(_, data)| Some(value(data))).collect())
}

/// The records of a first v2 body: in order, each append once, without commands. `None` where an event is none that a
/// naive reader understands.
fn v2_model(body: &[u8]) -> Option<Vec<Option<String>>> {
    let (mut values, mut seen, mut ids) = (Vec::new(), None, HashSet::new());
    for (event, data) in events(body)? {
        match &*event {
            "ping" => continue,
            "message" if data.trim() == "[DONE]" => return Some(values),
            "batch" => {}
            _ => return None,
        }
        let batch: Value = serde_json::from_str(&data).ok()?;
        if has_repeated_names(data.as_bytes()) {
            return None;
        }
        for record in batch["records"].as_array()? {
            let number = record["seq_num"].as_u64()?;
            if seen.is_some_and(|seen| number <= seen) {
                continue;
            }
            seen = Some(number);
            let is_command = match record.get("headers") {
                None | Some(Value::Null) => false,
                Some(Value::Array(headers)) => headers.first().is_some_and(|first| first[0] == ""),
                Some(_) => return None,
            };
            let body = match record.get("body") {
                None | Some(Value::Null) => continue,
                Some(body) => body.as_str()?,
            };
            let Ok(envelope) = serde_json::from_str::<Value>(body) else {
                // A body that is no JSON for every reader (a lone surrogate, a number too large) is left out.
                if serde_json::from_str::<serde::de::IgnoredAny>(body).is_ok() {
                    return None;
                }
                continue;
            };
            if has_repeated_names(body.as_bytes()) {
                return None;
            }
            if is_command || !envelope.is_object() {
                if envelope.is_array() {
                    return None;
                }
                continue;
            }
            let id = &envelope["id"];
            let has_id = id.is_array()
                || id.is_object()
                || id == true
                || id.as_str().is_some_and(|id| !id.is_empty())
                || id.is_number();
            if id.is_number() || id.is_array() || id.is_object() {
                // Ids that a writer does not make.
                return None;
            }
            if has_id && !ids.insert(id.to_string()) {
                continue;
            }
            values.push(envelope.get("data").map(Value::to_string));
        }
        if batch.get("tail").is_some_and(|tail| tail["seq_num"].as_u64().is_none()) {
            return None;
        }
    }
    Some(values)
}

/// A replay passes the same events on, however they are cut, and each as an event of the standard.
fn replayed(bodies: &[&[u8]], seed: u8) {
    let Some(body) = bodies.first() else { return };
    let pass = |pieces: &[&[u8]]| {
        let mut replay = Replay::after((7, 0), 1);
        let mut text = Vec::new();
        for piece in pieces {
            let passed = replay.pass(piece).ok()?;
            if !passed.starts_with(b":") {
                text.extend_from_slice(&passed);
            }
        }
        Some(text)
    };
    let (whole, parts) = (pass(&[body]), pass(&cut(body, seed)));
    assert_eq!(whole, parts, "cut elsewhere, other events are passed on");
    if let (Some(passed), Some(all)) = (whole, events(body)) {
        let again = events(&passed).expect("what is passed on are events");
        assert!(again.len() <= all.len() && again.iter().all(|event| all.contains(event)), "an event that never came");
    }
    let raw = Chunk { json: Some(String::from_utf8_lossy(body).into_owned().into()), position: None, written_ms: None };
    drop(format!("{:?}", Raw::of(&raw)));
}
