//! The paths: which is whose.

use super::Label;
use super::batch::Version;
use crate::serve::decode_segment;
use crate::serve::stream::StreamName;

/// A path that somebody answers.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Route {
    Claims,
    PublicTokens,
    Trigger(String),
    Retrieve(String),
    Cancel(String),
    Feed(String),
    TagFeed,
    BatchFeed(String),
    Stream(String, StreamName),
    StreamWrite(StreamTarget),
    StreamAppend(StreamTarget),
    List,
    Replay(String),
    Reschedule(String),
    RunResult(String),
    BatchCreate,
    BatchItems(String),
    BatchRetrieve(String, Version),
    Metadata(String),
    BatchResults(String),
    Tokens,
    Token(String),
    TokenComplete(String),
    TokenCallback(String, String),
    PacketUpload(String),
    PacketUrl(String),
    RunPacket(String, String),
    Object,
    Page(String),
    Control(Control),
}

/// Where a run writes: a run, whose stream it is beside that run, and its key.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct StreamTarget {
    /// The run that writes.
    pub(super) run: String,
    /// `self`, `parent` or `root`.
    pub(super) target: String,
    /// The stream.
    pub(super) key: String,
}

/// The emulator's own calls.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Control {
    Runs,
    Run(String),
    Records(String, StreamName),
    Batches,
    Object(String),
    Limits,
    Faults,
    Stats,
    Tasks,
    Clock,
    Session,
    Cancel(String),
    Replay(String),
}

impl Route {
    /// Whose a path is.
    pub(super) fn find(path: &str) -> Option<Self> {
        let segments: Vec<String> = path.strip_prefix('/')?.split('/').map(decode_segment).collect::<Option<_>>()?;
        let names: Vec<&str> = segments.iter().map(String::as_str).collect();
        Some(match names.as_slice() {
            ["api", rest @ ..] => Self::find_api(rest)?,
            ["realtime", "v1", rest @ ..] => Self::find_realtime(rest)?,
            ["packets", _, _, _, ..] => Self::Object,
            [""] => Self::Page("index.html".into()),
            ["page", name] => Self::Page((*name).to_owned()),
            ["emulator", rest @ ..] => Self::Control(Control::find(rest)?),
            _ => return None,
        })
    }

    fn find_api(names: &[&str]) -> Option<Self> {
        let owned = |text: &str| text.to_owned();
        Some(match names {
            ["v1", "auth", "jwt", "claims"] => Self::Claims,
            ["v1", "auth", "public-tokens"] => Self::PublicTokens,
            ["v1", "tasks", id, "trigger"] => Self::Trigger(owned(id)),
            ["v3", "runs", id] => Self::Retrieve(owned(id)),
            ["v2", "runs", id, "cancel"] => Self::Cancel(owned(id)),
            ["v1", "runs"] => Self::List,
            ["v1", "runs", id, "replay"] => Self::Replay(owned(id)),
            ["v1", "runs", id, "reschedule"] => Self::Reschedule(owned(id)),
            ["v1", "runs", id, "result"] => Self::RunResult(owned(id)),
            ["v1", "runs", id, "packets", field] => Self::RunPacket(owned(id), owned(field)),
            ["v3", "batches"] => Self::BatchCreate,
            ["v3", "batches", id, "items"] => Self::BatchItems(owned(id)),
            ["v2", "batches", id] => Self::BatchRetrieve(owned(id), Version::V2),
            ["v1", "batches", id] => Self::BatchRetrieve(owned(id), Version::V1),
            ["v1", "runs", id, "metadata"] => Self::Metadata(owned(id)),
            ["v1", "batches", id, "results"] => Self::BatchResults(owned(id)),
            ["v1", "waitpoints", "tokens"] => Self::Tokens,
            ["v1", "waitpoints", "tokens", id] => Self::Token(owned(id)),
            ["v1", "waitpoints", "tokens", id, "complete"] => Self::TokenComplete(owned(id)),
            ["v1", "waitpoints", "tokens", id, "callback", hash] => Self::TokenCallback(owned(id), owned(hash)),
            // A name may come as one encoded segment or as several (recorded: `run-packet-types`).
            ["v2", "packets", name @ ..] if !name.is_empty() => Self::PacketUpload(name.join("/")),
            ["v1", "packets", name @ ..] if !name.is_empty() => Self::PacketUrl(name.join("/")),
            _ => return None,
        })
    }

    fn find_realtime(names: &[&str]) -> Option<Self> {
        let owned = |text: &str| text.to_owned();
        let target = |run: &str, target: &str, key: &str| StreamTarget {
            run: run.into(),
            target: target.into(),
            key: key.into(),
        };
        Some(match names {
            ["runs"] => Self::TagFeed,
            ["runs", id] => Self::Feed(owned(id)),
            ["batches", id] => Self::BatchFeed(owned(id)),
            ["streams", id, key] => Self::Stream(owned(id), StreamName::Output(owned(key))),
            ["streams", id, "input", key] => Self::Stream(owned(id), StreamName::Input(owned(key))),
            ["streams", id, place @ ("self" | "parent" | "root"), key] => Self::StreamWrite(target(id, place, key)),
            ["streams", id, place @ ("self" | "parent" | "root"), key, "append"] => {
                Self::StreamAppend(target(id, place, key))
            }
            _ => return None,
        })
    }

