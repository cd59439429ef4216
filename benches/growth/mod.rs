//! Work on a list of `n`, once: `scripts/growth.mjs` counts its instructions at several lengths, and fails where they grow
//! faster than the list.

use std::fmt::Write as _;
use std::hint::black_box;

use http::{HeaderMap, HeaderValue};
use trigger_native::run::render;
use trigger_native::secret::Secret;
use trigger_native::shape::{self, Event, Feed};
use trigger_native::stream::{self, Machine, Plan};
use trigger_native::token::{Expiry, Grant, Minter, Use, verify};

use super::{NOW, Outcome, SCHEMA};

/// Does the work of this name on a list of `length`; `None` for an unknown name.
pub(super) fn run(work: &str, length: usize) -> Option<Outcome> {
    Some(match work {
        "tags" => tags(length),
        "columns" => columns(length),
        "snapshot" => rows(length, &["insert"]),
        "updates" => rows(length, &["insert", "update"]),
        "deletes" => rows(length, &["insert", "delete"]),
        "unreadable" => unreadable(length),
        "events-v1" => events_v1(length, 16 * 1_024),
        "event-bytes" => events_v1(length / 32, 1),
        "records-v2" => records_v2(length),
        "scopes" => scopes(length),
        _ => return None,
    })
}

/// A feed that has taken these bodies, one after the other.
fn fed(bodies: &[String]) -> Result<Feed, Box<dyn std::error::Error>> {
    let mut feed = Feed::new(shape::Limits::default());
    feed.start(NOW);
    for (version, body) in bodies.iter().enumerate() {
        let mut headers = HeaderMap::new();
        headers.insert("content-type", HeaderValue::from_static("application/json"));
        headers.insert("electric-handle", HeaderValue::from_static("growth"));
        headers.insert("electric-schema", HeaderValue::from_static(SCHEMA));
        headers.insert("electric-offset", format!("{version}_0").parse()?);
        black_box(feed.on(Event::Response { status: 200, headers: &headers, body: body.as_bytes() }, NOW));
    }
    Ok(feed)
}

fn body(messages: impl Iterator<Item = String>) -> String {
    let mut out = String::from("[");
    for message in messages {
        out.push_str(&message);
        out.push(',');
    }
    out + r#"{"headers":{"control":"up-to-date"}}]"#
}

fn message(run: usize, operation: &str, more: &str) -> String {
    format!(
        r#"{{"key":"run_{run}","value":{{"friendlyId":"run_{run}","status":"EXECUTING","updatedAt":"{operation}"{more}}},"headers":{{"operation":"{operation}"}}}}"#
    )
}

/// A run with many tags, parsed, and rendered for JavaScript.
fn tags(length: usize) -> Outcome {
    let tags: Vec<String> = (0..length).map(|tag| format!("tag_{tag}")).collect();
    let feed = fed(&[body([message(1, "insert", &format!(r#","runTags":"{{{}}}""#, tags.join(",")))].into_iter())])?;
    let schema = feed.schema().ok_or("no schema")?.clone();
    let (_, row) = feed.rows().next().ok_or("no row")?;
    let mut out = String::new();
    render(row, &schema, None, &mut out)?;
    (out.len() > length).then_some(()).ok_or_else(|| "the tags are missing".into())
}

/// A run with many columns.
fn columns(length: usize) -> Outcome {
    let mut more = String::new();
    for column in 0..length {
        // Writing into a String cannot fail.
        let _ = write!(more, r#","c{column}":"1""#);
    }
    let feed = fed(&[body([message(1, "insert", &more), message(2, "insert", &more)].into_iter())])?;
    (feed.rows().count() == 2).then_some(()).ok_or_else(|| "a run is missing".into())
}

/// A body of many runs for each operation.
fn rows(length: usize, operations: &[&str]) -> Outcome {
    let bodies: Vec<String> =
        operations.iter().map(|operation| body((0..length).map(|run| message(run, operation, "")))).collect();
    let left = if operations.contains(&"delete") { 0 } else { length };
    (fed(&bodies)?.rows().count() == left).then_some(()).ok_or_else(|| "a run is missing".into())
}

/// Many runs, of which every second one cannot be read.
fn unreadable(length: usize) -> Outcome {
    let more = |run: usize| if run.is_multiple_of(2) { "" } else { r#","more":1e999"# };
    let feed = fed(&[body((0..length).map(|run| message(run, "insert", more(run))))])?;
    (feed.rows().count() == length.div_ceil(2)).then_some(()).ok_or_else(|| "a run is missing".into())
}

/// A stream of `length` events, which comes in parts.
fn events_v1(length: usize, part: usize) -> Outcome {
    let mut text = String::new();
    for number in 0..length {
        // Writing into a String cannot fail.
        let _ = write!(text, "id: 1-{number}\ndata: {{\"n\":{number}}}\n\n");
    }
    streamed(&text, None, length, part)
}

/// A stream of one batch with `length` records.
fn records_v2(length: usize) -> Outcome {
    let records: Vec<String> = (0..length)
        .map(|number| {
            let body = format!(r#"{{\"data\":{number},\"id\":\"part{number}\"}}"#);
            format!(r#"{{"seq_num":{number},"timestamp":1,"body":"{body}"}}"#)
        })
        .collect();
    let text = format!("event: batch\ndata: {{\"records\":[{}]}}\n\n", records.join(","));
    streamed(&text, Some("v2"), length, 16 * 1_024)
}

fn streamed(text: &str, version: Option<&'static str>, length: usize, part: usize) -> Outcome {
    let mut headers = HeaderMap::new();
    headers.insert("content-type", HeaderValue::from_static("text/event-stream"));
    if let Some(version) = version {
        headers.insert("x-stream-version", HeaderValue::from_static(version));
    }
    let mut machine = Machine::new(Plan::default(), stream::Limits::default());
    machine.start();
    machine.on(stream::Event::Opened { status: 200, headers: &headers }, NOW);
    let chunks: usize =
        text.as_bytes().chunks(part).map(|part| machine.on(stream::Event::Bytes(part), NOW).chunks.len()).sum();
    (chunks == length).then_some(()).ok_or_else(|| format!("{chunks} of {length} chunks came").into())
}

/// A token with many scopes, minted and verified. One that is longer than 64 KiB is refused before it is read.
fn scopes(length: usize) -> Outcome {
    let key = Secret::new("tr_dev_benchbenchbenchbench00");
    let minter = Minter::new(&key, &serde_json::from_str(r#"{"sub":"env_bench","pub":true}"#)?);
    let scopes: Vec<String> = (0..length).map(|run| format!(r#""read:runs:run_{run}""#)).collect();
    let scopes = format!("[{}]", scopes.join(","));
    let expiry = Expiry::Period("1h");
    let token =
        minter.mint(&Grant { usage: Use::Public, scopes: Some(&scopes), realtime: None, expiry }, 1_767_225_600)?;
    black_box(verify(&token, &key, 1_767_225_600, 0).is_ok());
    Ok(())
}
