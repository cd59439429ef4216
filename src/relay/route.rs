//! The list of Trigger.dev's routes that a public token can use. What is not on it is not forwarded: claims, minting,
//! creating and retrieving wait tokens, replays, results, environment variables, schedules, deployments and writing to a
//! run's streams need a key (recorded: `calls-wait`, `calls-runs`).

use std::fmt::Write as _;

use http::Method;

use crate::serve::decode_segment;
use crate::serve::stream::StreamName;

/// The longest path, in bytes.
const LONGEST: usize = 8 * 1024;

/// What routes are allowed together (`allow`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Family {
    /// Feeds of single runs.
    Runs,
    /// Feeds of runs by tag.
    Tags,
    /// Feeds of batches.
    Batches,
    /// Reading streams of runs.
    Streams,
    /// Triggering, and uploads of large payloads for it.
    Trigger,
    /// Triggering in batches.
    BatchTrigger,
    /// Completing wait tokens.
    WaitTokens,
    /// Sending to input streams.
    Inputs,
    /// Reading and cancelling over REST.
    Retrieve,
    /// Sessions and their channels.
    Sessions,
}

impl Family {
    /// Every family.
    #[cfg(test)]
    pub(crate) const ALL: [Self; 10] = [
        Self::Runs,
        Self::Tags,
        Self::Batches,
        Self::Streams,
        Self::Trigger,
        Self::BatchTrigger,
        Self::WaitTokens,
        Self::Inputs,
        Self::Retrieve,
        Self::Sessions,
    ];

    /// Its name, as `allow` takes it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Runs => "runs",
            Self::Tags => "tags",
            Self::Batches => "batches",
            Self::Streams => "streams",
            Self::Trigger => "trigger",
            Self::BatchTrigger => "batchTrigger",
            Self::WaitTokens => "waitTokens",
            Self::Inputs => "inputs",
            Self::Retrieve => "retrieve",
            Self::Sessions => "sessions",
        }
    }
}

/// How a route is answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    /// From the shared feed of this run.
    Run(String),
    /// From the shared feed of the tags in the query.
    Tags,
    /// From the shared feed of this batch.
    Batch(String),
    /// From the shared stream of this run.
    Stream(String, StreamName),
    /// By the server.
    Pass,
}

/// A route of the list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Route {
    /// What it belongs to.
    pub(crate) family: Family,
    /// How it is answered.
    pub(crate) target: Target,
    /// The path to ask the server for: written anew from the decoded segments, never what the viewer sent.
    pub(crate) path: String,
}

/// Whose a request is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// A route of the list.
    Route(Route),
    /// A preflight of one.
    Preflight,
    /// A route with another method than it has.
    WrongMethod,
    /// Nobody's.
    Unknown,
}

/// One row of the list. A segment `*` of the pattern is any id, `~` any text that users chose, and `**` at its end one or
/// more segments.
struct Row(&'static [Method], &'static str, Family);

const GET: &[Method] = &[Method::GET];
const POST: &[Method] = &[Method::POST];
const PUT: &[Method] = &[Method::PUT];