    /// Its name in the statistics. `post` tells a sender from a reader where a path has both.
    pub(super) fn label(&self, post: bool) -> Label {
        match self {
            Self::Claims => Label::Claims,
            Self::PublicTokens => Label::PublicTokens,
            Self::Trigger(_) => Label::Trigger,
            Self::Retrieve(_) => Label::Retrieve,
            Self::Cancel(_) => Label::Cancel,
            Self::Feed(_) => Label::Feed,
            Self::TagFeed => Label::TagFeed,
            Self::BatchFeed(_) => Label::BatchFeed,
            Self::Stream(_, StreamName::Output(_)) => Label::Stream,
            Self::Stream(_, StreamName::Input(_)) if post => Label::InputSend,
            Self::Stream(_, StreamName::Input(_)) => Label::InputRead,
            Self::StreamWrite(_) => Label::StreamWrite,
            Self::StreamAppend(_) => Label::StreamAppend,
            Self::List => Label::List,
            Self::Replay(_) => Label::Replay,
            Self::Reschedule(_) => Label::Reschedule,
            Self::RunResult(_) => Label::RunResult,
            Self::BatchCreate => Label::BatchCreate,
            Self::BatchItems(_) => Label::BatchItems,
            Self::BatchRetrieve(..) => Label::BatchRetrieve,
            Self::Metadata(_) => Label::Metadata,
            Self::BatchResults(_) => Label::BatchResults,
            Self::Tokens if post => Label::TokenCreate,
            Self::Tokens => Label::TokenList,
            Self::Token(_) => Label::TokenRetrieve,
            Self::TokenComplete(_) => Label::TokenComplete,
            Self::TokenCallback(..) => Label::TokenCallback,
            Self::PacketUpload(_) => Label::PacketUpload,
            Self::PacketUrl(_) => Label::PacketUrl,
            Self::RunPacket(..) => Label::RunPacket,
            Self::Object => Label::Object,
            Self::Page(_) => Label::Page,
            Self::Control(_) => Label::Control,
        }
    }
}

impl Control {
    fn find(names: &[&str]) -> Option<Self> {
        let owned = |text: &str| text.to_owned();
        Some(match names {
            ["runs"] => Self::Runs,
            ["runs", id] => Self::Run(owned(id)),
            ["runs", id, "cancel"] => Self::Cancel(owned(id)),
            ["runs", id, "replay"] => Self::Replay(owned(id)),
            ["runs", id, "streams", key] => Self::Records(owned(id), StreamName::Output(owned(key))),
            ["runs", id, "input", key] => Self::Records(owned(id), StreamName::Input(owned(key))),
            ["batches"] => Self::Batches,
            ["objects", name @ ..] if !name.is_empty() => Self::Object(name.join("/")),
            ["limits"] => Self::Limits,
            ["faults"] => Self::Faults,
            ["stats"] => Self::Stats,
            ["tasks"] => Self::Tasks,
            ["clock"] => Self::Clock,
            ["session"] => Self::Session,
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_one_segment() {
        assert_eq!(Route::find("/realtime/v1/runs/run_1"), Some(Route::Feed("run_1".into())));
        assert_eq!(Route::find("/api/v1/tasks/a%2Fb/trigger"), Some(Route::Trigger("a/b".into())));
        for path in [
            "/page",
            "/page/a/b",
            "/realtime/v1/runs/a/b",
            "/realtime/v1/runs/%zz",
            "realtime",
            "/packets/x",
            "/api/v1/packets",
        ] {
            assert_eq!(Route::find(path), None, "{path}");
        }
    }

    #[test]
    fn a_stream_is_read_written_and_sent_to_under_its_own_paths() {
        let output = |key: &str| Route::Stream("r".into(), StreamName::Output(key.into()));
        assert_eq!(Route::find("/realtime/v1/streams/r/self"), Some(output("self")));
        assert_eq!(
            Route::find("/realtime/v1/streams/r/input/a"),
            Some(Route::Stream("r".into(), StreamName::Input("a".into())))
        );
        let target = StreamTarget { run: "r".into(), target: "self".into(), key: "k".into() };
        assert_eq!(Route::find("/realtime/v1/streams/r/self/k/append"), Some(Route::StreamAppend(target)));
        assert_eq!(Route::find("/realtime/v1/streams/r/elsewhere/k"), None);
    }

    #[test]
    fn a_packets_name_keeps_its_slashes_however_they_come() {
        for path in ["/api/v1/packets/run_1%2Foutput.json", "/api/v1/packets/run_1/output.json"] {
            assert_eq!(Route::find(path), Some(Route::PacketUrl("run_1/output.json".into())), "{path}");
        }
    }
}
