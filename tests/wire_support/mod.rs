//! The recordings of the real server: the distilled ones of this repository, or the original ones in the folder that
//! `TRIGGER_NATIVE_WIRE` names. `scripts/lib/recordings.mjs` reads the same files for JavaScript, and
//! `__test__/fixtures/server/README.md` describes them.
#![allow(unreachable_pub, reason = "each test file has its own copy")]

use std::fmt::Write;
use std::path::Path;

use http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::{Value, json};

/// Every exchange of every recording, with the name of its recording.
///
/// # Panics
///
/// Without recordings, as there would be nothing to compare.
pub fn recordings() -> Vec<(String, Vec<Value>)> {
    let distilled = Path::new(env!("CARGO_MANIFEST_DIR")).join("__test__/fixtures/server");
    let named = std::env::var_os("TRIGGER_NATIVE_WIRE");
    let folder = named.as_ref().map_or(&*distilled, Path::new);
    let mut all = Vec::new();
    for entry in std::fs::read_dir(folder).expect("a folder of recordings") {
        let path = entry.expect("an entry").path();
        if path.extension().is_none_or(|extension| extension != "json") {
            continue;
        }
        let recording = std::fs::read(&path).expect("a recording");
        let recording: Value = serde_json::from_slice(&recording).expect("JSON");
        let exchanges = recording["exchanges"].as_array().expect("exchanges");
        let exchanges = exchanges
            .iter()
            .map(|exchange| if named.is_some() { original(exchange) } else { expanded(exchange, &recording["usual"]) });
        all.push((path.display().to_string(), exchanges.collect()));
    }
    assert!(!all.is_empty(), "no recordings in {}", folder.display());
    all
}

/// An exchange as it was recorded. Its body is the text of its chunks.
fn original(exchange: &Value) -> Value {
    let mut exchange = exchange.clone();
    if let Some(response) = exchange["response"].as_object_mut() {
        let body = response["chunks"].as_array().expect("chunks").iter().filter_map(|chunk| chunk["text"].as_str());
        response["body"] = body.collect::<String>().into();
    }
    exchange
}

/// An exchange of a distilled recording, expanded to its original form.
fn expanded(exchange: &Value, usual: &Value) -> Value {
    let request = &exchange["request"];
    let response = exchange["response"].as_object().map(|response| {
        let chunks = response["chunks"].as_array().expect("chunks").iter();
        let chunks: Vec<String> = chunks.map(|chunk| text(&chunk[1])).collect();
        json!({
            "status": response["status"],
            "headers": lines(&exchange["response"], &usual["response"]),
            "body": chunks.concat(),
            "chunks": chunks.iter().map(|text| json!({ "text": text })).collect::<Vec<_>>(),
        })
    });
    json!({
        "n": exchange["n"],
        "durationMs": exchange["took"],
        "endedBy": exchange["ended"].as_str().unwrap_or("server"),
        "request": {
            "line": format!("{} HTTP/1.1", request["line"].as_str().expect("a line")),
            "headers": lines(request, &usual["request"]),
            "body": text(&request["body"]),
        },
        "response": response,
    })
}

/// The headers of one side as pairs: the usual ones but those it lacks, then its own.
fn lines(side: &Value, usual: &Value) -> Vec<[String; 2]> {
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let pair = |line: Value| {
        let (name, value) = line.as_str().and_then(|line| line.split_once(": ")).expect("a header");
        [name.to_owned(), value.to_owned()]
    };
    let without = list(&side["without"]);
    let usual = list(usual).into_iter().map(pair).filter(|[name, _]| !without.contains(&json!(name)));
    usual.chain(list(&side["headers"]).into_iter().map(pair)).collect()
}

/// A text: verbatim, JSON, or parts of which some are repeated or counted.
fn text(written: &Value) -> String {
    match written {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other if other["json"].is_null() => {
            other["parts"].as_array().expect("parts").iter().fold(String::new(), |mut whole, part| {
                let number = |at: usize| part[at].as_u64().expect("a number");
                match part.as_array().map(Vec::len) {
                    None => whole.push_str(part.as_str().expect("a text")),
                    Some(2) => (0..number(1)).for_each(|_| whole.push_str(part[0].as_str().expect("a unit"))),
                    Some(_) => (number(1)..number(1) + number(2)).for_each(|count| {
                        write!(whole, "{count}{}", part[0].as_str().expect("a unit")).expect("a string takes all");
                    }),
                }
                whole
            })
        }
        other => other["json"].to_string(),
    }
}

/// The headers of a recorded response.
pub fn headers(response: &Value) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for pair in response["headers"].as_array().expect("headers") {
        let (name, value) = (pair[0].as_str().expect("a name"), pair[1].as_str().expect("a value"));
        let name = name.parse::<HeaderName>().expect("a name");
        headers.append(name, value.parse::<HeaderValue>().expect("a value"));
    }
    headers
}
