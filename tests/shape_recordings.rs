//! The feed machine on recorded responses of the real server. It makes the requests of the official client, except for
//! the second download of a snapshot.

mod wire_support;

use std::collections::BTreeMap;

use http::HeaderMap;
use serde_json::Value;
use trigger_native::run;
use trigger_native::shape::{Change, Event, Feed, Limits, Now, Step};

/// The parameters of the protocol. All others are the feed's own.
const PROTOCOL: [&str; 6] = ["cursor", "expired_handle", "handle", "live", "log", "offset"];

struct Replay {
    feed: Feed,
    step: Step,
    now: Now,
    /// Whether the official client made a catch-up request that the machine did not. Its offsets differ from then on.
    skipped: bool,
    published: BTreeMap<String, String>,
    asked: usize,
}

impl Replay {
    fn new() -> Self {
        let now = Now { monotonic_ms: 0, unix_ms: 0, jitter: 0.5 };
        let mut feed = Feed::new(Limits::default());
        let step = feed.start(now);
        Self { feed, step, now, skipped: false, published: BTreeMap::new(), asked: 0 }
    }

    /// Answers the refresh after a wait (I20), which the official client does not make, with an up-to-date.
    fn refresh(&mut self, asked: &BTreeMap<String, String>) {
        let Step::Request(query) = &self.step else { return };
        if query.live || query.offset == "-1" || !asked.contains_key("live") {
            return;
        }
        let mut headers = HeaderMap::new();
        let handle = query.handle.as_deref().expect("a handle");
        headers.insert("electric-handle", handle.parse().expect("a value"));
        headers.insert("electric-offset", query.offset.parse().expect("a value"));
        let body = br#"[{"headers":{"control":"up-to-date"}}]"#;
        self.step = self.feed.on(Event::Response { status: 200, headers: &headers, body }, self.now).step;
    }

    /// Plays one recorded exchange, if the machine would make it now.
    fn exchange(
        &mut self,
        asked: &BTreeMap<String, String>,
        status: u16,
        headers: &HeaderMap,
        body: &str,
        ms: u64,
        name: &str,
    ) {
        if let Step::Wait { ms, .. } = self.step {
            self.now.monotonic_ms += ms;
            self.step = self.feed.on(Event::Woken, self.now).step;
        }
        self.refresh(asked);
        let Step::Request(query) = &self.step else { return };
        let ours: BTreeMap<String, String> =
            query.pairs().into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        if query.live && !asked.contains_key("live") {
            self.skipped = true;
            return;
        }
        let without_offset = |pairs: &BTreeMap<String, String>| -> BTreeMap<String, String> {
            pairs
                .iter()
                .filter(|(name, _)| !(self.skipped && *name == "offset"))
                .map(|(n, v)| (n.clone(), v.clone()))
                .collect()
        };
        assert_eq!(without_offset(&ours), without_offset(asked), "{name}");
        self.now.monotonic_ms += ms;
        let outcome = self.feed.on(Event::Response { status, headers, body: body.as_bytes() }, self.now);
        self.asked += 1;
        for change in outcome.changes {
            match change {
                Change::Row { key, row } => {
                    let schema = self.feed.schema().expect("rows have types");
                    let mut text = String::new();
                    run::render(&row, schema, None, &mut text).expect(name);
                    let parsed: Value = serde_json::from_str(&text).expect("rendered rows are JSON");
                    assert!(parsed.get("faults").is_none(), "{name}: {text}");
                    let repeated = self.published.insert(key.to_string(), text.clone()) == Some(text);
                    assert!(!repeated, "{name}: a row that did not change was repeated");
                }
                Change::Gone { key } => drop(self.published.remove(&*key)),
                Change::Evicted { .. } => {}
                Change::Malformed { why, .. } => unreachable!("{name}: a recorded row cannot be read: {why}"),
            }
        }
        self.step = outcome.step;
    }
}

#[test]
fn every_recorded_feed_is_followed_as_the_official_client_did() {
    let (mut feeds, mut exchanges) = (0, 0);
    for (name, recorded) in wire_support::recordings() {
        for replay in replays(&recorded, &name) {
            feeds += 1;
            exchanges += replay.asked;
        }
    }
    assert!(feeds >= 20 && exchanges >= 60, "{feeds} feeds and {exchanges} exchanges were found");
}

fn replays(exchanges: &[Value], name: &str) -> Vec<Replay> {
    let mut done = Vec::new();
    let mut open: BTreeMap<String, Replay> = BTreeMap::new();
    for exchange in exchanges {
        let line = exchange["request"]["line"].as_str().unwrap_or_default();
        let target = line.strip_prefix("GET ").and_then(|rest| rest.split(' ').next()).unwrap_or_default();
        let url = url::Url::parse("http://server").and_then(|base| base.join(target)).expect("a URL");
        let path = url.path();
        let (mut asked, mut own) = (BTreeMap::new(), Vec::new());
        for (param, value) in url.query_pairs() {
            if PROTOCOL.contains(&&*param) {
                asked.insert(param.into_owned(), value.into_owned());
            } else {
                own.push(format!("{param}={value}"));
            }
        }
        // Requests without `log=full` were made by hand, not by the official client.
        let followed = path.starts_with("/realtime/v1/runs") || path.starts_with("/realtime/v1/batches");
        let response = &exchange["response"];
        let (Some(status), Some(body)) = (response["status"].as_u64(), response["body"].as_str()) else { continue };
        if !followed || !asked.contains_key("log") {
            continue;
        }
        let key = format!("{path}?{}", own.join("&"));
        if asked["offset"] == "-1" && !asked.contains_key("handle") {
            done.extend(open.insert(key.clone(), Replay::new()));
        }
        let status = u16::try_from(status).expect("a status");
        let ms = exchange["durationMs"].as_u64().unwrap_or(0);
        if let Some(replay) = open.get_mut(&key) {
            replay.exchange(&asked, status, &wire_support::headers(response), body, ms, &format!("{name}: {line}"));
        }
    }
    done.extend(open.into_values());
    done
}