/// Every route, from the published clients' own calls (`apiClient`, `chat`).
const LIST: &[Row] = &[
    Row(GET, "realtime/v1/runs", Family::Tags),
    Row(GET, "realtime/v1/runs/*", Family::Runs),
    Row(GET, "realtime/v1/batches/*", Family::Batches),
    Row(GET, "realtime/v1/streams/*/~", Family::Streams),
    Row(GET, "realtime/v1/streams/*/input/~", Family::Streams),
    Row(POST, "realtime/v1/streams/*/input/~", Family::Inputs),
    Row(POST, "api/v1/tasks/~/trigger", Family::Trigger),
    Row(PUT, "api/v1/packets/**", Family::Trigger),
    Row(PUT, "api/v2/packets/**", Family::Trigger),
    Row(POST, "api/v1/tasks/batch", Family::BatchTrigger),
    Row(POST, "api/v2/tasks/batch", Family::BatchTrigger),
    Row(POST, "api/v3/batches", Family::BatchTrigger),
    Row(POST, "api/v3/batches/*/items", Family::BatchTrigger),
    Row(POST, "api/v1/waitpoints/tokens/*/complete", Family::WaitTokens),
    Row(GET, "api/v1/runs", Family::Retrieve),
    Row(GET, "api/v3/runs/*", Family::Retrieve),
    Row(GET, "api/v1/runs/*/events", Family::Retrieve),
    Row(GET, "api/v1/runs/*/trace", Family::Retrieve),
    Row(GET, "api/v1/runs/*/spans/*", Family::Retrieve),
    Row(GET, "api/v1/runs/*/metadata", Family::Retrieve),
    Row(GET, "api/v1/runs/*/packets/*", Family::Retrieve),
    Row(GET, "api/v1/packets/**", Family::Retrieve),
    Row(POST, "api/v2/runs/*/cancel", Family::Retrieve),
    Row(GET, "api/v1/batches/*", Family::Retrieve),
    Row(GET, "api/v2/batches/*", Family::Retrieve),
    Row(&[Method::GET, Method::POST], "api/v1/sessions", Family::Sessions),
    Row(&[Method::GET, Method::PATCH], "api/v1/sessions/*", Family::Sessions),
    Row(POST, "api/v1/sessions/*/close", Family::Sessions),
    Row(POST, "api/v1/sessions/*/end-and-continue", Family::Sessions),
    Row(GET, "api/v1/sessions/*/transcript", Family::Sessions),
    Row(&[Method::GET, Method::PUT], "api/v1/sessions/*/snapshot-url", Family::Sessions),
    Row(&[Method::GET, Method::PUT, Method::POST], "realtime/v1/sessions/*/in", Family::Sessions),
    Row(&[Method::GET, Method::PUT, Method::POST], "realtime/v1/sessions/*/out", Family::Sessions),
    Row(POST, "realtime/v1/sessions/*/in/append", Family::Sessions),
    Row(POST, "realtime/v1/sessions/*/out/append", Family::Sessions),
    Row(GET, "realtime/v1/sessions/*/in/records", Family::Sessions),
    Row(GET, "realtime/v1/sessions/*/out/records", Family::Sessions),
    Row(&[Method::GET, Method::PUT, Method::POST], "realtime/v1/sessions/*/channels/*/in", Family::Sessions),
    Row(&[Method::GET, Method::PUT, Method::POST], "realtime/v1/sessions/*/channels/*/out", Family::Sessions),
    Row(POST, "realtime/v1/sessions/*/channels/*/in/append", Family::Sessions),
    Row(POST, "realtime/v1/sessions/*/channels/*/out/append", Family::Sessions),
    Row(GET, "realtime/v1/sessions/*/channels/*/in/records", Family::Sessions),
    Row(GET, "realtime/v1/sessions/*/channels/*/out/records", Family::Sessions),
];

impl Route {
    /// Whose a request is. `path` is the server's part, still encoded and without its query.
    pub(crate) fn find(method: &Method, path: &str) -> Found {
        if path.len() > LONGEST {
            return Found::Unknown;
        }
        // The server redirects what ends in a slash. Frameworks that add one (`trailingSlash`) would redirect it back.
        let Some(names) = segments(path.strip_suffix('/').unwrap_or(path)) else { return Found::Unknown };
        let reads = *method == Method::HEAD;
        let asked = if reads { &Method::GET } else { method };
        let mut rows = LIST.iter().filter(|row| row.fits(&names)).peekable();
        if rows.peek().is_none() {
            return Found::Unknown;
        }
        if *method == Method::OPTIONS {
            return Found::Preflight;
        }
        rows.find(|row| row.0.contains(asked)).map_or(Found::WrongMethod, |row| {
            Found::Route(Self { family: row.2, target: target(row.2, &names), path: join(&names) })
        })
    }
}

impl Route {
    /// Whether it is a stream that the server itself is read for: a session's.
    pub(crate) fn is_stream(&self, method: &Method) -> bool {
        self.family == Family::Sessions
            && *method == Method::GET
            && (self.path.ends_with("/in") || self.path.ends_with("/out"))
    }
}

impl Row {
    fn fits(&self, names: &[String]) -> bool {
        let mut names = names.iter();
        for wanted in self.1.split('/') {
            match (wanted, names.next()) {
                // A packet's name holds slashes, and may come as one segment or as several.
                ("**", Some(name)) => return is_plain(name) && names.all(|name| is_plain(name)),
                ("*", Some(name)) if is_plain(name) && !name.contains('/') => {}
                ("~", Some(name)) if is_text(name) => {}
                (_, Some(name)) if name == wanted => {}
                (_, _) => return false,
            }
        }
        names.next().is_none()
    }
}

