//! Renders rows as JavaScript gets them: for tests that compare run objects without the addon.
//!
//! Each line of standard input is one feed, `{"schema": "…", "bodies": ["…", …]}`: the text of its
//! `electric-schema` header and of its answers. For each answer one line
//! of JSON is written: the list of the rows it published, rendered (or `{"gone": key}`,
//! `{"error": message}`).

use std::io::{BufRead, Write};

use serde::Deserialize;
use trigger_native::run;
use trigger_native::shape::{Change, Event, Feed, Limits, Now, Step};

#[derive(Deserialize)]
struct Input {
    schema: String,
    bodies: Vec<String>,
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut out = std::io::stdout().lock();
    for line in std::io::stdin().lock().lines() {
        let input: Input = serde_json::from_str(&line?)?;
        let mut feed = Feed::new(Limits::default());
        let mut now = Now { monotonic_ms: 0, unix_ms: 0, jitter: 0.0 };
        feed.start(now);
        for (place, body) in input.bodies.iter().enumerate() {
            let mut headers = http::HeaderMap::new();
            headers.insert("electric-handle", "handle".parse()?);
            headers.insert("electric-offset", place.to_string().parse()?);
            headers.insert("electric-schema", input.schema.parse()?);
            now.monotonic_ms += 5_000;
            let outcome = feed.on(Event::Response { status: 200, headers: &headers, body: body.as_bytes() }, now);
            if let Step::End(Err(error)) = outcome.step {
                return Err(error.into());
            }
            writeln!(
                out,
                "[{}]",
                outcome.changes.iter().map(|change| show(&feed, change)).collect::<Vec<_>>().join(",")
            )?;
        }
    }
    Ok(())
}

fn show(feed: &Feed, change: &Change) -> String {
    match (change, feed.schema()) {
        (Change::Row { row, .. }, Some(schema)) => {
            let mut text = String::new();
            match run::render(row, schema, None, &mut text) {
                Ok(()) => text,
                Err(error) => serde_json::json!({ "error": error.message() }).to_string(),
            }
        }
        (Change::Row { key, .. }, None) | (Change::Gone { key } | Change::Evicted { key }, _) => {
            serde_json::json!({ "gone": &**key }).to_string()
        }
        (Change::Malformed { why, .. }, _) => serde_json::json!({ "error": why }).to_string(),
    }
}
