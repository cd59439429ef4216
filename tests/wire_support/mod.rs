//! The recordings of the real server. Tests that replay them are named `every_recorded_…`: by that
//! name `npm test` leaves them out, and counts them, where there are no recordings.
#![allow(unreachable_pub, reason = "each test file has its own copy")]

use std::path::{Path, PathBuf};

use http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::Value;

/// Every exchange of every recording, with the name of its recording.
///
/// # Panics
///
/// Where there are no recordings: nothing would be compared.
pub fn recordings() -> Vec<(String, Vec<Value>)> {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/wire");
    let folder = std::env::var_os("TRIGGER_NATIVE_WIRE").map_or_else(beside, PathBuf::from);
    let entries = std::fs::read_dir(&folder).expect("the recordings of the real server are in ../shared/wire");
    let mut all = Vec::new();
    for entry in entries {
        let path = entry.expect("an entry").path();
        if path.extension().is_none_or(|extension| extension != "json") {
            continue;
        }
        let recording = std::fs::read(&path).expect("a recording");
        let mut recording: Value = serde_json::from_slice(&recording).expect("JSON");
        let Value::Array(exchanges) = recording["exchanges"].take() else { unreachable!("exchanges are a list") };
        all.push((path.display().to_string(), exchanges));
    }
    assert!(!all.is_empty(), "no recordings in {}", folder.display());
    all
}

/// The headers of a recorded answer.
pub fn headers(response: &Value) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for pair in response["headers"].as_array().expect("headers") {
        let (name, value) = (pair[0].as_str().expect("a name"), pair[1].as_str().expect("a value"));
        let name = name.parse::<HeaderName>().expect("a name");
        headers.append(name, value.parse::<HeaderValue>().expect("a value"));
    }
    headers
}