fn target(family: Family, names: &[String]) -> Target {
    match (family, names) {
        (Family::Tags, _) => Target::Tags,
        (Family::Runs, [_, _, _, id]) => Target::Run(id.clone()),
        (Family::Batches, [_, _, _, id]) => Target::Batch(id.clone()),
        (Family::Streams, [_, _, _, run, key]) => Target::Stream(run.clone(), StreamName::Output(key.clone())),
        (Family::Streams, [_, _, _, run, _, key]) => Target::Stream(run.clone(), StreamName::Input(key.clone())),
        (_, _) => Target::Pass,
    }
}

/// The decoded segments of a path.
fn segments(path: &str) -> Option<Vec<String>> {
    path.strip_prefix('/')?.split('/').map(decode_segment).collect()
}

/// Whether a segment means nothing else to whoever reads it after us. A packet's name holds slashes where it comes as one
/// segment: its parts are looked at each for itself.
fn is_plain(name: &str) -> bool {
    name.split('/').all(|part| !part.is_empty()) && is_text(name) && !name.chars().any(|c| c.is_control() || c == '\\')
}

/// Whether a segment, encoded as a whole, stays one to whoever reads it after us: one that is decoded too early may not
/// lead out of its place.
fn is_text(name: &str) -> bool {
    !name.is_empty() && name.split(['/', '\\']).all(|part| part != "." && part != "..")
}

