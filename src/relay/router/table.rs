//! The list of Trigger.dev's routes that a public token can use. The relay proxies no other route: claims, minting,
//! creating and retrieving wait tokens, replays, results, environment variables, schedules, deployments and writing to
//! a run's streams need a key (recorded: `calls-wait`, `calls-runs`).

use http::Method;

use super::family::Family;
use crate::serve::decode_segment;

/// A route. A segment `*` of the pattern is any id, `~` any text that users chose, and `**` at its end one or more
/// segments.
pub(super) struct Row {
    pub(super) methods: &'static [Method],
    pattern: &'static str,
    pub(super) family: Family,
}

const GET: &[Method] = &[Method::GET];
const POST: &[Method] = &[Method::POST];
const PUT: &[Method] = &[Method::PUT];

/// Every route, from the calls of the published clients (`apiClient`, `chat`).
pub(super) const TABLE: &[Row] = &[
    Row::new(GET, "realtime/v1/runs", Family::Tags),
    Row::new(GET, "realtime/v1/runs/*", Family::Runs),
    Row::new(GET, "realtime/v1/batches/*", Family::Batches),
    Row::new(GET, "realtime/v1/streams/*/~", Family::Streams),
    Row::new(GET, "realtime/v1/streams/*/input/~", Family::Streams),
    Row::new(POST, "realtime/v1/streams/*/input/~", Family::Inputs),
    Row::new(POST, "api/v1/tasks/~/trigger", Family::Trigger),
    Row::new(PUT, "api/v1/packets/**", Family::Trigger),
    Row::new(PUT, "api/v2/packets/**", Family::Trigger),
    Row::new(POST, "api/v1/tasks/batch", Family::BatchTrigger),
    Row::new(POST, "api/v2/tasks/batch", Family::BatchTrigger),
    Row::new(POST, "api/v3/batches", Family::BatchTrigger),
    Row::new(POST, "api/v3/batches/*/items", Family::BatchTrigger),
    Row::new(POST, "api/v1/waitpoints/tokens/*/complete", Family::WaitTokens),
    Row::new(GET, "api/v1/runs", Family::Retrieve),
    Row::new(GET, "api/v3/runs/*", Family::Retrieve),
    Row::new(GET, "api/v1/runs/*/events", Family::Retrieve),
    Row::new(GET, "api/v1/runs/*/trace", Family::Retrieve),
    Row::new(GET, "api/v1/runs/*/spans/*", Family::Retrieve),
    Row::new(GET, "api/v1/runs/*/metadata", Family::Retrieve),
    Row::new(GET, "api/v1/runs/*/packets/*", Family::Retrieve),
    Row::new(GET, "api/v1/packets/**", Family::Retrieve),
    Row::new(POST, "api/v2/runs/*/cancel", Family::Retrieve),
    Row::new(GET, "api/v1/batches/*", Family::Retrieve),
    Row::new(GET, "api/v2/batches/*", Family::Retrieve),
    Row::new(&[Method::GET, Method::POST], "api/v1/sessions", Family::Sessions),
    Row::new(&[Method::GET, Method::PATCH], "api/v1/sessions/*", Family::Sessions),
    Row::new(POST, "api/v1/sessions/*/close", Family::Sessions),
    Row::new(POST, "api/v1/sessions/*/end-and-continue", Family::Sessions),
    Row::new(GET, "api/v1/sessions/*/transcript", Family::Sessions),
    Row::new(&[Method::GET, Method::PUT], "api/v1/sessions/*/snapshot-url", Family::Sessions),
    Row::new(&[Method::GET, Method::PUT, Method::POST], "realtime/v1/sessions/*/in", Family::Sessions),
    Row::new(&[Method::GET, Method::PUT, Method::POST], "realtime/v1/sessions/*/out", Family::Sessions),
    Row::new(POST, "realtime/v1/sessions/*/in/append", Family::Sessions),
    Row::new(POST, "realtime/v1/sessions/*/out/append", Family::Sessions),
    Row::new(GET, "realtime/v1/sessions/*/in/records", Family::Sessions),
    Row::new(GET, "realtime/v1/sessions/*/out/records", Family::Sessions),
    Row::new(&[Method::GET, Method::PUT, Method::POST], "realtime/v1/sessions/*/channels/*/in", Family::Sessions),
    Row::new(&[Method::GET, Method::PUT, Method::POST], "realtime/v1/sessions/*/channels/*/out", Family::Sessions),
    Row::new(POST, "realtime/v1/sessions/*/channels/*/in/append", Family::Sessions),
    Row::new(POST, "realtime/v1/sessions/*/channels/*/out/append", Family::Sessions),
    Row::new(GET, "realtime/v1/sessions/*/channels/*/in/records", Family::Sessions),
    Row::new(GET, "realtime/v1/sessions/*/channels/*/out/records", Family::Sessions),
];

/// A segment of a path.
#[derive(Debug)]
pub(super) struct Segment<'p> {
    written: &'p str,
    /// The decoded segment.
    pub(super) name: String,
}

impl<'p> Segment<'p> {
    /// The segments of a path; `None` where one has escapes that are no text.
    pub(super) fn all(path: &'p str) -> Option<Vec<Self>> {
        let decoded = |written| decode_segment(written).map(|name| Self { written, name });
        path.strip_prefix('/')?.split('/').map(decoded).collect()
    }
}

impl Row {
    const fn new(methods: &'static [Method], pattern: &'static str, family: Family) -> Self {
        Self { methods, pattern, family }
    }

    /// Whether the segments of a path are of this route. The route's own words count only as they are written here:
    /// an app, a proxy or a firewall that looks for `/batches/` finds no `/batche%73/`.
    pub(super) fn fits(&self, segments: &[Segment<'_>]) -> bool {
        let mut segments = segments.iter();
        for wanted in self.pattern.split('/') {
            match (wanted, segments.next()) {
                // A packet's name holds slashes, and may come as one segment or as several.
                ("**", Some(first)) => return is_plain(&first.name) && segments.all(|one| is_plain(&one.name)),
                ("*", Some(one)) if is_plain(&one.name) && !one.name.contains('/') => {}
                ("~", Some(one)) if is_text(&one.name) => {}
                (_, Some(one)) if one.written == wanted => {}
                (_, _) => return false,
            }
        }
        segments.next().is_none()
    }
}

/// Whether the server reads a segment as the relay does. A packet's name may hold slashes within one segment: each of
/// its parts is checked.
fn is_plain(name: &str) -> bool {
    name.split('/').all(|part| !part.is_empty()) && is_text(name) && !name.chars().any(|c| c.is_control() || c == '\\')
}

/// Whether a segment that is encoded as a whole stays one segment for the server, even where something decodes it too
/// early: no part of it climbs (`..`).
fn is_text(name: &str) -> bool {
    !name.is_empty() && name.split(['/', '\\']).all(|part| part != "." && part != "..")
}
