//! Looks a method and a path up in the route table, and writes the route's path anew.

use std::fmt::Write as _;

use http::Method;

use super::family::Family;
use super::table::{Segment, TABLE};
use crate::serve::Request;
use crate::serve::stream::StreamName;

/// The longest path, in bytes.
const MAX_PATH: usize = 8 * 1024;

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
    /// From all that the request's body names.
    Live,
    /// By the server, through the proxy.
    Proxy,
}

/// A route of the table, as a request named it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Route {
    /// The group that `allow` names.
    pub(crate) family: Family,
    /// How it is answered.
    pub(crate) target: Target,
    /// The server's path, written anew from the decoded segments and never as the viewer sent it (A16).
    pub(crate) path: String,
}

/// The result of looking a method and a path up in the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// A route of the table.
    Route(Route),
    /// A preflight of one.
    Preflight,
    /// A route with another method than it has.
    WrongMethod,
    /// No route.
    Unknown,
}

impl Route {
    /// Looks a request up in the table. `path` is the server's part, still encoded and without its query.
    pub(super) fn find(method: &Method, path: &str) -> Found {
        // To a browser, and to the app's own reading of a URL, a backslash is a slash.
        if path.len() > MAX_PATH || path.contains('\\') {
            return Found::Unknown;
        }
        // The server redirects a path that ends in a slash; a framework that adds one (`trailingSlash`) would redirect
        // back.
        let Some(segments) = Segment::all(path.strip_suffix('/').unwrap_or(path)) else { return Found::Unknown };
        let asked = if *method == Method::HEAD { &Method::GET } else { method };
        let mut rows = TABLE.iter().filter(|row| row.fits(&segments)).peekable();
        if rows.peek().is_none() {
            return Found::Unknown;
        }
        if *method == Method::OPTIONS {
            return Found::Preflight;
        }
        rows.find(|row| row.methods.contains(asked)).map_or(Found::WrongMethod, |row| {
            let names: Vec<String> = segments.into_iter().map(|segment| segment.name).collect();
            let path = join(&names);
            // Written anew, each byte of other letters is three.
            if path.len() > MAX_PATH {
                return Found::Unknown;
            }
            Found::Route(Self { family: row.family, target: target(row.family, &names), path })
        })
    }

    /// The path of a feed or stream. All tag feeds have one path: theirs includes the query that distinguishes them.
    pub(crate) fn feed_path(&self, request: &Request) -> String {
        if self.target != Target::Tags {
            return self.path.clone();
        }
        let asked = ["tags", "createdAt"].map(|name| (name, request.parameter(name)));
        let pairs = asked.iter().filter_map(|(name, value)| Some((*name, value.as_deref()?)));
        let query = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
        if query.is_empty() { self.path.clone() } else { format!("{}?{query}", self.path) }
    }

    /// Whether the request reads a session's stream, through the proxy. Its viewer stays, as that of a shared stream
    /// does.
    pub(crate) fn is_proxied_stream(&self, method: &Method) -> bool {
        self.family == Family::Sessions
            && *method == Method::GET
            && self.path.starts_with("/realtime/")
            && (self.path.ends_with("/in") || self.path.ends_with("/out"))
    }
}

fn target(family: Family, names: &[String]) -> Target {
    match (family, names) {
        (Family::Tags, _) => Target::Tags,
        (Family::Runs, [_, _, _, id]) => Target::Run(id.clone()),
        (Family::Batches, [_, _, _, id]) => Target::Batch(id.clone()),
        (Family::Streams, [_, _, _, run, key]) => Target::Stream(run.clone(), StreamName::Output(key.clone())),
        (Family::Streams, [_, _, _, run, _, key]) => Target::Stream(run.clone(), StreamName::Input(key.clone())),
        (_, _) => Target::Proxy,
    }
}

/// The path of these segments, each encoded.
pub(crate) fn join(names: &[String]) -> String {
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