fn join(names: &[String]) -> String {
    let mut path = String::new();
    for name in names {
        path.push('/');
        for byte in name.bytes() {
            if byte.is_ascii_alphanumeric() || b"-_.~!*'()".contains(&byte) {
                path.push(char::from(byte));
            } else {
                // Writing to a string does not fail.
                let _ = write!(path, "%{byte:02X}");
            }
        }
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn route(method: &Method, path: &str) -> Option<Route> {
        match Route::find(method, path) {
            Found::Route(route) => Some(route),
            Found::Preflight | Found::WrongMethod | Found::Unknown => None,
        }
    }

    #[test]
    fn what_is_answered_from_memory_is_told_from_what_is_passed() {
        let target = |path: &str| route(&Method::GET, path).map(|route| route.target);
        assert_eq!(target("/realtime/v1/runs/run_1"), Some(Target::Run("run_1".into())));
        assert_eq!(target("/realtime/v1/runs"), Some(Target::Tags));
        assert_eq!(target("/realtime/v1/batches/b"), Some(Target::Batch("b".into())));
        assert_eq!(
            target("/realtime/v1/streams/r/input"),
            Some(Target::Stream("r".into(), StreamName::Output("input".into())))
        );
        assert_eq!(
            target("/realtime/v1/streams/r/input/k"),
            Some(Target::Stream("r".into(), StreamName::Input("k".into())))
        );
        assert_eq!(target("/api/v3/runs/run_1"), Some(Target::Pass));
        assert!(route(&Method::HEAD, "/realtime/v1/runs/run_1").is_some());
    }

    #[test]
    fn what_needs_a_key_is_not_forwarded() {
        for path in [
            "/api/v1/auth/jwt/claims",
            "/api/v1/auth/public-tokens",
            "/api/v1/waitpoints/tokens",
            "/api/v1/schedules",
            "/api/v1/deployments",
            "/api/v1/projects/p/envvars/prod",
            "/engine/v1/runs/r/wait/duration",
            "/realtime/v1/streams/r/self/k",
            "/emulator/runs",
            "/",
            "",
        ] {
            for method in [Method::GET, Method::POST, Method::PUT, Method::OPTIONS, Method::DELETE] {
                assert_eq!(Route::find(&method, path), Found::Unknown, "{method} {path}");
            }
        }
    }

    #[test]
    fn path_tricks_lead_nowhere() {
        for path in [
            "/realtime/v1/runs/../auth",
            "/realtime/v1/runs/%2e%2e",
            "/realtime/v1/runs/.",
            "/realtime/v1/runs/%2E",
            "/realtime/v1//runs",
            "//realtime/v1/runs",
            "/realtime/v1/runs//",
            "/realtime/v1/runs/a%5Cb",
            "/realtime/v1/runs/a%00",
            "/realtime/v1/runs/a%0d%0ab",
            "/realtime/v1/runs/%zz",
            "/realtime/v1/runs/%ff",
            "/realtime/v1/runs/a%2F..%2F..%2Fapi",
            "/api/v1/packets/a/%2e%2e/b",
            "realtime/v1/runs",
            &format!("/realtime/v1/runs/{}", "a".repeat(9000)),
        ] {
            assert_eq!(Route::find(&Method::GET, path), Found::Unknown, "{path}");
        }
    }

    #[test]
    fn a_task_id_is_any_text_and_reaches_the_server_as_one_segment() {
        for id in ["mail%2Fsend", "a%5Cb", "a%0Ab", "%2Fa%2F%2Fb%2F", "%C3%A9%20%3F"] {
            let path = format!("/api/v1/tasks/{id}/trigger");
            assert_eq!(route(&Method::POST, &path).expect(id).path, path);
        }
        for id in ["", ".", "%2E%2e", "a%2F..%2Fb", "..%5Cb", "a/b"] {
            assert_eq!(Route::find(&Method::POST, &format!("/api/v1/tasks/{id}/trigger")), Found::Unknown, "{id}");
        }
    }

    #[test]
    fn a_streams_key_is_any_text_and_reaches_the_server_as_one_segment() {
        for key in ["logs%2Fmain", "a%5Cb", "a%0Ab", "%2Fa", "input%2Fa", "%C3%A9%20%3F"] {
            for (method, path) in [
                (Method::GET, format!("/realtime/v1/streams/r/{key}")),
                (Method::GET, format!("/realtime/v1/streams/r/input/{key}")),
                (Method::POST, format!("/realtime/v1/streams/r/input/{key}")),
            ] {
                assert_eq!(route(&method, &path).expect(key).path, path);
            }
        }
        assert_eq!(
            route(&Method::GET, "/realtime/v1/streams/r/input%2Fa").map(|route| route.target),
            Some(Target::Stream("r".into(), StreamName::Output("input/a".into())))
        );
        for key in [".", "%2E%2e", "a%2F..%2Fb", "..%5Cb", "input/a/b", "self/a"] {
            assert_eq!(Route::find(&Method::GET, &format!("/realtime/v1/streams/r/{key}")), Found::Unknown, "{key}");
        }
    }

    #[test]
    fn of_other_names_only_a_packets_holds_slashes() {
        let found = route(&Method::GET, "/api/v1/packets/run_1%2foutput%3F.json").expect("listed");
        assert_eq!(found.path, "/api/v1/packets/run_1%2Foutput%3F.json");
        assert_eq!(Route::find(&Method::GET, "/realtime/v1/runs/a%2fb"), Found::Unknown);
    }

    #[test]
    fn a_path_with_a_slash_at_its_end_is_served_as_without() {
        for path in ["/realtime/v1/runs", "/realtime/v1/runs/r", "/realtime/v1/streams/r/k", "/api/v3/runs/r"] {
            assert_eq!(route(&Method::GET, &format!("{path}/")), route(&Method::GET, path), "{path}");
            assert!(route(&Method::GET, path).is_some_and(|route| route.path == path), "{path}");
        }
        assert_eq!(Route::find(&Method::OPTIONS, "/realtime/v1/runs/r/"), Found::Preflight);
    }

    #[test]
    fn methods_and_preflights_are_told_as_the_server_tells_them() {
        assert_eq!(Route::find(&Method::POST, "/realtime/v1/runs/r"), Found::WrongMethod);
        assert_eq!(Route::find(&Method::OPTIONS, "/realtime/v1/runs/r"), Found::Preflight);
    }

    #[test]
    fn every_family_has_a_route_and_a_name_of_its_own() {
        for family in Family::ALL {
            assert!(LIST.iter().any(|row| row.2 == family), "{}", family.name());
            assert_eq!(Family::ALL.iter().filter(|other| other.name() == family.name()).count(), 1);
        }
    }

    proptest! {
        #[test]
        fn what_is_sent_upstream_is_read_as_the_same_route(path in "(/(realtime|api|v1|v3|runs|[ -~é]{0,6})){1,6}") {
            if let Some(found) = route(&Method::GET, &path) {
                prop_assert!(found.path.is_ascii());
                prop_assert!(!found.path.contains("..") || !found.path.split('/').any(|part| part == ".."));
                let again = route(&Method::GET, &found.path);
                prop_assert_eq!(again.as_ref(), Some(&found));
            }
        }

        #[test]
        fn any_id_reaches_the_server_as_one_segment(id in "[^\\\\\\p{Cc}/]{1,20}") {
            prop_assume!(id != "." && id != "..");
            let path = join(&["realtime".into(), "v1".into(), "runs".into(), id.clone()]);
            prop_assert_eq!(route(&Method::GET, &path).map(|route| route.target), Some(Target::Run(id)));
        }
    }
}
